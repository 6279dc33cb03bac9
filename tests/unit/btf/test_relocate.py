import json
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syscast.btf import ext
from syscast.btf.encode import BtfBuilder
from syscast.btf.ext import CoreRelo
from syscast.btf.lookup import Btf
from syscast.btf.relocate import (
    BAD_RELO,
    CoreReloKind,
    Relocator,
    Resolution,
    patch,
    resolve,
)
from syscast.btf.types import (
    INT_SIGNED,
    Array,
    Enum,
    EnumValue,
    Fwd,
    Int,
    Member,
    Ptr,
    Struct,
    Typedef,
)
from syscast.elf import Elf
from syscast.errors import FormatError, SyscastError, TargetError

DATA = Path(__file__).parents[2] / "data" / "btf"
EXPECTED = json.loads((DATA / "expected.json").read_text())
Kind = CoreReloKind


def read_object(name):
    elf = Elf((DATA / name).read_bytes())
    btf = Btf.from_bytes(bytes(elf.content(elf.section(".BTF"))))
    info = ext.parse(bytes(elf.content(elf.section(".BTF.ext"))), btf)
    return btf, info.core_relos["raw_tp/x"], bytearray(elf.content(elf.section("raw_tp/x")))


def outcome(relocator, relo, insns):
    """What happens to the instruction, in the form of expected.json."""
    index = relo.insn_off // 8
    code = insns[relo.insn_off]
    try:
        resolution = relocator.resolve(relo)
    except TargetError:
        return [-1, "ambiguous"]
    patch(insns, index, resolution)
    if struct.unpack_from("<Bxxxi", insns, relo.insn_off) == (0x85, BAD_RELO):
        return [index, "poison"]
    if insns[relo.insn_off] != code:
        return [index, resolution.value, resolution.size]
    return [index, resolution.value]


@pytest.mark.parametrize("kernel", ["kernel1", "kernel2", "kernel3"])
def test_the_same_as_libbpf(kernel):
    local, relos, insns = read_object("relocations.bpf.o")
    target = Btf.from_bytes((DATA / f"{kernel}.btf").read_bytes(), name=kernel)
    relocator = Relocator(local, [target])
    expected = EXPECTED[kernel]
    assert [outcome(relocator, relo, insns) for relo in relos[: len(expected)]] == expected


@pytest.mark.parametrize("kind", ["exists", "matches"])
@pytest.mark.parametrize("kernel", ["types1", "types2", "types3"])
def test_types_the_same_as_libbpf(kernel, kind):
    local, relos, _ = read_object("types.bpf.o")
    relocator = Relocator(local, [Btf.from_bytes((DATA / f"{kernel}.btf").read_bytes())])
    number = {"exists": Kind.TYPE_EXISTS, "matches": Kind.TYPE_MATCHES}[kind]
    found = [
        relocator.resolve(CoreRelo(relo.insn_off, relo.type_id, relo.access_str_off, number)).value
        for relo in relos
    ]
    assert found == EXPECTED[kind][kernel]


class Side(BtfBuilder):
    """The types of an object or of a kernel."""

    def __init__(self):
        super().__init__()
        self.int = self.add(Int("int", 4, INT_SIGNED, 32))
        self.u32 = self.add(Int("unsigned int", 4, 0, 32))
        self.u64 = self.add(Int("unsigned long", 8, 0, 64))
        self.u8 = self.add(Int("unsigned char", 1, 0, 8))

    def struct(self, name, size, **members):
        fields = []
        for field, where in members.items():
            type_id, offset, *bits = where if isinstance(where, tuple) else (self.int, where)
            fields.append(Member(field.replace("anon", ""), type_id, offset, *bits))
        return self.add(Struct(name, size, tuple(fields)))

    def done(self, name="vmlinux"):
        return Btf.from_bytes(self.encode(), name=name)


def ask(local, type_id, access, kind, *targets):
    offset = local.string(access)
    return resolve(local.done("object"), CoreRelo(0, type_id, offset, kind), targets)


def field(local_members, target_members, kind, access="0:0"):
    local, target = Side(), Side()
    type_id = local.struct("s", 64, **local_members)
    target.struct("s", 64, **target_members)
    return ask(local, type_id, access, kind, target.done())


