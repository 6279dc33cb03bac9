"""ctypes classes from the C types that a text declared.

bcc's users get at keys, values and events through these classes: names, sizes and order of the
members are part of its interface. Padding is spelled out as ``__pad_N`` (N is the index of the
member behind it) and ``__pad_end``, an anonymous member is called ``__anonN``, and pointers and
enums are integers. Structs and unions are made so that every member lies where the compiler of
the BPF program put it.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, TypeAlias, cast

if TYPE_CHECKING:
    from _ctypes import _CData as CData

    from syscast.spec.tables import CDesc, CMember

    CType: TypeAlias = type[CData]
    Field: TypeAlias = "tuple[str, CType] | tuple[str, CType, int]"

_INTEGERS: dict[tuple[int, bool], CType] = {
    (1, False): ctypes.c_ubyte,
    (1, True): ctypes.c_byte,
    (2, False): ctypes.c_ushort,
    (2, True): ctypes.c_short,
    (4, False): ctypes.c_uint,
    (4, True): ctypes.c_int,
    (8, False): ctypes.c_ulonglong,
    (8, True): ctypes.c_longlong,
    (16, False): ctypes.c_ulonglong * 2,
    (16, True): ctypes.c_longlong * 2,
}
# bcc gives events' s8 as the bytes that it gives their char as.
_EVENT_BYTES = frozenset({"s8", "__s8", "int8_t"})


def table_type(desc: CDesc) -> CType:
    """The class of a table's keys or values; raises TypeError for a type without a size."""
    return _Maker(padded=True).of(desc)


def event_type(desc: CDesc) -> CType:
    """The class of what was sent through a buffer: as a user would write it, without padding.

    Raises:
        TypeError: The type has no size.
    """
    return _Maker(padded=False).of(desc)


def from_bytes(kind: CType, data: bytes) -> CData:
    """A new value; bytes that are missing are zero, and those too many are left out."""
    if len(data) >= ctypes.sizeof(kind):
        # The description of ctypes gives the method to its public classes only.
        return cast("type[ctypes.Structure]", kind).from_buffer_copy(data)
    value = kind()
    ctypes.memmove(ctypes.addressof(value), data, len(data))
    return value


def to_bytes(value: CData) -> bytes:
    """The bytes of a value."""
    return ctypes.string_at(ctypes.addressof(value), ctypes.sizeof(value))


def array_of(kind: CType, count: int) -> CType:
    """The class of arrays."""
    # The description of ctypes gives the operator to its public classes only.
    return cast("CType", cast("type[ctypes.c_char]", kind) * count)


