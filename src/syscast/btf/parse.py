"""From the bytes of BTF to types: the header, a scan over all types, and one type at a time.

The scan checks what keeps later steps in bounds: the header, each kind, each length and the name of each
type. References between types, and the names of members, are checked when they are followed.
The format is that of ``Documentation/bpf/btf.rst``. The kernel has always refused the bits of
``info`` between those for vlen and kind, so wider fields for both are read here already.
"""

from __future__ import annotations

import struct
from array import array
from typing import TYPE_CHECKING

from syscast.btf import types
from syscast.btf.record import Record
from syscast.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.btf.blob import Blob

MAGIC = 0xEB9F
VERSION = 1
HEADER_SIZE = 24
MAX_HEADER_SIZE = 4096

KIND_INT = 1
KIND_PTR = 2
KIND_ARRAY = 3
KIND_STRUCT = 4
KIND_UNION = 5
KIND_ENUM = 6
KIND_FWD = 7
KIND_TYPEDEF = 8
KIND_VOLATILE = 9
KIND_CONST = 10
KIND_RESTRICT = 11
KIND_FUNC = 12
KIND_FUNC_PROTO = 13
KIND_VAR = 14
KIND_DATASEC = 15
KIND_FLOAT = 16
KIND_DECL_TAG = 17
KIND_TYPE_TAG = 18
KIND_ENUM64 = 19

KINDS: dict[types.Kind, frozenset[int]] = {
    types.Int: frozenset({KIND_INT}),
    types.Ptr: frozenset({KIND_PTR}),
    types.Array: frozenset({KIND_ARRAY}),
    types.Struct: frozenset({KIND_STRUCT, KIND_UNION}),
    types.Enum: frozenset({KIND_ENUM, KIND_ENUM64}),
    types.Fwd: frozenset({KIND_FWD}),
    types.Typedef: frozenset({KIND_TYPEDEF}),
    types.Volatile: frozenset({KIND_VOLATILE}),
    types.Const: frozenset({KIND_CONST}),
    types.Restrict: frozenset({KIND_RESTRICT}),
    types.Func: frozenset({KIND_FUNC}),
    types.FuncProto: frozenset({KIND_FUNC_PROTO}),
    types.Var: frozenset({KIND_VAR}),
    types.DataSec: frozenset({KIND_DATASEC}),
    types.Float: frozenset({KIND_FLOAT}),
    types.DeclTag: frozenset({KIND_DECL_TAG}),
    types.TypeTag: frozenset({KIND_TYPE_TAG}),
}
"""Which BTF kinds a class of ``types`` stands for."""

# Words after the three common ones: (fixed, for each of vlen).
_EXTRA_WORDS: dict[int, tuple[int, int]] = {
    KIND_INT: (1, 0),
    KIND_PTR: (0, 0),
    KIND_ARRAY: (3, 0),
    KIND_STRUCT: (0, 3),
    KIND_UNION: (0, 3),
    KIND_ENUM: (0, 2),
    KIND_FWD: (0, 0),
    KIND_TYPEDEF: (0, 0),
    KIND_VOLATILE: (0, 0),
    KIND_CONST: (0, 0),
    KIND_RESTRICT: (0, 0),
    KIND_FUNC: (0, 0),  # vlen is the linkage
    KIND_FUNC_PROTO: (0, 2),
    KIND_VAR: (1, 0),
    KIND_DATASEC: (0, 3),
    KIND_FLOAT: (0, 0),
    KIND_DECL_TAG: (1, 0),
    KIND_TYPE_TAG: (0, 0),
    KIND_ENUM64: (0, 3),
}
_VLEN_MASK = 0xFFFFFF
_KIND_SHIFT = 24
_KIND_MASK = 0x7F
_KIND_FLAG = 1 << 31


class Header(Record):
    """Where the two sections lie, in bytes from the start of the data."""

    type_offset: int
    type_size: int
    string_offset: int
    string_size: int


class Scan(Record):
    """What one pass over all types found; a type's number is its id less the first id.

    ``offsets`` has one entry more than there are types: the end of the last one. Offsets are in
    bytes from the start of the type section.
    """

    offsets: array[int]
    kinds: bytearray
    names: array[int]


