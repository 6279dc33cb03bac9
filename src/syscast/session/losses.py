"""What a session lost, told once each: where in the stream, when, how much and why.

Two witnesses say that events are missing. Numbers that were skipped say it where the next record of
that program and CPU is read, so that the neighbours' times bound it. The kernel's counters say what
no number can: drops behind the last record, and hits that the kernel left out. What a counter told of
is taken out of the gap that shows later, and a gap is told as a drop only as far as the kernel counted
drops, so that what was told comes to exactly what the ledger says.
"""

from __future__ import annotations

import time
from _thread import allocate_lock  # threading costs a start 2 ms
from typing import TYPE_CHECKING

from syscast.events.causes import DAMAGED, MISSED, RING_FULL, UNEXPLAINED
from syscast.events.text import counted
from syscast.features.recordclock import record_clock
from syscast.spec.meta import LEDGER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.events.gaps import Gap
    from syscast.events.lost import Lost
    from syscast.session.part import Part
    from syscast.spec.meta import ProgramMeta

_WARN_S = 1.0
_NOWHERE = -1
_DROPPED = LEDGER.index("dropped")


class Losses:
    """The losses of one session's parts.

    Attributes:
        waiting: Noticed, and not yet taken or warned of.
    """

    def __init__(self, parts: Sequence[Part], begun: int, *, exact: bool = True) -> None:
        """Begin to look.

        Args:
            parts: The session's objects.
            begun: Boot clock in ns when they were attached.
            exact: A number that is missing is a record that was dropped; otherwise it may as well have
                been held back on purpose, and only the counters tell.
        """
        self._parts = [_PartLosses(each, exact, begun) for each in parts if not each.meta.foreign]
        self._lock = allocate_lock()
        self._next_warning = 0.0
        self.waiting: list[Lost] = []

    def gaps(self) -> None:
        """Notice the numbers that were skipped in what was read; costs nothing where none were."""
        for part in self._parts:
            if part.sequence.found:
                with self._lock:
                    self.waiting += part.gaps()

    def count(self) -> None:
        """Notice what the kernel's counters say."""
        with self._lock:
            now = _now()
            for part in self._parts:
                self.waiting += part.count(now)

    def take(self, upto: int | None = None) -> list[Lost]:
        """Take what was noticed, by time; with ``upto`` only what was over by then (boot clock)."""
        if not self.waiting:
            return []
        from syscast.events.event import boot_time  # noqa: PLC0415  (with losses only)

        with self._lock:
            taken, self.waiting = self.waiting, []
            if upto is not None:
                self.waiting = [each for each in taken if boot_time(each) > upto]
                taken = [each for each in taken if boot_time(each) <= upto]
        taken.sort(key=boot_time)
        return taken

    def warn(self, depth: int, *, last: bool = False) -> None:
        """Issue a LostEventsWarning about what was noticed, at most once a second.

        Args:
            depth: How many calls above this one the user's line is.
            last: Also within the second: there will be no other.
        """
        now = time.monotonic()
        if not self.waiting or (now < self._next_warning and not last):
            return
        self._next_warning = now + _WARN_S
        import warnings  # noqa: PLC0415  (with losses only)

        from syscast.errors import LostEventsWarning  # noqa: PLC0415

        warnings.warn(_sentence(self.take()), LostEventsWarning, stacklevel=depth + 1)