class _Maker:
    def __init__(self, *, padded: bool) -> None:
        self._padded = padded

    def of(self, desc: CDesc) -> CType:
        if desc.kind in {"struct", "union"}:
            return self._record(desc)
        if desc.kind == "array" and desc.element is not None:
            return array_of(self.of(desc.element), desc.count)
        if desc.kind == "char" or (not self._padded and desc.name in _EVENT_BYTES):
            return ctypes.c_char
        if desc.kind == "bool":
            return ctypes.c_bool
        if desc.kind == "pointer":
            return ctypes.c_ulonglong
        found = _INTEGERS.get((desc.size, desc.signed))
        if found is None or desc.kind not in {"int", "enum"}:
            raise TypeError(f"type '{desc.name}': it cannot be a key, a value or an event")
        return found

    def _record(self, desc: CDesc) -> CType:
        members = desc.members
        bits = any(member.bit_size for member in members)
        flexible = bool(members) and _is_flexible(members[-1].type)
        union = desc.kind == "union"
        plain = self._padded and not (union or bits or flexible)
        attempts = ["padded"] if plain else ["natural", "packed", "padded"]
        for attempt in attempts:
            fields = self._fields(desc, pads=attempt == "padded" and not union)
            made = _class(desc, fields, pack=attempt != "natural")
            if _agrees(made, desc):
                return made
        # What ctypes lays out otherwise than C compilers do: bit fields in units of mixed sizes.
        return self._by_properties(desc)

    def _fields(self, desc: CDesc, *, pads: bool) -> list[Field]:
        fields: list[Field] = []
        anonymous = position = 0
        for index, member in enumerate(desc.members):
            name = member.name
            if not name:
                name = f"__anon{anonymous}"
                anonymous += 1
            kind = self.of(member.type)
            if pads and position < member.offset:
                fields.append((f"__pad_{index}", ctypes.c_char * (member.offset - position)))
            fields.append((name, kind, member.bit_size) if member.bit_size else (name, kind))
            position = member.offset + ctypes.sizeof(kind)
        if pads and position < desc.size:
            fields.append(("__pad_end", ctypes.c_char * (desc.size - position)))
        return fields

    def _by_properties(self, desc: CDesc) -> CType:
        """Bytes, with the bit fields as properties over them."""
        ordinary = tuple(member for member in desc.members if not member.bit_size)
        fields: list[Field] = []
        position = 0
        anonymous = 0
        for index, member in enumerate(ordinary):
            name = member.name
            if not name:
                name = f"__anon{anonymous}"
                anonymous += 1
            if position < member.offset:
                fields.append((f"__pad_{index}", ctypes.c_char * (member.offset - position)))
            kind = self.of(member.type)
            fields.append((name, kind))
            position = member.offset + ctypes.sizeof(kind)
        if position < desc.size:
            fields.append(("__pad_end", ctypes.c_char * (desc.size - position)))
        made = _class(desc, fields, pack=True)
        for member in desc.members:
            if member.bit_size and member.name:
                setattr(made, member.name, _bits(member))
        return made


def _is_flexible(desc: CDesc) -> bool:
    return desc.kind == "array" and desc.count == 0


def _class(desc: CDesc, fields: list[Field], *, pack: bool) -> CType:
    base = ctypes.Union if desc.kind == "union" else ctypes.Structure
    space: dict[str, object] = {}
    anonymous = [field[0] for field in fields if field[0].startswith("__anon")]
    if anonymous:
        space["_anonymous_"] = anonymous
    if pack:
        space["_pack_"] = 1
        # Newer versions of Python want the layout said that packing used to imply.
        space["_layout_"] = "ms"
    space["_fields_"] = fields
    tag = desc.name.rpartition(" ")[2] if desc.name.isprintable() else ""
    return cast("CType", type(tag or desc.kind, (base,), space))


def _agrees(made: CType, desc: CDesc) -> bool:
    """Whether every member lies where the description says."""
    if ctypes.sizeof(made) != desc.size:
        return False
    anonymous = 0
    for member in desc.members:
        name = member.name
        if not name:
            name = f"__anon{anonymous}"
            anonymous += 1
        place = getattr(made, name)
        start = place.offset * 8
        if member.bit_size:
            # Of a bit field the descriptor's size is its bits and, below, where they begin.
            start += place.size & 0xFFFF
        if start != member.offset * 8 + member.bit_offset:
            return False
    return True


def _bits(member: CMember) -> property:
    """A bit field by its place in the struct's bytes, little endian."""
    first = member.offset * 8 + member.bit_offset
    low, high = first // 8, (first + member.bit_size + 7) // 8
    shift = first - low * 8
    mask = (1 << member.bit_size) - 1
    sign = 1 << (member.bit_size - 1) if member.type.signed else 0

    def unit(value: CData) -> int:
        return int.from_bytes(to_bytes(value)[low:high], "little")

    def read(value: CData) -> int:
        found = unit(value) >> shift & mask
        return found - (sign << 1) if found & sign else found

    def write(value: CData, new: int) -> None:
        whole = unit(value) & ~(mask << shift) | (new & mask) << shift
        ctypes.memmove(
            ctypes.addressof(value) + low, whole.to_bytes(high - low, "little"), high - low
        )

    return property(read, write)
