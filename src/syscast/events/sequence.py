"""Gaps in the sequence numbers of records: a witness of loss that does not trust the ledger.

Every attempt to reserve a record takes the next number of its program on its CPU, so a number
that never arrives is a record that was dropped or given up. A number may arrive after its
successor where an interrupt ran the same program between taking the number and reserving; it then
fills its gap.
"""

from __future__ import annotations

from itertools import islice
from operator import lt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    import numpy.typing as npt

    from syscast.events.envelope import RawRecord

_PROGRAM_BITS = 16
_PROGRAM_MASK = (1 << _PROGRAM_BITS) - 1


class SequenceTracker:
    """Follows the numbers of every (program, CPU) of one session.

    Attributes:
        disorder: Program id to records that came after a later number.
    """

    __slots__ = ("_gaps", "_next", "disorder")

    def __init__(self) -> None:
        self._next: dict[int, int] = {}  # cpu << 16 | program -> the number to come
        self._gaps: dict[int, int] = {}
        self.disorder: dict[int, int] = {}

    def observe(self, records: Iterable[RawRecord]) -> None:
        """Note records in the order they were read."""
        following = self._next
        expect = following.get
        for raw in records:
            key = raw[7] << _PROGRAM_BITS | raw[6]
            number = raw[1]
            if expect(key, 0) == number:
                following[key] = number + 1
            else:
                self._jump(key, number)

    def _jump(self, key: int, number: int) -> None:
        expected = self._next.get(key, 0)
        if number >= expected:
            self._gaps[key] = self._gaps.get(key, 0) + number - expected
            self._next[key] = number + 1
        else:
            self._gaps[key] = self._gaps.get(key, 0) - 1
            program = key & _PROGRAM_MASK
            self.disorder[program] = self.disorder.get(program, 0) + 1

    def observe_words(
        self, numbers: npt.NDArray[np.uint64], words: npt.NDArray[np.uint64]
    ) -> None:
        """Note a batch by columns; the same as `observe`, without a loop over records.

        Args:
            numbers: The sequence numbers, in the order the records were read.
            words: The u64 of each record that holds schema id, program id and CPU.
        """
        import numpy as np  # noqa: PLC0415 - batches only

        if not len(numbers):
            return
        keys = words >> np.uint64(_PROGRAM_BITS)
        if (keys == keys[0]).all():
            self._observe_one(int(keys[0]), numbers)
            return
        order = np.argsort(keys, kind="stable")
        keys, numbers = keys[order], numbers[order]
        edges = np.flatnonzero(keys[1:] != keys[:-1]) + 1
        for part in np.split(np.arange(len(keys)), edges):
            self._observe_one(int(keys[part[0]]), numbers[part[0] : part[-1] + 1])

    def _observe_one(self, key: int, numbers: npt.NDArray[np.uint64]) -> None:
        first, last = int(numbers[0]), int(numbers[-1])
        rising = bool((numbers[1:] > numbers[:-1]).all())
        if not (rising and self._rise(key, first, last, len(numbers))):
            self._observe_each(key, numbers.tolist())

    def observe_run(self, word: int, numbers: list[int]) -> None:
        """Note the numbers of one program on one CPU, in the order the records were read.

        Args:
            word: The u64 of a record that holds schema id, program id and CPU.
            numbers: At least one.
        """
        key = word >> _PROGRAM_BITS
        first, last = numbers[0], numbers[-1]
        if last - first + 1 == len(numbers):
            rising = numbers == [*range(first, last + 1)]
        else:
            rising = all(map(lt, numbers, islice(numbers, 1, None)))
        if not (rising and self._rise(key, first, last, len(numbers))):
            self._observe_each(key, numbers)

    def _rise(self, key: int, first: int, last: int, count: int) -> bool:
        """Note numbers of which each is greater than the one before; False if they are late."""
        expected = self._next.get(key, 0)
        if first < expected:
            return False
        lost = last + 1 - expected - count
        if lost:
            self._gaps[key] = self._gaps.get(key, 0) + lost
        self._next[key] = last + 1
        return True

    def _observe_each(self, key: int, numbers: Iterable[int]) -> None:
        for number in numbers:
            if self._next.get(key, 0) == number:
                self._next[key] = number + 1
            else:
                self._jump(key, number)

    def received(self, program: int) -> int:
        """Count the records of a program that were decoded."""
        return sum(
            number - self._gaps.get(key, 0)
            for key, number in self._next.items()
            if key & _PROGRAM_MASK == program
        )

    def gaps(self, program: int) -> int:
        """Count the numbers of a program that were skipped so far and have not come since."""
        return sum(count for key, count in self._gaps.items() if key & _PROGRAM_MASK == program)

    def cpus(self, program: int) -> dict[int, tuple[int, int]]:
        """Count by CPU the records of a program that were decoded, and the numbers skipped."""
        return {
            key >> _PROGRAM_BITS: (number - self._gaps.get(key, 0), self._gaps.get(key, 0))
            for key, number in self._next.items()
            if key & _PROGRAM_MASK == program
        }

    def missing(self, program: int, tried: Mapping[int, int]) -> int:
        """Count the numbers of a program that never came, the last ones too.

        Args:
            program: The program id.
            tried: CPU to the ledger's count of attempts on it, read after the last record.
        """
        came = {
            key >> _PROGRAM_BITS: number - self._gaps.get(key, 0)
            for key, number in self._next.items()
            if key & _PROGRAM_MASK == program
        }
        return sum(count - came.pop(cpu, 0) for cpu, count in tried.items()) - sum(came.values())
