"""What all readers of records have in common.

A reader hands out copies: the kernel gets the space back before the records are decoded. A block
holds whole records of the ring buffer's form, whatever ring they came from:

    u32 length, u32 of no meaning, the record, padding to 8 bytes

so that one decoder serves all. A record's length has bit 30 set if the program discarded it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from syscast.kernel.descriptors import Fd

BLOCK_SIZE = 1 << 20
"""Bytes that one block has at most, unless one record alone is larger."""

HEADER_SIZE = 8
BUSY = 1 << 31
DISCARD = 1 << 30


class Block(NamedTuple):
    """Consecutive records.

    Attributes:
        data: Their bytes, with headers; empty where nothing was there.
        stride: Bytes from one record to the next if all have one length and none was
            discarded, else 0.
    """

    data: bytes
    stride: int = 0

    @property
    def records(self) -> int:
        """How many records there are, if `stride` says so; else -1."""
        return len(self.data) // self.stride if self.stride else -1


class Reader(Protocol):
    """Reads records from the kernel. One thread reads; any thread may `wake` and `close`.

    A process that was forked from the one that opened the reader must not use it: every method
    but `close` raises UsageError there, and none moves the parent's position.
    """

    @property
    def fd(self) -> Fd:
        """Readable when there are records, for another poller; owned by the reader or its map."""
        ...

    @property
    def size(self) -> int:
        """Bytes of one of its rings: what may fill up."""
        ...

    @property
    def lost(self) -> int:
        """Records that the kernel says it had no space for, as far as this ring counts them.

        The ring buffer counts none; its programs do, in the ledger.
        """
        ...

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for records.

        Args:
            timeout: Seconds; None waits for ever, 0 only looks.

        Returns:
            Whether there may be some; False when the time is over, or it was woken or closed.
        """
        ...

    def wake(self) -> None:
        """End the current or the next `wait`; callable from signal handlers and threads."""
        ...

    def available(self) -> int:
        """Bytes that wait to be read, headers included; some may not be committed yet."""
        ...

    def read(self, max_records: int = 256) -> list[bytes]:
        """Take records, one by one, without headers; discarded ones are left out."""
        ...

    def read_block(self, max_bytes: int = BLOCK_SIZE) -> Block:
        """Take all committed records that fit into ``max_bytes``, at least one if there is any."""
        ...

    @property
    def lanes(self) -> Sequence[Reader]:
        """The rings inside, where each is read on its own; else this reader itself."""
        ...

    @property
    def slack_ns(self) -> int:
        """How long a record's time may lie before the moment that its space in the ring is taken."""
        ...

    def mark(self) -> tuple[int, ...]:
        """How far the kernel has taken space by now."""
        ...

    def passed(self, mark: tuple[int, ...]) -> bool:
        """Whether everything was read whose space was taken when `mark` was called."""
        ...

    def close(self) -> None:
        """Give the ring back; a second call does nothing."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
