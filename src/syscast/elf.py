"""Read little-endian 64-bit ELF files: sections, symbols, relocations.

Enough for BPF objects and for the symbols of programs and libraries. Files are treated as
hostile: every number is checked against the file before it is used, nothing is decompressed,
and a section without content in the file (SHT_NOBITS) costs no memory.

Written with ``struct`` instead of pyelftools: that import costs 50 ms, a third of a warm start,
and on damaged files it raises whatever its parser tripped over. Layouts and numbers are from
the kernel's include/uapi/linux/elf.h and elf(5).
"""

from __future__ import annotations

import os
import struct
from typing import IO, NamedTuple

from syscast.errors import FormatError

EM_X86_64 = 62
EM_AARCH64 = 183
EM_BPF = 247

ET_REL = 1
ET_EXEC = 2
ET_DYN = 3

PT_LOAD = 1
PT_NOTE = 4
PF_X = 1 << 0

SHT_PROGBITS = 1
SHT_SYMTAB = 2
SHT_RELA = 4
SHT_NOTE = 7
SHT_NOBITS = 8
SHT_REL = 9
SHT_DYNSYM = 11

SHF_WRITE = 1 << 0
SHF_ALLOC = 1 << 1
SHF_EXECINSTR = 1 << 2

STT_NOTYPE = 0
STT_OBJECT = 1
STT_FUNC = 2
STT_SECTION = 3
STT_GNU_IFUNC = 10

STB_LOCAL = 0
STB_GLOBAL = 1
STB_WEAK = 2

STV_INTERNAL = 1
STV_HIDDEN = 2

SHN_UNDEF = 0
SHN_LORESERVE = 0xFF00

NOTE_GNU_BUILD_ID = 3
NOTE_STAPSDT = 3

_NAME_MAX = 1 << 16
_NOTES_MAX = 1 << 24
_PART_MAX = 1 << 30
_IDENT = b"\x7fELF\x02\x01\x01"  # 64 bits, little endian, version 1
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_NOTE = struct.Struct("<III")
_REL = struct.Struct("<QQ")
_RELA = struct.Struct("<QQq")


class Section(NamedTuple):
    """One section header (Elf64_Shdr).

    Attributes:
        number: Position in the section table.
        type: ``SHT_*``.
        flags: ``SHF_*``.
        offset: Of the content in the file, bytes.
        size: Bytes; for SHT_NOBITS those in memory.
        link: Index of a section that this one needs (a symbol table's strings).
        info: For relocations the section that they change.
        entry_size: Bytes of one entry.
    """

    number: int
    name: str
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    entry_size: int

    @property
    def executable(self) -> bool:
        """Whether it holds instructions."""
        return bool(self.flags & SHF_EXECINSTR)


class Segment(NamedTuple):
    """One program header (Elf64_Phdr): a part of the file as it lies in memory.

    Attributes:
        type: ``PT_*``.
        flags: ``PF_*``.
        offset: In the file, bytes.
        address: Where it belongs, before a load bias is added.
        size: Bytes in the file.
        memory: Bytes in memory.
    """

    type: int
    flags: int
    offset: int
    address: int
    size: int
    memory: int


class Note(NamedTuple):
    """One entry of a note section (Elf64_Nhdr and what follows)."""

    owner: str
    type: int
    content: bytes


class Symbol(NamedTuple):
    """One symbol (Elf64_Sym).

    Attributes:
        section: Section index, SHN_UNDEF for an undefined one.
        value: Offset in the section, or an address in linked files.
        type: ``STT_*``.
        binding: ``STB_*``.
        visibility: ``STV_*``.
    """

    name: str
    value: int
    size: int
    type: int
    binding: int
    visibility: int
    section: int


class Relocation(NamedTuple):
    """One relocation (Elf64_Rel, Elf64_Rela).

    Attributes:
        offset: Place to change in the section, bytes.
        type: ``R_*`` of the machine.
        symbol: Index in the symbol table.
        addend: 0 where the section keeps it in the place itself (SHT_REL).
    """

    offset: int
    type: int
    symbol: int
    addend: int


