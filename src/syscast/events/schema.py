"""Layouts of records: made from field types, turned into `struct` formats and numpy types."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, TypeAlias

from syscast.errors import FormatError
from syscast.spec.meta import RECORD_HEADER, RECORD_HEADER_SIZE, FieldMeta, SchemaMeta

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np

    from syscast.events.fieldtypes import FieldType

RING_HEADER_SIZE = 8
"""Bytes before each record of a ring buffer: u32 length and flags, u32 page offset."""

HEADER_FIELDS = (
    ("time", "<u8"),
    ("seq", "<u8"),
    ("cgroup_id", "<u8"),
    ("pid", "<u4"),
    ("tid", "<u4"),
    ("schema", "<u2"),
    ("program", "<u2"),
    ("cpu", "<u4"),
    ("comm", "S16"),
)
"""The record header as numpy sees it, in the order of `RECORD_HEADER`."""

FIRST_FIELD = len(HEADER_FIELDS)
"""Where the payload's first field stands in an unpacked record."""

MAX_PAYLOAD = 1 << 20

_INTS = {(1, False): "B", (2, False): "H", (4, False): "I", (8, False): "Q"}
_INTS |= {(size, True): code.lower() for (size, _), code in _INTS.items()}
_FIXED = {"bool": 1, "ipv4": 4, "ipv6": 16, "ip": 20, "port": 2, "pointer": 8}

_DtypeField: TypeAlias = str | tuple[str, int]


def pad(size: int, align: int = 8) -> int:
    """Round a size up to a multiple of a power of two."""
    return (size + align - 1) & -align


def layout(schema_id: int, name: str, fields: Iterable[tuple[str, FieldType]]) -> SchemaMeta:
    """Place fields in a payload: in order, each at its alignment, the whole a multiple of 8."""
    placed = []
    end = 0
    for field_name, kind in fields:
        offset = pad(end, kind.align)
        end = offset + kind.size
        placed.append(
            FieldMeta(field_name, kind.kind, offset, kind.size, kind.signed, kind.labels)
        )
    return SchemaMeta(schema_id, name, pad(end), tuple(placed))


def ordered(schema: SchemaMeta) -> tuple[FieldMeta, ...]:
    """Give the fields by offset, which is their order in an unpacked record.

    Raises:
        FormatError: Fields overlap, repeat a name, leave the payload or have no such kind or size.
    """
    where = f"schema {schema.name!r}"
    if not 0 <= schema.size <= MAX_PAYLOAD:
        raise FormatError(f"{where}: read: {schema.size} bytes of payload are out of range")
    fields = tuple(sorted(schema.fields, key=lambda field: field.offset))
    end = 0
    for field in fields:
        if field.offset < end or field.size <= 0:
            raise FormatError(f"{where}: read: field {field.name!r} overlaps the one before it")
        end = field.offset + field.size
        _code(field, where)
    if end > schema.size:
        raise FormatError(f"{where}: read: field {fields[-1].name!r} leaves the payload")
    if len({field.name for field in fields}) != len(fields):
        raise FormatError(f"{where}: read: two fields share a name")
    return fields


def _code(field: FieldMeta, where: str) -> str:
    """Give one field's `struct` format."""
    if field.kind in {"int", "enum", "function"}:
        code = _INTS.get((field.size, field.signed))
    elif field.kind in {"str", "bytes"}:
        code = f"{field.size}s"
    elif _FIXED.get(field.kind) == field.size:
        code = {"bool": "?", "port": "H", "pointer": "Q"}.get(field.kind, f"{field.size}s")
    else:
        code = None
    if code is None:
        raise FormatError(
            f"{where}: read: field {field.name!r} has no known layout "
            f"(kind {field.kind!r}, {field.size} bytes)"
        )
    return code


def record_struct(schema: SchemaMeta, *, lead: int = 0, stride: int = 0) -> struct.Struct:
    """Make the `struct` that unpacks a whole record: the header's values, then the fields'.

    Args:
        schema: The payload's layout; fields come by offset.
        lead: Bytes to skip before the record, `RING_HEADER_SIZE` in a ring.
        stride: Total size to reach, 0 for none.

    Raises:
        FormatError: As `ordered`.
    """
    parts = [f"<{lead}x", RECORD_HEADER.removeprefix("<")]
    end = 0
    for field in ordered(schema):
        parts.append(f"{field.offset - end}x{_code(field, schema.name)}")
        end = field.offset + field.size
    parts.append(f"{schema.size - end}x")
    tail = stride - (lead + RECORD_HEADER_SIZE + schema.size)
    if tail > 0:
        parts.append(f"{tail}x")
    return struct.Struct("".join(parts))


def payload_struct(schema: SchemaMeta, size: int) -> struct.Struct:
    """Make the `struct` that packs the fields alone into ``size`` bytes, zeros between them."""
    parts = ["<"]
    end = 0
    for field in schema.fields:
        parts.append(f"{field.offset - end}x{_code(field, schema.name)}")
        end = field.offset + field.size
    return struct.Struct("".join([*parts, f"{size - end}x"]))


def record_dtype(
    schema: SchemaMeta, *, lead: int = 0, stride: int = 0, header: bool = True
) -> np.dtype[np.void]:
    """Make the numpy type of a whole record; arguments and errors as for `record_struct`.

    Without ``header`` only the payload's fields have columns; they stand where they did.
    Addresses stay in network order (``>u4`` for IPv4, 16 bytes for IPv6), strings are ``S<n>``.
    Where a field has the name of a header value, the header's is called ``envelope_<name>``.
    """
    import numpy as np  # noqa: PLC0415 - only batches need it, and it costs 100 ms

    fields = ordered(schema)
    taken = {field.name for field in fields}
    names: list[str] = []
    formats: list[_DtypeField] = []
    offsets: list[int] = []
    end = lead
    for name, code in HEADER_FIELDS:
        if header:
            names.append(envelope_key(name, taken))
            formats.append(code)
            offsets.append(end)
        end += np.dtype(code).itemsize
    for field in fields:
        names.append(field.name)
        formats.append(_numpy_code(field))
        offsets.append(end + field.offset)
    size = max(stride, lead + RECORD_HEADER_SIZE + schema.size)
    spec = {"names": names, "formats": formats, "offsets": offsets, "itemsize": size}
    return np.dtype(spec)  # type: ignore[call-overload,no-any-return]  # the stubs lack this form


def _numpy_code(field: FieldMeta) -> _DtypeField:
    if field.kind in {"int", "enum", "port", "pointer", "function"}:
        return f"<{'i' if field.signed else 'u'}{field.size}"
    if field.kind == "str":
        return f"S{field.size}"
    return {"bool": "?", "ipv4": ">u4"}.get(field.kind, ("u1", field.size))


def envelope_key(name: str, taken: Sequence[str] | set[str]) -> str:
    """Give the key of an envelope value beside fields of the given names."""
    return f"envelope_{name}" if name in taken else name
