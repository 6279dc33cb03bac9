"""``--pressure overwrite``: events stay in the kernel, and are written on SIGUSR1 and at the end."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Self

from syscast.cli.messages import say

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

    from syscast.events.event import Event
    from syscast.session.session import Session
    from syscast.sinks.sink import Sink

_LOOK_S = 0.05
"""How soon a signal is answered."""
_NS = 1_000_000_000


def fly(
    session: Session,
    sink: Sink,
    deadline: float | None,
    accept: Callable[[Event], bool] | None = None,
) -> None:
    """Let the session record until it ends or the time is over; write a dump at each signal and then.

    Args:
        session: A flight recorder.
        sink: Open.
        deadline: Monotonic time of the end; None for none.
        accept: Says whether an event is written; all are if None.
    """
    with _Trigger() as trigger:
        while not session.ended and (deadline is None or time.monotonic() < deadline):
            left = _LOOK_S if deadline is None else min(_LOOK_S, deadline - time.monotonic())
            session.wait(max(left, 0.0))
            if trigger.taken():
                _write(session, sink, accept, f"dump {trigger.count} (SIGUSR1)")
        session.detach()
        _write(session, sink, accept, f"dump {trigger.count + 1} (end)")


def _write(
    session: Session, sink: Sink, accept: Callable[[Event], bool] | None, what: str
) -> None:
    events = session.dump()
    if accept is not None:
        events = [event for event in events if accept(event)]
    first, last = (events[0].envelope, events[-1].envelope) if events else (None, None)
    span = (last.time - first.time) / _NS if first is not None and last is not None else 0.0
    count = f"{len(events):,} event" + ("" if len(events) == 1 else "s")
    say(f"{what}: {count} of {span:.3f} s")
    if events:
        sink.write(events)


class _Trigger:
    """SIGUSR1 as a wish for a dump, for as long as the block.

    Attributes:
        count: Wishes that were taken.
    """

    def __init__(self) -> None:
        self._wanted = False
        self._before: object = None
        self.count: int = 0

    def taken(self) -> bool:
        """Whether there was a wish since the last time."""
        if not self._wanted:
            return False
        self._wanted = False
        self.count += 1
        return True

    def _want(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._wanted = True

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGUSR1, self._want)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        signal.signal(signal.SIGUSR1, self._before)  # type: ignore[arg-type]  # what signal() itself gave
