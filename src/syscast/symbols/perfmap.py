"""Names of code that a process makes while it runs: the file perf-PID.map in its temporary directory.

The format is perf's (tools/perf/Documentation/jit-interface.txt): lines of start, size (both hex) and name. The
file lies in the mount namespace of the process and has the number that the process knows itself by.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right

from syscast.kernel.textfiles import open_regular, read_text

_LINE = re.compile(rb"^(?:0x)?([0-9a-fA-F]+) (?:0x)?([0-9a-fA-F]+) (.+)$", re.MULTILINE)
_MOST = 1 << 28


class PerfMap:
    """The names of one process' made code; read again as the file grows."""

    def __init__(self, pid: int) -> None:
        self._owner = _owner(pid)
        self._path = f"/proc/{pid}/root/tmp/perf-{own_number(pid)}.map"
        self._size = -1
        self._starts: list[int] = []
        self._entries: list[tuple[int, bytes]] = []

    def find(self, address: int) -> tuple[str, int] | None:
        """Name of the code at an address, and bytes from its start."""
        return self._look(address) or (self._look(address) if self._reread() else None)

    def _look(self, address: int) -> tuple[str, int] | None:
        index = bisect_right(self._starts, address) - 1
        if index < 0 or address >= self._starts[index] + self._entries[index][0]:
            return None
        name = self._entries[index][1].decode("utf-8", "backslashreplace")
        return name, address - self._starts[index]

    def _reread(self) -> bool:
        """Read the file if it has changed; whether it has."""
        try:
            with open_regular(self._path) as file:
                found = os.fstat(file.fileno())
                size = found.st_size
                # Anybody may write to the directory: as perf does, believe the process' user and root.
                if size == self._size or found.st_uid not in {0, self._owner}:
                    return False
                self._size = size
                data = file.read(_MOST)
        except OSError:
            return False
        # Of two pieces of code that began at one place the later one is there now.
        names = {int(each[1], 16): (int(each[2], 16), each[3]) for each in _LINE.finditer(data)}
        self._starts = sorted(names)
        self._entries = [names[start] for start in self._starts]
        return True


def _owner(pid: int) -> int:
    try:
        return os.stat(f"/proc/{pid}").st_uid  # noqa: PTH116  (as kernel.textfiles)
    except OSError:
        return 0


def own_number(pid: int) -> int:
    """The number that a process has in its own PID namespace."""
    for line in (read_text(f"/proc/{pid}/status") or "").splitlines():
        if line.startswith("NSpid:"):
            return int(line.split()[-1])
    return pid
