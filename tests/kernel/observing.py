"""What the kernel tests that trace their own process share: a session, its events, and what they say."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from syscast.session.attach import open_session
from syscast.session.filters import Filters

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from syscast.events.event import Event
    from syscast.session.plan import Job
    from syscast.session.session import Session

OWN = object()
"""Stands for a filter by the test's own process."""


@contextlib.contextmanager
def observed(jobs: Sequence[Job], filters: object = OWN) -> Iterator[Session]:
    """Attach, by default to what this process does."""
    chosen = Filters(pid=os.getpid()) if filters is OWN else filters
    assert isinstance(chosen, Filters)
    with open_session(jobs, chosen) as session:
        yield session


def drained(session: Session) -> list[Event]:
    """Detach, and give every event that was sent."""
    session.detach()
    events: list[Event] = []
    while found := session.read(0):
        events += found
    return events


def values(event: Event, leave_out: frozenset[str] = frozenset()) -> dict[str, object]:
    """The fields of an event that was declared or inferred, without its envelope."""
    return {name: getattr(event, name) for name in event.__match_args__ if name not in leave_out}


def complaints(session: Session) -> list[str]:
    """What the ledger says went wrong; an honest run has nothing here."""
    ledger = session.stats()
    dropped = [f"{row.probe} ({row.role}): {row.dropped} dropped" for row in ledger if row.dropped]
    return [*ledger.problems(), *dropped, *ledger.details()]


def eventually(condition: object, seconds: float = 5.0) -> None:
    """Wait until something has happened that no call waits for."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