def test_offset():
    found = field({"a": 0}, {"x": 0, "a": 32}, Kind.FIELD_BYTE_OFFSET)
    assert (found.original, found.value, found.poison) == (0, 4, False)
    assert (found.target, found.target_id, found.text) == ("vmlinux", 5, "struct s.a")


def test_offset_of_a_missing_field_is_poison():
    found = field({"a": 0}, {"b": 0}, Kind.FIELD_BYTE_OFFSET)
    assert found.poison
    assert found.target == ""


def test_field_exists():
    assert field({"a": 0}, {"b": 0, "a": 64}, Kind.FIELD_EXISTS).value == 1
    assert field({"a": 0}, {"b": 0}, Kind.FIELD_EXISTS).value == 0


def test_a_field_of_another_nature_does_not_exist():
    local, target = Side(), Side()
    type_id = local.struct("s", 8, a=(local.u64, 0))
    target.struct("s", 8, a=(target.add(Ptr(0)), 0))
    assert ask(local, type_id, "0:0", Kind.FIELD_EXISTS, target.done()).value == 0


def test_size_and_sign():
    local, target = Side(), Side()
    type_id = local.struct("s", 8, a=(local.int, 0))
    target.struct("s", 8, a=(target.u64, 0))
    kernel = target.done()
    size = ask(local, type_id, "0:0", Kind.FIELD_BYTE_SIZE, kernel)
    sign = ask(local, type_id, "0:0", Kind.FIELD_SIGNED, kernel)
    assert (size.original, size.value) == (4, 8)
    assert (sign.original, sign.value) == (1, 0)


@pytest.mark.parametrize(
    ("kind", "value", "validate"),
    [
        (Kind.FIELD_BYTE_OFFSET, 4, False),
        (Kind.FIELD_BYTE_SIZE, 4, False),
        (Kind.FIELD_SIGNED, 0, True),
        (Kind.FIELD_LSHIFT_U64, 64 - 5 - 3, False),
        (Kind.FIELD_RSHIFT_U64, 61, True),
    ],
)
def test_a_bit_field(kind, value, validate):
    local, target = Side(), Side()
    type_id = local.struct("s", 8, a=(local.u32, 0, 2))
    target.struct("s", 8, a=(target.u32, 37, 3))
    found = ask(local, type_id, "0:0", kind, target.done())
    assert (found.value, found.validate) == (value, validate)


def test_a_bit_field_over_the_edge_of_its_type_takes_a_wider_load():
    local, target = Side(), Side()
    type_id = local.struct("s", 16, a=(local.u32, 0, 20))
    target.struct("s", 16, a=(target.u32, 20, 20))
    assert ask(local, type_id, "0:0", Kind.FIELD_BYTE_SIZE, target.done()).value == 8
    target = Side()
    target.struct("s", 16, a=(target.u64, 60, 20))
    with pytest.raises(FormatError, match="64 bits cannot hold"):
        ask(local, type_id, "0:0", Kind.FIELD_BYTE_SIZE, target.done())


def test_elements_of_an_array():
    local, target = Side(), Side()
    type_id = local.struct("s", 32, a=(local.add(Array(local.int, local.int, 8)), 0))
    target.struct("s", 64, x=0, a=(target.add(Array(target.u64, target.int, 4)), 64))
    kernel = target.done()
    found = ask(local, type_id, "0:0:3", Kind.FIELD_BYTE_OFFSET, kernel)
    assert (found.original, found.value) == (12, 8 + 24)
    assert found.text == "struct s.a[3]"
    assert ask(local, type_id, "0:0:4", Kind.FIELD_EXISTS, kernel).value == 0
    assert ask(local, type_id, "0:0:3", Kind.FIELD_BYTE_SIZE, kernel).value == 8
    with pytest.raises(FormatError, match="element 8 is not there"):
        ask(local, type_id, "0:0:8", Kind.FIELD_BYTE_OFFSET, kernel)
    with pytest.raises(FormatError, match="does not apply to an element"):
        ask(local, type_id, "0:0:3", Kind.FIELD_SIGNED, kernel)


def test_flavours_of_the_object_are_ignored():
    local, target = Side(), Side()
    type_id = local.struct("s___old", 8, a=0)
    target.struct("s", 8, x=0, a=32)
    assert ask(local, type_id, "0:0", Kind.FIELD_BYTE_OFFSET, target.done()).value == 4


