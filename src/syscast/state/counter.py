"""``Counter`` and ``TopK``: how many, by key or at all."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, cast

from syscast.errors import UsageError
from syscast.state.cells import COUNT, Cells, ranked
from syscast.state.tables import table
from syscast.state.typevars import K

if TYPE_CHECKING:
    from collections.abc import Iterator

_U64_END = 1 << 64


class Counter(Cells[K]):
    """Counts that probes add to: ``Counter()`` one of them, ``Counter[u32]()`` one for each key.

    In a probe: ``counter.add()``, ``counter.add(n)``; with keys ``counter[k] += n`` and
    ``counter.add(k)``, ``counter.add(k, n)``. Each CPU counts for itself, so that CPUs do not wait for
    each other, and no count is lost. Counts wrap at 64 bits. A key for which there is no room is
    a FullError, counted at its line and in `lost`.

    In Python, with keys, it is a mapping in which a missing key counts 0.

    Args:
        max_entries: Most keys, 10240 by default.
    """

    cell = COUNT

    def __init__(self, *, max_entries: int | None = None) -> None:
        self._make(1, max_entries)

    def add(self, *args: object) -> None:
        """Add 1, or a number: ``add()``, ``add(n)``; with keys ``add(k)``, ``add(k, n)``."""
        keyed = self._keys is not None
        if not keyed <= len(args) <= 1 + keyed:
            raise TypeError(
                "add() takes a key and a number" if keyed else "add() takes at most one number"
            )
        amount = args[int(keyed)] if len(args) > keyed else 1
        key = args[0] if keyed else None
        self._add_cell(key, 0, (_amount(amount),))

    @property
    def value(self) -> int:
        """The count; with keys, the sum of all."""
        if self._keys is not None:
            return sum(cell[0] for *_, cell in self._read())
        cell = self._one_cell(None)
        return 0 if cell is None else cell[0]

    def __int__(self) -> int:
        return self.value

    def __iadd__(self, amount: int) -> Counter[K]:
        self.add(amount)
        return self

    def __getitem__(self, key: K) -> int:
        self._need_keys()
        cell = self._one_cell(key)
        return 0 if cell is None else cell[0]

    def __setitem__(self, key: K, count: int) -> None:
        """Give a key another count, as ``counter[k] += n`` does in Python."""
        with self._lock:
            self._add_cell(key, 0, ((count - self[key]) % _U64_END,))

    def __contains__(self, key: object) -> bool:
        self._need_keys()
        return self._one_cell(key) is not None

    def __len__(self) -> int:
        return len(self.to_dict())

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[K]:
        return iter(self.to_dict())

    def keys(self) -> list[K]:
        """Every key that was counted, most often first."""
        return list(self.to_dict())

    def values(self) -> list[int]:
        """The counts, largest first."""
        return list(self.to_dict().values())

    def items(self) -> list[tuple[K, int]]:
        """Keys and counts, most often first."""
        return list(self.to_dict().items())

    def most_common(self, n: int | None = None) -> list[tuple[K, int]]:
        """The ``n`` largest counts with their keys, as of `collections.Counter`."""
        return self.items()[:n]

    def get(self, key: K, default: int = 0) -> int:
        """The count of a key, or ``default`` where it was never counted."""
        cell = self._one_cell(key)
        return default if cell is None else cell[0]

    def to_dict(self) -> dict[K, int]:
        """Count by key, most often first."""
        self._need_keys()
        return self._counts(drain=False)

    def drain(self) -> dict[K, int]:
        """Take all counts and start from zero; nothing is counted twice or missed.

        Without keys, see `take`.
        """
        self._need_keys()
        return self._counts(drain=True)

    def take(self) -> int:
        """The count, or with keys the sum of all; start from zero, without missing one."""
        return sum(cell[0] for *_, cell in self._read(drain=True))

    def per_cpu(self, *key: K) -> tuple[int, ...]:
        """Each CPU's count, of a key where there are keys."""
        return tuple(cell[0] for cell in self._rows_per_cpu(key[0] if key else None))

    def _counts(self, *, drain: bool) -> dict[K, int]:
        found = {key: cell[0] for key, _, cell in self._read(drain=drain)}
        return cast("dict[K, int]", dict(ranked(found)))

    def _plain(self) -> dict[str, object]:
        if self._keys is None:
            return {"value": self.value}
        shown = self._shown()
        return {"items": [{"key": self._plain_key(key), "value": n} for key, n in shown]}

    def _need_keys(self) -> None:
        if self._keys is None:
            raise UsageError("Counter: read: it has no keys (use .value; or declare Counter[K]())")

    def __repr__(self) -> str:
        if self._keys is None:
            return "\n".join([f"Counter({self.value})", *self._notes()])
        rows = [(str(key), str(count)) for key, count in self._shown()]
        return table(self._title(), rows, self._notes())

    def _shown(self) -> list[tuple[K, int]]:
        return self.items()

    def _title(self) -> str:
        return f"Counter, {len(self)} keys"


class TopK(Counter[K]):
    """The keys with the largest counts: ``TopK[u32](10)``.

    Counts as `Counter` does, ``top[k] += n`` or ``top.add(k, n)`` in a probe, and keeps every key that it
    has room for, so that the ranking is exact as long as `lost` is 0.

    Args:
        n: How many it shows.
        max_entries: Most keys that are counted, 10240 or 16 times ``n`` by default.
    """

    optional = False

    def __init__(self, n: int = 10, *, max_entries: int | None = None) -> None:
        if n < 1:
            raise UsageError(f"TopK: declare: {n} is not a number of ranks (1 or more)")
        self.n: int = n
        super().__init__(max_entries=max_entries or max(10240, 16 * n))

    def options(self) -> dict[str, int | str]:
        """See `State.options`."""
        return {**super().options(), "n": self.n}

    def ranking(self) -> list[tuple[K, int]]:
        """The largest counts with their keys."""
        return self.items()[: self.n]

    def _shown(self) -> list[tuple[K, int]]:
        return self.ranking()

    def _title(self) -> str:
        return f"TopK, {min(self.n, len(self))} of {len(self)} keys"


def _amount(value: object) -> int:
    amount = operator.index(cast("int", value))
    if not -(1 << 63) <= amount < _U64_END:
        raise OverflowError(f"{amount} does not fit 64 bits")
    return amount % _U64_END
