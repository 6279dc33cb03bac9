import time

import pytest

from syscast.btf.encode import BtfBuilder
from syscast.btf.lookup import Btf
from syscast.btf.types import (
    Array,
    Const,
    Enum,
    EnumValue,
    Float,
    Func,
    FuncProto,
    Fwd,
    Int,
    Member,
    Ptr,
    Struct,
    Typedef,
    TypeTag,
    Void,
    Volatile,
)
from syscast.errors import FormatError, TargetError


def test_find_by_name_and_class(small):
    sock = small.sock()
    btf = small.btf()
    assert btf.find("sock", Struct) == sock
    assert btf.find("sock", Func) is None
    assert btf.find("", Struct) is None
    assert btf.find_all("sock") == [sock]
    assert btf.type(btf.find("inet_listen", Func)).name == "inet_listen"
    assert set(btf.names(Func)) == {"inet_listen", "inet_bind"}
    assert [btf.type(i).name for i in btf.ids(Func)] == ["inet_listen", "inet_bind"]


def test_union_is_found_as_struct_and_enum64_as_enum(small):
    union = small.struct("u", 0, is_union=True)
    wide = small.add(Enum("e", 8, (EnumValue("A", 1 << 40),), wide=True))
    btf = small.btf()
    assert btf.find("u", Struct) == union
    assert btf.find("e", Enum) == wide


def test_function_and_its_near_matches(small):
    small.sock()
    btf = small.btf()
    func_id, proto = btf.function("inet_listen")
    assert btf.type(func_id).name == "inet_listen"
    assert isinstance(proto, FuncProto)
    assert [param.name for param in proto.params] == ["sk", "backlog"]
    with pytest.raises(TargetError, match=r"inet_lisen.*did you mean inet_listen") as error:
        btf.function("inet_lisen")
    assert error.value.near[0] == "inet_listen"


def test_split_btf_continues_its_base(small):
    sock = small.sock()
    base = small.btf("vmlinux")
    builder = BtfBuilder(base=base)
    assert len(builder) == len(base)
    wrapped = builder.add(Struct("my_sock", 72, (Member("sk", sock, 0), Member("x", 1, 512))))
    proto = builder.add(FuncProto(0, ()))
    own = builder.add(Func("inet_bind", proto))
    split = Btf.from_bytes(builder.encode(), base=base, name="my_module")
    assert split.start_id == len(base) == wrapped
    assert split.type(wrapped).members[0].type_id == sock
    assert split.type(sock) is base.type(sock)
    assert split.find("my_sock", Struct) == wrapped
    assert split.find("sock", Struct) == sock
    assert split.find("inet_bind", Func) == own  # its own before the base's
    assert split.find_all("inet_bind", Func) == [own, base.find("inet_bind", Func)]
    assert list(split.ids(Struct)) == [wrapped]
    assert split.size_of(wrapped) == 72
    assert "sock" in split.near("sockk", Struct)
    assert base.find("my_sock", Struct) is None
    with pytest.raises(FormatError, match="no such id"):
        base.type(wrapped)


def test_split_btf_may_use_its_bases_strings(small):
    """pahole does not repeat a string that the kernel proper has."""
    small.sock()
    base = small.btf("vmlinux")
    builder = BtfBuilder(base=base)
    offset = next(o for o in range(1, base.string_end) if base.string(o) == "inet_listen")
    builder._strings["inet_listen"] = offset
    proto = builder.add(FuncProto(0, ()))
    func = builder.add(Func("inet_listen", proto))
    data = builder.encode()
    assert b"inet_listen" not in data
    split = Btf.from_bytes(data, base=base, name="m")
    assert split.find("inet_listen", Func) == func
    assert list(split.ids(Func)) == [func]
    assert list(split.names(Func)).count("inet_listen") == 2


def test_sizes(small):
    add = small.add
    cases = {
        add(Ptr(0)): 8,
        add(Array(small.u16, small.int, 5)): 10,
        add(Array(add(Array(small.int, small.int, 3)), small.int, 2)): 24,
        add(Typedef("t", add(Const(add(Volatile(small.u64)))))): 8,
        add(Enum("e", 1, ())): 1,
        add(Float("double", 8)): 8,
        add(TypeTag("user", small.char)): 1,
    }
    sizeless = [0, add(Fwd("f")), add(FuncProto(0, ())), add(Array(add(Fwd("g")), 1, 2))]
    btf = small.btf()
    assert {type_id: btf.size_of(type_id) for type_id in cases} == cases
    for type_id in sizeless:
        with pytest.raises(TargetError, match="it has no size"):
            btf.size_of(type_id)