def test_several_candidates_that_agree():
    local, target = Side(), Side()
    type_id = local.struct("s", 8, a=0)
    target.struct("s", 8, x=0, a=32)
    target.struct("s___2", 16, x=0, a=32, b=64)
    target.struct("s", 4, b=0)  # has no such field: no candidate
    assert ask(local, type_id, "0:0", Kind.FIELD_BYTE_OFFSET, target.done()).value == 4


def test_several_candidates_that_disagree():
    local, target = Side(), Side()
    type_id = local.struct("s", 8, a=0)
    target.struct("s", 8, x=0, a=32)
    target.struct("s", 8, a=0)
    with pytest.raises(TargetError, match=r"struct s\.a.*different answers: 4 in 'vmlinux' .*, 0"):
        ask(local, type_id, "0:0", Kind.FIELD_BYTE_OFFSET, target.done())


def test_an_earlier_relocation_rules_candidates_out():
    """As in libbpf: a version of a struct that lacks one field is not asked for another."""
    local, target = Side(), Side()
    type_id = local.struct("s", 8, a=0, b=32)
    target.struct("s", 8, x=0, a=32, b=64)
    target.struct("s", 8, a=0)
    first, second = local.string("0:0"), local.string("0:1")
    relocator = Relocator(local.done(), [target.done()])
    with pytest.raises(TargetError):
        relocator.resolve(CoreRelo(0, type_id, first, Kind.FIELD_BYTE_OFFSET))
    assert relocator.resolve(CoreRelo(0, type_id, second, Kind.FIELD_BYTE_OFFSET)).value == 8
    assert relocator.resolve(CoreRelo(0, type_id, first, Kind.FIELD_BYTE_OFFSET)).value == 4


def test_modules_are_asked_only_for_what_the_kernel_lacks():
    local, target = Side(), Side()
    common = local.struct("common", 8, a=0)
    own = local.struct("own", 8, a=0)
    target.struct("common", 8, a=0)
    kernel = target.done()
    module = BtfBuilder(base=kernel)
    for name in ("common", "own"):
        module.add(Struct(name, 8, (Member("x", 1, 0), Member("a", 1, 32))))
    split = Btf.from_bytes(module.encode(), base=kernel, name="mod")
    found = ask(local, common, "0:0", Kind.FIELD_BYTE_OFFSET, kernel, split)
    assert (found.value, found.target) == (0, "vmlinux")
    found = ask(local, own, "0:0", Kind.FIELD_BYTE_OFFSET, kernel, split)
    assert (found.value, found.target) == (4, "mod")


def test_struct_and_union_are_different_candidates():
    local, target = Side(), Side()
    type_id = local.struct("s", 8, a=0)
    target.add(Struct("s", 8, (Member("a", target.int, 0),), is_union=True))
    assert ask(local, type_id, "0:0", Kind.FIELD_BYTE_OFFSET, target.done()).poison


def test_type_ids():
    local, target = Side(), Side()
    type_id = local.struct("s", 8, a=0)
    for number in range(10):
        target.add(Fwd(f"other{number}"))
    target_id = target.struct("s", 8, a=0)
    kernel = target.done()
    own = ask(local, type_id, "0", Kind.TYPE_ID_LOCAL, kernel)
    assert (own.value, own.validate) == (type_id, False)
    theirs = ask(local, type_id, "0", Kind.TYPE_ID_TARGET, kernel)
    assert (theirs.value, theirs.validate) == (target_id, False)
    missing = ask(local, local.struct("t", 8, a=0), "0", Kind.TYPE_ID_TARGET, kernel)
    assert (missing.value, missing.poison) == (0, False)


def test_type_exists_size_and_matches():
    local, target = Side(), Side()
    type_id = local.struct("s", 8, a=0)
    target.struct("s", 24, b=0, a=64)
    kernel = target.done()
    assert ask(local, type_id, "0", Kind.TYPE_EXISTS, kernel).value == 1
    assert ask(local, type_id, "0", Kind.TYPE_SIZE, kernel).value == 24
    assert ask(local, type_id, "0", Kind.TYPE_MATCHES, kernel).value == 1
    wrong = local.struct("s", 8, a=(local.u64, 0))
    assert ask(local, wrong, "0", Kind.TYPE_EXISTS, kernel).value == 1
    assert ask(local, wrong, "0", Kind.TYPE_MATCHES, kernel).value == 0
    missing = local.struct("t", 8, a=0)
    for kind in (Kind.TYPE_EXISTS, Kind.TYPE_SIZE, Kind.TYPE_MATCHES):
        found = ask(local, missing, "0", kind, kernel)
        assert (found.value, found.poison) == (0, False)


