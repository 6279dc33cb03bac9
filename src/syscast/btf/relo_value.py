"""What a CO-RE relocation asks, and the answers of both sides: the object's and the kernel's."""

from __future__ import annotations

import sys
from enum import IntEnum
from typing import TYPE_CHECKING

from syscast.btf.record import Record
from syscast.btf.types import Enum, Int, Ptr, Struct
from syscast.errors import FormatError

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.btf.relo_spec import Spec

_U64 = (1 << 64) - 1
_LOADS = (1, 2, 4, 8)


class CoreReloKind(IntEnum):
    """What a relocation asks; ``enum bpf_core_relo_kind`` of the kernel's ``linux/bpf.h``."""

    FIELD_BYTE_OFFSET = 0
    FIELD_BYTE_SIZE = 1
    FIELD_EXISTS = 2
    FIELD_SIGNED = 3
    FIELD_LSHIFT_U64 = 4
    FIELD_RSHIFT_U64 = 5
    TYPE_ID_LOCAL = 6
    TYPE_ID_TARGET = 7
    TYPE_EXISTS = 8
    TYPE_SIZE = 9
    ENUMVAL_EXISTS = 10
    ENUMVAL_VALUE = 11
    TYPE_MATCHES = 12


FIELD_KINDS = frozenset(range(6))
ENUM_KINDS = frozenset({CoreReloKind.ENUMVAL_EXISTS, CoreReloKind.ENUMVAL_VALUE})


class Resolution(Record):
    """The answer to one relocation.

    Attributes:
        kind: What was asked.
        text: What it was asked of, as C would write it, for messages.
        original: The number that the compiler took from the local types, as u64.
        value: The number that this kernel needs, as u64.
        poison: The field or enumerator does not exist here: there is no number.
        validate: Whether the instruction must hold ``original`` now.
        original_size: Size of the field in the local types, in bytes; 0 if it does not matter.
        size: The same in this kernel.
        resizable: Whether a load or store of the field may change its width: pointers and
            unsigned integers, since a narrower load fills with zeros.
        target: Name of the BTF that the answer came from, "" where no type matched.
        target_id: The type in it.
    """

    kind: CoreReloKind
    text: str
    original: int
    value: int
    poison: bool = False
    validate: bool = True
    original_size: int = 0
    size: int = 0
    resizable: bool = True
    target: str = ""
    target_id: int = 0


class _Answer(Record):
    """One side of a relocation, the local or the target's; ``value`` None asks for poison."""

    value: int | None
    validate: bool = True
    size: int = 0
    type_id: int = 0


def combine(local: Spec, target: Spec | None, kind: CoreReloKind) -> Resolution:
    """Compute the answers of both sides; ``target`` None says that nothing matches."""
    ours, theirs = _answer(local, kind), _answer(target, kind)
    text = str(local)
    if ours.value is None or theirs.value is None:
        return Resolution(kind, text, 0, 0, poison=True)
    resizable = True
    if target and ours.size != theirs.size:
        resizable = _is_resizable(local.btf, ours.type_id, target.btf, theirs.type_id)
    return Resolution(
        kind,
        text,
        ours.value & _U64,
        theirs.value & _U64,
        validate=ours.validate,
        original_size=ours.size,
        size=theirs.size,
        resizable=resizable,
        target=target.btf.name if target else "",
        target_id=target.root_id if target else 0,
    )


def _is_resizable(local: Btf, local_id: int, target: Btf, target_id: int) -> bool:
    ours, theirs = local.type(local_id), target.type(target_id)
    if isinstance(ours, Int) and isinstance(theirs, Int):
        return not ours.signed and not theirs.signed
    return isinstance(ours, Ptr) and isinstance(theirs, Ptr)