class FileBytes:
    """The bytes of an open file, read where they are asked for: large files are not read whole."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice[int | None, int | None, None]) -> bytes:
        start, stop, _ = part.indices(self._size)
        if stop - start > _PART_MAX:  # of a file with holes, made to fill the memory
            raise FormatError(f"elf: parse: a part of {stop - start} bytes")
        return os.pread(self._file.fileno(), max(0, stop - start), start)


class Elf:
    """A parsed file; holds on to its bytes and hands out views.

    Attributes:
        subject: What the file is, for messages.
        machine: ``EM_*``.
        type: ``ET_*``.
        sections: In file order, the null section first.
        segments: In file order.
    """

    def __init__(self, data: bytes | memoryview | FileBytes, subject: str = "elf") -> None:
        """Read the header and the section table.

        Args:
            data: The whole file; it may be a mapping, or a file that stays open as long as this object
                is in use.
            subject: Object and name for messages, such as ``object 'probe.o'``.

        Raises:
            FormatError: Not such a file, or one that ends early.
        """
        self.subject = subject
        self._data = data if isinstance(data, FileBytes) else memoryview(data)
        ident = bytes(self._data[:7])
        if len(self._data) < _HEADER.size or ident[:4] != _IDENT[:4]:
            raise FormatError(f"{subject}: parse: not an ELF file")
        if ident != _IDENT:
            raise FormatError(f"{subject}: parse: not a 64-bit little-endian ELF file")
        header = _HEADER.unpack(self._data[: _HEADER.size])
        self.type: int = header[1]
        self.machine: int = header[2]
        self.segments: tuple[Segment, ...] = self._segments(header[5], *header[9:11])
        self.sections: tuple[Section, ...] = self._sections(header[6], header[11:])
        self._by_name = {section.name: section for section in reversed(self.sections)}

    def _segments(self, table: int, entry_size: int, count: int) -> tuple[Segment, ...]:
        if not table or not count:
            return ()
        if entry_size != _SEGMENT.size:
            raise FormatError(f"{self.subject}: parse: program headers of {entry_size} bytes")
        raw = self._slice(table, count * entry_size, "the program headers")
        return tuple(
            Segment(kind, flags, offset, address, size, memory)
            for kind, flags, offset, address, _, size, memory, _ in _SEGMENT.iter_unpack(raw)
        )

    def _sections(self, table: int, entry: tuple[int, int, int]) -> tuple[Section, ...]:
        entry_size, count, names_index = entry
        if not table or not count:
            return ()
        if entry_size != _SECTION.size:
            raise FormatError(f"{self.subject}: parse: section headers of {entry_size} bytes")
        raw = self._slice(table, count * entry_size, "the section table")
        headers = list(_SECTION.iter_unpack(raw))
        if names_index >= count:
            raise FormatError(f"{self.subject}: parse: no section {names_index} with names")
        names = self._slice(headers[names_index][4], headers[names_index][5], "section names")
        strings = bytes(names)
        return tuple(
            Section._make((number, self._string(strings, name), *fields, entry))
            for number, (name, *fields, _, entry) in enumerate(headers)
        )

    def section(self, name: str) -> Section | None:
        """The first section of that name, or None."""
        return self._by_name.get(name)

    def content(self, section: Section) -> memoryview | bytes:
        """The section's bytes in the file, empty for SHT_NOBITS.

        Raises:
            FormatError: They lie outside of the file.
        """
        if section.type == SHT_NOBITS:
            return b""
        return self._slice(section.offset, section.size, f"section '{section.name}'")

    def symbols(self, table: Section) -> tuple[Symbol, ...]:
        """All symbols of a SHT_SYMTAB or SHT_DYNSYM section, the null symbol first.

        Raises:
            FormatError: The table or a name is damaged.
        """
        raw = self._entries(table, _SYMBOL.size)
        if not 0 < table.link < len(self.sections):
            raise FormatError(f"{self.subject}: parse: section '{table.name}' has no names")
        strings = bytes(self.content(self.sections[table.link]))
        return tuple(
            Symbol(self._string(strings, name), value, size, info & 15, info >> 4, other & 3, at)
            for name, info, other, at, value, size in _SYMBOL.iter_unpack(raw)
        )

    def notes(self) -> tuple[Note, ...]:
        """All notes of all note sections; of the segments where there are no sections.

        Raises:
            FormatError: A note is damaged.
        """
        places = [(each.offset, each.size) for each in self.sections if each.type == SHT_NOTE] or [
            (each.offset, each.size) for each in self.segments if each.type == PT_NOTE
        ]
        found: list[Note] = []
        for offset, size in places:
            if size > _NOTES_MAX:
                raise FormatError(f"{self.subject}: parse: notes of {size} bytes")
            found += self._notes(bytes(self._slice(offset, size, "a note section")))
        return tuple(found)

    def _notes(self, raw: bytes) -> list[Note]:
        found = []
        at = 0
        while at + _NOTE.size <= len(raw):
            name_size, size, kind = _NOTE.unpack_from(raw, at)
            at += _NOTE.size
            start = at + (name_size + 3 & ~3)
            if start + size > len(raw):
                raise FormatError(f"{self.subject}: parse: a note lies outside of its section")
            owner = raw[at : at + name_size].rstrip(b"\0").decode("ascii", "replace")
            found.append(Note(owner, kind, raw[start : start + size]))
            at = start + (size + 3 & ~3)
        return found

    def relocations(self, section: Section) -> tuple[Relocation, ...]:
        """All relocations of a SHT_REL or SHT_RELA section, in file order.

        Raises:
            FormatError: The section is damaged.
        """
        if section.type == SHT_REL:
            entries = _REL.iter_unpack(self._entries(section, _REL.size))
            return tuple(
                Relocation(offset, info & 0xFFFFFFFF, info >> 32, 0) for offset, info in entries
            )
        triples = _RELA.iter_unpack(self._entries(section, _RELA.size))
        return tuple(
            Relocation(offset, info & 0xFFFFFFFF, info >> 32, addend)
            for offset, info, addend in triples
        )

    def _entries(self, section: Section, size: int) -> memoryview | bytes:
        raw = self.content(section)
        if section.entry_size != size or len(raw) % size:
            raise FormatError(
                f"{self.subject}: parse: section '{section.name}' does not hold entries of "
                f"{size} bytes"
            )
        return raw

    def _slice(self, offset: int, size: int, what: str) -> memoryview | bytes:
        if offset + size > len(self._data):
            raise FormatError(f"{self.subject}: parse: {what} lies outside of the file")
        return self._data[offset : offset + size]

    def _string(self, strings: bytes, offset: int) -> str:
        end = strings.find(0, offset, offset + _NAME_MAX)
        if end < 0:
            raise FormatError(f"{self.subject}: parse: no name at byte {offset} of the names")
        return strings[offset:end].decode("utf-8", "backslashreplace")
