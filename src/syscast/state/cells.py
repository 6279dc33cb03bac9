"""``Cells``: what all aggregations share.

An aggregation is a number of cells of integers that only grow together: probes add to the cell of
their CPU, Python merges the CPUs' cells with its own when it reads. So nothing that Python adds can
collide with what a probe adds, and cells that were taken out are never counted twice.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, ClassVar, Generic, TypeAlias, cast

from syscast.errors import UsageError
from syscast.state.shape import I64, U32, U64, of_parts, one, shape_of
from syscast.state.state import DEFAULT_ENTRIES, MapPlan, State
from syscast.state.typevars import K

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from syscast.events.fieldtypes import FieldType
    from syscast.spec.meta import FieldMeta
    from syscast.state.shape import Shape
    from syscast.state.store import Rows, Store

Cell: TypeAlias = tuple[int, ...]
_U64 = (1 << 64) - 1

COUNT: tuple[tuple[str, FieldType], ...] = (("count", U64),)
TOTAL: tuple[tuple[str, FieldType], ...] = (("total", I64),)
COUNT_TOTAL: tuple[tuple[str, FieldType], ...] = COUNT + TOTAL
COUNT_LEAST: tuple[tuple[str, FieldType], ...] = (("count", U64), ("value", I64))


class Cells(State, Generic[K]):
    """Base of aggregations; see the module."""

    optional = True
    cell: ClassVar[tuple[tuple[str, FieldType], ...]] = COUNT

    def _make(self, buckets: int, entries: int | None) -> None:
        """Finish construction.

        Args:
            buckets: Cells under one key; their number is the key's last part where it is not 1.
            entries: Most cells where there are keys.
        """
        self._buckets = buckets
        self._keys: Shape | None = None
        value = of_parts(self.cell)
        if not self._types:
            if entries is not None and self.optional:
                raise UsageError(
                    f"{type(self).__name__}: declare: max_entries means nothing without a key type"
                )
            self._settle(MapPlan("percpu_array", one(U32), value, buckets))
            return
        keys = shape_of(self._types[0], f"{type(self).__name__}: key")
        self._keys = keys
        parts = [*keys.parts, ("bucket", U32)] if buckets > 1 else keys.parts
        whole = of_parts(parts) if buckets > 1 else keys
        self._settle(
            MapPlan("percpu_hash", whole, value, DEFAULT_ENTRIES if entries is None else entries)
        )

    @property
    def keys_shape(self) -> Shape | None:
        """Layout of the user's key; None where there is none."""
        return self._keys

    @property
    def buckets(self) -> int:
        """Cells under one key."""
        return self._buckets

    def types(self) -> tuple[tuple[FieldMeta, ...], tuple[FieldMeta, ...]]:
        """See `State.types`."""
        return (self._keys.fields if self._keys is not None else ()), ()

    def options(self) -> dict[str, int | str]:
        """See `State.options`."""
        return {} if self._keys is None else super().options()

    # ------------------------------------------------------------ cells

    def _cell_key(self, key: object, bucket: int) -> bytes:
        if self._keys is None:
            return self._plan.key.encode(bucket)
        raws = self._keys.raws(key)
        return self._plan.key.pack([*raws, bucket] if self._buckets > 1 else raws)

    def _combine(self, one_: Cell, other: Cell) -> Cell:
        """Two cells as one; sums wrap at 64 bits as they do in the kernel."""
        added = []
        for (_, kind), a, b in zip(self.cell, one_, other, strict=True):
            total = (a + b) & _U64
            added.append(total - (1 << 64) if kind.signed and total >> 63 else total)
        return tuple(added)

    def _add_cell(self, key: object, bucket: int, cell: Cell) -> None:
        """Add in Python; stays in this process."""
        raw = self._cell_key(key, bucket)
        with self._lock:
            rows = self._local.get(raw)
            if rows is not None:
                cell = self._combine(self._cell(rows[0]), cell)
            packed = self._plan.value.pack(cell)
            self._local.put(raw, (packed, *(rows[1:] if rows else ())))

    def _cell(self, row: bytes) -> Cell:
        return cast("Cell", self._plan.value.unpack(row))

    def _merged(self, rows: Rows) -> Cell:
        cell = self._cell(rows[0])
        for row in rows[1:]:
            cell = self._combine(cell, self._cell(row))
        return cell

    def _one_cell(self, key: object, bucket: int = 0) -> Cell | None:
        """One cell as it is now, or None where nothing was added."""
        raw = self._cell_key(key, bucket)
        with self._lock:
            stores: list[Store] = [self._local]
            if self._kernel is not None:
                stores.append(self._kernel)
            found = [rows for store in stores if (rows := store.get(raw)) is not None]
        return self._merged(tuple(row for rows in found for row in rows)) if found else None

    def _all(self, take: Callable[[Store], list[tuple[bytes, Rows]]]) -> dict[bytes, Cell]:
        merged: dict[bytes, Cell] = {}
        with self._lock:
            stores: list[Store] = [self._local]
            if self._kernel is not None:
                stores.append(self._kernel)
            for store in stores:
                for key, rows in take(store):
                    cell = self._merged(rows)
                    if not any(cell):
                        continue  # an array's element that nobody touched
                    before = merged.get(key)
                    merged[key] = cell if before is None else self._combine(before, cell)
        return merged

    def _read(self, *, drain: bool = False) -> list[tuple[object, int, Cell]]:
        """Key, bucket and cell of everything that was added."""
        found = self._all(_drain if drain else _items)
        made: list[tuple[object, int, Cell]] = []
        for raw, cell in found.items():
            raws = self._plan.key.unpack(raw)
            if self._keys is None:
                made.append((None, cast("int", raws[0]), cell))
            elif self._buckets > 1:
                made.append((self._keys.value(raws[:-1]), cast("int", raws[-1]), cell))
            else:
                made.append((self._keys.value(raws), 0, cell))
        return made

    def _rows_per_cpu(self, key: object, bucket: int = 0) -> list[Cell]:
        """The cells of each CPU; what Python added counts for CPU 0."""
        raw = self._cell_key(key, bucket)
        with self._lock:
            stores: list[Store] = [self._local]
            if self._kernel is not None:
                stores.append(self._kernel)
            found = [store.get(raw) or () for store in stores]
        cells: list[Cell] = []
        for rows in found:
            for cpu, row in enumerate(rows):
                if cpu < len(cells):
                    cells[cpu] = self._combine(cells[cpu], self._cell(row))
                else:
                    cells.append(self._cell(row))
        return cells

    def _plain_key(self, key: object) -> object:
        assert self._keys is not None
        return self._keys.plain(self._keys.raws(key))

    def clear(self) -> None:
        """Forget everything that was added so far."""
        self._all(_drain)

    # ------------------------------------------------------------ for sessions

    def _moved_in(self, store: Store) -> None:
        """Nothing moves: what was added in Python stays here and is added when reading."""

    def _moved_out(self, items: Iterable[tuple[bytes, Rows]]) -> None:
        merged = dict(self._local.drain())
        for key, rows in items:
            if not any(any(row) for row in rows):
                continue
            before = merged.get(key)
            merged[key] = rows if before is None else self._row_wise(before, rows)
        self._local.take_over(merged.items())

    def _row_wise(self, before: Rows, rows: Rows) -> Rows:
        first, rest = (before, rows) if len(before) >= len(rows) else (rows, before)
        empty = bytes(self._plan.value.size)
        padded = rest + (empty,) * (len(first) - len(rest))
        pack = self._plan.value.pack
        return tuple(
            pack(self._combine(self._cell(a), self._cell(b)))
            for a, b in zip(first, padded, strict=True)
        )


def _items(store: Store) -> list[tuple[bytes, Rows]]:
    return store.items()


def _drain(store: Store) -> list[tuple[bytes, Rows]]:
    return store.drain()


def ranked(counts: dict[object, int]) -> list[tuple[object, int]]:
    """Largest first; equal ones by their text, so that the order is the same every time."""
    return sorted(
        sorted(counts.items(), key=lambda each: str(each[0])), key=itemgetter(1), reverse=True
    )
