"""``.BTF.ext``: what an object says of its instructions: functions, lines, CO-RE relocations.

Three tables, each grouped by the ELF section of the instructions; ``btf.rst`` gives the format.
Offsets of instructions are in bytes from the start of that section, as in the file. Strings lie in
the string section of the object's BTF.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, TypeVar

from syscast.btf.parse import HEADER_SIZE, MAGIC, VERSION
from syscast.btf.record import Record
from syscast.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from syscast.btf.lookup import Btf

_HEADER = struct.Struct("=HBBI")
_FULL_HEADER_SIZE = 32
_COLUMN_BITS = 10


class FuncInfo(Record):
    """The ``Func`` that starts at an instruction."""

    insn_off: int
    type_id: int


class LineInfo(Record):
    """The source line of an instruction; ``line_col`` packs line and column."""

    insn_off: int
    file_name_off: int
    line_off: int
    line_col: int

    @property
    def line(self) -> int:
        """The line, from 1."""
        return self.line_col >> _COLUMN_BITS

    @property
    def column(self) -> int:
        """The column, from 1; 0 where it is not known."""
        return self.line_col & ((1 << _COLUMN_BITS) - 1)


class CoreRelo(Record):
    """An instruction that depends on a type of the kernel; ``kind`` is a ``CoreReloKind``."""

    insn_off: int
    type_id: int
    access_str_off: int
    kind: int


class BtfExt(Record):
    """The three tables, each by the name of the section that its instructions are in."""

    func_info: Mapping[str, tuple[FuncInfo, ...]]
    line_info: Mapping[str, tuple[LineInfo, ...]]
    core_relos: Mapping[str, tuple[CoreRelo, ...]]


_Info = TypeVar("_Info", FuncInfo, LineInfo, CoreRelo)


def parse(data: bytes, btf: Btf) -> BtfExt:
    """Parse ``.BTF.ext``.

    Args:
        data: The content of the section.
        btf: The object's BTF, for the names of sections.

    Raises:
        FormatError: The bytes are not ``.BTF.ext``, or are cut off.
    """
    if len(data) < HEADER_SIZE:
        raise FormatError("btf.ext: parse: too short for a header")
    magic, version, _flags, header_size = _HEADER.unpack_from(data)
    if magic != MAGIC or version != VERSION:
        raise FormatError(f"btf.ext: parse: wrong magic {magic:#06x} or version {version}")
    if not HEADER_SIZE <= header_size <= len(data):
        raise FormatError(f"btf.ext: parse: wrong header size {header_size}")
    fields = struct.unpack_from("=4I", data, 8)
    if header_size >= _FULL_HEADER_SIZE:
        fields += struct.unpack_from("=2I", data, 24)
    else:
        fields += (0, 0)
    tables = []
    for start, size in zip(fields[::2], fields[1::2], strict=True):
        first = header_size + start
        if start % 4 or first + size > len(data):
            raise FormatError("btf.ext: parse: a table is outside of the data")
        tables.append(data[first : first + size])
    return BtfExt(
        _parse_table(tables[0], btf, "=2I", FuncInfo),
        _parse_table(tables[1], btf, "=4I", LineInfo),
        _parse_table(tables[2], btf, "=4I", CoreRelo),
    )


def _parse_table(
    table: bytes, btf: Btf, form: str, make: type[_Info]
) -> dict[str, tuple[_Info, ...]]:
    found: dict[str, tuple[_Info, ...]] = {}
    if not table:
        return found
    try:
        (record_size,) = struct.unpack_from("=I", table)
        if record_size < struct.calcsize(form) or record_size % 4:
            raise FormatError(f"btf.ext: parse: records of {record_size} bytes")
        at = 4
        while at < len(table):
            name, count = struct.unpack_from("=II", table, at)
            at += 8
            if count == 0 or count * record_size > len(table) - at:
                raise FormatError(f"btf.ext: parse: {count} records are not there")
            infos = tuple(
                make(*struct.unpack_from(form, table, at + number * record_size))
                for number in range(count)
            )
            section = btf.string(name)
            found[section] = found.get(section, ()) + infos
            at += count * record_size
    except struct.error:
        raise FormatError("btf.ext: parse: a table is cut off") from None
    return found


def encode(ext: BtfExt, string: Callable[[str], int]) -> bytes:
    """Encode ``.BTF.ext``; the inverse of ``parse``.

    Args:
        ext: The tables.
        string: Gives the offset of a string in the object's BTF: ``BtfBuilder.string``.
    """
    tables = (
        _encode_table(
            {
                name: [(i.insn_off, i.type_id) for i in infos]
                for name, infos in ext.func_info.items()
            },
            string,
            2,
        ),
        _encode_table(
            {
                name: [(i.insn_off, i.file_name_off, i.line_off, i.line_col) for i in infos]
                for name, infos in ext.line_info.items()
            },
            string,
            4,
        ),
        _encode_table(
            {
                name: [(i.insn_off, i.type_id, i.access_str_off, i.kind) for i in infos]
                for name, infos in ext.core_relos.items()
            },
            string,
            4,
        ),
    )
    header = _HEADER.pack(MAGIC, VERSION, 0, _FULL_HEADER_SIZE)
    start = 0
    for table in tables:
        header += struct.pack("=II", start, len(table))
        start += len(table)
    return header + b"".join(tables)


def _encode_table(
    sections: Mapping[str, Sequence[tuple[int, ...]]], string: Callable[[str], int], words: int
) -> bytes:
    parts = []
    for name, records in sections.items():
        if records:
            parts.append(struct.pack("=II", string(name), len(records)))
            parts.extend(struct.pack(f"={words}I", *record) for record in records)
    return struct.pack("=I", 4 * words) + b"".join(parts) if parts else b""