def parse_header(blob: Blob, subject: str) -> Header:
    """Read and check the header of BTF.

    Raises:
        FormatError: Not BTF, another byte order or version, or sections outside of the data.
    """
    if blob.size < HEADER_SIZE:
        raise FormatError(f"{subject}: parse: {blob.size} bytes are too few for a header")
    raw = blob.read(0, HEADER_SIZE)
    magic, version, _flags, header_size = struct.unpack_from("=HBBI", raw)
    if magic != MAGIC:
        swapped = magic == int.from_bytes(MAGIC.to_bytes(2, "big"), "little")
        cause = "the other byte order" if swapped else f"wrong magic {magic:#06x}"
        raise FormatError(f"{subject}: parse: {cause}")
    if version != VERSION:
        raise FormatError(f"{subject}: parse: version {version} is not known")
    if not HEADER_SIZE <= header_size <= min(blob.size, MAX_HEADER_SIZE):
        raise FormatError(f"{subject}: parse: wrong header size {header_size}")
    type_offset, type_size, string_offset, string_size = struct.unpack_from("=4I", raw, 8)
    header = Header(header_size + type_offset, type_size, header_size + string_offset, string_size)
    if type_offset % 4 or type_size % 4:
        raise FormatError(f"{subject}: parse: the type section is not aligned to 4 bytes")
    if header.type_offset + type_size > blob.size:
        raise FormatError(f"{subject}: parse: the type section is truncated")
    if header.string_offset + string_size > blob.size:
        raise FormatError(f"{subject}: parse: the string section is truncated")
    return header


def encode_header(type_size: int, string_size: int) -> bytes:
    """Return the header of BTF whose strings follow right after its types."""
    return struct.pack(
        "=HBBI4I",
        *(MAGIC, VERSION, 0, HEADER_SIZE),
        *(0, type_size, type_size, string_size),
    )


def check_strings(blob: Blob, header: Header, subject: str, *, split: bool) -> None:
    """Check that the string section begins (unless it continues a base's) and ends with NUL."""
    start, size = header.string_offset, header.string_size
    if size == 0:
        if not split:
            raise FormatError(f"{subject}: parse: the string section is empty")
        return
    if blob.read(start + size - 1, 1) != b"\0" or (not split and blob.read(start, 1) != b"\0"):
        raise FormatError(f"{subject}: parse: the string section lacks its NUL")


def scan(section: bytes, string_end: int, subject: str) -> Scan:
    """Walk over the whole type section.

    Args:
        section: The type section.
        string_end: Names must lie below this offset (a base's strings count as well).
        subject: What to name in an error.

    Raises:
        FormatError: An unknown kind, a type that is cut off, or a name outside of the strings.
    """
    words = memoryview(section).cast("I").tolist()
    offsets, names, kinds = array("I"), array("I"), bytearray()
    position, end = 0, len(words)
    extra = _EXTRA_WORDS
    try:
        while position < end:
            name, info = words[position], words[position + 1]
            kind = info >> _KIND_SHIFT & _KIND_MASK
            fixed, each = extra[kind]
            if name >= string_end:
                raise FormatError(f"{subject}: parse: type at {position * 4}: name out of range")
            offsets.append(position * 4)
            names.append(name)
            kinds.append(kind)
            position += 3 + fixed + (each * (info & _VLEN_MASK) if each else 0)
    except (KeyError, IndexError):
        raise FormatError(
            f"{subject}: parse: type at {position * 4}: unknown kind or cut off"
        ) from None
    if position != end:
        raise FormatError(f"{subject}: parse: the last type is cut off")
    offsets.append(position * 4)
    return Scan(offsets, kinds, names)


def name_and_kind(raw: bytes) -> tuple[int, int]:
    """Return the offset of the name, and the kind, of one type."""
    name, info = struct.unpack_from("=II", raw)
    return name, info >> _KIND_SHIFT & _KIND_MASK


def decode(raw: bytes, name_at: Callable[[int], str]) -> types.BtfType:
    """Turn the bytes of one type into its record.

    Args:
        raw: Exactly this type's bytes.
        name_at: Gives the string at an offset.

    Raises:
        FormatError: The bytes do not make up one type, or a name cannot be read.
    """
    try:
        name_offset, info, word = struct.unpack_from("=III", raw)
        kind = info >> _KIND_SHIFT & _KIND_MASK
        name = name_at(name_offset)
        if kind in _PLAIN:
            return _PLAIN[kind](name, info, word)
        if kind in _WITH_WORDS:
            fixed, _ = _EXTRA_WORDS[kind]
            return _WITH_WORDS[kind](name, word, struct.unpack_from(f"={fixed}I", raw, 12))
        return _WITH_RECORDS[kind](raw, name_at, _Common(name, info, word))
    except (struct.error, KeyError):
        raise FormatError("btf: parse: type is cut off or of an unknown kind") from None


class _Common(Record):
    """What all kinds share; ``word`` is a size or a type id."""

    name: str
    info: int
    word: int

    @property
    def flag(self) -> bool:
        return bool(self.info & _KIND_FLAG)


