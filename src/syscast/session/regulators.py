"""What a session looks after besides reading: how many events are sent, and what tracing costs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

import msgspec

from syscast.session.costs import Meter
from syscast.session.sampling import Budget, Keeping, Relief, stats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syscast.events.ledger import Ledger
    from syscast.session.delivery import Delivery
    from syscast.session.part import Part


class Regulator(Protocol):
    """Looks at the session each time before its rings are emptied, and now and then while it waits."""

    def look(self, now: float) -> None:
        """Do what is due; ``now`` is monotonic, in seconds."""
        ...


class Regulators:
    """Those of one session.

    Args:
        delivery: What the session was asked for.
        parts: Its objects, loaded.

    Raises:
        KernelError: The kernel does not measure programs.
    """

    def __init__(self, delivery: Delivery, parts: Sequence[Part]) -> None:
        now = time.monotonic()
        share = delivery.share
        self._policy = delivery.pressed
        self._meter = Meter(parts) if delivery.cost or share is not None else None
        self._keeping = Keeping(parts) if delivery.samples else None
        self._budget: Budget | None = None
        self._looks: list[Regulator] = []
        if self._keeping is not None:
            if self._policy == "sample":
                self._looks.append(Relief(parts, self._keeping, now))
            if share is not None and self._meter is not None:
                self._budget = Budget(share, self._meter, parts, self._keeping, now)
                self._looks.append(self._budget)

    @property
    def deciding(self) -> bool:
        """Whether there is something to decide while the session only waits."""
        return bool(self._looks)

    def look(self) -> None:
        """Let all look; raises KernelError."""
        now = time.monotonic()
        for each in self._looks:
            each.look(now)
        if self._keeping is not None:
            self._keeping.tell(now)
        if self._meter is not None and self._budget is None:
            self._meter.reading()

    def notify(self, notice: Callable[[str], object]) -> None:
        """Give notices to a function instead of warning once."""
        if self._keeping is not None:
            self._keeping.notice = notice

    def noted(self, ledger: Ledger) -> Ledger:
        """The ledger with what is held back at present, and what the session cost; raises KernelError."""
        kept = self._keeping
        pressure = stats(self._policy, kept, self._budget) if kept is not None else None
        cost = self._meter.cost() if self._meter is not None else None
        return msgspec.structs.replace(ledger, pressure=pressure, cost=cost)

    def end(self) -> None:
        """Stop measuring: the programs are detached."""
        if self._meter is not None:
            self._meter.end()
