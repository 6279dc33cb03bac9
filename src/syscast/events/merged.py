"""Batches of one or several objects put together in the order of time, as rows of one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from syscast.events.arrow.build import Piece
from syscast.events.schema import envelope_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syscast.events.arrow.columns import Table
    from syscast.events.batch import Array, Batch

    Numbers = npt.NDArray[np.int64]


class Merged:
    """Several batches as one source of columns.

    Rows come in the order of the boot clock; those of one time, as they were read. What has no
    envelope has no time, and stays where it was.
    """

    def __init__(
        self,
        batches: Sequence[Batch],
        table: Table,
        programs: Sequence[int],
        probes: Mapping[int, str],
    ) -> None:
        """Put batches together.

        Args:
            batches: At least one.
            table: Of all classes in them.
            programs: What to add to the program ids of each batch, so that they are different
                where the batches come from several objects.
            probes: Program id, with that added, to probe.
        """
        self._table = table
        self._probes = probes
        self._count = sum(map(len, batches))
        self._times = np.zeros(self._count, np.uint64)
        self._walls = np.zeros(self._count, np.uint64)
        groups: dict[int, list[tuple[Array, Numbers]]] = {}
        start = 0
        for batch, base in zip(batches, programs, strict=True):
            for piece in batch.pieces(table):
                rows = np.arange(len(piece.array)) if piece.rows is None else piece.rows
                rows = rows + start
                if table.members[piece.number].envelope:
                    boot = np.ascontiguousarray(piece.array[self._key(piece.number, "time")])
                    self._times[rows] = boot
                    self._walls[rows] = batch.wall(boot)
                groups.setdefault(piece.number, []).append((self._numbered(piece, base), rows))
            start += len(batch)
        self._pieces = self._sorted(
            [
                Piece(
                    number,
                    _joined([array for array, _ in found]),
                    np.concatenate([rows for _, rows in found]),
                )
                for number, found in groups.items()
            ]
        )

    def __len__(self) -> int:
        return self._count

    def pieces(self, table: Table) -> Sequence[Piece]:
        """The records by class."""
        assert table is self._table
        return self._pieces

    def wall(self, boot: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        """Wall-clock times of the rows, which were given with their batches."""
        assert len(boot) == self._count
        return self._walls

    def probes(self) -> Mapping[int, str]:
        """Program id to probe."""
        return self._probes

    def _key(self, number: int, name: str) -> str:
        fields = self._table.members[number].schema.fields
        return envelope_key(name, {field.name for field in fields})

    def _numbered(self, piece: Piece, base: int) -> Array:
        if not base or not self._table.members[piece.number].envelope:
            return piece.array
        array = piece.array.copy()
        array[self._key(piece.number, "program")] += np.uint16(base)
        return array

    def _sorted(self, pieces: list[Piece]) -> list[Piece]:
        times = self._times
        if not (times[1:] < times[:-1]).any():
            return [Piece(pieces[0].number, pieces[0].array, None)] if len(pieces) == 1 else pieces
        order = np.argsort(times, kind="stable")
        self._walls = self._walls[order]
        if len(pieces) == 1:
            return [Piece(pieces[0].number, pieces[0].array[order], None)]
        place = np.empty_like(order)
        place[order] = np.arange(self._count)
        return [Piece(number, array, place[rows]) for number, array, rows in pieces]


def _joined(arrays: list[Array]) -> Array:
    """Put arrays of one type behind one another; as bytes, which is faster."""
    if len(arrays) == 1:
        return arrays[0]
    dtype = arrays[0].dtype
    raw = np.concatenate([each.view(f"V{dtype.itemsize}") for each in arrays])
    return cast("Array", raw.view(dtype))
