"""The BPF ring buffer: one ring for all CPUs, records in the order of reservation.

A program reserves space, which moves the producer's position, and commits later: a record is
valid once its header has no BUSY bit, and everything behind a busy one has to wait. The kernel
writes into the space again as soon as the consumer's position has moved over it, so that records are copied
first (kernel/bpf/ringbuf.c; Documentation/bpf/ringbuf.rst).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.buffers.guard import Guarded
from syscast.buffers.reader import BLOCK_SIZE, Block
from syscast.buffers.scan import committed, records
from syscast.kernel.memory import RingMemory, fence

if TYPE_CHECKING:
    from syscast.kernel.descriptors import Fd

_TYPICAL = 128


class RingReader(Guarded):
    """Reads one ring buffer; see `reader.Reader`.

    Attributes:
        size: Bytes of the ring.
    """

    lost = 0
    """The ring buffer does not count what it has no space for; its programs do."""
    slack_ns = 0
    """Programs read the time after they have taken the space."""

    def __init__(self, fd: Fd, size: int) -> None:
        """Map the ring.

        Args:
            fd: The map, owned by the caller and open for as long as the reader.
            size: Its bytes.

        Raises:
            KernelError: It cannot be mapped.
        """
        super().__init__(fd.what)
        self.size = size
        self._fd = fd
        try:
            self._memory = RingMemory(fd, size)
        except BaseException:
            self.poller.close()
            raise
        self._words = self._memory.part(0, 2 * size, "I")
        self.poller.add(fd, self)

    @property
    def fd(self) -> Fd:
        """The map itself, which is readable when there are records."""
        return self._fd

    def available(self) -> int:
        """Bytes that wait to be read, headers included; some may not be committed yet."""
        with self._lock:
            self._check("look")
            return self._memory.producer() - self._memory.consumer()

    @property
    def lanes(self) -> tuple[RingReader]:
        """Itself: it has one ring."""
        return (self,)

    def mark(self) -> tuple[int, ...]:
        """Where the producer is; see `reader.Reader`."""
        with self._lock:
            self._check("look")
            return (self._memory.producer(),)

    def passed(self, mark: tuple[int, ...]) -> bool:
        """Whether everything before a mark was read."""
        with self._lock:
            self._check("look")
            return self._memory.consumer() >= mark[0]

    def read(self, max_records: int = 256) -> list[bytes]:
        """Take records, one by one, without headers; discarded ones are left out.

        Raises:
            FormatError: The ring is damaged.
        """
        with self._lock:
            self._check("read")
            taken: list[bytes] = []
            while len(taken) < max_records:
                position = self._memory.consumer()
                missing = max_records - len(taken)
                data, _ = self._copy(position, missing * _TYPICAL)
                if not data:
                    break
                found, end = records(data, missing)
                self._memory.consume(position + end)
                taken += found
            return taken

    def read_block(self, max_bytes: int = BLOCK_SIZE) -> Block:
        """Take all committed records that fit into ``max_bytes``, at least one if there is any.

        Raises:
            FormatError: The ring is damaged.
        """
        with self._lock:
            self._check("read")
            position = self._memory.consumer()
            data, stride = self._copy(position, max_bytes)
            self._memory.consume(position + len(data))
            return Block(data, stride)

    def _copy(self, position: int, max_bytes: int) -> tuple[bytes, int]:
        """Committed records from a position on, and their stride."""
        memory = self._memory
        waiting = memory.producer() - position
        if waiting <= 0:
            return b"", 0
        start = position & (self.size - 1)
        end, stride = committed(self._words, start, waiting, max_bytes)
        # The headers were seen committed before the content is copied.
        fence()
        return bytes(memory.data[start : start + end]), stride

    def _release(self) -> None:
        self._memory.close()
