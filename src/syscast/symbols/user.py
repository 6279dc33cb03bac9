"""Addresses of a process to names: what it has mapped, the symbols of these files, code that it made.

An address is looked for in /proc/PID/maps, which are read again when an address is in none of the regions known and
they have changed (a library was loaded, a program started by execve). Files are opened as the process sees them;
one whose name is gone, by /proc/PID/map_files. Answers are kept.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from syscast.elf import Elf
from syscast.errors import FormatError, TargetError
from syscast.kernel.textfiles import read_bytes
from syscast.symbols import binary, processmaps
from syscast.symbols.demangle import demangled
from syscast.symbols.perfmap import PerfMap
from syscast.symbols.symbol import Symbol, unknown

if TYPE_CHECKING:
    from syscast.symbols.binary import Binary
    from syscast.symbols.processmaps import Region

JIT = "[jit]"
_VDSO = "[vdso]"
_MOST_KEPT = 1 << 16
_NO_FILES = ("/dev/", "/memfd:", "/SYSV", "/anon_hugepage", "//anon", "[")


class UserSymbols:
    """The symbols of one process.

    Args:
        pid: The process. It need not live: then only what was looked up before is known.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._maps = b""
        self._starts: list[int] = []
        self._regions: list[Region] = []
        self._root: str | None = None
        self._files: dict[tuple[str, int, int], Binary | None] = {}
        self._kept: dict[int, Symbol] = {}
        self._perf_map: PerfMap | None = None

    def resolve(self, address: int, *, demangle: bool = True) -> Symbol:
        """What an address lies in.

        Args:
            address: Of an instruction.
            demangle: Names of C++ and Rust as they were written.
        """
        found = self._kept.get(address)
        if found is None:
            found = self._resolve(address)
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            if found.name or found.module:
                self._kept[address] = found
        if demangle and found.name.startswith("_Z"):
            return found._replace(name=demangled(found.name))
        return found

    def address(self, module: str, name: str) -> int | None:
        """The address of a function; None where it is not found.

        Args:
            module: The file's path, or its last part; ``""`` for any.
            name: As in the symbol table.
        """
        self.refresh()
        for region in self._regions:
            if not region.inode or module not in {"", region.path, region.path.rpartition("/")[2]}:
                continue
            code = self._file(region)
            for each in code.find(name) if code is not None else ():
                offset = code.file_offset(each.address) if code is not None else None
                if offset is not None and 0 <= offset - region.offset < region.end - region.start:
                    return region.start + offset - region.offset
        return None

    def modules(self) -> list[str]:
        """The files with code that the process has mapped, as it sees them."""
        self.refresh()
        return list(dict.fromkeys(each.path for each in self._regions if each.inode))

    def refresh(self) -> bool:
        """Read the maps; whether they have changed."""
        try:
            data = read_bytes(f"/proc/{self.pid}/maps")
        except OSError:
            return False
        if data == self._maps or not data:
            return False
        self._maps = data
        self._regions = [each for each in processmaps.parse(data) if each.executable]
        self._starts = [each.start for each in self._regions]
        self._root = None
        self._kept.clear()
        return True

    def _resolve(self, address: int) -> Symbol:
        region = self._region(address)
        if region is None and self.refresh():
            region = self._region(address)
        if region is None:
            return unknown(address)
        if region.path == _VDSO or _is_file(region):
            return self._in_file(region, address)
        made = self._made().find(address)
        if made is not None:
            return Symbol(made[0], JIT, made[1])
        return Symbol("", region.path, address - region.start if region.path else address)

    def _region(self, address: int) -> Region | None:
        index = bisect_right(self._starts, address) - 1
        if index < 0 or address >= self._regions[index].end:
            return None
        return self._regions[index]

    def _in_file(self, region: Region, address: int) -> Symbol:
        offset = address - region.start + region.offset
        code = self._file(region)
        if code is None:
            return Symbol("", region.path, offset)
        placed = code.address(offset)
        if placed is None:
            return Symbol("", region.path, offset)
        found = code.at(placed)
        if found is None:
            return Symbol("", region.path, placed)
        return Symbol(found.name.partition("@")[0], region.path, placed - found.address)

    def _file(self, region: Region) -> Binary | None:
        key = (region.path, region.device, region.inode)
        if key not in self._files:
            self._files[key] = self._open(region)
        return self._files[key]

    def _open(self, region: Region) -> Binary | None:
        if region.path == _VDSO:
            return self._vdso(region)
        if self._root is None:
            self._root = processmaps.root_of(self.pid)
        try:
            return binary.read(processmaps.path_of(self.pid, region, self._root))
        except TargetError:
            return None

    def _vdso(self, region: Region) -> Binary | None:
        """The kernel's code in every process, read from the process' memory."""
        try:
            with open(f"/proc/{self.pid}/mem", "rb", buffering=0) as memory:  # noqa: PTH123  (as kernel.textfiles)
                memory.seek(region.start)
                data = memory.read(region.end - region.start)
            return binary.Binary(Elf(data, _VDSO))
        except (OSError, FormatError):
            return None

    def _made(self) -> PerfMap:
        if self._perf_map is None:
            self._perf_map = PerfMap(self.pid)
        return self._perf_map


def _is_file(region: Region) -> bool:
    return bool(region.inode) and not region.path.startswith(_NO_FILES)
