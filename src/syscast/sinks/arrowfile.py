"""Recordings: batches of events as an Arrow IPC stream in a file, with the ledger behind them.

What makes up a recording stands in `syscast.events.recorded` and `syscast.events.frames`. Events
gather here for up to a second, or up to some MiB, and are then written as one message, in the
order of time. Each message is written whole, and with it the account as it is then, which the next
message overwrites. So a reader finds a whole file at any time, and what a full disk refuses, or a
kill cuts off, is the last second at most.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, ClassVar, Self

from msgspec.structs import replace

from syscast.errors import UsageError
from syscast.events.arrow.build import columns_of, schema_of
from syscast.events.arrow.columns import Form, table_of
from syscast.events.frames import END, seal
from syscast.events.ledgercolumns import ledger_array, ledger_schema
from syscast.events.lostnotes import write_note
from syscast.events.merged import Merged
from syscast.events.messages import MessageWriter, with_metadata
from syscast.events.recorded import Account, account_metadata, described, header_metadata
from syscast.events.text import counted
from syscast.sinks.appending import AppendedFile
from syscast.sinks.sink import failure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from syscast.events.batch import Batch
    from syscast.events.block import Buffer
    from syscast.events.lost import Lost
    from syscast.events.recorded import Header

_AGE_S = 1.0
"""How long an event waits before it is in the file."""
_PIECE = 3 << 18
"""Bytes of records that are written at once: most blocks that readers give have more."""
_CELLS = 1 << 21
"""Values that are written at once, where many event types make wide rows."""
_ACCOUNT_SHARE = 20
"""One of so many parts of the time at most goes into reading the ledger for the account."""


class ArrowFileSink:
    """Writes batches to a recording.

    Attributes:
        path: The file.
        events: Events that are in the file.
        size: Bytes of the file.
    """

    name: ClassVar[str] = "arrow"

    def __init__(
        self,
        path: str,
        header: Header,
        account: Callable[[], Account],
        bases: Mapping[int, int] | None = None,
    ) -> None:
        """Open the file; it is emptied when the first event or the end comes.

        Args:
            path: The file, ``-`` for stdout.
            header: What stands before the events.
            account: Says what stands behind them, as of now.
            bases: What to add to the program ids of a batch, by the ``id`` of its schemas; needed
                where batches come from several objects.

        Raises:
            UsageError: The file cannot be opened.
        """
        self.path: str = path
        self.events: int = 0
        self._account = account
        self._bases = bases or {}
        recorded = header.recorded
        self._probes = {each.id: each.probe for each in recorded.programs}
        self._table = table_of(described(recorded), Form(raw=True, dictionaries=False))
        self._schema = schema_of(self._table)
        self._writer = MessageWriter(with_metadata(self._schema, header_metadata(header)))
        self._most = max(1, _CELLS // len(self._table.columns))
        self._number = 0
        self._batches: list[Batch] = []
        self._losses: list[Lost] = []
        self._rows = 0
        self._bytes = 0
        self._since = 0.0
        self._known = Account()
        self._next_account = 0.0
        self._over = False
        self._open = False
        self._file = AppendedFile(path)

    @property
    def size(self) -> int:
        """Bytes of the file, but for what stands behind the events."""
        return self._file.size

    def summary(self) -> str:
        """Say what was written."""
        count = counted(self.events, "event")
        return f"recorded {count} in {self.path} ({size_text(self.size)})"

    def open(self) -> None:
        """Write what stands before the events."""
        self._open = True
        self._file.begin()
        self._append(self._writer.schema, 0)

    def write(self, batch: Batch) -> None:
        """Take a batch; it is in the file a second later at most, if `tick` is called.

        Raises:
            UsageError: It was not opened, or the batch is of another session.
            SinkClosed: Nobody reads any more.
            SinkError: It cannot be written: the disk is full. The file is whole, the message says
                how many events it holds, and the sink takes nothing more.
        """
        if self._over:
            return
        self._check_open("write")
        if self._bases and id(batch.schemas) not in self._bases:
            raise UsageError(
                f"recorder '{self.path}': write: the batch is of another session (a recording has "
                "one session's events)"
            )
        self.lose(batch.lost)
        if not len(batch):
            return
        if not self._batches:
            self._since = time.monotonic()
        self._batches.append(batch)
        self._rows += len(batch)
        self._bytes += batch.nbytes
        if self._bytes >= _PIECE or self._rows >= self._most:
            self.flush()
        else:
            self.tick()

    def lose(self, losses: Sequence[Lost]) -> None:
        """Take what is missing among the events; it is written with the next of them."""
        self._losses += losses

    def tick(self) -> None:
        """Write what waits for a second; raises as `write`."""
        if self._batches and time.monotonic() - self._since >= _AGE_S:
            self.flush()

    def flush(self) -> None:
        """Write what waits; raises as `write`."""
        if not self._batches:
            return
        batches, self._batches = self._batches, []
        self._rows = self._bytes = 0
        bases = [self._bases.get(id(each.schemas), 0) for each in batches]
        merged = Merged(batches, self._table, bases, self._probes)
        message = self._writer.batch(columns_of(merged, self._table, self._schema))
        losses, self._losses = self._losses, []
        self._append(message, len(merged), write_note(losses))

    def finish(self, *, complete: bool = True, reason: str = "") -> None:
        """Write what waits and the final account, and close the file; raises as `write`.

        Args:
            complete: The recording came to its end.
            reason: Why not.
        """
        if self._over:
            return
        self._check_open("finish")
        self.flush()
        self._over = True
        self._next_account = 0.0
        try:
            ending = self._ending(self._number, self.events, complete=complete, reason=reason)
            self._file.append([], ending)
            self._file.close()
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Close the file; without `finish`, it says that the recording was not ended."""
        if self._over:
            return
        with contextlib.suppress(
            Exception
        ):  # whoever closes without finishing has an error already
            self.finish(complete=False, reason="the recorder had an error")
        self._over = True
        with contextlib.suppress(OSError):
            self._file.close()

    def _append(self, message: bytes, rows: int, note: bytes = b"") -> None:
        events = self.events + rows
        parts = seal(message, self._number, events, note)
        before = self._known
        ending = self._ending(self._number + 1, events)
        try:
            self._file.append(parts, ending)
        except OSError as error:
            self._known = before  # that of the events that are in the file
            raise self._failed(error) from error
        self._number += 1
        self.events = events

    def _failed(self, error: OSError) -> Exception:
        """End the file with what it has, and say so."""
        self._over = True
        number = error.errno or 0
        with contextlib.suppress(OSError):
            if self._file.whole:
                reason = os.strerror(number).lower()
                ending = self._ending(self._number, self.events, reason=reason, stale=True)
                self._file.append([], ending)
        with contextlib.suppress(OSError):
            self._file.close()
        count = counted(self.events, "event")
        held = f"'{self.path}' is whole and holds the first {count}"
        if not self._file.whole:
            held = f"{count} went to '{self.path}' before"
        return failure(self.name, number, held)

    def _check_open(self, act: str) -> None:
        if not self._open:
            raise UsageError(
                f"recorder '{self.path}': {act}: it is not open (use it in a with statement)"
            )

    def _ending(
        self,
        number: int,
        events: int,
        *,
        complete: bool = False,
        reason: str = "",
        stale: bool = False,
    ) -> bytes:
        """What stands behind the events: the end of their stream, and the stream of the account.

        Args:
            number: Of its first message.
            events: Events before it.
            complete: As in `Account`.
            reason: As in `Account`.
            stale: Take the ledger as it was last.
        """
        now = time.monotonic()
        if now >= self._next_account and not stale:
            self._known = self._account()
            done = time.monotonic()
            self._next_account = done + (done - now) * _ACCOUNT_SHARE
        account = replace(self._known, events=events, complete=complete, reason=reason)
        schema = ledger_schema()
        writer = MessageWriter(with_metadata(schema, account_metadata(account)))
        rows = writer.batch(ledger_array(account.ledger, schema))
        parts: list[Buffer] = [END]
        parts += seal(writer.schema, number, events, write_note(self._losses))
        parts += seal(rows, number + 1, events)
        return b"".join([*parts, END])

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.finish()
        else:
            self.close()


def size_text(size: int) -> str:
    """Write bytes for people."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"
