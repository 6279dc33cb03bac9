"""Memory shared with the kernel: rings and arrays that are mapped, not copied.

Positions are u64 counters that the kernel moves. They are read and written here as one aligned
8-byte access (a ``memoryview`` of format ``Q``), which is atomic on both machines. x86_64
keeps the order of loads and of stores by itself; aarch64 does not, so that ``fence`` stands
between a position and the data it covers: after reading the producer's position, and before
writing the consumer's.

A mapping does not go to forked children (MADV_DONTFORK): a child that reads a ring would move
the position that its parent relies on. In a child every view is released, so that an access
raises ValueError instead of ending the child with SIGSEGV. Arrays that other libraries made of a
view are out of reach here: a child must not touch them.
"""

from __future__ import annotations

import mmap
import os
import threading
import weakref
from typing import TYPE_CHECKING, Self

from syscast.errors import KernelError
from syscast.kernel.syscalls import MACHINE

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Literal

    from syscast.kernel.descriptors import Fd

    Form = Literal["B", "H", "I", "Q", "b", "h", "i", "q"]

PAGE_SIZE = mmap.PAGESIZE

_open_mappings: weakref.WeakSet[Mapping] = weakref.WeakSet()
_fence_lock = threading.Lock()


def _fence() -> None:
    # Unlocking is a store-release and locking a load-acquire, which aarch64 keeps in order: no
    # access before the pair moves behind it and none after it moves before.
    _fence_lock.acquire()
    _fence_lock.release()
    _fence_lock.acquire()
    _fence_lock.release()


def _no_fence() -> None:
    """The machine keeps loads in order among themselves, and stores too."""


fence: Callable[[], None] = _no_fence if MACHINE == "x86_64" else _fence


class Mapping:
    """Owns one shared mapping of a descriptor; the descriptor may be closed meanwhile.

    Attributes:
        view: The bytes, read-only unless ``writable``.
    """

    def __init__(self, fd: Fd, length: int, *, offset: int = 0, writable: bool = False) -> None:
        """Map it.

        Args:
            fd: A ring, an mmapable array, a perf event or a file.
            length: Bytes, whole pages.
            offset: First byte, at a page's start.
            writable: Map for reading and writing.

        Raises:
            KernelError: mmap(2) refused.
        """
        rights = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        try:
            self._pages = mmap.mmap(
                fd.fileno(), length, flags=mmap.MAP_SHARED, prot=rights, offset=offset
            )
        except (OSError, ValueError) as error:
            code = getattr(error, "errno", 0) or 0
            raise KernelError.from_errno(
                f"{fd.what}: map {length} bytes at {offset}", code, "mmap"
            ) from None
        self._pages.madvise(mmap.MADV_DONTFORK)
        self._views: list[memoryview] = []
        self.view: memoryview[int] = self.part(0, length)
        _open_mappings.add(self)

    def part(self, start: int, length: int, form: Form = "B") -> memoryview:
        """A view of a range as elements of a ``struct`` format, released with the mapping."""
        whole = memoryview(self._pages)
        part = whole[start : start + length]
        cast = part.cast(form) if form != "B" else part
        # The outermost first: a view cannot be released while another is made of it.
        self._views += [cast, part, whole] if cast is not part else [part, whole]
        return cast

    @property
    def closed(self) -> bool:
        """Whether it was unmapped."""
        return self._pages.closed

    def close(self) -> None:
        """Unmap; a second call does nothing.

        Raises:
            BufferError: Somebody still holds an array or a view made of these bytes.
        """
        if self._pages.closed:
            return
        for view in self._views:
            view.release()
        self._pages.close()
        _open_mappings.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _forget_in_child() -> None:
    for mapping in list(_open_mappings):
        try:
            mapping.close()
        except BufferError:
            # An array of another library keeps the view; the module's docstring warns of it.
            continue


os.register_at_fork(after_in_child=_forget_in_child)


_OVERWRITE_POS = (
    16  # behind producer_pos and pending_pos, struct bpf_ringbuf in kernel/bpf/ringbuf.c
)


class RingMemory:
    """The pages of a BPF_MAP_TYPE_RINGBUF map, as one reader sees them.

    The data lies twice in a row, so that a record that wraps around is still contiguous. Both
    positions only grow; a record at position ``p`` starts at byte ``p & (size - 1)`` of ``data``.

    Attributes:
        size: Bytes of the ring, a power of two.
        data: ``2 * size`` bytes, read-only.
    """

    def __init__(self, fd: Fd, size: int) -> None:
        """Map a ring of ``size`` bytes; raises KernelError."""
        self.size = size
        self._reader = Mapping(fd, PAGE_SIZE, writable=True)
        try:
            self._writer = Mapping(fd, PAGE_SIZE + 2 * size, offset=PAGE_SIZE)
        except KernelError:
            self._reader.close()
            raise
        self._consumer = self._reader.part(0, 8, "Q")
        self._producer = self._writer.part(0, 8, "Q")
        self._overwritten = self._writer.part(_OVERWRITE_POS, 8, "Q")
        self.data: memoryview[int] = self._writer.part(PAGE_SIZE, 2 * size)

    def producer(self) -> int:
        """Where the kernel will write next; records before it may be read."""
        position = self._producer[0]
        fence()
        return position

    def overwritten(self) -> int:
        """Where the oldest record stands that is not overwritten, in a ring that keeps the newest."""
        position = self._overwritten[0]
        fence()
        return position

    def consumer(self) -> int:
        """Where this reader is."""
        return self._consumer[0]

    def consume(self, position: int) -> None:
        """Give everything before a position back to the kernel."""
        fence()
        self._consumer[0] = position

    def part(self, start: int, length: int, form: Form = "B") -> memoryview:
        """A view of the data as elements of a format; released with the ring."""
        return self._writer.part(PAGE_SIZE + start, length, form)

    def close(self) -> None:
        """Unmap; raises BufferError while an array of the data lives."""
        self._writer.close()
        self._reader.close()


# struct perf_event_mmap_page, include/uapi/linux/perf_event.h.
_DATA_HEAD = 1024


class PerfRingMemory:
    """The pages of one perf event's ring: a header page, then ``size`` bytes of data.

    The data lies once: a record may wrap around its end.

    Attributes:
        size: Bytes, a power of two of pages.
        data: ``size`` bytes.
    """

    def __init__(self, fd: Fd, size: int, *, writable: bool = True) -> None:
        """Map a ring of ``size`` bytes of data; raises KernelError.

        Args:
            fd: The event.
            size: Bytes.
            writable: The kernel waits for `consume`; else it overwrites the oldest records.
        """
        self.size = size
        self._pages = Mapping(fd, PAGE_SIZE + size, writable=writable)
        self._positions = self._pages.part(_DATA_HEAD, 16, "Q")
        self.data: memoryview[int] = self._pages.part(PAGE_SIZE, size)

    def producer(self) -> int:
        """``data_head``: where the kernel will write next."""
        position = self._positions[0]
        fence()
        return position

    def consumer(self) -> int:
        """``data_tail``: where this reader is."""
        return self._positions[1]

    def consume(self, position: int) -> None:
        """Give everything before a position back to the kernel."""
        fence()
        self._positions[1] = position

    def close(self) -> None:
        """Unmap; raises BufferError while an array of the data lives."""
        self._pages.close()