def _answer(spec: Spec | None, kind: CoreReloKind) -> _Answer:
    """Compute one side: the local spec's number, or the target's; None is a missing target."""
    value: int | None = 1
    if kind in {CoreReloKind.FIELD_EXISTS, CoreReloKind.ENUMVAL_EXISTS}:
        value = int(spec is not None)
    elif spec is None:
        value = None if kind in FIELD_KINDS | ENUM_KINDS else 0
    elif kind in FIELD_KINDS:
        return _field_answer(spec, kind)
    elif kind == CoreReloKind.ENUMVAL_VALUE:
        value = _enumerator(spec)
    elif kind == CoreReloKind.TYPE_SIZE:
        value = spec.btf.size_of(spec.root_id)
    elif kind == CoreReloKind.TYPE_ID_TARGET:
        value = spec.root_id
    return _Answer(value, validate=kind != CoreReloKind.TYPE_ID_TARGET)


def _enumerator(spec: Spec) -> int:
    accessor = spec.accessors[0]
    found = spec.btf.type(accessor.type_id)
    assert isinstance(found, Enum)
    value = found.values[accessor.index].value
    if not found.wide:  # relo_core.c reads ``__s32 val`` whatever the enum's own sign
        value = (value & 0xFFFFFFFF ^ 1 << 31) - (1 << 31)
    return value


def _field_answer(spec: Spec, kind: CoreReloKind) -> _Answer:
    accessor = spec.accessors[-1]
    if accessor.name is None:
        return _element_answer(spec, kind)
    btf = spec.btf
    struct_type = btf.type(accessor.type_id)
    assert isinstance(struct_type, Struct)
    member = struct_type.members[accessor.index]
    field_id = btf.resolve(member.type_id)
    field = btf.type(field_id)
    bitfield = member.bitfield_size > 0
    byte_size = btf.size_of(field_id)
    byte_offset, bit_size = spec.bit_offset // 8, byte_size * 8
    if bitfield:
        bit_size = member.bitfield_size
        byte_offset, byte_size = _load_of(spec.bit_offset, bit_size, byte_size, str(spec))
    inside = spec.bit_offset - byte_offset * 8
    if kind == CoreReloKind.FIELD_SIGNED:
        return _Answer(int(isinstance(field, Int | Enum) and field.signed))
    if kind == CoreReloKind.FIELD_RSHIFT_U64:
        return _Answer(64 - bit_size)
    if kind == CoreReloKind.FIELD_BYTE_OFFSET and not bitfield:
        return _Answer(byte_offset, size=byte_size, type_id=field_id)
    little = 64 - (inside + bit_size)
    values = {
        CoreReloKind.FIELD_BYTE_OFFSET: byte_offset,
        CoreReloKind.FIELD_BYTE_SIZE: byte_size,
        CoreReloKind.FIELD_LSHIFT_U64: (
            little if sys.byteorder == "little" else (8 - byte_size) * 8 + inside
        ),
    }
    # A compiler may load a bit field in another way than this, so what it wrote is not checked.
    return _Answer(values[kind], validate=not bitfield)


def _load_of(bit_offset: int, bit_size: int, size: int, text: str) -> tuple[int, int]:
    """Return offset and size, in bytes, of the smallest aligned load that holds a bit field."""
    if size not in _LOADS:
        raise FormatError(f"relocation '{text}': resolve: no type of bit fields has {size} bytes")
    offset = bit_offset // 8 // size * size
    while bit_offset + bit_size > (offset + size) * 8:
        if size == 8:
            raise FormatError(f"relocation '{text}': resolve: 64 bits cannot hold the bit field")
        size *= 2
        offset = bit_offset // 8 // size * size
    return offset, size


def _element_answer(spec: Spec, kind: CoreReloKind) -> _Answer:
    type_id = spec.accessors[-1].type_id
    size = spec.btf.size_of(type_id)
    if kind == CoreReloKind.FIELD_BYTE_OFFSET:
        return _Answer(spec.bit_offset // 8, size=size, type_id=type_id)
    if kind == CoreReloKind.FIELD_BYTE_SIZE:
        return _Answer(size)
    raise FormatError(f"relocation '{spec}': parse: {kind.name} does not apply to an element")
