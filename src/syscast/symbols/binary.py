"""Executables and libraries: the functions in them, and where addresses lie in the file.

An address here is as the file's own tables have it, before the loader adds a bias. Names come from ``.symtab``
and ``.dynsym``; where a file is stripped, also from what `debugfiles` finds. Tables are kept as bytes:
a name is looked for in the names first (a search of bytes), and an address by bisection in a list that is
made once.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from typing import TYPE_CHECKING

from syscast import elf
from syscast.elf import Elf, FileBytes
from syscast.errors import FormatError, TargetError
from syscast.kernel.textfiles import open_regular
from syscast.symbols.table import Code, Table, tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syscast.elf import Segment

_MOST_CACHED = 128


class Binary:
    """What tracing needs of one file; nothing stays open.

    Attributes:
        path: As it was opened.
        machine: ``elf.EM_*``.
        type: ``elf.ET_*``: ET_DYN is moved by a load bias, ET_EXEC is not.
        build_id: In hex; ``""`` where there is none.
        segments: The parts that are loaded.
        debuglink: Name of the file with the debugging symbols, and its CRC.
        minidebug: ``.gnu_debugdata``, an xz file with a symbol table; empty where there is none.
        tables: The file's own symbol tables.
        marks: The content of each note of a USDT probe, see `stapsdt`.
        marks_base: Address of the section that these notes count from; 0 where there is none.
    """

    def __init__(self, data: Elf, path: str = "") -> None:
        self.path = path
        self.machine: int = data.machine
        self.type: int = data.type
        self.segments: tuple[Segment, ...] = tuple(
            each for each in data.segments if each.type == elf.PT_LOAD
        )
        notes = _notes(data)
        self.build_id: str = next(
            (
                each.content.hex()
                for each in notes
                if each.type == elf.NOTE_GNU_BUILD_ID and each.owner == "GNU"
            ),
            "",
        )
        self.marks: tuple[bytes, ...] = tuple(
            each.content
            for each in notes
            if each.type == elf.NOTE_STAPSDT and each.owner == "stapsdt"
        )
        base = data.section(".stapsdt.base")
        self.marks_base: int = base.address if base is not None else 0
        self.debuglink: tuple[str, int] | None = _debuglink(data)
        section = data.section(".gnu_debugdata")
        self.minidebug: bytes = bytes(data.content(section)) if section is not None else b""
        self.has_symtab: bool = any(each.type == elf.SHT_SYMTAB for each in data.sections)
        self.tables: list[Table] = list(tables(data))
        self._sought = False
        self._sorted: tuple[list[int], list[tuple[int, int, Table]]] | None = None

    @classmethod
    def open(cls, path: str) -> Binary:
        """Read a file.

        Raises:
            OSError: It cannot be read.
            FormatError: It is no 64-bit ELF file.
        """
        with open_regular(path) as file:
            return cls(Elf(FileBytes(file), f"file '{path}'"), path)

    def find(self, name: str) -> list[Code]:
        """Functions of this name, one for each address, those that other files see first."""
        found: dict[int, Code] = {}
        for table in self._tables():
            for each in table.find(name):
                known = found.get(each.address)
                if known is None or (known.local and not each.local):
                    found[each.address] = each
        return sorted(found.values(), key=lambda each: (each.local, each.address))

    def value(self, name: str) -> int | None:
        """The address of a function or of data; None where no table has it."""
        return next(
            (found for table in self._tables() if (found := table.value(name)) is not None), None
        )

    def functions(self) -> Iterator[Code]:
        """Every function, by address; several names of one address are several functions."""
        seen = set()
        for table in self._tables():
            for value, size, place, info in table.functions():
                name = table.name(place)
                if (value, name) not in seen:
                    seen.add((value, name))
                    local = info >> 4 == elf.STB_LOCAL
                    yield Code(name, value, size, local, info & 15 == elf.STT_GNU_IFUNC)

    def at(self, address: int) -> Code | None:
        """The function that an address lies in; None where no table knows."""
        if self._sorted is None:
            self._sorted = self._sort()
        starts, entries = self._sorted
        index = bisect_right(starts, address) - 1
        if index < 0:
            return None
        nearest = starts[index]
        while index >= 0:
            size, place, table = entries[index]
            if address < starts[index] + max(size, 1) or (not size and starts[index] == nearest):
                return Code(table.name(place), starts[index], size)
            if starts[index] + size < nearest:
                return None
            index -= 1
        return None

    def file_offset(self, address: int) -> int | None:
        """Where in the file the byte of an address lies; None if nowhere."""
        for each in self.segments:
            if each.address <= address < each.address + each.size:
                return address - each.address + each.offset
        return None

    def address(self, offset: int) -> int | None:
        """The address of a byte of the file, code before data; None if it is not loaded."""
        for each in sorted(self.segments, key=lambda each: not each.flags & elf.PF_X):
            if each.offset <= offset < each.offset + each.size:
                return offset - each.offset + each.address
        return None

    def _tables(self) -> list[Table]:
        """The file's own tables; where it is stripped, also those of its debugging symbols."""
        if not self.has_symtab and not self._sought:
            self._sought = True
            from syscast.symbols import debugfiles  # noqa: PLC0415  (stripped files only)

            self.tables += debugfiles.tables(
                self.path, self.build_id, self.debuglink, self.minidebug
            )
        return self.tables

    def _sort(self) -> tuple[list[int], list[tuple[int, int, Table]]]:
        best: dict[int, tuple[tuple[bool, bool], int, int, Table]] = {}
        common: dict[int, str] = {}
        for table in self._tables():
            for value, size, place, info in table.functions():
                # Of several names of one address, those that other files see, and with a size.
                rank = (info >> 4 == elf.STB_LOCAL, not size)
                known = best.get(value)
                if known is None or rank < known[0]:
                    best[value] = (rank, size, place, table)
                elif rank == known[0]:  # names for users are short and without underscores
                    before = common.get(value) or known[3].name(known[2])
                    name = table.name(place)
                    if (name[:1] == "_", len(name)) < (before[:1] == "_", len(before)):
                        best[value] = (rank, size, place, table)
                        common[value] = name
        starts = sorted(best)
        return starts, [best[start][1:] for start in starts]


def _notes(data: Elf) -> tuple[elf.Note, ...]:
    try:
        return data.notes()
    except FormatError:
        return ()


def _debuglink(data: Elf) -> tuple[str, int] | None:
    section = data.section(".gnu_debuglink")
    if section is None:
        return None
    name, _, rest = bytes(data.content(section)).partition(b"\0")
    crc = int.from_bytes(rest[-4:], "little") if len(rest) >= 4 else 0
    return name.decode("utf-8", "surrogateescape"), crc


_cache: dict[tuple[int, int, int, int], Binary] = {}


def read(path: str) -> Binary:
    """A file's symbols, read once as long as it does not change.

    Raises:
        TargetError: It cannot be read, or is no 64-bit ELF file.
    """
    try:
        found = os.stat(path)  # noqa: PTH116  (as kernel.textfiles)
        key = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        made = _cache.get(key)
        if made is None:
            made = Binary.open(path)
            if len(_cache) >= _MOST_CACHED:
                _cache.pop(next(iter(_cache)))
            _cache[key] = made
    except OSError as error:
        cause = os.strerror(error.errno or 0).lower()
        raise TargetError(f"file '{path}': read: {cause}") from None
    except FormatError as error:
        raise TargetError(
            f"file '{path}': read symbols: {str(error).rpartition(': ')[2]}"
        ) from None
    return made
