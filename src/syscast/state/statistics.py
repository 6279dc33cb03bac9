"""``Sum``, ``Min``, ``Max`` and ``Mean``."""

from __future__ import annotations

import operator
from abc import abstractmethod
from typing import TYPE_CHECKING, cast

from syscast.errors import UsageError
from syscast.state.cells import COUNT_LEAST, COUNT_TOTAL, TOTAL, Cells, ranked
from syscast.state.tables import table
from syscast.state.typevars import K

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.state.cells import Cell


class _Statistic(Cells[K]):
    """Values go in, one number comes out."""

    def __init__(self, *, max_entries: int | None = None) -> None:
        self._make(1, max_entries)

    @abstractmethod
    def _first(self, value: int) -> Cell: ...

    @abstractmethod
    def _number(self, cell: Cell | None) -> int | float | None: ...

    def add(self, value: int, /) -> None:
        """Take a value in; with keys, ``stat[k].add(value)``."""
        if self._keys is not None:
            raise UsageError(f"{type(self).__name__}: add: it has keys (stat[key].add(value))")
        self._put_in(None, value)

    def _put_in(self, key: object, value: int) -> None:
        number = operator.index(value)
        if not -(1 << 63) <= number < 1 << 63:
            raise OverflowError(f"{number} does not fit i64")
        self._add_cell(key, 0, self._first(number))

    def __getitem__(self, key: K) -> KeyedStatistic:
        if self._keys is None:
            raise UsageError(f"{type(self).__name__}: read: it has no keys (use .value)")
        return KeyedStatistic(
            lambda value: self._put_in(key, value), lambda: self._number(self._one_cell(key))
        )

    @property
    def value(self) -> int | float | None:
        """The number of all values, of all keys together; None where there were none (but a sum is 0)."""
        return self._number(self._together(drain=False))

    def take(self) -> int | float | None:
        """As `value`; start anew, without missing one."""
        return self._number(self._together(drain=True))

    def _together(self, *, drain: bool) -> Cell | None:
        total: Cell | None = None
        for *_, cell in self._read(drain=drain):
            total = cell if total is None else self._combine(total, cell)
        return total

    def _by_key(self, *, drain: bool) -> dict[K, int | float | None]:
        if self._keys is None:
            raise UsageError(
                f"{type(self).__name__}: read: it has no keys (use .value and .take())"
            )
        found = {key: self._number(cell) for key, _, cell in self._read(drain=drain)}
        return cast("dict[K, int | float | None]", dict(ranked(cast("dict[object, int]", found))))

    def to_dict(self) -> dict[K, int | float | None]:
        """Number by key, largest first."""
        return self._by_key(drain=False)

    def items(self) -> list[tuple[K, int | float | None]]:
        """Keys and numbers, largest first."""
        return list(self.to_dict().items())

    def keys(self) -> list[K]:
        """Every key with values."""
        return list(self.to_dict())

    def drain(self) -> dict[K, int | float | None]:
        """Take all numbers and start anew; no value is counted twice or missed."""
        return self._by_key(drain=True)

    def per_cpu(self, *key: K) -> tuple[int | float | None, ...]:
        """Each CPU's number, of a key where there are keys."""
        return tuple(self._number(cell) for cell in self._rows_per_cpu(key[0] if key else None))

    def _plain(self) -> dict[str, object]:
        if self._keys is None:
            return {"value": self.value}
        return {
            "items": [
                {"key": self._plain_key(key), "value": number} for key, number in self.items()
            ]
        }

    def __len__(self) -> int:
        return len(self.to_dict())

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        name = type(self).__name__
        if self._keys is None:
            return "\n".join([f"{name}({_shown(self.value)})", *self._notes()])
        rows = [(str(key), _shown(number)) for key, number in self.items()]
        return table(f"{name}, {len(rows)} keys", rows, self._notes())


def _shown(number: float | None) -> str:
    return f"{number:.3f}" if isinstance(number, float) else str(number)


class KeyedStatistic:
    """One key of a statistic: ``stat[k]``."""

    def __init__(self, add: Callable[[int], None], read: Callable[[], int | float | None]) -> None:
        self._add = add
        self._read = read

    def add(self, value: int, /) -> None:
        """Take a value in."""
        self._add(value)

    @property
    def value(self) -> int | float | None:
        """The number as it is now."""
        return self._read()

    def __repr__(self) -> str:
        return _shown(self._read())


class Sum(_Statistic[K]):
    """The sum of values: ``Sum()``, or ``Sum[u32]()`` with keys.

    In a probe: ``total.add(v)``, with keys ``total[k].add(v)``. Values are i64 (OverflowError); the
    sum wraps at 64 bits.

    Args:
        max_entries: With keys: most keys, 10240 by default.
    """

    cell = TOTAL

    def _first(self, value: int) -> Cell:
        return (value,)

    def _number(self, cell: Cell | None) -> int:
        return 0 if cell is None else cell[0]


class Mean(_Statistic[K]):
    """The mean of values, as `Sum`; each value is added with its count, which `count` gives too."""

    cell = COUNT_TOTAL

    def _first(self, value: int) -> Cell:
        return (1, value)

    def _number(self, cell: Cell | None) -> float | None:
        return None if cell is None or not cell[0] else cell[1] / cell[0]

    @property
    def count(self) -> int:
        """How many values there were, of all keys together."""
        total = self._together(drain=False)
        return 0 if total is None else total[0]


class _Extreme(_Statistic[K]):
    cell = COUNT_LEAST

    def _first(self, value: int) -> Cell:
        return (1, value)

    def _number(self, cell: Cell | None) -> int | None:
        return None if cell is None or not cell[0] else cell[1]

    @abstractmethod
    def _better(self, one: int, other: int) -> int: ...

    def _combine(self, one_: Cell, other: Cell) -> Cell:
        if not one_[0] or not other[0]:
            return one_ if one_[0] else other
        return (one_[0] + other[0], self._better(one_[1], other[1]))


class Min(_Extreme[K]):
    """The smallest value, as `Sum`: ``Min()``, or ``Min[u32]()`` with keys."""

    def _better(self, one: int, other: int) -> int:
        return min(one, other)


class Max(_Extreme[K]):
    """The largest value, as `Sum`: ``Max()``, or ``Max[u32]()`` with keys."""

    def _better(self, one: int, other: int) -> int:
        return max(one, other)
