"""The events of all parts of a session in the order of time (see `syscast.events.merge`)."""

from __future__ import annotations

import time
from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING

from syscast.events.event import boot_time, sender
from syscast.events.merge import EVER, Order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from syscast.events.batch import Batch
    from syscast.events.envelope import RawRecord
    from syscast.events.event import Event
    from syscast.session.part import Part

_PIECE = 1 << 18
"""Bytes that a round of tuples takes from each ring, where there are several."""
_TIME: Callable[[RawRecord], int] = itemgetter(0)
_BLINK_S = 0.00005
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
        records = [each for _, found in self._round(_PIECE, last=last) for each in found]
        records.sort(key=_TIME)
        self.order.note(records, _TIME)
        if records:
            yield records

    def batches(self, *, last: bool) -> Iterator[Batch]:
        """Read and take a batch of each part."""
        for part in self._parts:
            if part.reader is not None and not part.reader.closed:
                made = part.batch(now(), self.order, last=last, flush=self._flushing)
                if made is not None:
                    yield made

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
        time.sleep(_BLINK_S)

    def _round(self, most: int, *, last: bool) -> list[tuple[Part, list[RawRecord]]]:
        begun = now()
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


def now() -> int:
    """Boot clock in ns, as the records have it."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
