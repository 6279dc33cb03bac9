"""``Log2Hist`` and ``LinearHist``: how values are distributed."""

from __future__ import annotations

import operator
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, cast

from syscast.errors import UsageError
from syscast.events.text import escape
from syscast.state.cells import COUNT, Cells
from syscast.state.tables import histogram
from syscast.state.typevars import K

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LOG2_BUCKETS = 66
"""Negative values, zero, then one for each power of two up to 2**63."""

_MAX_LINEAR = 1 << 16


class Distribution:
    """Counts by bucket, at one moment; draws itself.

    Attributes:
        buckets: Lower bound (None: no bound), upper bound (exclusive; None: no bound) and count of
            each bucket that has one, in order.
    """

    def __init__(
        self,
        title: str,
        buckets: list[tuple[int | None, int | None, int]],
        between: list[tuple[int | None, int | None]],
    ) -> None:
        self._title = title
        self._between = between
        self.buckets = buckets

    @property
    def count(self) -> int:
        """How many values there are."""
        return sum(count for *_, count in self.buckets)

    def to_dict(self) -> dict[str, int]:
        """Count by bounds as text: ``"[4, 8)"``; what JSON takes."""
        return {_text(low, high): count for low, high, count in self.buckets}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Distribution) and self.buckets == other.buckets

    __hash__: ClassVar[None]  # type: ignore[assignment]  # as of a list

    def __repr__(self) -> str:
        if not self.buckets:
            return "\n".join(filter(None, [escape(self._title), "  (no values)"]))
        counts = {(low, high): count for low, high, count in self.buckets}
        rows = [
            (
                "-∞" if low is None else str(low),
                "∞" if high is None else str(high - 1),
                counts.get((low, high), 0),
            )
            for low, high in self._between
        ]
        return histogram(self._title, rows)


def _text(low: int | None, high: int | None) -> str:
    left = "(-inf" if low is None else f"[{low}"
    return f"{left}, {'inf' if high is None else high})"


class _Histogram(Cells[K]):
    cell = COUNT

    @abstractmethod
    def _bucket(self, value: int) -> int: ...

    @abstractmethod
    def _bounds(self, bucket: int) -> tuple[int | None, int | None]: ...

    def add(self, value: int, /) -> None:
        """Count a value; with keys, ``hist[k].add(value)``."""
        if self._keys is not None:
            raise UsageError(f"{type(self).__name__}: add: it has keys (hist[key].add(value))")
        self._count(None, value)

    def _count(self, key: object, value: int) -> None:
        number = operator.index(value)
        if not -(1 << 63) <= number < 1 << 64:
            raise OverflowError(f"{number} does not fit 64 bits")
        self._add_cell(key, self._bucket(number), (1,))

    def __getitem__(self, key: K) -> KeyedHistogram:
        if self._keys is None:
            raise UsageError(f"{type(self).__name__}: read: it has no keys")
        return KeyedHistogram(lambda value: self._count(key, value), lambda: self._of_key(key))

    def _of_key(self, key: K) -> Distribution:
        counts = self._grouped(drain=False).get(cast("object", key), {})
        return self._distribution(str(key), counts)

    def _grouped(self, *, drain: bool) -> dict[object, dict[int, int]]:
        found: dict[object, dict[int, int]] = {}
        for key, bucket, cell in self._read(drain=drain):
            found.setdefault(key, {})[bucket] = cell[0]
        return found

    def _distribution(self, title: str, counts: Mapping[int, int]) -> Distribution:
        numbers = sorted(counts)
        between = range(numbers[0], numbers[-1] + 1) if numbers else range(0)
        return Distribution(
            title,
            [(*self._bounds(number), counts[number]) for number in numbers],
            [self._bounds(number) for number in between],
        )

    @property
    def value(self) -> Distribution:
        """The distribution as it is now; with keys, of all keys together."""
        return self._together(self._grouped(drain=False))

    def _together(self, grouped: Mapping[object, Mapping[int, int]]) -> Distribution:
        total: dict[int, int] = {}
        for counts in grouped.values():
            for bucket, count in counts.items():
                total[bucket] = total.get(bucket, 0) + count
        return self._distribution("", total)

    def take(self) -> Distribution:
        """The distribution, of all keys together; start from zero, without missing a value."""
        return self._together(self._grouped(drain=True))

    def _of_all(self, grouped: Mapping[object, Mapping[int, int]]) -> dict[K, Distribution]:
        if self._keys is None:
            raise UsageError(
                f"{type(self).__name__}: read: it has no keys (use .value and .take())"
            )
        made = [(key, self._distribution(str(key), counts)) for key, counts in grouped.items()]
        made.sort(key=lambda each: (-each[1].count, str(each[0])))
        return cast("dict[K, Distribution]", dict(made))

    def to_dict(self) -> dict[K, Distribution]:
        """Distribution by key, the one with most values first."""
        return self._of_all(self._grouped(drain=False))

    def items(self) -> list[tuple[K, Distribution]]:
        """Keys and distributions, the one with most values first."""
        return list(self.to_dict().items())

    def keys(self) -> list[K]:
        """Every key with values."""
        return list(self.to_dict())

    def drain(self) -> dict[K, Distribution]:
        """Take all distributions and start from zero; nothing is counted twice or missed."""
        if self._keys is None:
            return self._of_all({})
        return self._of_all(self._grouped(drain=True))

    def _plain(self) -> dict[str, object]:
        if self._keys is None:
            return {"value": self.value.to_dict()}
        return {
            "items": [
                {"key": self._plain_key(key), "value": each.to_dict()}
                for key, each in self.items()
            ]
        }

    def __len__(self) -> int:
        return len(self.to_dict())

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        name = type(self).__name__
        if self._keys is None:
            counts = self._grouped(drain=False).get(None, {})
            return "\n".join([repr(self._distribution(name, counts)), *self._notes()])
        drawn = [repr(each) for each in self.to_dict().values()]
        return "\n\n".join([f"{name}, {len(drawn)} keys", *drawn, *self._notes()])


