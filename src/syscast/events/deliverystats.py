"""How records came to the reader: by wake-ups or by a timer, and how many at a time."""

from __future__ import annotations

import msgspec


class DeliveryStats(msgspec.Struct, frozen=True):
    """What a session's waiting did so far.

    Attributes:
        mode: As asked for: ``adaptive``, ``push`` or ``poll``.
        now: ``push`` (sleeps until it is woken) or ``poll`` (sleeps for a while, then looks).
        latency: Seconds that a record may wait in the ring; 0: one wake-up a record.
        interval: Seconds between two looks by timer at present; 0 in push.
        seconds: Since the session began.
        polled: Seconds of these in poll.
        wakeups: Sleeps that a ring ended.
        rounds: Looks by timer.
        changes: Changes between push and poll.
        records: Records taken out of the rings.
    """

    mode: str
    now: str
    latency: float
    interval: float = 0.0
    seconds: float = 0.0
    polled: float = 0.0
    wakeups: int = 0
    rounds: int = 0
    changes: int = 0
    records: int = 0

    @property
    def wakeups_per_s(self) -> float:
        """Wake-ups a second, over all the time."""
        return self.wakeups / self.seconds if self.seconds else 0.0

    @property
    def rounds_per_s(self) -> float:
        """Looks by timer a second, over all the time."""
        return self.rounds / self.seconds if self.seconds else 0.0

    @property
    def records_per_wakeup(self) -> float:
        """Records for each wake-up; all of them where there was none."""
        return self.records / max(self.wakeups, 1)

    @property
    def share_polled(self) -> float:
        """Share of the time in poll, 0 to 1."""
        return min(1.0, self.polled / self.seconds) if self.seconds else 0.0

    def lines(self) -> list[str]:
        """For people."""
        return [str(self)]

    def to_dict(self) -> dict[str, object]:
        """For JSON: the attributes, and the numbers made of them."""
        return {
            **msgspec.structs.asdict(self),
            "wakeups_per_s": self.wakeups_per_s,
            "rounds_per_s": self.rounds_per_s,
            "records_per_wakeup": self.records_per_wakeup,
            "share_polled": self.share_polled,
        }

    def __str__(self) -> str:
        """One line for people."""
        bound = f"latency {self.latency * 1e3:g} ms" if self.latency else "a wake-up a record"
        state = self.now if self.mode != self.now else ""
        if self.now == "poll":
            state += f" every {self.interval * 1e3:.2g} ms"
        shown = f"{self.mode} ({bound})" + (f", now {state.strip()}" if state else "")
        each = f", {self.records_per_wakeup:.3g} records a wake-up" if self.wakeups else ""
        return (
            f"delivery: {shown}; {self.wakeups} wake-ups ({self.wakeups_per_s:.3g}/s), "
            f"{self.rounds} timer rounds ({self.rounds_per_s:.3g}/s){each}; {1 - self.share_polled:.0%} of the time push, "
            f"{self.share_polled:.0%} poll"
        )
