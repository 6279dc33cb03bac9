"""``Lost``: the event that says that other events are missing, how many, why and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

from syscast.events.envelope import NO_HEADER
from syscast.events.event import Event, from_raw
from syscast.events.machineints import i32, u64
from syscast.events.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.events.envelope import RawRecord

ALL_CPUS = -1


class Lost(Event):
    """Events that a probe should have sent and that never came.

    It stands in the stream where they would have stood: behind the last event that came from
    that probe on that CPU, and before the next.

    Attributes:
        probe: Whose events they were; empty where that is not known.
        cause: ``ring full``, ``missed`` (the kernel could not run the probe), ``damaged`` (records
            that could not be decoded).
        count: How many.
        start: They happened after this time, wall clock in ns since 1970.
        end: And before this one.
        cpu: Where they happened; -1 where that is not known.
    """

    _loss = True

    probe: Annotated[str, 128]
    cause: Annotated[str, 32]
    count: u64
    start: u64
    end: u64
    cpu: i32

    if not TYPE_CHECKING:

        @property
        def time(self) -> int:
            """``end``: when the loss was over."""
            return self.end

    def __str__(self) -> str:
        """Say it in words: ``1,234 events lost in 12 ms (ring full, cpu 1)``."""
        where = f", cpu {self.cpu}" if self.cpu >= 0 else ""
        span = duration_text(self.end - self.start)
        return f"{counted(self.count, 'event')} lost in {span} ({self.cause}{where})"


def lost(  # noqa: PLR0913  (one for each field)
    probe: str,
    cause: str,
    count: int,
    *,
    start: int,
    end: int,
    cpu: int,
    wall: Callable[[int], int],
) -> Lost:
    """Make one of times on the boot clock.

    Args:
        probe: As in `Lost`.
        cause: As in `Lost`.
        count: As in `Lost`.
        start: Boot clock in ns.
        end: Boot clock in ns; the stream is sorted by it.
        cpu: As in `Lost`.
        wall: Boot clock to wall clock, in ns.
    """
    fields = (probe.encode(), cause.encode(), count, wall(start), wall(end), cpu)
    raw = (end, *NO_HEADER[1:], *fields)
    return from_raw(Lost, cast("RawRecord", raw))


_SPANS = ((10**9, "s"), (10**6, "ms"), (10**3, "us"))


def duration_text(span: int) -> str:
    """Write ns for people, with two or three digits: ``12 ms``, ``1.5 s``."""
    for size, unit in _SPANS:
        if span >= size:
            value = span / size
            return f"{value:.1f} {unit}" if value < 10 and span % size else f"{value:.0f} {unit}"
    return f"{max(span, 0)} ns"