class _PartLosses:
    """What was told of one object's programs."""

    def __init__(self, part: Part, exact: bool, begun: int) -> None:  # noqa: FBT001  (private)
        self._part = part
        self._exact = exact
        self._begun = begun
        self._looked = begun  # at the counters
        self._programs = {each.id: each for each in part.meta.programs if each.role != "follow"}
        self._told: dict[int, int] = {}  # cpu << 16 | program -> drops told
        self._ahead: dict[int, int] = {}  # those of them whose numbers were not seen to be missing
        self._owed: list[Gap] = []  # gaps that nothing explains yet
        self._damaged = 0
        self._missed: dict[int, int] = {}
        self.sequence = part.decoder.sequence

    # ------------------------------------------------------------ numbers

    def gaps(self) -> list[Lost]:
        """Tell of the gaps that were found."""
        found = self.sequence.take()
        if not self._exact:
            return []
        for gap in found:
            seen = min(gap.count, self._ahead.get(gap.key, 0))
            if seen:
                self._ahead[gap.key] -= seen
                gap.count -= seen
        return self._explain([gap for gap in found if gap.count])

    def _explain(self, gaps: list[Gap]) -> list[Lost]:
        """Tell of gaps as far as the kernel counted drops, or records could not be decoded."""
        for key, late in self.sequence.late.items():
            self._forgive(key, late)
        self.sequence.late.clear()
        gaps = self._owed + gaps
        self._owed = []
        dropped = self._dropped({gap.program for gap in gaps})
        made = []
        for gap in gaps:
            told = self._told.get(gap.key, 0)
            full = min(gap.count, max(0, dropped.get(gap.key, 0) - told))
            broken = min(gap.count - full, self._part.decoder.decode_errors - self._damaged)
            self._told[gap.key] = told + full
            self._damaged += broken
            made += [self._of_gap(gap, RING_FULL, full), self._of_gap(gap, DAMAGED, broken)]
            gap.count -= full + broken
            if gap.count:
                self._owed.append(gap)
        return [each for each in made if each is not None]

    def _forgive(self, key: int, late: int) -> None:
        """Take records that came after all out of what is owed."""
        for gap in [each for each in self._owed if each.key == key]:
            come = min(late, gap.count)
            gap.count -= come
            late -= come
        self._owed = [each for each in self._owed if each.count]

    def _of_gap(self, gap: Gap, cause: str, count: int) -> Lost | None:
        since = gap.since or self._begun
        return self._lost(gap.program, cause, count, (since, gap.until), gap.cpu)

    # ------------------------------------------------------------ counters

    def count(self, now: int) -> list[Lost]:
        """Tell of what the counters say beyond what was told."""
        made: list[Lost | None] = []
        last = self._part.drained
        emptied = last or not self._exact or self._empty()
        if self.sequence.found:
            made += self.gaps()
        if emptied:
            made += self._behind(now)
        made += self._left_out(now)
        if last:
            made += self._unexplained(now)
        elif self._owed:
            made += self._explain([])
        self._looked = now
        return [each for each in made if each is not None]

    def _empty(self) -> bool:
        """Whether all that was sent was read; a drop before something unread shows as a gap."""
        reader = self._part.reader
        return reader is None or reader.closed or not reader.available()

    def _behind(self, now: int) -> list[Lost | None]:
        """Drops behind the last record."""
        made = []
        for key, dropped in self._dropped(self._programs).items():
            told = self._told.get(key, 0)
            count = dropped - told - sum(each.count for each in self._owed if each.key == key)
            if count > 0:
                self._told[key] = told + count
                self._ahead[key] = self._ahead.get(key, 0) + count
                since = max(self.sequence.last_time(key), self._looked)
                made.append(self._lost(key & 0xFFFF, RING_FULL, count, (since, now), key >> 16))
        return made

    def _left_out(self, now: int) -> list[Lost | None]:
        """Hits that the kernel could not run a program for."""
        from syscast.session.accounts import missed  # noqa: PLC0415  (not needed to start)

        made = []
        for program in self._programs.values():
            count = (missed(self._part, program) or 0) - self._missed.get(program.id, 0)
            if count > 0:
                self._missed[program.id] = self._missed.get(program.id, 0) + count
                made.append(self._lost(program.id, MISSED, count, (self._looked, now), _NOWHERE))
        return made

    def _unexplained(self, now: int) -> list[Lost | None]:
        """What is left at the end: damage behind the last record, and gaps without a cause."""
        made: list[Lost | None] = list(self._explain([]))
        made += [self._of_gap(gap, UNEXPLAINED, gap.count) for gap in self._owed]
        self._owed = []
        broken = self._part.decoder.decode_errors - self._damaged
        self._damaged += broken
        made.append(self._lost(_NOWHERE, DAMAGED, broken, (self._looked, now), _NOWHERE))
        return made

    def _dropped(self, programs: set[int] | dict[int, ProgramMeta]) -> dict[int, int]:
        """Drops that the kernel counted: cpu << 16 | program to how many."""
        from syscast.session.accounts import counters  # noqa: PLC0415  (not needed to start)

        found = {}
        for number in programs:
            if number in self._programs:
                for cpu, row in enumerate(counters(self._part, self._programs[number])):
                    if row[_DROPPED]:
                        found[cpu << 16 | number] = row[_DROPPED]
        return found

    def _lost(
        self, program: int, cause: str, count: int, span: tuple[int, int], cpu: int
    ) -> Lost | None:
        if not count:
            return None
        from syscast.events.lost import lost  # noqa: PLC0415  (with losses only)

        known = self._programs.get(program)
        return lost(
            known.probe if known is not None else "",
            cause,
            count,
            start=min(span),
            end=span[1],
            cpu=cpu,
            wall=self._part.decoder.wall,
        )


def _sentence(found: Sequence[Lost]) -> str:
    """``1,234 events lost (ring full 1,230, missed 4)``."""
    by_cause: dict[str, int] = {}
    for each in found:
        by_cause[each.cause] = by_cause.get(each.cause, 0) + each.count
    total = sum(by_cause.values())
    causes = ", ".join(f"{cause} {count:,}" for cause, count in by_cause.items())
    return f"session: {counted(total, 'event')} lost ({causes}; session.stats() says where)"


def _now() -> int:
    return time.clock_gettime_ns(record_clock())