_PLAIN: dict[int, Callable[[str, int, int], types.BtfType]] = {
    KIND_PTR: lambda _name, _info, word: types.Ptr(word),
    KIND_FWD: lambda name, info, _word: types.Fwd(name, bool(info & _KIND_FLAG)),
    KIND_TYPEDEF: lambda name, _info, word: types.Typedef(name, word),
    KIND_VOLATILE: lambda _name, _info, word: types.Volatile(word),
    KIND_CONST: lambda _name, _info, word: types.Const(word),
    KIND_RESTRICT: lambda _name, _info, word: types.Restrict(word),
    KIND_FUNC: lambda name, info, word: types.Func(name, word, info & _VLEN_MASK),
    KIND_FLOAT: lambda name, _info, word: types.Float(name, word),
    KIND_TYPE_TAG: lambda name, info, word: types.TypeTag(name, word, bool(info & _KIND_FLAG)),
}
"""Kinds that the three common words describe."""


def _int(name: str, size: int, extra: tuple[int, ...]) -> types.Int:
    data = extra[0]
    return types.Int(name, size, data >> 24 & 0xF, data & 0xFF, data >> 16 & 0xFF)


_WITH_WORDS: dict[int, Callable[[str, int, tuple[int, ...]], types.BtfType]] = {
    KIND_INT: _int,
    KIND_ARRAY: lambda _name, _word, extra: types.Array(*extra),
    KIND_VAR: lambda name, word, extra: types.Var(name, word, *extra),
}
"""Kinds with a fixed number of further words."""


def _records(raw: bytes, form: str, info: int) -> list[tuple[int, ...]]:
    """Split what follows the common part into ``vlen`` records."""
    size = struct.calcsize(form) * (info & _VLEN_MASK)
    payload = raw[12 : 12 + size]
    if len(payload) != size:
        raise FormatError("btf: parse: type is cut off")
    return list(struct.iter_unpack(form, payload))


def _struct(raw: bytes, names: Callable[[int], str], common: _Common) -> types.Struct:
    records = _records(raw, "=III", common.info)
    if common.flag:
        members = tuple(
            types.Member(names(at), type_id, offset & 0xFFFFFF, offset >> 24)
            for at, type_id, offset in records
        )
    else:
        members = tuple(
            types.Member(names(at), type_id, offset, 0) for at, type_id, offset in records
        )
    union = common.info >> _KIND_SHIFT & _KIND_MASK == KIND_UNION
    return types.Struct(common.name, common.word, members, union)


def _enum(raw: bytes, names: Callable[[int], str], common: _Common) -> types.Enum:
    records = _records(raw, "=Ii" if common.flag else "=II", common.info)
    values = tuple(types.EnumValue(names(at), value) for at, value in records)
    return types.Enum(common.name, common.word, values, signed=common.flag, wide=False)


def _enum64(raw: bytes, names: Callable[[int], str], common: _Common) -> types.Enum:
    records = _records(raw, "=IIi" if common.flag else "=III", common.info)
    values = tuple(types.EnumValue(names(at), high << 32 | low) for at, low, high in records)
    return types.Enum(common.name, common.word, values, signed=common.flag, wide=True)


def _func_proto(raw: bytes, names: Callable[[int], str], common: _Common) -> types.FuncProto:
    records = _records(raw, "=II", common.info)
    variadic = bool(records) and records[-1] == (0, 0)
    if variadic:
        records.pop()
    params = tuple(types.Param(names(at), type_id) for at, type_id in records)
    return types.FuncProto(common.word, params, variadic)


def _data_sec(raw: bytes, _names: Callable[[int], str], common: _Common) -> types.DataSec:
    records = _records(raw, "=III", common.info)
    variables = tuple(types.SecVar(*record) for record in records)
    return types.DataSec(common.name, common.word, variables)


def _decl_tag(raw: bytes, _names: Callable[[int], str], common: _Common) -> types.DeclTag:
    (component,) = struct.unpack_from("=i", raw, 12)
    return types.DeclTag(common.name, common.word, component, common.flag)


_WITH_RECORDS: dict[int, Callable[[bytes, Callable[[int], str], _Common], types.BtfType]] = {
    KIND_STRUCT: _struct,
    KIND_UNION: _struct,
    KIND_ENUM: _enum,
    KIND_FUNC_PROTO: _func_proto,
    KIND_DATASEC: _data_sec,
    KIND_DECL_TAG: _decl_tag,
    KIND_ENUM64: _enum64,
}
"""Kinds that are followed by records, or by words with a sign."""
