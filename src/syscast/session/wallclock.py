"""A session's wall clock: watched while the session reads, told to its decoders."""

from __future__ import annotations

import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING

from syscast.events.clock import Reading, WallClock
from syscast.features.recordclock import record_clock
from syscast.kernel.clocks import ClockWatch, read_clocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.kernel.descriptors import Fd
    from syscast.session.part import Part


class SessionClock:
    """Finds out when the wall clock is set, and tells the decoders.

    Attributes:
        wall: What is known of the clocks.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._decoders = [part.decoder for part in parts if not part.meta.foreign]
        self._clock = record_clock()
        self.wall: WallClock = WallClock(partial(_reading, self._clock))
        self._watch: ClockWatch | None = None
        if self._decoders:
            with contextlib.suppress(OSError):  # then each look finds out by itself
                self._watch = ClockWatch()
        self._tell()

    @property
    def fd(self) -> Fd | None:
        """Becomes readable when the clock is set; None where nothing is watched."""
        return None if self._watch is None else self._watch.fd

    def look(self) -> None:
        """Compare the clocks; to be called before each look at the rings."""
        if self._decoders and self.wall.look():
            if self._watch is not None:
                self._watch.was_set()  # known now
            self._tell()

    def woke(self, *, ready: bool = True) -> None:
        """Note what the kernel said at the end of a sleep.

        Args:
            ready: Whether `fd` may be readable: then the clock was set just now. Else it was not
                set until now, whatever the next look finds.
        """
        if self._watch is None:
            return
        if not (ready and self._watch.was_set()):
            self.wall.unchanged(time.clock_gettime_ns(self._clock))
        elif self.wall.look(just_set=True):
            self._tell()

    def _tell(self) -> None:
        for decoder in self._decoders:
            decoder.set_clock(self.wall.offset, self.wall.steps)

    def close(self) -> None:
        """Stop watching."""
        if self._watch is not None:
            self._watch.close()


def _reading(clock: int) -> Reading:
    before, stamp, after = read_clocks(clock)
    return Reading(stamp, before - stamp, after - stamp)
