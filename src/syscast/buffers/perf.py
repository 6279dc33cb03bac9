"""Perf rings: one per CPU, for kernels without the BPF ring buffer.

The kernel fills each in the order of that CPU's events. A read takes what all of them held at one
moment and sorts it by the time that syscast's records start with; what comes later may still be
a little older, as in the ring buffer, where time is also read before the space is reserved.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

from syscast.buffers import perfrecords
from syscast.buffers.cpuring import CpuRing
from syscast.buffers.guard import Guarded
from syscast.buffers.reader import BLOCK_SIZE, HEADER_SIZE, Block
from syscast.buffers.scan import padded
from syscast.errors import KernelError
from syscast.kernel.descriptors import Fd
from syscast.kernel.host import PAGE_SIZE, online_cpus

if TYPE_CHECKING:
    from syscast.loader.loaded import LoadedMap

DEFAULT_SIZE = 4 << 20
_HEADER = struct.Struct("<II")
_TIME = struct.Struct("<Q")
_PADDING = 4
_MANY = 1 << 30


class PerfReader(Guarded):
    """Reads the perf rings of all CPUs that are online; see `reader.Reader`.

    Attributes:
        size: Bytes of each CPU's ring.
        lost: Records that the kernel says it had no space for.
    """

    slack_ns = 50_000
    """Programs read the time first and take the space as the last thing they do."""

    def __init__(self, events: LoadedMap, ring_size: int = 0, *, whole_words: bool = True) -> None:
        """Open a ring for each CPU and put it into the map.

        Args:
            events: A perf event array, owned by the caller.
            ring_size: Bytes of all rings together; each gets a power of two of pages.
            whole_words: All records are multiples of 8 bytes, so that the padding is known.

        Raises:
            KernelError: An event or a ring was refused.
        """
        super().__init__(events.fd.what)
        self.lost: int = 0
        self._padding = _PADDING if whole_words else 0
        self._rings: list[CpuRing] = []
        self._fd: Fd | None = None
        # The records of a read that did not fit into its block, oldest first.
        self._kept: list[bytes] = []
        try:
            cpus = online_cpus()
            share = max((ring_size or DEFAULT_SIZE) // len(cpus), PAGE_SIZE)
            self.size: int = 1 << (share.bit_length() - 1)
            for cpu in cpus:
                self._open(cpu, self.size, events)
            self._fd = Fd(os.dup(self.poller.fileno()), "perf rings")
        except BaseException:
            self._release()
            self.poller.close()
            raise

    def _open(self, cpu: int, size: int, events: LoadedMap) -> None:
        import errno  # noqa: PLC0415 - only on kernels without a ring buffer

        try:
            ring = CpuRing(cpu, size)
        except KernelError as error:
            if error.errno == errno.ENODEV:  # the CPU went offline meanwhile
                return
            raise
        self._rings.append(ring)
        events.update(cpu, struct.pack("<I", ring.event.fileno()))
        self.poller.add(ring.event, ring)

    @property
    def fd(self) -> Fd:
        """Readable when one of the rings is."""
        assert self._fd is not None
        return self._fd

    def available(self) -> int:
        """Bytes that wait to be read, headers included."""
        with self._lock:
            self._check("look")
            kept = sum(padded(len(record)) for record in self._kept)
            return kept + sum(ring.waiting() for ring in self._rings)

    @property
    def lanes(self) -> tuple[PerfReader]:
        """Itself: it sorts what its rings have."""
        return (self,)

    def mark(self) -> tuple[int, ...]:
        """Where the producers are; see `reader.Reader`."""
        with self._lock:
            self._check("look")
            return tuple(ring.memory.producer() for ring in self._rings)

    def passed(self, mark: tuple[int, ...]) -> bool:
        """Whether everything before a mark was read."""
        with self._lock:
            self._check("look")
            pairs = zip(self._rings, mark, strict=True)
            return not self._kept and all(each.memory.consumer() >= at for each, at in pairs)

    def read(self, max_records: int = 256) -> list[bytes]:
        """Take records of all CPUs, the oldest first."""
        with self._lock:
            self._check("read")
            self._collect(max_records, BLOCK_SIZE)
            taken, self._kept = self._kept[:max_records], self._kept[max_records:]
            return taken

    def read_block(self, max_bytes: int = BLOCK_SIZE) -> Block:
        """Take records as a block, the oldest first; raises FormatError for a damaged ring."""
        with self._lock:
            self._check("read")
            self._collect(_MANY, max_bytes)
            block, taken = block_of(self._kept, max_bytes)
            del self._kept[:taken]
            return block

    def _collect(self, max_records: int, max_bytes: int) -> None:
        """Fetch and sort what the rings hold, unless records of the last time remain."""
        if self._kept:
            return
        fresh: list[bytes] = []
        for ring in self._rings:
            parsed = _take(ring, max_records, max_bytes)
            self.lost += parsed.lost
            fresh += parsed.records
        if self._padding:
            # Raw data ends 4 bytes before a multiple of 8, behind its own u32 size.
            fresh = [record[:-_PADDING] for record in fresh]
        if len(self._rings) > 1:
            fresh.sort(key=_time)
        self._kept = fresh

    def _release(self) -> None:
        for ring in self._rings:
            ring.close()
        self._rings.clear()
        if self._fd is not None:
            self._fd.close()


def _take(ring: CpuRing, max_records: int, max_bytes: int) -> perfrecords.Parsed:
    """Copy records out and give their space back."""
    parsed = perfrecords.parse(ring.copy(), min(max_records, max(1, max_bytes // HEADER_SIZE)))
    ring.release(parsed.used)
    return parsed


def _time(record: bytes) -> int:
    return int(_TIME.unpack_from(record)[0]) if len(record) >= _TIME.size else 0


def block_of(records: list[bytes], max_bytes: int) -> tuple[Block, int]:
    """Records in the ring buffer's form, and how many of them fitted."""
    room = max_bytes
    taken = 0
    for record in records:
        room -= padded(len(record))
        if room < 0 and taken:
            break
        taken += 1
    chosen = records[:taken] if taken < len(records) else records
    lengths = set(map(len, chosen))
    if len(lengths) == 1:
        length = lengths.pop()
        head, tail = _HEADER.pack(length, 0), bytes(-length & 7)
        return Block(b"".join([head + record + tail for record in chosen]), padded(length)), taken
    parts = [_HEADER.pack(len(record), 0) + record + bytes(-len(record) & 7) for record in chosen]
    return Block(b"".join(parts)), taken
