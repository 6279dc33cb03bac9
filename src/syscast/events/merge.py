"""Records of several rings in the order of time, held back no longer than a bound. Pure.

Each ring has its records roughly in order; what another ring still has is not known until it was
read. So what was read waits until every ring was read beyond its time (`Lane`). In a session that keeps up
that is at once: a reader is woken after a record's time, and then looks at all rings. In a flood it waits until
what the others have is read. And where a ring gives nothing although a program has taken space in it, everything
else waits for that program, but not longer than the bound: what then comes late is delivered late, and counted.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from operator import itemgetter
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import numpy.typing as npt

    from syscast.events.envelope import RawRecord

_Item = TypeVar("_Item")
_TIME: Callable[[RawRecord], int] = itemgetter(0)

_UNEVEN_NS = 50_000
"""In one ring, a record may be so much older than the one before it: the time is read after the space was
taken, and an interrupt may come in between."""
EVER = (1 << 64) - 1
"""Beyond all times."""


class Marked(Protocol):
    """A ring of which `Lane` wants to know how far it was read."""

    @property
    def slack_ns(self) -> int:
        """See `syscast.buffers.reader.Reader`, as the others."""
        ...

    def mark(self) -> tuple[int, ...]:
        """How far the kernel has taken space by now."""
        ...

    def passed(self, mark: tuple[int, ...]) -> bool:
        """Whether everything before a mark was read."""
        ...


class Lane:
    """Up to which time one ring is known to be read.

    A record's time is read after its space in the ring was taken. So when everything was read whose space was
    taken at some moment, all that comes later is of a later time.

    Attributes:
        complete: Boot clock in ns; no record of an earlier time comes any more.
    """

    __slots__ = ("_bound", "_mark", "_marked", "_now", "_ring", "_stuck", "complete")

    def __init__(self, ring: Marked, bound_ns: int) -> None:
        """Begin.

        Args:
            ring: The ring.
            bound_ns: How long others wait for a record that was begun and is not there.
        """
        self._ring = ring
        self._bound = bound_ns
        self._mark: tuple[int, ...] | None = None
        self._marked = 0
        self._now = 0
        self._stuck = 0
        self.complete: int = 0

    def begin(self, now: int) -> None:
        """Before reading.

        Args:
            now: Boot clock in ns, looked at before this call.
        """
        self._now = now
        if self._mark is None:
            self._mark = self._ring.mark()
            self._marked = now - self._ring.slack_ns

    def end(self, last: int) -> None:
        """After reading.

        Args:
            last: Time of the last record that was read; 0 if there was none.
        """
        if self._mark is not None and self._ring.passed(self._mark):
            self.complete = max(self.complete, self._marked)
            self._mark = None
            self._stuck = 0
        elif last:
            self.complete = max(self.complete, last - _UNEVEN_NS)
            self._stuck = 0
        else:
            self._stuck = self._stuck or self._now

    @property
    def awaited(self) -> int:
        """`complete`, or the end of time where the ring has given nothing for too long."""
        if self._stuck and self._now - self._stuck >= self._bound:
            return EVER
        return self.complete


class Merge:
    """Records that wait until those before them can have come.

    Attributes:
        held: The records, as tuples whose first item is the time.
    """

    __slots__ = ("_mixed", "held")

    def __init__(self) -> None:
        """Begin empty."""
        self._mixed = False
        self.held: list[RawRecord] = []

    def add(self, records: list[RawRecord]) -> None:
        """Take what was read, in any order."""
        if self.held:
            self.held += records
            self._mixed = self._mixed or bool(records)
        else:
            records.sort(key=_TIME)
            self.held = records

    def take(self, complete: int = EVER) -> list[RawRecord]:
        """Give what need not wait any longer, in the order of time.

        Args:
            complete: Up to this time all rings were read.
        """
        held = self.held
        if not held:
            return []
        if self._mixed:
            held.sort(key=_TIME)  # a few runs, each nearly in order: sorting merges them
            self._mixed = False
        if held[-1][0] <= complete:
            self.held = []
            return held
        cut = bisect_right(held, complete, key=_TIME)
        self.held = held[cut:]
        return held[:cut]


class Order:
    """Watches the order of what is delivered.

    Attributes:
        late: How many records came after one of a later time.
    """

    __slots__ = ("_last", "late")

    def __init__(self) -> None:
        self._last = 0
        self.late: int = 0

    def note(self, items: Sequence[_Item], key: Callable[[_Item], int]) -> None:
        """Note what is delivered next, in the order of time among itself."""
        if not len(items):  # also numpy's arrays, which have no truth
            return
        if key(items[0]) < self._last:
            self.late += bisect_left(items, self._last, key=key)
        self._last = max(self._last, key(items[-1]))

    def note_as_read(self, times: list[int]) -> None:
        """Note what is delivered next in the order of its ring, where it need not be in that of time."""
        if not times:
            return
        if times[0] >= self._last and sorted(times) == times:
            self._last = times[-1]
            return
        for time in times:
            if time < self._last:
                self.late += 1
            else:
                self._last = time

    def note_column(self, times: npt.NDArray[np.uint64]) -> None:
        """`note_as_read`, of a batch's column."""
        if not len(times):
            return
        if times[0] >= self._last and bool((times[1:] >= times[:-1]).all()):
            self._last = int(times[-1])
        else:
            self.note_as_read(times.tolist())
