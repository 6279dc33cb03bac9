"""From the boot clock of records to wall-clock time, also where the wall clock is set meanwhile.

The difference between the two clocks is constant until somebody sets the wall clock: slewing
(adjtime(3), NTP's frequency) goes into both, and both run on while the machine is suspended. So it is kept, with
the bounds within which it is known, and looked at again and again; where it is another one, that
is a step, from some boot time on. (Kernels without ``bpf_ktime_get_boot_ns`` stamp records with
CLOCK_MONOTONIC, which stands still during suspend: then each resume is a step as well.)
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

Steps: TypeAlias = tuple[tuple[int, int], ...]
"""Boot time from which on, and wall clock minus boot clock from then on; ordered."""

KEPT = 64
"""Steps that are remembered; events of before the oldest get the time of just before it."""

_TRIES = 5
_SLACK_NS = 20
"""The clocks are read to the nanosecond, each rounded by itself."""


class Reading(NamedTuple):
    """The wall clock, read before and after the boot clock.

    Attributes:
        boot: Boot clock, in ns.
        low: Wall clock minus boot clock is not less.
        high: Nor more.
    """

    boot: int
    low: int
    high: int


class WallClock:
    """What to add to the boot clock, now and before.

    Attributes:
        offset: Before the first of the steps.
        steps: Since then.
    """

    def __init__(self, read: Callable[[], Reading]) -> None:
        """Begin with the clocks as they are.

        Args:
            read: Reads both; a reading that took long is a loose one.
        """
        self._read = read
        found = self._tightest()
        self._low, self._high = found.low, found.high
        self._seen = found.boot
        self.offset: int = (found.low + found.high) // 2
        self.steps: Steps = ()

    def look(self, *, just_set: bool = False) -> bool:
        """Look at the clocks again.

        A step took place some time after the last look, or after the time that `unchanged` was
        told: it counts from then on.

        Args:
            just_set: The kernel has told just now that the clock was set.

        Returns:
            Whether there is a new step.
        """
        found = self._read()
        if not self._agrees(found):
            found = self._tightest()
        seen, self._seen = self._seen, found.boot
        if self._agrees(found):
            self._low = max(self._low, found.low - _SLACK_NS)
            self._high = min(self._high, found.high + _SLACK_NS)
            return False
        self._low, self._high = found.low, found.high
        steps = (*self.steps, (found.boot if just_set else seen, (found.low + found.high) // 2))
        if len(steps) > KEPT:
            self.offset = steps[0][1]
            steps = steps[1:]
        self.steps = steps
        return True

    def unchanged(self, boot: int) -> None:
        """Note that the kernel says that the wall clock was not set until this boot time."""
        self._seen = max(self._seen, boot)

    def _agrees(self, found: Reading) -> bool:
        """Whether the difference may be what it was."""
        return found.low <= self._high + _SLACK_NS and found.high >= self._low - _SLACK_NS

    def _tightest(self) -> Reading:
        return min((self._read() for _ in range(_TRIES)), key=lambda each: each.high - each.low)


def offset_at(boot: int, offset: int, steps: Steps) -> int:
    """Give what to add to a boot time."""
    place = bisect_right(steps, boot, key=_since)
    return steps[place - 1][1] if place else offset


def _since(step: tuple[int, int]) -> int:
    return step[0]