def test_alignments(small):
    packed = small.struct("packed", 5, Member("c", small.char, 0), Member("i", small.int, 8))
    loose = small.struct("loose", 8, Member("c", small.char, 0), Member("i", small.int, 32))
    array = small.add(Array(loose, small.int, 3))
    wide = small.add(Int("__int128", 16, 1, 128))
    bits = small.struct("bits", 4, Member("a", small.int, 0, 3), Member("b", small.int, 3, 4))
    btf = small.btf()
    aligns = [btf.align_of(i) for i in (packed, loose, array, wide, bits, 0)]
    assert aligns == [1, 4, 4, 16, 4, 1]


def endless():
    builder = BtfBuilder()
    names = {}
    for name, make in {
        "typedef": lambda i: Typedef("t", i),
        "const": Const,
        "pointer": Ptr,
        "array": lambda i: Array(i, i, 2),
        "struct": lambda i: Struct("s", 8, (Member("", i, 0),)),
        "proto": lambda i: FuncProto(i, ()),
    }.items():
        names[name] = builder.reserve()
        builder.define(names[name], make(names[name]))
    return Btf.from_bytes(builder.encode()), names


def test_types_that_contain_themselves_end_in_an_error():
    btf, ids = endless()
    for name in ("typedef", "const"):
        with pytest.raises(FormatError, match="never ends"):
            btf.resolve(ids[name])
        with pytest.raises(FormatError, match="contains itself"):
            btf.size_of(ids[name])
        with pytest.raises(FormatError, match="contains itself"):
            btf.align_of(ids[name])
    with pytest.raises(FormatError):
        btf.size_of(ids["array"])
    with pytest.raises(FormatError):
        btf.align_of(ids["struct"])
    assert btf.size_of(ids["pointer"]) == 8


def test_an_array_of_more_than_4_gib_is_refused(small):
    array = small.int
    for _ in range(3):
        array = small.add(Array(array, small.int, 0xFFFFFFFF))
    btf = small.btf()
    with pytest.raises(FormatError, match="4 GiB"):
        btf.size_of(array)


def test_alignment_of_structs_that_fan_out_is_linear(small):
    inner = small.struct("s0", 4, Member("i", small.int, 0))
    for number in range(1, 40):
        members = (Member("a", inner, 0), Member("b", inner, 0))
        inner = small.struct(f"s{number}", 4, *members)
    btf = small.btf()
    started = time.monotonic()
    assert btf.align_of(inner) == 4
    assert time.monotonic() - started < 5


def test_no_such_id(small):
    btf = small.btf()
    for type_id in (-1, len(btf), 1 << 40):
        with pytest.raises(FormatError, match="no such id"):
            btf.type(type_id)
    assert btf.type(0) == Void()


def test_candidates_ignore_flavours(small):
    names = ["sock", "sock___v1", "sock___v2___x", "sock__", "sock___", "___sock", "socket"]
    ids = {name: small.add(Fwd(name)) for name in names}
    btf = small.btf()
    assert list(btf.candidates("sock")) == [ids["sock"], ids["sock___v1"]]
    assert list(btf.candidates("sock___other")) == [ids["sock"], ids["sock___v1"]]
    assert list(btf.candidates("sock___v2")) == [ids["sock"], ids["sock___v1"]]
    assert list(btf.candidates("sock___v2___y")) == [ids["sock___v2___x"]]
    assert list(btf.candidates("___sock")) == [ids["___sock"]]


def test_builder_wants_every_reserved_id():
    builder = BtfBuilder()
    builder.reserve()
    with pytest.raises(ValueError, match="never defined"):
        builder.encode()


def test_builder_adds_equal_types_once():
    builder = BtfBuilder()
    first = builder.add(Int("int", 4, 1, 32))
    assert builder.add(Int("int", 4, 1, 32)) == first
    assert len(builder) == 2


def test_enums_by_an_enumerator():
    base = BtfBuilder()
    named = base.add(Enum("state", 4, (EnumValue("OFF", 0), EnumValue("ON", 1))))
    nameless = base.add(Enum("", 4, (EnumValue("LEFT", 0), EnumValue("ON", 7))))
    base.add(Struct("ON", 8, ()))
    kernel = Btf.from_bytes(base.encode(), name="vmlinux")
    assert list(kernel.with_enumerator("ON")) == [named, nameless]
    assert list(kernel.with_enumerator("LEFT")) == [nameless]
    assert list(kernel.with_enumerator("EFT")) == []
    assert list(kernel.with_enumerator("RIGHT")) == []
