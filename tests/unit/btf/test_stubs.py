"""Stubs of a few types, as text; checkers read them in tests/unit/cli/test_stubs.py."""

from __future__ import annotations

import ast

import pytest

from syscast.btf.encode import BtfBuilder
from syscast.btf.lookup import Btf
from syscast.btf.stubs import FUNCTIONS_HEAD, STRUCTS_HEAD, function_stubs, struct_stubs
from syscast.btf.types import (
    INT_BOOL,
    Array,
    Const,
    Enum,
    EnumValue,
    Float,
    Func,
    FuncProto,
    Int,
    Member,
    Param,
    Ptr,
    Struct,
    Typedef,
)


class Types:
    """Some integers, and structs made of pairs of name and type."""

    def __init__(self):
        self.builder = b = BtfBuilder()
        self.int = b.add(Int("int", 4, 1, 32))
        self.char = b.add(Int("char", 1, 1, 8))
        self.u8 = b.add(Int("unsigned char", 1, 0, 8))
        self.bool = b.add(Int("_Bool", 1, INT_BOOL, 8))
        self.u32 = b.add(Int("unsigned int", 4, 0, 32))

    def add(self, made):
        return self.builder.add(made)

    def struct(self, name, *fields, is_union=False):
        members = tuple(Member(label, kind, 64 * at) for at, (label, kind) in enumerate(fields))
        return self.add(Struct(name, 8 * len(members) or 8, members, is_union))

    def btf(self):
        return Btf.from_bytes(self.builder.encode(), name="test")

    def stub(self, **options):
        text = "".join(struct_stubs([self.btf()], **options))
        ast.parse(text)
        return text.removeprefix(STRUCTS_HEAD)


@pytest.fixture
def types():
    return Types()


def test_numbers_text_arrays_and_pointers(types):
    t = types
    other = t.struct("other", ("x", t.int))
    t.struct(
        "all_sorts",
        ("number", t.int),
        ("flag", t.bool),
        ("address", t.add(Typedef("__be32", t.u32))),
        ("port", t.add(Typedef("__be16", t.u32))),
        ("real", t.add(Float("double", 8))),
        ("text", t.add(Ptr(t.add(Const(t.char))))),
        ("comm", t.add(Array(t.char, t.u32, 16))),
        ("mac", t.add(Array(t.u8, t.u32, 6))),
        ("numbers", t.add(Array(t.int, t.u32, 4))),
        ("others", t.add(Array(t.add(Ptr(other)), t.u32, 4))),
        ("inside", other),
        ("pointer", t.add(Ptr(other))),
        ("counts", t.add(Ptr(t.u32))),
        ("nothing", t.add(Ptr(0))),
        ("call", t.add(Ptr(t.add(FuncProto(0, ()))))),
    )
    assert t.stub() == (
        "class other(_Struct):\n"
        "    x: int\n"
        "class all_sorts(_Struct):\n"
        "    number: int\n"
        "    flag: bool\n"
        "    address: _Be32\n"
        "    port: int\n"
        "    real: float\n"
        "    text: str | Any\n"
        "    comm: str | Any\n"
        "    mac: Any\n"
        "    numbers: _Array[int]\n"
        "    others: _Array[other | Any]\n"
        "    inside: other\n"
        "    pointer: other | Any\n"
        "    counts: _Array[int] | Any\n"
        "    nothing: Any\n"
        "    call: Any\n"
    )


def test_unnamed_structs_are_flattened_and_embedded_ones_inherited(types):
    t = types
    common = t.struct("sock_common", ("skc_num", t.int))
    pair = t.struct("", ("a", t.int), ("b", t.int))
    t.struct("sock", ("__sk_common", common), ("", pair), ("own", t.int))
    assert "class sock(sock_common):\n    __sk_common: sock_common\n    a: int\n    b: int\n" in (
        t.stub()
    )


def test_a_base_that_another_base_has_already_is_left_out(types):
    t = types
    inner = t.struct("inner", ("x", t.int))
    outer = t.struct("outer", ("__inner", inner))
    t.struct("both", ("__a", inner), ("__b", outer))
    assert "class both(outer):\n" in t.stub()


