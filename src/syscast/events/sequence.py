"""Gaps in the sequence numbers of records: a witness of loss that does not trust the ledger.

Every attempt to reserve a record takes the next number of its program on its CPU, so a number
that never arrives is a record that was dropped or given up. A number may arrive after its
successor where an interrupt ran the same program between taking the number and reserving; it then
fills its gap.
"""

from __future__ import annotations

from itertools import islice
from operator import attrgetter, lt
from typing import TYPE_CHECKING, cast

from syscast.events import gaps
from syscast.events.gaps import Gap

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from syscast.events.envelope import RawRecord

_PROGRAM_BITS = 16
_PROGRAM_MASK = (1 << _PROGRAM_BITS) - 1
_MOST_NOTED = 10_000
_NONE = (0, -1)
"""In place of time and number of a record where none came yet."""


class SequenceTracker:
    """Follows the numbers of every (program, CPU) of one session.

    Attributes:
        disorder: Program id to records that came after a later number.
        found: Gaps seen since somebody last took them away; late records are taken out.
        late: Program and CPU (as in `Gap.key`) to late records whose gap was taken away before.
    """

    __slots__ = ("_gaps", "_last", "disorder", "found", "late")

    def __init__(self) -> None:
        # cpu << 16 | program -> time and number of the last record; any tuple that begins so.
        self._last: dict[int, tuple[object, ...]] = {}
        self._gaps: dict[int, int] = {}
        self.disorder: dict[int, int] = {}
        self.found: list[Gap] = []
        self.late: dict[int, int] = {}

    def observe(self, records: Iterable[RawRecord]) -> None:
        """Note records in the order they were read."""
        last = cast("dict[int, RawRecord]", self._last)
        before = last.get
        for raw in records:
            key = raw[7] << _PROGRAM_BITS | raw[6]
            if before(key, _NONE)[1] + 1 == raw[1]:
                last[key] = raw
            else:
                self._jump(key, raw[1], raw[0])

    def _before(self, key: int) -> tuple[int, int]:
        """Time and number of the last record."""
        time, number = self._last.get(key, _NONE)[:2]
        return cast("int", time), cast("int", number)

    def _jump(self, key: int, number: int, time: int) -> None:
        since, before = self._before(key)
        if number > before:
            missing = number - before - 1
            self._gaps[key] = self._gaps.get(key, 0) + missing
            self._last[key] = (time, number)
            self._note([Gap(key, before + 1, number, missing, since, time)])
            return
        self._gaps[key] = self._gaps.get(key, 0) - 1
        program = key & _PROGRAM_MASK
        self.disorder[program] = self.disorder.get(program, 0) + 1
        if not gaps.fill(self.found, key, number):
            self.late[key] = self.late.get(key, 0) + 1

    def observe_words(
        self,
        numbers: npt.NDArray[np.uint64],
        words: npt.NDArray[np.uint64],
        times: npt.NDArray[np.uint64],
    ) -> None:
        """Note a batch by columns; the same as `observe`, without a loop over records.

        Args:
            numbers: The sequence numbers, in the order the records were read.
            words: The u64 of each record that holds schema id, program id and CPU.
            times: Boot clock in ns.
        """
        import numpy as np  # noqa: PLC0415 - batches only

        if not len(numbers):
            return
        keys = words >> np.uint64(_PROGRAM_BITS)
        if (keys == keys[0]).all():
            self._observe_one(int(keys[0]), numbers, times)
            return
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        edges = np.flatnonzero(keys[1:] != keys[:-1]) + 1
        for part in np.split(order, edges):
            key = int(words[part[0]]) >> _PROGRAM_BITS
            self._observe_one(key, numbers[part], times[part])

    def _observe_one(
        self, key: int, numbers: npt.NDArray[np.uint64], times: npt.NDArray[np.uint64]
    ) -> None:
        first, last = int(numbers[0]), int(numbers[-1])
        before = self._before(key)
        if first > before[1] and bool((numbers[1:] > numbers[:-1]).all()):
            if last - before[1] == len(numbers):
                self._last[key] = (int(times[-1]), last)
            else:
                self._rise(key, before, numbers.tolist(), times.tolist())
        else:
            self._observe_each(key, numbers.tolist(), times.tolist())

    def observe_run(self, word: int, numbers: list[int], times: Sequence[int]) -> None:
        """Note the numbers of one program on one CPU, in the order the records were read.

        Args:
            word: The u64 of a record that holds schema id, program id and CPU.
            numbers: At least one.
            times: Boot clock in ns, as many.
        """
        key = word >> _PROGRAM_BITS
        before = self._before(key)
        first, last = numbers[0], numbers[-1]
        if last - first + 1 == len(numbers):
            rising = numbers == [*range(first, last + 1)]
        else:
            rising = all(map(lt, numbers, islice(numbers, 1, None)))
        if not rising or first <= before[1]:
            self._observe_each(key, numbers, times)
        elif last - before[1] == len(numbers):
            self._last[key] = (times[-1], last)
        else:
            self._rise(key, before, numbers, times)

    def _rise(
        self, key: int, before: tuple[int, int], numbers: Sequence[int], times: Sequence[int]
    ) -> None:
        """Note numbers of which each is greater than the one before, and some are missing."""
        missing = numbers[-1] - before[1] - len(numbers)
        self._gaps[key] = self._gaps.get(key, 0) + missing
        self._last[key] = (times[-1], numbers[-1])
        self._note(gaps.of_run(key, before, numbers, times))

    def _note(self, found: list[Gap]) -> None:
        self.found += found
        if len(self.found) > _MOST_NOTED:  # nobody takes them
            self.found = self.take()

    def take(self) -> list[Gap]:
        """Take the gaps seen since the last time, by their end."""
        by_key: dict[int, list[Gap]] = {}
        for each in self.found:
            by_key.setdefault(each.key, []).append(each)
        self.found = []
        taken = [gap for found in by_key.values() for gap in gaps.together(found)]
        taken.sort(key=attrgetter("until"))
        return taken

    def _observe_each(self, key: int, numbers: Iterable[int], times: Iterable[int]) -> None:
        for number, time in zip(numbers, times, strict=True):
            if self._before(key)[1] + 1 == number:
                self._last[key] = (time, number)
            else:
                self._jump(key, number, time)

    def _came(self, key: int) -> int:
        """Count the records of a program on a CPU that came."""
        return self._before(key)[1] + 1 - self._gaps.get(key, 0)

    def last_time(self, key: int) -> int:
        """Boot clock in ns of the last record of a program on a CPU; 0 if none came."""
        return self._before(key)[0]

    def received(self, program: int) -> int:
        """Count the records of a program that were decoded."""
        return sum(self._came(key) for key in self._last if key & _PROGRAM_MASK == program)

    def gaps(self, program: int) -> int:
        """Count the numbers of a program that were skipped so far and have not come since."""
        return sum(count for key, count in self._gaps.items() if key & _PROGRAM_MASK == program)

    def cpus(self, program: int) -> dict[int, tuple[int, int]]:
        """Count by CPU the records of a program that were decoded, and the numbers skipped."""
        return {
            key >> _PROGRAM_BITS: (self._came(key), self._gaps.get(key, 0))
            for key in self._last
            if key & _PROGRAM_MASK == program
        }

    def missing(self, program: int, tried: Mapping[int, int]) -> int:
        """Count the numbers of a program that never came, the last ones too.

        Args:
            program: The program id.
            tried: CPU to the ledger's count of attempts on it, read after the last record.
        """
        came = {cpu: count for cpu, (count, _) in self.cpus(program).items()}
        return sum(count - came.pop(cpu, 0) for cpu, count in tried.items()) - sum(came.values())
