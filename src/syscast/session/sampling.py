"""How many events are sent, one of N, and who decides: a ring that fills up, or a budget of CPU time.

Each has a wish, a power of two; the largest is told to the programs. It goes up at once, and down slowly, the
slower the sooner it had to go up again, so that it does not swing.
"""

from __future__ import annotations

import contextlib
import warnings
from struct import unpack_from
from typing import TYPE_CHECKING

from syscast.errors import SampledEventsWarning, UsageError
from syscast.events.pressurestats import PressureStats, keeping, over
from syscast.spec.meta import LEDGER, LEDGER_MAP

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syscast.buffers.ring import RingReader
    from syscast.session.costs import Meter
    from syscast.session.part import Part

MOST = 1 << 20
"""The largest N."""

_FULL, _EMPTY = 0.5, 0.125
"""Shares of a ring: above the first N goes up, below the second it may go down."""
_FALLING = 0.02
"""A ring that is emptier by less of its size than before is not on its way down."""
_COUNT_S = 0.05
"""How often the kernel's counts of drops are read, and between two steps up: the last has to show."""
_PATIENCE_S, _MOST_PATIENCE_S = 0.5, 16.0
"""How long a ring must have room before a step down, at first and at most."""
_TELL_S = 1.0
"""Between two notices."""

_MEASURE_S = 0.15
_SMOOTH = 0.5
"""Weight of the newest measure."""
_LOW = 0.4
"""Share of the budget below which N may be halved: less than half, since costs may double then."""
_FLOOR_AT = 1 << 12
"""With one of so many events sent, what is left is the cost of the runs themselves."""
_STEP = 16
"""The largest factor at once."""


