"""Perf rings that keep the newest records, for kernels whose ring buffer cannot.

The kernel writes such a ring from its end to its beginning and does not care for readers: the newest record
starts at ``data_head``, older ones follow, and the oldest may be cut where the newest was written (commit
9ecda41acb97 ("perf/core: Add ::write_backward attribute to perf event") (in v4.7)). While a ring is
copied its output is paused, and what programs send then is counted as dropped.
"""

from __future__ import annotations

import errno
import struct
import time
from typing import TYPE_CHECKING

from syscast.buffers import perfrecords
from syscast.buffers.cpuring import mapped
from syscast.buffers.guard import Guarded
from syscast.buffers.perf import block_of
from syscast.errors import KernelError
from syscast.kernel import perf
from syscast.kernel.host import PAGE_SIZE, online_cpus

if TYPE_CHECKING:
    from syscast.kernel.descriptors import Fd
    from syscast.kernel.memory import PerfRingMemory
    from syscast.loader.loaded import LoadedMap

_PADDING = 4
_SETTLE_NS = 20_000
"""A program that was writing when the ring was paused is done after this, as a rule."""
_SETTLES = 50


class PerfFlight(Guarded):
    """Looks at the backward rings of all CPUs that are online; see `syscast.buffers.flight.Flight`."""

    def __init__(self, events: LoadedMap, ring_size: int) -> None:
        """Open a ring for each CPU and put it into the map.

        Args:
            events: A perf event array, owned by the caller.
            ring_size: Bytes of all rings together; each gets a power of two of pages.

        Raises:
            KernelError: An event or a ring was refused.
        """
        super().__init__(events.fd.what)
        self._rings: list[tuple[Fd, PerfRingMemory]] = []
        try:
            cpus = online_cpus()
            share = max(ring_size // len(cpus), PAGE_SIZE)
            for cpu in cpus:
                self._open(cpu, 1 << (share.bit_length() - 1), events)
        except BaseException:
            self._release()
            self.poller.close()
            raise

    def _open(self, cpu: int, size: int, events: LoadedMap) -> None:
        try:
            event = perf.open_bpf_output(cpu, backward=True)
        except KernelError as error:
            if error.errno == errno.ENODEV:  # the CPU went offline meanwhile
                return
            raise
        try:
            memory = mapped(event, size, writable=False)
        except BaseException:
            event.close()
            raise
        self._rings.append((event, memory))
        events.update(cpu, struct.pack("<I", event.fileno()))

    def blocks(self) -> list[bytes]:
        """Copy what the rings hold now.

        Raises:
            UsageError: It is closed.
            FormatError: A ring is damaged.
            KernelError: It cannot be paused.
        """
        with self._lock:
            self._check("look")
            # All are copied before any is taken apart: they are paused no longer than needed.
            copies = [_copy(event, memory) for event, memory in self._rings]
        found = []
        for data in copies:
            records = perfrecords.newest_first(data)
            records.reverse()
            block, _ = block_of([each[:-_PADDING] for each in records], len(data) * 2)
            found.append(block.data)
        return found

    def _release(self) -> None:
        for event, memory in self._rings:
            memory.close()
            event.close()
        self._rings.clear()


def _copy(event: Fd, memory: PerfRingMemory) -> bytes:
    """The ring's bytes from the newest record on."""
    perf.pause_output(event, paused=True)
    try:
        head = memory.producer()
        for _ in range(_SETTLES):
            _spin(_SETTLE_NS)
            before, head = head, memory.producer()
            if before == head:
                break
        start = head & (memory.size - 1)
        return bytes(memory.data[start:]) + bytes(memory.data[:start])
    finally:
        perf.pause_output(event, paused=False)


def _spin(ns: int) -> None:
    """Wait without giving up the interpreter, which other threads would keep for 5 ms each time."""
    end = time.monotonic_ns() + ns
    while time.monotonic_ns() < end:
        pass
