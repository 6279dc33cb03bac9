"""The events of all parts of a session in the order of time (see `syscast.events.merge`)."""

from __future__ import annotations

import time
from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING

from syscast.events.event import boot_time, sender
from syscast.events.merge import EVER, Order
from syscast.features.recordclock import record_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from syscast.events.batch import Batch
    from syscast.events.envelope import RawRecord
    from syscast.events.event import Event
    from syscast.session.part import Part

PIECE_OF_SEVERAL = 1 << 18
"""Bytes that a round takes from each ring, where there are several and nobody asks for all."""
_TIME: Callable[[RawRecord], int] = itemgetter(0)
BLINK_S = 0.00005
"""Sleep where nothing has come but what waits for a ring that is being written."""


class Merging:
    """Takes what the parts have read, as far as nothing earlier can come.

    Attributes:
        order: Counts what came too late.
    """

    def __init__(self, parts: Sequence[Part], bound: float) -> None:
        """Begin.

        Args:
            parts: The session's objects.
            bound: Seconds after which what is held back is looked at again at the latest.
        """
        self._parts = parts
        self._bound = bound
        self._complete = 0
        self._flushing = False
        self._clock = record_clock()
        self.order: Order = Order()

    @property
    def late(self) -> int:
        """How many events were given after one of a later time."""
        return self.order.late + sum(part.order.late for part in self._parts)

    @property
    def holding(self) -> bool:
        """Whether something was read and is held back."""
        return any(part.intake is not None and part.intake.holding for part in self._parts)

    def waiting(self) -> Counter[str]:
        """How many events are held back, by the names of the probes in the ledger."""
        return Counter(
            sender(event)
            for part in self._parts
            if part.intake is not None
            for event in part.decoder.views(part.intake.merge.held)
        )

    def events(self, most: int, *, last: bool) -> list[Event]:
        """Read all rings and take what need not wait.

        Args:
            most: Bytes from each ring.
            last: Wait for nothing that may still come.
        """
        found = self._round(most, last=last)
        if len(found) == 1:
            part, records = found[0]
            self.order.note(records, _TIME)
            return part.decoder.views(records)
        events = [event for part, records in found for event in part.decoder.views(records)]
        events.sort(key=boot_time)
        self.order.note(events, boot_time)
        return events

    def tuples(self, *, last: bool) -> Iterator[list[RawRecord]]:
        """Read and take the same as tuples; of one ring a piece, as it stands there."""
        if len(self._parts) == 1 and not self._several(self._parts[0]):
            taken = self._parts[0].tuples()
            if taken is not None:
                if not self._parts[0].meta.foreign:
                    self.order.note_as_read(list(map(_TIME, taken)))
                yield taken
            return
        records = [each for _, found in self._round(PIECE_OF_SEVERAL, last=last) for each in found]
        records.sort(key=_TIME)
        self.order.note(records, _TIME)
        if records:
            yield records

    def batches(self, *, last: bool) -> Iterator[Batch]:
        """Read and take a batch of each part."""
        for part in self._parts:
            if part.reader is not None and not part.reader.closed:
                made = part.batch(self._now(), self.order, last=last, flush=self._flushing)
                if made is not None:
                    yield made

    def hand_over(self) -> None:
        """Decode what batches left, so that the ledger knows of it."""
        for part in self._parts:
            if part.intake is not None:
                part.intake.hand_over()

    def patience(self, deadline: float | None) -> Patience:
        """How long to wait for what is held back.

        Args:
            deadline: Monotonic time; None for never, 0 for a look that must not wait.
        """
        return Patience(deadline, 2 * self._bound if deadline else 0.0)

    def flush(self) -> None:
        """Hold nothing back from now on, whatever comes late."""
        self._flushing = True

    def by(self, deadline: float | None) -> float | None:
        """When to look again at the latest.

        Args:
            deadline: Monotonic time, as the session has it; None for never.
        """
        if not self.holding:
            return deadline
        soon = time.monotonic() + self._bound
        return soon if deadline is None else min(deadline, soon)

    @staticmethod
    def blink() -> None:
        """Wait for a ring that is being written, before the next look."""
        time.sleep(BLINK_S)

    def _round(self, most: int, *, last: bool) -> list[tuple[Part, list[RawRecord]]]:
        begun = self._now()
        parts = [
            part for part in self._parts if part.reader is not None and not part.reader.closed
        ]
        behind = self._complete
        last = last or all(part.detached for part in parts)
        # One ring alone has nothing that another could come before.
        last = last or (len(parts) == 1 and not self._several(parts[0]))
        self._complete = complete = min(
            (part.gather(most, begun, behind, last=last) for part in parts), default=EVER
        )
        if self._flushing:
            complete = EVER
        return [(part, part.release(complete)) for part in parts]

    @staticmethod
    def _several(part: Part) -> bool:
        return part.intake is not None and part.intake.several

    def _now(self) -> int:
        """The records' clock, in ns."""
        return time.clock_gettime_ns(self._clock)


class Patience:
    """Ends a bound later than the first look that came after a deadline.

    What is held back is given by then, so that it need not wait for the next reading.
    """

    __slots__ = ("_bound", "_deadline", "_until")

    def __init__(self, deadline: float | None, bound: float) -> None:
        self._deadline = deadline
        self._bound = bound
        self._until: float | None = None

    @property
    def over(self) -> bool:
        """Whether to leave now; to be asked after each look."""
        now = time.monotonic()
        if self._deadline is None or now < self._deadline:
            return False
        if self._until is None:
            self._until = now + self._bound
        return now >= self._until
