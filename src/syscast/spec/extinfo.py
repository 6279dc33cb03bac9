"""``.BTF.ext``: functions, source lines and CO-RE relocations, by ELF section.

Layout: struct btf_ext_header and btf_ext_info_sec of the kernel's
Documentation/bpf/btf.rst, section 4.2.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from syscast.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MAGIC = 0xEB9F
_VERSION = 1
_HEADER = struct.Struct("<HBBIIIII")
_CORE = struct.Struct("<II")
_SECTION = struct.Struct("<II")
_FUNC = struct.Struct("<II")
_LINE = struct.Struct("<IIII")
_RELO = struct.Struct("<IIII")

Record = tuple[int, ...]
"""The record's words, the byte offset in the section first."""


class ExtInfo(NamedTuple):
    """What ``.BTF.ext`` holds, by section name; records in the order of the file.

    Attributes:
        funcs: Byte offset in the section, type id.
        lines: Byte offset, file name, line text, and line and column in one word.
        relocations: Byte offset, type id, access string, kind.
    """

    funcs: dict[str, list[Record]]
    lines: dict[str, list[Record]]
    relocations: dict[str, list[Record]]


def parse(data: bytes, string_at: Callable[[int], str], subject: str) -> ExtInfo:
    """Read a whole ``.BTF.ext`` section.

    Args:
        data: Its bytes; may be empty.
        string_at: Gives a string of the object's BTF by its offset.
        subject: Object and name, for messages.

    Raises:
        FormatError: It is damaged.
    """
    if not data:
        return ExtInfo({}, {}, {})
    if len(data) < _HEADER.size:
        raise FormatError(f"{subject}: parse: .BTF.ext is too short")
    magic, version, _, size, *places = _HEADER.unpack_from(data)
    if magic != _MAGIC or version != _VERSION or size < _HEADER.size:
        raise FormatError(f"{subject}: parse: .BTF.ext has an unknown header")
    if _HEADER.size + _CORE.size <= size <= len(data):
        places += _CORE.unpack_from(data, _HEADER.size)
    else:
        places += (0, 0)
    tables: list[dict[str, list[Record]]] = []
    for number, form in enumerate((_FUNC, _LINE, _RELO)):
        start, length = size + places[2 * number], places[2 * number + 1]
        if start + length > len(data):
            raise FormatError(f"{subject}: parse: .BTF.ext is cut off")
        table: dict[str, list[Record]] = {}
        for section, records in _blocks(data[start : start + length], form, subject):
            table.setdefault(string_at(section), []).extend(records)
        tables.append(table)
    return ExtInfo(*tables)


def _blocks(area: bytes, form: struct.Struct, subject: str) -> Iterator[tuple[int, list[Record]]]:
    """Yield each section's name (string offset) and its records."""
    if not area:
        return
    if len(area) < 4:
        raise FormatError(f"{subject}: parse: .BTF.ext is cut off")
    (record_size,) = struct.unpack_from("<I", area)
    if record_size < form.size or record_size % 4:
        raise FormatError(f"{subject}: parse: .BTF.ext has records of {record_size} bytes")
    position = 4
    while position < len(area):
        if position + _SECTION.size > len(area):
            raise FormatError(f"{subject}: parse: .BTF.ext is cut off")
        section, count = _SECTION.unpack_from(area, position)
        position += _SECTION.size
        end = position + count * record_size
        if not count or end > len(area):
            raise FormatError(f"{subject}: parse: .BTF.ext has a block of {count} records")
        yield section, [form.unpack_from(area, at) for at in range(position, end, record_size)]
        position = end