class KeyedHistogram:
    """One key of a histogram: ``hist[k]``."""

    def __init__(self, add: Callable[[int], None], read: Callable[[], Distribution]) -> None:
        self._add = add
        self._read = read

    def add(self, value: int, /) -> None:
        """Count a value."""
        self._add(value)

    @property
    def value(self) -> Distribution:
        """The distribution as it is now."""
        return self._read()

    def __repr__(self) -> str:
        return repr(self._read())


class Log2Hist(_Histogram[K]):
    """A histogram by powers of two: ``Log2Hist()``, or ``Log2Hist[u32]()`` with keys.

    In a probe: ``hist.add(v)``, with keys ``hist[k].add(v)``. Buckets are the negative values, 0, 1,
    2 to 3, 4 to 7 and so on.

    Args:
        max_entries: With keys: most buckets that are in use, of all keys together; 10240 by default.
    """

    def __init__(self, *, max_entries: int | None = None) -> None:
        self._make(LOG2_BUCKETS, max_entries)

    def _bucket(self, value: int) -> int:
        return 0 if value < 0 else 1 + value.bit_length()

    def _bounds(self, bucket: int) -> tuple[int | None, int | None]:
        if bucket == 0:
            return None, 0
        if bucket == 1:
            return 0, 1
        return 1 << (bucket - 2), 1 << (bucket - 1)


class LinearHist(_Histogram[K]):
    """A histogram by equal steps: ``LinearHist(0, 1000, 100)``, or ``LinearHist[u32](...)`` with keys.

    In a probe: ``hist.add(v)``, with keys ``hist[k].add(v)``. Values below ``low``, and from ``high``
    on, have a bucket each.

    Args:
        low: Lowest value of the first bucket.
        high: First value behind the last bucket.
        step: Width of a bucket.
        max_entries: With keys: most buckets that are in use, of all keys together; 10240 by default.
    """

    def __init__(self, low: int, high: int, step: int, *, max_entries: int | None = None) -> None:
        if step < 1 or low >= high or not -(1 << 63) <= low < high < 1 << 63:
            raise UsageError(
                f"LinearHist: declare: {low} to {high} by {step} is no range (low < high, step 1 or more)"
            )
        count = (high - low + step - 1) // step
        if count > _MAX_LINEAR:
            raise UsageError(
                f"LinearHist: declare: {count} buckets are too many (up to {_MAX_LINEAR})"
            )
        self.low: int = low
        self.high: int = high
        self.step: int = step
        self._make(count + 2, max_entries)

    def options(self) -> dict[str, int | str]:
        """See `State.options`."""
        return {**super().options(), "low": self.low, "high": self.high, "step": self.step}

    def _bucket(self, value: int) -> int:
        if value < self.low:
            return 0
        if value >= self.high:
            return self._buckets - 1
        return 1 + (value - self.low) // self.step

    def _bounds(self, bucket: int) -> tuple[int | None, int | None]:
        if bucket == 0:
            return None, self.low
        if bucket == self._buckets - 1:
            return self.high, None
        start = self.low + (bucket - 1) * self.step
        return start, min(start + self.step, self.high)
