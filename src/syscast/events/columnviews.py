"""The arrays in a message as `syscast.events.arrow.back` reads them: views of the message's bytes.

Everything that the message says is tested against its size and the table, once, here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from syscast.events.flatbuffer import Table as Fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.events.arrow.columns import Table

_PREFIX = 8
_NUMBERS = frozenset({"int", "port", "pointer", "bool", "bytes", "time"})
"""Kinds whose columns are no text in recordings."""
_SCHEMA, _BATCH = 1, 3
"""Of Arrow's union MessageHeader."""
_MOST_CELLS = 1 << 30
"""Cells of a matrix with a row for each text: what a recorder writes at once needs a hundredth."""


class ColumnView:
    """One column."""

    offset: int = 0
    n_children: int = 0
    dictionary: None = None

    def __init__(self, length: int, buffers: Sequence[memoryview]) -> None:
        self.length = length
        self._buffers = buffers

    @property
    def n_buffers(self) -> int:
        """Validity, perhaps offsets, data."""
        return len(self._buffers)

    def buffer(self, i: int) -> memoryview:
        """One buffer."""
        return self._buffers[i]

    def child(self, i: int) -> ColumnView:
        """There is none."""
        raise IndexError(i)


class RowsView(ColumnView):
    """All columns."""

    def __init__(self, length: int, columns: Sequence[ColumnView]) -> None:
        super().__init__(length, ())
        self._columns = columns
        self.n_children: int = len(columns)

    def child(self, i: int) -> ColumnView:
        """One column."""
        return self._columns[i]


def read_metadata(message: memoryview) -> dict[str, bytes]:
    """Read the metadata of a schema's message.

    Raises:
        ValueError: It is none.
    """
    header, _ = _header(message, _SCHEMA)
    pairs = header.tables(2)
    return {each.text(0).decode("utf-8", "replace"): each.text(1) for each in pairs}


def read_rows(message: memoryview, table: Table) -> RowsView:
    """Read the message of an array.

    Raises:
        ValueError: It is none, or does not fit the table.
    """
    batch, body = _header(message, _BATCH)
    count = batch.long(0)
    nodes, places = batch.pairs(1), batch.pairs(2)
    if batch.has(3):
        raise ValueError("its bodies are compressed")
    kinds = [
        each.source.startswith("raw ") or each.field.kind not in _NUMBERS for each in table.columns
    ]
    if len(nodes) != len(kinds) or len(places) != 2 * len(kinds) + sum(kinds):
        raise ValueError("a message has other columns than its schema")
    if count < 0 or any(length != count for length, _ in nodes):
        raise ValueError("columns differ in length")
    buffers = [_cut(body, at, size) for at, size in places]
    columns = []
    for text in kinds:
        own, buffers = buffers[: 2 + text], buffers[2 + text :]
        if len(own[0]) and len(own[0]) * 8 < count:
            raise ValueError("a column is too short")
        if text:
            _check_text(count, own[1], own[2])
        columns.append(ColumnView(count, own))
    return RowsView(count, columns)


def _header(message: memoryview, kind: int) -> tuple[Fields, memoryview]:
    """The table of a message's header, and the message's body."""
    size = int.from_bytes(message[4:_PREFIX], "little")
    root = Fields.root(message[_PREFIX : _PREFIX + size])
    if root.byte(1) != kind:
        raise ValueError("a message is of another kind")
    return root.table(2), message[_PREFIX + size :]


def _cut(body: memoryview, at: int, size: int) -> memoryview:
    if at < 0 or size < 0 or at + size > len(body):
        raise ValueError("a column leaves its message")
    return body[at : at + size]


def _check_text(count: int, places: memoryview, data: memoryview) -> None:
    if len(places) < 4 * (count + 1):
        if count:
            raise ValueError("a column of text is too short")
        return
    ends = np.frombuffer(places, "<i4", count + 1)
    if ends[0] < 0 or ends[-1] > len(data) or (ends[1:] < ends[:-1]).any():
        raise ValueError("a column of text is out of order")
    if count and count * int((ends[1:] - ends[:-1]).max()) > _MOST_CELLS:
        raise ValueError("a text is too long")