class Keeping:
    """What programs are told, and what is said of it.

    Attributes:
        one_in: Of so many events one is sent; 1: all.
        highest: The largest so far.
        changes: How often it changed.
        notice: Gets a line when it changes; without one, the first change is a Python warning.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._wishes: dict[str, int] = {}
        self._told = 1
        self._next = 0.0
        self._warned = False
        self.one_in: int = 1
        self.highest: int = 1
        self.changes: int = 0
        self.notice: Callable[[str], object] | None = None

    def wish(self, who: str, one_in: int) -> None:
        """Say how many are to be kept; raises KernelError."""
        self._wishes[who] = one_in
        wanted = max(self._wishes.values())
        if wanted == self.one_in:
            return
        self.one_in = wanted
        self.highest = max(self.highest, wanted)
        self.changes += 1
        for part in self._parts:
            if part.control is not None:
                part.control.set("keep_one_in", wanted)

    def tell(self, now: float) -> None:
        """Say what changed, now and then."""
        if self.one_in == self._told or now < self._next:
            return
        self._next = now + _TELL_S
        self._told = self.one_in
        self.say(keeping(self.one_in))

    def say(self, text: str) -> None:
        """Give a notice."""
        if self.notice is not None:
            self.notice(text)
        elif not self._warned:
            self._warned = True
            warnings.warn(
                f"{text} (see session.stats(): what is left out is counted as sampled)",
                SampledEventsWarning,
                stacklevel=2,
            )


class Relief:
    """Raises N while a ring drops events, or is over half full and not on its way down."""

    def __init__(self, parts: Sequence[Part], keeping_: Keeping, now: float) -> None:
        self._parts = [part for part in parts if part.reader is not None]
        self._keeping = keeping_
        self._one_in = 1
        self._at = now
        self._fill = 0.0
        self._tried, self._dropped = 0, 0
        self._roomy_since = now
        self._lowered = now - _MOST_PATIENCE_S
        self._patience = _PATIENCE_S

    def look(self, now: float) -> None:
        """Decide anew, where it is time to; to be called before the rings are emptied."""
        fill = max(map(_fill, self._parts), default=0.0)
        if fill > _EMPTY:
            self._roomy_since = now
        full = fill > _FULL and not self._fill
        if now - self._at < _COUNT_S and not full:
            return
        self._at = now
        factor = self._excess()
        if factor == 1 and fill > _FULL and fill > self._fill - _FALLING:
            factor = 2
        self._fill = fill if fill > _FULL else 0.0
        if factor > 1:
            self._roomy_since = now
            if now - self._lowered < self._patience:
                self._patience = min(2 * self._patience, _MOST_PATIENCE_S)
            self._set(min(factor * self._one_in, MOST))
        elif self._one_in > 1 and now - self._roomy_since >= self._patience:
            self._roomy_since = self._lowered = now
            self._set(self._one_in // 2)
            if self._one_in == 1:
                self._patience = _PATIENCE_S

    def _set(self, one_in: int) -> None:
        self._one_in = one_in
        self._keeping.wish("ring", one_in)

    def _excess(self) -> int:
        """By how much too many events were sent since the last time; 1: none was dropped."""
        tried = sum(_counted(part, "tried") for part in self._parts)
        lost = ("dropped", "aggregated")
        dropped = sum(_counted(part, name) for part in self._parts for name in lost)
        new, missing = tried - self._tried, dropped - self._dropped
        self._tried, self._dropped = tried, dropped
        return _power_of_two(min(_STEP, new / max(new - missing, 1))) if missing > 0 else 1


class Budget:
    """Raises N while programs and reader take more than a share of one CPU.

    What waits in the ring when N goes up still has to be read: until that is done, what the reader takes says
    nothing of the new N.
    """

    def __init__(
        self, share: float, meter: Meter, parts: Sequence[Part], keeping_: Keeping, now: float
    ) -> None:
        self.share = share
        self.used: float | None = None
        self.floor: float | None = None
        self._meter = meter
        self._parts = [part for part in parts if part.reader is not None]
        self._keeping = keeping_
        self._one_in = 1
        self._at = now
        self._spent = self._so_far()
        self._fresh = True
        self._backlog: float | None = None

    def look(self, now: float) -> None:
        """Measure, and decide anew, where it is time to."""
        self._meter.reading()
        seconds = now - self._at
        if seconds < _MEASURE_S:
            return
        if self._reading_up():
            self._begin(now)
            return
        newest = (self._so_far() - self._spent) / seconds
        first, self._fresh = self._fresh or self.used is None, False
        self.used = newest if first else _SMOOTH * newest + (1 - _SMOOTH) * (self.used or 0.0)
        self._at, self._spent = now, self._so_far()
        if not first:
            self._decide(self.used, now)

    def _decide(self, used: float, now: float) -> None:
        wanted = self._one_in
        if used > self.share:
            most = min(_STEP, used / self.share)
            wanted = min(self._one_in * _power_of_two(most), _FLOOR_AT)
            if wanted == self._one_in:
                self._say_floor(used)
        elif used < _LOW * self.share:
            most = min(_STEP, 2 * _LOW * self.share / max(used, 1e-9))
            wanted = max(self._one_in // (_power_of_two(most) // 2 or 1), 1)
            self.floor = None
        if wanted != self._one_in:
            if wanted > self._one_in:
                self._backlog = 1.0
            self._one_in = wanted
            self._keeping.wish("budget", wanted)
            self._begin(now)

    def _reading_up(self) -> bool:
        """Whether what was sent before N went up still waits, and becomes less."""
        if self._backlog is None:
            return False
        before = self._backlog
        fill = max(map(_fill, self._parts), default=0.0)
        self._backlog = fill if _FALLING < fill < before - _FALLING else None
        return fill < before - _FALLING

    def _begin(self, now: float) -> None:
        """Measure afresh: what was before says nothing of how it is now."""
        self._fresh = True
        self._at, self._spent = now, self._so_far()

    def _say_floor(self, used: float) -> None:
        if self.floor is None:
            self._keeping.say(over(used, self.share))
        self.floor = used

    def _so_far(self) -> float:
        """CPU seconds of programs and reader."""
        return self._meter.programs_ns / 1e9 + self._meter.reader_s


def _power_of_two(least: float) -> int:
    """The least power of two that is not below a number, and at least 2."""
    found = 2
    while found < least:
        found *= 2
    return found


def stats(policy: str, kept: Keeping, budget: Budget | None) -> PressureStats:
    """What a ledger shows of it."""
    return PressureStats(
        policy,
        kept.one_in,
        kept.highest,
        kept.changes,
        budget.share if budget is not None else None,
        budget.used if budget is not None else None,
        budget.floor if budget is not None else None,
    )


def _fill(part: Part) -> float:
    """Share of the fullest ring that waits; of all together where they are perf buffers."""
    reader = part.reader
    if reader is None:
        return 0.0
    lanes: Sequence[RingReader] = getattr(reader, "lanes", ())
    with contextlib.suppress(UsageError):  # another thread has closed it
        if lanes:
            return max(each.available() / each.size for each in lanes)
        return reader.available() / max(part.loaded.ring_size, 1)
    return 0.0


def _counted(part: Part, counter: str) -> int:
    """Sum of one of the ledger's counters."""
    ledger = part.loaded.maps.get(LEDGER_MAP)
    if ledger is None or part.loaded.closed:
        return 0
    at = 8 * LEDGER.index(counter)
    return sum(
        int(unpack_from("<Q", value, at)[0])
        for program in part.meta.programs
        for value in ledger.lookup_cpus(program.id) or ()
    )
