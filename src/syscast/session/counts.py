"""What all objects of a session counted by key while their rings were full."""

from __future__ import annotations

import time
from _thread import RLock  # threading costs a start 2 ms
from typing import TYPE_CHECKING

from syscast.events.aggregated import Aggregated
from syscast.events.event import boot_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.events.event import Event
    from syscast.session.part import Part

_TAKE_S = 1.0


class SessionCounts:
    """What all objects of a session counted.

    Args:
        parts: The session's objects.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._held = [part.aggregates for part in parts if part.aggregates is not None]
        self._next = time.monotonic() + _TAKE_S
        self._kept: list[Aggregated] = []
        self._lock = RLock()  # not that of the reader, who may sleep with it

    def take(self, *, now: bool = True) -> list[Aggregated]:
        """Take all out, or at most once a second; raises KernelError."""
        if not self._held or not (now or time.monotonic() >= self._next):
            return []
        with self._lock:
            self._next = time.monotonic() + _TAKE_S
            found, self._kept = self._kept, []
            for each in self._held:
                found += each.drain()
        found.sort(key=boot_time)
        return found

    def keep(self, events: Sequence[Event]) -> None:
        """Have those of these that are counts given once more."""
        with self._lock:
            self._kept[:0] = [each for each in events if isinstance(each, Aggregated)]
