"""Reading a recording: from messages to ring records, as they were when they were recorded.

What reads here needs no kernel. Every message is tested before Arrow's parser sees it (see
`syscast.events.frames`), and what the parser gives is tested against the header.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from syscast.errors import FormatError
from syscast.events.arrow.back import block_of_view
from syscast.events.arrow.columns import Form, identity, table_of
from syscast.events.block import walk
from syscast.events.columnviews import read_metadata, read_rows
from syscast.events.event import boot_time
from syscast.events.frames import DamagedError, FrameReader
from syscast.events.lostnotes import read_note
from syscast.events.recorded import described, read_account, read_header
from syscast.events.schema import RING_HEADER_SIZE, pad
from syscast.spec.meta import RECORD_HEADER_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from syscast.events.arrow.back import View
    from syscast.events.columnviews import RowsView
    from syscast.events.frames import Source
    from syscast.events.lost import Lost
    from syscast.events.recorded import Account, Header


_MOST_BYTES = 1 << 28
"""Bytes of records that one message may come to: a recorder writes a few MiB at once."""


class Piece(NamedTuple):
    """Records that had one offset of the wall clock to the boot clock, and what was lost.

    Attributes:
        block: Ring records with their ring headers.
        offset_ns: Wall clock minus boot clock.
        last: Boot clock of the last record, 0 without an envelope.
        losses: What is missing among them, in the order of time.
    """

    block: bytes
    offset_ns: int
    last: int
    losses: Sequence[Lost] = ()


class RecordingReader:
    """Reads one recording from its start.

    Attributes:
        header: What stands before the events.
        account: What stands behind them, once they are read.
        losses: What was lost behind the last of them.
    """

    def __init__(self, source: Source, name: str) -> None:
        """Read the header.

        Raises:
            FormatError: It is no recording, or one of a newer format.
        """
        self._name = name
        self._frames = FrameReader(source, name)
        first = self._frames.next()
        if first is None:
            raise FormatError(f"recording '{name}': read: it is empty")
        try:
            metadata = read_metadata(first.data)
        except ValueError as error:
            raise self._damage(f"its first message is no schema: {error}") from None
        self.header: Header = read_header(metadata, name)
        self.account: Account | None = None
        self.losses: list[Lost] = []
        recorded = self.header.recorded
        classes = described(recorded)
        self._table = table_of(classes, Form(raw=True, dictionaries=False))
        numbers = self._table.numbers()
        self._ids = [0] * len(numbers)
        for each in reversed(classes):
            key = identity(each.schema, envelope=each.envelope, declared=each.declared)
            self._ids[numbers[key]] = each.schema.id
        self._largest = max((pad(each.size) for each in recorded.schemas), default=0)
        self._sources = {each.source: place for place, each in enumerate(self._table.columns)}

    def pieces(self) -> Iterator[Piece]:
        """Read the events; then `account` is there.

        Raises:
            DamagedError: The file is damaged from some place on, or ends there.
        """
        at, events = self._frames.at, self._frames.events
        while (frame := self._frames.next()) is not None:
            try:
                rows = read_rows(frame.data, self._table)
                self._check_size(rows.length)
                block = block_of_view(cast("View", rows), self._table, boot=True, ids=self._ids)
                times = self._times(rows)
                losses = read_note(frame.note)
            except (ValueError, FormatError) as error:
                raise DamagedError.at_place(self._name, at, events, str(error)) from None
            if self.header.recorded.foreign:
                block = _numbered(block, events)
            at, events = self._frames.at, self._frames.events
            yield from _cut(block, losses, *times)
        self.account = self._account()

    def _account(self) -> Account:
        frame = self._frames.next()
        if frame is None:
            raise self._damage("there is no ledger behind the events")
        try:
            metadata = read_metadata(frame.data)
        except ValueError as error:
            raise self._damage(f"its ledger is no schema: {error}") from None
        found = read_account(metadata, self._name)
        self.losses = self._noted(frame.note)
        while self._frames.next() is not None:
            pass  # the ledger once more, as rows for other programs
        return found

    def _noted(self, note: bytes) -> list[Lost]:
        try:
            return read_note(note)
        except ValueError as error:
            raise self._damage(str(error)) from None

    def _check_size(self, count: int) -> None:
        if count * (self._largest + RECORD_HEADER_SIZE) > _MOST_BYTES:
            raise ValueError(f"a message has {count} rows")

    def _times(self, rows: RowsView) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Wall clock minus boot clock, and boot clock, of each row."""
        count = rows.length
        if "time" not in self._sources:
            return np.zeros(count, np.int64), np.zeros(count, np.int64)
        wall, boot = (self._numbers(rows, source) for source in ("time", "boot_time"))
        return wall - boot, boot

    def _numbers(self, rows: RowsView, source: str) -> npt.NDArray[np.int64]:
        return np.frombuffer(rows.child(self._sources[source]).buffer(1), "<i8", rows.length)

    def _damage(self, what: str) -> DamagedError:
        return DamagedError.at_place(self._name, self._frames.at, self._frames.events, what)


def read_account_of(source: Source, name: str) -> Account:
    """Read only what stands behind the events; the source can seek.

    Raises:
        FormatError: It is not there, or damaged.
    """
    frames = FrameReader(source, name, skim=True)
    while frames.next() is not None:
        pass
    frame = frames.next(whole=True)
    if frame is None:
        raise DamagedError.at_place(
            name, frames.at, frames.events, "there is no ledger behind the events"
        )
    try:
        return read_account(read_metadata(frame.data), name)
    except ValueError as error:
        what = f"its ledger is no schema: {error}"
        raise DamagedError.at_place(name, frames.at, frames.events, what) from None


def _numbered(block: bytes, first: int) -> bytes:
    """Number records that have no header of their own, as they were when they were read."""
    found = bytearray(block)
    words = np.frombuffer(found, "<u8")
    places = np.array(walk(block)[0], np.int64) // 8 + 1
    words[places] = np.arange(first, first + len(places))
    return bytes(found)


def _cut(
    block: bytes,
    losses: Sequence[Lost],
    offsets: npt.NDArray[np.int64],
    boot: npt.NDArray[np.int64],
) -> Iterator[Piece]:
    """Cut a block where the offset of the clocks changes."""
    if not len(offsets):
        yield Piece(b"", 0, 0, losses)
        return
    if (offsets == offsets[0]).all():
        yield Piece(block, int(offsets[0]), int(boot[-1]), losses)
        return
    places = [start - RING_HEADER_SIZE for start in walk(block)[0]] + [len(block)]
    edges = [0, *(np.flatnonzero(offsets[1:] != offsets[:-1]) + 1).tolist(), len(offsets)]
    for start, end in pairwise(edges):
        part = block[places[start] : places[end]]
        last = int(boot[end - 1])
        told = [each for each in losses if boot_time(each) <= last or end == len(offsets)]
        losses = losses[len(told) :]
        yield Piece(part, int(offsets[start]), last, told)
