"""Gaps in the numbers of records, with the times between which they fell.

A note is made only where a number is missing, so streams without loss pay nothing for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST = 16
"""Gaps of one (program, CPU) that one reading tells apart; more of them are put together."""


class Gap:
    """Consecutive numbers of one program on one CPU of which some never came.

    Attributes:
        key: CPU << 16 | program.
        first: The first number that is missing.
        end: The number behind the last one.
        count: How many of them are missing: all, unless several gaps were put together or a late
            record filled a part.
        since: Boot clock in ns of the record before; 0 where there was none.
        until: Boot clock in ns of the record behind.
    """

    __slots__ = ("count", "end", "first", "key", "since", "until")

    def __init__(self, key: int, first: int, end: int, count: int, since: int, until: int) -> None:
        self.key: int = key
        self.first: int = first
        self.end: int = end
        self.count: int = count
        self.since: int = since
        self.until: int = until

    @property
    def program(self) -> int:
        """The program's id."""
        return self.key & 0xFFFF

    @property
    def cpu(self) -> int:
        """The CPU's number."""
        return self.key >> 16

    def __repr__(self) -> str:
        return (
            f"Gap(cpu {self.cpu}, program {self.program}, {self.count} of {self.first} to "
            f"{self.end}, {self.since} to {self.until})"
        )


def of_run(
    key: int, before: Sequence[int], numbers: Sequence[int], times: Sequence[int]
) -> list[Gap]:
    """Find the gaps of records of one program on one CPU.

    Args:
        key: As in `Gap`.
        before: Time and number of the last record before them.
        numbers: Rising, and beyond the one before.
        times: Of the records, as many.
    """
    found = []
    since, last = before[0], before[1]
    for number, time in zip(numbers, times, strict=True):
        if number != last + 1:
            found.append(Gap(key, last + 1, number, number - last - 1, since, time))
        since, last = time, number
    return together(found)


def together(gaps: list[Gap]) -> list[Gap]:
    """Put neighbours together so that at most `MOST` are left; all are of one key, in order."""
    if len(gaps) <= MOST:
        return gaps
    share = -(-len(gaps) // MOST)
    made = []
    for at in range(0, len(gaps), share):
        group = gaps[at : at + share]
        first, last = group[0], group[-1]
        count = sum(each.count for each in group)
        made.append(Gap(first.key, first.first, last.end, count, first.since, last.until))
    return made


def fill(gaps: list[Gap], key: int, number: int) -> bool:
    """Take a record that came late out of the gap that was noted for it; False if none was."""
    for at in range(len(gaps) - 1, -1, -1):
        gap = gaps[at]
        if gap.key == key and gap.first <= number < gap.end:
            gap.count -= 1
            if not gap.count:
                del gaps[at]
            return True
    return False
