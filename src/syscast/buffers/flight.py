"""Rings that keep the newest records: the BPF ring buffer in its overwrite mode, looked at from outside.

Nobody consumes such a ring. A program that finds it full moves ``overwrite_pos`` over the oldest records
before it takes their space, so a copy holds whole records from where that position stands after copying
(kernel/bpf/ringbuf.c, commit feeaf1346f80 ("bpf: Add overwrite mode for BPF ring buffer") (in v6.19)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from syscast.buffers.guard import Guarded
from syscast.buffers.scan import committed
from syscast.errors import UsageError
from syscast.kernel.memory import RingMemory, fence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.kernel.descriptors import Fd

_TRIES = 16


class Flight(Protocol):
    """Looks at rings that keep the newest records."""

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        ...

    def blocks(self) -> list[bytes]:
        """Copy what the rings hold now: a block of each, in the ring buffer's form, as the ring has it."""
        ...

    def close(self) -> None:
        """Give the rings back; a second call does nothing."""
        ...


class RingFlight(Guarded):
    """Looks at ring buffers in overwrite mode; see `Flight`."""

    def __init__(self, rings: Sequence[tuple[Fd, int]], owned: Sequence[Fd] = ()) -> None:
        """Map the rings.

        Args:
            rings: Each with its bytes; open for as long as this.
            owned: Descriptors to close with it.

        Raises:
            KernelError: One cannot be mapped.
        """
        super().__init__(rings[0][0].what)
        self._memories: list[RingMemory] = []
        self._owned = owned
        try:
            for fd, size in rings:
                self._memories.append(RingMemory(fd, size))
        except BaseException:
            self._release()
            self.poller.close()
            raise

    def blocks(self) -> list[bytes]:
        """Copy what the rings hold now.

        Raises:
            UsageError: It is closed, or programs write faster than a ring can be copied.
            FormatError: A ring is damaged.
        """
        with self._lock:
            self._check("look")
            return [_copy(memory, self._subject) for memory in self._memories]

    def _release(self) -> None:
        for memory in self._memories:
            memory.close()
        for fd in self._owned:
            fd.close()


def _copy(memory: RingMemory, subject: str) -> bytes:
    for _ in range(_TRIES):
        begin = memory.overwritten()
        size = memory.producer() - begin
        if size > memory.size:
            continue  # the ring went on between the two looks
        start = begin & (memory.size - 1)
        data = bytes(memory.data[start : start + size])
        # What was written meanwhile is not behind this position, which was moved before.
        fence()
        gone = memory.overwritten() - begin
        if gone < size or not size:
            left = data[gone:]
            end, _ = committed(memoryview(left).cast("I"), 0, len(left), len(left))
            return left[:end]
    raise UsageError(
        f"{subject}: copy: programs write faster than it can be copied (make the ring larger)"
    )
