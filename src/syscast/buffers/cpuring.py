"""One CPU's perf ring, and the event that it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.errors import PermissionDeniedError
from syscast.kernel import perf
from syscast.kernel.host import PAGE_SIZE, raise_memlock
from syscast.kernel.memory import PerfRingMemory

if TYPE_CHECKING:
    from syscast.kernel.descriptors import Fd


class CpuRing:
    """A ring that ``bpf_perf_event_output`` writes to on one CPU.

    Attributes:
        cpu: Its number.
        event: Goes into the map; readable when the reader is to be woken.
        memory: The ring.
    """

    __slots__ = ("cpu", "event", "memory")

    def __init__(self, cpu: int, size: int, *, wakeup_events: int = 1) -> None:
        """Open it.

        Args:
            cpu: Must be online.
            size: Bytes of the ring, a power of two of pages; less where locked memory is scarce.
            wakeup_events: Records before the reader is woken.

        Raises:
            KernelError: Refused (ENODEV: the CPU is offline).
        """
        self.cpu: int = cpu
        self.event: Fd = perf.open_bpf_output(cpu, wakeup_events=wakeup_events)
        try:
            self.memory: PerfRingMemory = mapped(self.event, size)
        except BaseException:
            self.event.close()
            raise

    def waiting(self) -> int:
        """Bytes that wait to be read."""
        return self.memory.producer() - self.memory.consumer()

    def copy(self) -> bytes:
        """Everything that waits: whole records, whose space stays taken."""
        memory = self.memory
        position = memory.consumer()
        size = memory.producer() - position
        start = position & (memory.size - 1)
        first = min(size, memory.size - start)
        data = bytes(memory.data[start : start + first])
        if first < size:
            data += bytes(memory.data[: size - first])
        return data

    def release(self, size: int) -> None:
        """Give so many bytes back to the kernel."""
        self.memory.consume(self.memory.consumer() + size)

    def close(self) -> None:
        """Unmap and close; a second call does nothing."""
        self.memory.close()
        self.event.close()


def mapped(event: Fd, size: int, *, writable: bool = True) -> PerfRingMemory:
    """Map a ring, a smaller one where the limit of locked memory asks for it; raises KernelError."""
    try:
        return PerfRingMemory(event, size, writable=writable)
    except PermissionDeniedError:
        raise_memlock()
    while True:
        try:
            return PerfRingMemory(event, size, writable=writable)
        except PermissionDeniedError:
            if size <= PAGE_SIZE:
                raise
            size //= 2