def test_enumerators():
    local, target = Side(), Side()
    enum = local.add(Enum("e", 4, (EnumValue("A", 0), EnumValue("B___old", 1), EnumValue("C", 2))))
    wide = (EnumValue("B", -5), EnumValue("A", 1 << 40))
    target.add(Enum("e", 8, wide, signed=True, wide=True))
    kernel = target.done()
    assert ask(local, enum, "0", Kind.ENUMVAL_VALUE, kernel).value == 1 << 40
    assert ask(local, enum, "1", Kind.ENUMVAL_VALUE, kernel).value == (1 << 64) - 5
    assert ask(local, enum, "2", Kind.ENUMVAL_VALUE, kernel).poison
    exists = [ask(local, enum, str(n), Kind.ENUMVAL_EXISTS, kernel).value for n in range(3)]
    assert exists == [1, 1, 0]
    with pytest.raises(FormatError, match="no such enumerator"):
        ask(local, enum, "3", Kind.ENUMVAL_VALUE, kernel)
    with pytest.raises(FormatError, match="no such enumerator"):
        ask(local, local.int, "0", Kind.ENUMVAL_VALUE, kernel)


@pytest.mark.parametrize(
    "access", ["", ":", "0:", "x", "-1", "0:0:0", "0:9", "0: 0", "٣", "1" * 30]
)
def test_bad_access_strings(access):
    with pytest.raises(FormatError):
        field({"a": 0}, {"a": 0}, Kind.FIELD_BYTE_OFFSET, access)


def test_an_access_string_that_is_too_long():
    with pytest.raises(FormatError, match="no access string"):
        field({"a": 0}, {"a": 0}, Kind.FIELD_BYTE_OFFSET, "0" + ":0" * 64)


def test_types_have_no_fields():
    local = Side()
    with pytest.raises(FormatError, match="no fields"):
        ask(local, local.struct("s", 4, a=0), "0:0", Kind.TYPE_SIZE, Side().done())


def test_anonymous_roots_and_unknown_kinds():
    local = Side()
    anonymous = local.struct("", 4, a=0)
    with pytest.raises(FormatError, match="has no name"):
        ask(local, anonymous, "0:0", Kind.FIELD_BYTE_OFFSET, Side().done())
    with pytest.raises(FormatError, match="kind 13 is not known"):
        ask(local, anonymous, "0:0", 13, Side().done())


def test_a_typedef_of_an_anonymous_struct():
    local, target = Side(), Side()
    type_id = local.add(Typedef("atomic_t", local.struct("", 4, counter=0)))
    target.add(Typedef("atomic_t", target.struct("", 8, debug=0, counter=32)))
    assert ask(local, type_id, "0:0", Kind.FIELD_BYTE_OFFSET, target.done()).value == 4


def insn(code, offset=0, immediate=0, registers=0x21):
    return bytearray(struct.pack("<BBhi", code, registers, offset, immediate))


def answer(original, value, **rest):
    return Resolution(Kind.FIELD_BYTE_OFFSET, "struct s.a", original, value, **rest)


def patched(insns, resolution):
    patch(insns, 0, resolution)
    return insns


def test_patch_an_immediate():
    assert patched(insn(0x07, immediate=4), answer(4, 16)) == insn(0x07, immediate=16)
    assert patched(insn(0xB7, immediate=9), answer(4, 16, validate=False)) == insn(
        0xB7, immediate=16
    )
    low = insn(0xB7, immediate=-3)
    assert patched(insn(0xB7, immediate=-1), answer((1 << 64) - 1, (1 << 64) - 3)) == low
    half = insn(0xB4, immediate=-(1 << 31))  # w0 = 0x80000000
    assert patched(insn(0xB4, immediate=0), answer(0, 1 << 31)) == half


