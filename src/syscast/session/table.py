"""A loaded iterator program and the walks through its table."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Generic, Self, TypeVar, cast

from syscast.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from types import TracebackType

    from syscast.buffers.seqfile import SeqFile
    from syscast.events.arrow.columns import Addresses
    from syscast.events.arrow.stream import Stream
    from syscast.events.batch import Batch
    from syscast.events.event import Event
    from syscast.events.ledger import Ledger
    from syscast.link.iterator import IteratorLink
    from syscast.session.part import Part
    from syscast.session.scope import Narrowing
    from syscast.state.state import State

E = TypeVar("E", bound="Event")


class Table(Generic[E]):
    """A loaded iterator program and the part of a table that it walks through.

    Every reading is a walk of its own from the table's start. One thread at a time goes through the
    kernel; others wait.
    """

    def __init__(self, part: Part, link: IteratorLink, narrowing: Narrowing) -> None:
        self._part = part
        self._link = link
        self._narrowing = narrowing
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._final: Ledger | None = None

    def snapshot(self) -> list[E]:
        """All rows as they are now."""
        return list(self.rows())

    def rows(self) -> Iterator[E]:
        """The rows one by one, read in portions; who stops early leaves the rest unread.

        Raises:
            KernelError: The kernel refused the walk.
            UsageError: It is closed.
        """
        decoder = self._part.decoder
        for block in self._blocks():
            with self._lock:
                found = decoder.block_events(block)
            yield from cast("list[E]", found)

    def batches(self) -> Iterator[Batch]:
        """The rows as numpy arrays, a batch for each portion."""
        decoder = self._part.decoder
        for block in self._blocks():
            with self._lock:
                found = decoder.batch(block)
            yield found

    def arrow(
        self,
        *,
        raw: bool = False,
        addresses: Addresses = "text",
        dictionaries: bool = True,
    ) -> Stream:
        """Give the rows as a stream of Arrow columns, as `Session.arrow`.

        Args:
            raw: As in `syscast.events.batch.Batch.arrow`.
            addresses: As there.
            dictionaries: As there.

        Raises:
            UsageError: There is no such form.
        """
        from syscast.events.arrow.columns import Form  # noqa: PLC0415  (few ask for it)
        from syscast.events.arrow.stream import stream_of  # noqa: PLC0415  (numpy costs 100 ms)

        form = Form(raw, addresses, dictionaries)
        return stream_of(self._part.decoder.described(), form, self.batches, once=False)

    def _blocks(self) -> Iterator[bytes]:
        from syscast.features.recordclock import record_clock  # noqa: PLC0415  (declaring one loads nothing)
        from syscast.kernel.host import wall_offset_ns  # noqa: PLC0415  (as above)

        self._part.decoder.clock_offset_ns = wall_offset_ns(record_clock())
        with contextlib.closing(self._walks()) as walks:
            for file in walks:
                try:
                    while block := self._read(file):
                        if part_of_it := self._sifted(block):
                            yield part_of_it
                finally:
                    file.close()

    def _read(self, file: SeqFile) -> bytes:
        with self._lock:
            block = file.read_block()
            self._part.taken += len(block)
        return block

    def _sifted(self, block: bytes) -> bytes:
        """A block without the rows that a filter in Python refuses."""
        sieve = self._part.sieve
        if sieve is None:
            return block
        with self._lock:
            return sieve.sift(block)

    def _walks(self) -> Generator[SeqFile]:
        """The files to read, one after another; who gets one closes it."""
        yield self._open()

    def _open(self) -> SeqFile:
        from syscast.buffers.seqfile import SeqFile  # noqa: PLC0415  (declaring one loads nothing)

        if self._link.closed:
            raise UsageError(f"{self._link.describe()}: read: it is closed")
        if os.getpid() != self._owner:
            # The program puts rows together in memory that all who read by it share.
            raise UsageError(
                f"{self._link.describe()}: read: it belongs to the process that opened it (open one of your own "
                "after the fork)"
            )
        network = self._narrowing.network
        if network is None:
            return SeqFile(self._link.open())
        from syscast.kernel.namespaces import in_network_of  # noqa: PLC0415  (with netns only)

        return SeqFile(in_network_of(network, self._link.open))

    @property
    def classes(self) -> list[type[Event]]:
        """The classes of its rows."""
        return list(self._part.decoder.classes.values())

    @property
    def states(self) -> dict[str, State]:
        """Objects that the function shares with Python, by the names that it has for them."""
        return self._part.states

    def stats(self) -> Ledger:
        """The ledger: elements seen, rows given, rows that were left out because they raised."""
        if self._final is not None:
            return self._final
        from collections import Counter  # noqa: PLC0415  (not needed to read)

        from syscast.session.accounts import ledger_of  # noqa: PLC0415

        return ledger_of([self._part], Counter())

    def close(self) -> None:
        """Unload; the ledger stays readable, and a second call does nothing."""
        if self._link.closed:
            return
        try:
            self._final = self.stats()
        finally:
            self._link.close()
            self._narrowing.close()
            self._part.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
