"""When one ring for all CPUs becomes a ring for each: ``rings="auto"``.

A ring that is over half full again and again, with records of several CPUs, has more producers than one lock
serves well, or a reader that is late: rings of their own help the first and give the second more room. There is
no way back within a session: what was needed once is cheap to keep.
"""

from __future__ import annotations

import time
from struct import unpack_from
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.buffers.sharded import ShardedReader

_ROUNDS = 3
"""So often in a row the ring must be found over half full, each time with as much that is new."""
_SEVERAL = 2
_LOOKED_AT = 64
"""Records whose CPUs are looked at."""
_HEADER = 8
_CPU_AT = _HEADER + 36
_LENGTH = (1 << 30) - 1
_CHECK_S = 1.0
"""How often CPUs that came online are looked for, while they use the ring for all."""


class Spreading:
    """Decides for one part, and makes the rings.

    Attributes:
        reader: Its rings.
    """

    def __init__(self, reader: ShardedReader, switch: Callable[[], None], *, spread: bool) -> None:
        """Begin.

        Args:
            reader: The rings.
            switch: Tells running programs to use the rings of their CPUs.
            spread: They do so from the beginning.
        """
        self.reader = reader
        self._switch = switch
        self._spread = spread
        self._crowded = 0
        self._counted = 0
        self._cpus: set[int] = set()
        self._next_check = 0.0

    def before(self) -> None:
        """Before a block is read from the ring for all: see how full it is."""
        if self._spread:
            return
        ring = self.reader.lanes[0]
        (written,) = ring.mark()
        full = 2 * ring.available() > ring.size
        if not full and written - self._counted < ring.size:
            return  # the rest of what was there the last time
        if full and written - self._counted < ring.size // 2:
            return
        self._counted = written
        if full:
            self._crowded += 1
        else:
            self._crowded = 0
            self._cpus.clear()

    def seen(self, data: bytes) -> None:
        """After a block was read from the ring for all; makes rings where it is time."""
        if not data:
            return
        if self._spread:
            # Somebody has no ring of his own yet: records from before the switch, or a new CPU.
            now = time.monotonic()
            if now >= self._next_check:
                self._next_check = now + _CHECK_S
                self.reader.spread()
        elif self._crowded:
            self._cpus |= cpus_of(data)
            if self._crowded < _ROUNDS or len(self._cpus) < _SEVERAL:
                return
            self._spread = True
            self.reader.spread()
            self._next_check = time.monotonic() + _CHECK_S
            self._switch()


def cpus_of(block: bytes) -> set[int]:
    """The CPUs that the first records of a block came from."""
    found: set[int] = set()
    at = 0
    for _ in range(_LOOKED_AT):
        if at + _CPU_AT + 4 > len(block):
            break
        (header,) = unpack_from("<I", block, at)
        found.update(unpack_from("<I", block, at + _CPU_AT))
        at += (header & _LENGTH) + 15 & -8
    return found
