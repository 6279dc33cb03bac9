"""Being told or asking: how a reader finds its records with the least work, by how many there are.

Pure: times and amounts in, decisions out. A reader that is told sleeps until the kernel wakes it, which
is soon and costs each time; one that asks sleeps for a while and takes what has come, which
costs the same however much that is. Network drivers change between the two by load (NAPI).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_MANY = 16
"""So many rounds in a row must come fast before the reader asks."""
_GAP_S = 0.0005
"""Rounds that follow one another faster are too many wake-ups: 2,000 a second, some 5 % of a CPU."""
_GAP_SHARE = 4
"""A timer must have so many times fewer rounds than there were wake-ups, or is not worth its delay."""
_SLEPT = 0.9
"""Share of the latency; the rest is for the system to wake the reader and for the reader to look."""
_FILL = 4
"""The ring may fill to a quarter between two looks."""
_FLOOR_S = 0.0005
_KEPT = 0.7
"""Share of the highest rate seen that is kept at each look."""
_FEWER = 4
"""Asking ends when so many times fewer records come than the wake-ups that began it."""
_QUIET_ROUNDS = 16
_MOST_PATIENT_S = 2.0
_FLAP_S = 1.0
"""Who asks again so soon after it stopped watches twice as long before it stops again."""


class Pace:
    """One session's choice between being told and asking.

    Attributes:
        asking: Now.
        interval: Seconds between two looks while asking; 0 where the ring fills faster than that.
        rooms: Bytes of each ring.
        due: Monotonic time of the next look while asking.
        quiet: So few records came lately that being told costs less.
        changes: How often the choice has changed.
    """

    def __init__(self, mode: str, latency: float, rooms: Sequence[int], now: float) -> None:
        """Begin.

        Args:
            mode: ``adaptive``, ``push`` or ``poll``.
            latency: Seconds that a record may wait; 0 for none.
            rooms: Bytes of each ring.
            now: Monotonic time.
        """
        self._free = mode == "adaptive" and latency > 0
        self.rooms: Sequence[int] = rooms
        self._rates = [0.0] * len(rooms)
        self._longest = latency * _SLEPT
        self._gap = min(_GAP_S, latency / _GAP_SHARE)
        self._least_patience = _QUIET_ROUNDS * max(self._longest, self._gap)
        self._patience = self._least_patience
        self._look = self._before = now  # when this look began, and the one before
        self._elapsed = self._longest or 1.0
        self._window = now
        self._rounds = 0
        self._records = 0
        self._since = now
        self._asked = 0.0
        self.asking: bool = mode == "poll"
        self.interval: float = self._longest
        self.due: float = now
        self.quiet: bool = False
        self.changes: int = 0

    def asked(self, now: float) -> float:
        """Seconds spent asking so far."""
        return self._asked + (now - self._since if self.asking else 0.0)

    def looking(self, now: float) -> None:
        """Note when a look begins."""
        self._look = now

    def looked(self, now: float, taken: Sequence[int], records: int, *, emptied: bool) -> None:
        """Note what a look found, and decide.

        Args:
            now: Monotonic time.
            taken: Bytes from each ring since the last look.
            records: How many records that were.
            emptied: Nothing was left that could be taken, so that the next record would wake.
        """
        if self.asking:
            self._pace(taken, emptied=emptied)
            self._watch(now, records)
        elif self._free and emptied and records:
            self._count(now)

    def _pace(self, taken: Sequence[int], *, emptied: bool) -> None:
        """When to look next, so that no ring fills beyond its share and no record waits too long."""
        if self._look > self._before:  # else it is another part of the same look
            self._elapsed, self._before = self._look - self._before, self._look
            self._rates = [rate * _KEPT for rate in self._rates]
        interval = self._longest
        for at, (room, size) in enumerate(zip(self.rooms, taken, strict=True)):
            rate = max(size / self._elapsed, self._rates[at])
            self._rates[at] = rate
            if rate * interval * _FILL > room:
                interval = room / rate / _FILL
        if interval < self._longest and interval < _FLOOR_S:
            interval = min(_FLOOR_S, self._longest) if interval > _FLOOR_S / 2 else 0.0
        self.interval = interval
        self.due = self._look + interval if emptied else self._look

    def _watch(self, now: float, records: int) -> None:
        """Whether so little comes that being told would cost less."""
        self._records += records
        time = now - self._window
        if time < self._patience:
            return
        self.quiet = self._free and self._records * self._gap * _FEWER < time
        self._window, self._records = now, 0

    def _count(self, now: float) -> None:
        """Whether rounds follow one another too fast."""
        if now - self._window > _MANY * self._gap:
            self._window, self._rounds = now, 0
        self._rounds += 1
        if self._rounds > _MANY:
            self._ask(now)

    def _ask(self, now: float) -> None:
        flaps = bool(self.changes) and now - self._since < _FLAP_S
        self._patience = (
            min(2 * self._patience, max(_MOST_PATIENT_S, self._least_patience))
            if flaps
            else self._least_patience
        )
        self._change(now, asking=True)
        self._before = self._look = now
        self._elapsed = self._longest
        self.due = now  # how fast the rings fill is not known yet

    def be_told(self, now: float) -> None:
        """Stop asking, once nothing is left in the rings."""
        self._change(now, asking=False)
        self._rates = [0.0] * len(self._rates)
        self.interval = self._longest

    def _change(self, now: float, *, asking: bool) -> None:
        self._asked = self.asked(now)
        self._since = now
        self._window, self._rounds, self._records = now, 0, 0
        self.asking, self.quiet = asking, False
        self.changes += 1