def test_patch_a_load_and_its_width():
    same = answer(8, 24, original_size=4, size=4)
    assert patched(insn(0x61, 8), same) == insn(0x61, 24)
    wider = answer(8, 24, original_size=4, size=8)
    assert patched(insn(0x61, 8), wider) == insn(0x79, 24)  # u32 load becomes u64
    narrower = answer(8, 24, original_size=4, size=1)
    assert patched(insn(0x63, 8), narrower) == insn(0x73, 24)  # so do stores
    signed = answer(8, 24, original_size=4, size=8, resizable=False)
    assert patched(insn(0x61, 8), signed)[0] == 0x85
    assert patched(insn(0x07, immediate=8), signed) == insn(0x07, immediate=24)


def test_patch_a_wide_immediate():
    wide = insn(0x18, immediate=5, registers=1) + insn(0, registers=0)
    result = patched(wide, answer(5, 0x1_2345_6789))
    assert result == insn(0x18, immediate=0x23456789, registers=1) + insn(
        0, immediate=1, registers=0
    )


def test_poison():
    poison = answer(0, 0, poison=True)
    call = insn(0x85, immediate=195896080, registers=0)
    assert patched(insn(0x07), poison) == call
    assert patched(insn(0x18) + insn(0, registers=0), poison) == call + call


@pytest.mark.parametrize(
    ("insns", "resolution", "message"),
    [
        (insn(0x07, immediate=5), answer(4, 8), "holds 5, not 4"),
        (insn(0x61, 5), answer(4, 8), "holds 5, not 4"),
        (insn(0x61, 4), answer(4, 40000), "offset 40000 does not fit"),
        (insn(0x07, immediate=4), answer(4, 1 << 31), "0x80000000 does not fit"),
        (insn(0x04, immediate=4), answer(4, 1 << 32), "does not fit"),
        (insn(0x0F), answer(0, 4), "code 0x0f cannot be relocated"),
        (insn(0x85), answer(0, 4), "code 0x85 cannot be relocated"),
        (insn(0x18), answer(0, 4), "second half is missing"),
        (insn(0x18) + insn(0, registers=0), answer(0, 4), "something else than a number"),
        (insn(0x18, registers=0) + insn(1), answer(0, 4), "something else"),
        (insn(0x79, 4), answer(4, 8, original_size=4, size=8), "not 4 bytes wide"),
        (insn(0x61, 4), answer(4, 8, original_size=4, size=16), "nothing is 16 bytes wide"),
        (bytearray(4), answer(4, 8), "it is not there"),
    ],
)
def test_instructions_that_cannot_be_patched(insns, resolution, message):
    with pytest.raises(FormatError, match=message):
        patch(insns, 0, resolution)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_hostile_objects(data):
    """Mutated types, access strings and relocations: our own errors or an answer."""
    raw = bytearray(elf_section(".BTF"))
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(24, len(raw) - 1))] = data.draw(st.integers(0, 255))
    target = Btf.from_bytes((DATA / "kernel1.btf").read_bytes(), name="vmlinux")
    try:
        local = Btf.from_bytes(bytes(raw))
    except FormatError:
        return
    strings = st.integers(0, local.string_end + 1)
    relos = [
        CoreRelo(0, data.draw(st.integers(0, len(local))), data.draw(strings), kind)
        for kind in range(14)
    ]
    _, known, insns = read_object("relocations.bpf.o")
    for btfs in ((local, target), (target, local)):
        relocator = Relocator(btfs[0], [btfs[1]])
        for relo in (*relos, *known):
            try:
                patch(insns, relo.insn_off // 8, relocator.resolve(relo))
            except SyscastError:
                continue


def elf_section(name):
    elf = Elf((DATA / "relocations.bpf.o").read_bytes())
    return bytes(elf.content(elf.section(name)))


def test_comparing_types_that_fan_out_does_not_take_forever():
    sides = []
    for _ in range(2):
        side = Side()
        inner = side.struct("s0", 4, a=0)
        for number in range(1, 28):
            inner = side.struct(f"s{number}", 4, a=(inner, 0), b=(inner, 0))
        sides.append((side, inner))
    (local, type_id), (target, _) = sides
    assert ask(local, type_id, "0", Kind.TYPE_MATCHES, target.done()).value == 1


def test_comparing_types_that_never_end():
    local, target = Side(), Side()
    for side in (local, target):
        pointer = side.reserve()
        side.define(pointer, Ptr(pointer))
        typedef = side.add(Typedef("t", pointer))
    for kind in (Kind.TYPE_EXISTS, Kind.TYPE_MATCHES):
        with pytest.raises(FormatError, match="nested too deeply"):
            ask(local, typedef, "0", kind, target.done())