def test_a_struct_without_a_name_gets_one_from_its_typedef_or_its_member(types):
    t = types
    atomic = t.add(Typedef("atomic_t", t.struct("", ("counter", t.int))))
    place = t.struct("", ("x", t.int), ("deep", t.struct("", ("y", t.bool))))
    t.struct("file", ("f_count", atomic), ("f_pos", place))
    assert t.stub() == (
        "class file(_Struct):\n"
        "    f_count: atomic_t\n"
        "    f_pos: _file_f_pos\n"
        "class atomic_t(_Struct):\n"
        "    counter: int\n"
        "class _file_f_pos(_Struct):\n"
        "    x: int\n"
        "    deep: _file_f_pos_deep\n"
        "class _file_f_pos_deep(_Struct):\n"
        "    y: bool\n"
    )


def test_names_that_python_keeps_take_an_underscore(types):
    t = types
    held = t.struct("class", ("from", t.int))
    t.struct("device", ("class", t.add(Ptr(held))))
    assert "class class_(_Struct):\n    from_: int\n" in t.stub()
    assert "class device(_Struct):\n    class_: class_ | Any\n" not in t.stub()  # hidden by itself
    assert "    class_: _kernel.class_ | Any\n" in t.stub()


def test_a_member_of_a_types_name_does_not_hide_the_type(types):
    t = types
    file = t.struct("file", ("x", t.int))
    t.struct(
        "socket",
        ("file", t.add(Ptr(file))),
        ("str", t.add(Ptr(t.char))),
        ("next", t.add(Ptr(file))),
    )
    text = t.stub()
    assert "    file: _kernel.file | Any\n" in text
    assert "    str: _builtins.str | Any\n" in text
    assert "    next: _kernel.file | Any\n" in text


def test_enums_are_classes_unless_a_struct_has_the_name(types):
    t = types
    t.struct("both", ("x", t.int))
    t.add(Enum("both", 4, (EnumValue("A", 1),)))
    t.add(Enum("zone_type", 4, (EnumValue("ZONE_DMA", 0), EnumValue("None", 1))))
    t.add(Enum("", 4, (EnumValue("B", 1),)))
    assert t.stub() == (
        "class both(_Struct):\n    x: int\n"
        "class zone_type(_IntEnum):\n    ZONE_DMA = 0\n    None_ = 1\n"
    )


def test_names_no_python_can_have_are_left_out(types):
    t = types
    t.struct("{impl#0}", ("x", t.int))
    t.struct("fine", ("a.b", t.int), ("__class__", t.int), ("y", t.int))
    assert t.stub() == "class fine(_Struct):\n    y: int\n"


def test_reserved_names_and_empty_structs(types):
    types.struct("host", ("x", types.int))
    types.struct("empty")
    assert types.stub(reserved=frozenset({"host"})) == "class empty(_Struct):\n    ...\n"


def test_a_module_adds_what_the_kernel_lacks(types):
    t = types
    file = t.struct("file", ("x", t.int))
    base = t.btf()
    module = BtfBuilder(base=base)
    module.add(Struct("own", 8, (Member("file", module.add(Ptr(file)), 0),)))
    module.add(Struct("file", 8, (Member("other", t.int, 0),)))
    split = Btf.from_bytes(module.encode(), base=base, name="module")
    text = "".join(struct_stubs([base, split])).removeprefix(STRUCTS_HEAD)
    assert text == (
        "class file(_Struct):\n    x: int\nclass own(_Struct):\n    file: _kernel.file | Any\n"
    )


def test_functions_with_types_and_names(types):
    t = types
    sock = t.struct("sock", ("x", t.int))
    proto = t.add(
        FuncProto(t.int, (Param("sk", t.add(Ptr(sock))), Param("comm", t.add(Ptr(t.char)))))
    )
    t.add(Func("tcp_connect", proto))
    t.add(Func("nothing", t.add(FuncProto(0, ()))))
    text = "".join(function_stubs([t.btf()]))
    ast.parse(text)
    assert text.removeprefix(FUNCTIONS_HEAD) == (
        "tcp_connect: _F[[_kernel.sock | Any, str | Any], int]  # sk, comm\n"
        "nothing: _F[[], None]\n"
    )
