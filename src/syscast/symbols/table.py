"""One symbol table of an ELF file, kept as bytes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from syscast import elf
from syscast.elf import Elf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syscast.elf import FileBytes

_ENTRY = struct.Struct("<IBBHQQ")
_CODE = frozenset({elf.STT_FUNC, elf.STT_GNU_IFUNC})
_LARGEST = 1 << 30
_TABLES = (elf.SHT_SYMTAB, elf.SHT_DYNSYM)


class Code(NamedTuple):
    """A function in a file.

    Attributes:
        name: As in the symbol table, mangled.
        address: Of its first instruction.
        size: Bytes; 0 where the table does not say.
        local: Seen in its own source file only.
        chosen: Not the function, but what picks one of several when the program starts (STT_GNU_IFUNC).
    """

    name: str
    address: int
    size: int
    local: bool = False
    chosen: bool = False


class Table(NamedTuple):
    """One symbol table.

    Attributes:
        entries: Elf64_Sym each.
        strings: The names.
        executable: Numbers of sections with code, for symbols without a type.
    """

    entries: bytes
    strings: bytes
    executable: frozenset[int]

    def find(self, name: str) -> list[Code]:
        """All functions of exactly this name; labels in code where no function has it."""
        wanted = name.encode("utf-8", "surrogateescape") + b"\0"
        places = set()
        at = self.strings.find(wanted)
        while at >= 0:  # a name may be the tail of a longer one
            places.add(at)
            at = self.strings.find(wanted, at + 1)
        if not places:
            return []
        found, labels = [], []
        for place, info, _, section, value, size in _ENTRY.iter_unpack(self.entries):
            if place not in places or not section or not value:
                continue
            kind, local = info & 15, info >> 4 == elf.STB_LOCAL
            if kind in _CODE:
                found.append(Code(name, value, size, local, kind == elf.STT_GNU_IFUNC))
            elif kind == elf.STT_NOTYPE and section in self.executable:
                labels.append(Code(name, value, size, local))
        return found or labels

    def value(self, name: str) -> int | None:
        """The value of a symbol of any type that is defined; None where there is none."""
        wanted = name.encode("utf-8", "surrogateescape") + b"\0"
        at = self.strings.find(wanted)
        places = set()
        while at >= 0:
            places.add(at)
            at = self.strings.find(wanted, at + 1)
        for place, _, _, section, value, _ in _ENTRY.iter_unpack(self.entries):
            if place in places and section:
                return int(value)
        return None

    def functions(self) -> Iterator[tuple[int, int, int, int]]:
        """(address, size, place of the name, info) of each function."""
        for place, info, _, section, value, size in _ENTRY.iter_unpack(self.entries):
            if info & 15 in _CODE and section and value:
                yield value, size, place, info

    def name(self, place: int) -> str:
        """The name at a place."""
        end = self.strings.find(b"\0", place)
        return self.strings[place : max(end, place)].decode("utf-8", "surrogateescape")


def tables(data: Elf) -> Iterator[Table]:
    """The symbol tables of a file; raises FormatError."""
    executable = frozenset(each.number for each in data.sections if each.executable)
    for section in data.sections:
        if section.type not in _TABLES or not 0 < section.link < len(data.sections):
            continue
        if max(section.size, data.sections[section.link].size) > _LARGEST:
            continue  # of a file with holes, made to fill the memory
        entries = bytes(data.content(section))
        strings = bytes(data.content(data.sections[section.link]))
        yield Table(entries[: len(entries) // _ENTRY.size * _ENTRY.size], strings, executable)


def tables_of(data: bytes | memoryview | FileBytes, subject: str) -> list[Table]:
    """The symbol tables of a file with debugging symbols; raises FormatError."""
    return list(tables(Elf(data, subject)))
