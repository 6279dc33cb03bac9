"""Functions that a session calls at an interval, from its own loop."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Given = TypeVar("Given")


class Every(Generic[Given]):
    """A function that a session calls at an interval while it waits, reads or is iterated.

    Iterate it to run the session and get what the function gives, each time that is due:
    ``for counts in session.every("1s", counter.drain)``.

    Attributes:
        interval: Seconds.
        calls: How often the function was called.
        skipped: How many times were left out, since a call or the session's user took too long.
        last: What the function gave most recently; None before the first call.
    """

    def __init__(
        self,
        interval: float,
        function: Callable[[], Given],
        then: Callable[[Given], object] | None,
        idle: Callable[[], bool],
    ) -> None:
        self.interval: float = interval
        self.calls: int = 0
        self.skipped: int = 0
        self.last: Given | None = None
        self._function = function
        self._then = then
        self._idle = idle
        self._kept: deque[Given] | None = None
        self._due = time.monotonic() + interval
        self._cancelled = False

    @property
    def due(self) -> float:
        """Monotonic time of the next call."""
        return self._due

    @property
    def cancelled(self) -> bool:
        """Whether it is called no more."""
        return self._cancelled

    def cancel(self) -> None:
        """Call it no more; callable from the function itself and from other threads."""
        self._cancelled = True

    def call(self, now: float) -> None:
        """Call the function and set the next time, a whole number of intervals after the first."""
        missed = int((now - self._due) // self.interval)
        self._due += self.interval * (missed + 1)
        self.skipped += missed
        self.calls += 1
        given = self._function()
        self.last = given
        if self._then is not None:
            self._then(given)
        if self._kept is not None:
            self._kept.append(given)

    def __iter__(self) -> Iterator[Given]:
        """Wait with the session and give what the function gives, until the session ends."""
        self._kept = deque()
        try:
            while True:
                more = not self._cancelled and self._idle()
                while self._kept:
                    yield self._kept.popleft()
                if not more:
                    return
        finally:
            self._kept = None


class Schedule:
    """The functions of one session, in the order in which they are due."""

    def __init__(self) -> None:
        self._entries: list[Every[object]] = []
        self._running = False

    def add(self, entry: Every[object]) -> None:
        """Call this one, too."""
        self._entries = [*self._entries, entry]

    def due(self) -> float | None:
        """Monotonic time of the next call; None where there is none, or one is running."""
        if not self._entries or self._running:
            return None
        return min((each.due for each in self._entries if not each.cancelled), default=None)

    def run(self) -> bool:
        """Call what is due, in the order of the times; tells whether something was.

        Raises:
            Exception: What a function raised; it is called no more.
        """
        if not self._entries or self._running:
            return False
        now = time.monotonic()
        ready = sorted(
            (each for each in self._entries if not each.cancelled and each.due <= now),
            key=lambda each: each.due,
        )
        self._running = True
        try:
            for each in ready:
                try:
                    each.call(now)
                except BaseException:
                    each.cancel()
                    raise
        finally:
            self._running = False
            self._entries = [each for each in self._entries if not each.cancelled]
        return bool(ready)
