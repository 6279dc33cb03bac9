"""BPF_PERF_OUTPUT and BPF_PERF_ARRAY: rings that programs send events through, and hardware counters.

Each CPU has a ring of its own. The records of one ring come in their order; between CPUs there is none.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from typing import TYPE_CHECKING, cast

from syscast.bcc.arrays import Slots
from syscast.bcc.events import Events
from syscast.bcc.records import Memory, leave, report_lost
from syscast.buffers.cpuring import CpuRing
from syscast.buffers.perfrecords import RECORD_LOST, RECORD_SAMPLE
from syscast.errors import FormatError, KernelError
from syscast.kernel import perf
from syscast.kernel.host import PAGE_SIZE, online_cpus

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from syscast.bcc.tablebase import Key
    from syscast.kernel.descriptors import Fd

    Callback: TypeAlias = Callable[[int, int, int], object]
    LostCallback: TypeAlias = Callable[[int], object]

# struct perf_event_header, and of a sample the size of its data; memory goes on behind shorter records.
_SAMPLE = struct.Struct("<IHHI")
_LOST = struct.Struct("<Q")
_HEADER = 8
_DATA = 12  # struct perf_event_header and the u32 size of the raw data
_COUNT = 16  # struct perf_event_header and the u64 id of what lost records


class PerfBuffer:
    """Reads one CPU's ring and runs the callbacks."""

    def __init__(self, ring: CpuRing, callback: Callback, lost_cb: LostCallback | None) -> None:
        """Take the ring over.

        Args:
            ring: Closed with the reader.
            callback: Called with the CPU's number, the address of the data, and its size: with the padding that
                the kernel puts behind it, to a multiple of 8 bytes less 4.
            lost_cb: Called with the number of records that the ring had no space for.
        """
        self._ring = ring
        self._callback = callback
        self._lost = lost_cb or report_lost
        self._closed = False
        self._memory = Memory(ring.memory.size)

    @property
    def fd(self) -> Fd:
        """Readable when there is something."""
        return self._ring.event

    @property
    def pending(self) -> bool:
        """Whether records are left of an earlier round."""
        return not self._closed and self._memory.at < self._memory.end

    def consume(self) -> int:
        """Run the callbacks for what is there, and give the number of records.

        Raises:
            FormatError: The ring is damaged.
        """
        count = self._deliver()
        if self._closed:
            return count
        data = self._ring.copy()
        self._memory.fill(data)
        self._ring.release(len(data))
        return count + self._deliver()

    def _deliver(self) -> int:
        memory, view, cpu, callback = (
            self._memory,
            self._memory.view,
            self._ring.cpu,
            self._callback,
        )
        address = memory.address + _DATA
        count = 0
        # This loop is as hot as a script's events are many.
        while memory.at < memory.end and not self._closed:
            at = memory.at
            kind, _, size, length = _SAMPLE.unpack_from(view, at)
            if size < _HEADER or at + size > memory.end:
                memory.at = memory.end
                raise FormatError(f"{self.fd.what}: read: a record of {size} bytes at byte {at}")
            # What raises is not called for the same record again.
            memory.at = at + size
            try:
                if kind == RECORD_SAMPLE:
                    count += 1
                    callback(cpu, address + at, length)
                elif kind == RECORD_LOST:
                    self._lost(_LOST.unpack_from(view, at + _COUNT)[0])
            except OSError as error:
                leave(error)
        return count

    def close(self) -> None:
        """Give the ring back; a second call does nothing. A callback may close its own reader."""
        self._closed = True
        self._ring.close()


class PerfEventArray(Events, Slots):
    """Rings or counters, one for each CPU."""

    def open_perf_buffer(
        self,
        callback: Callback,
        page_cnt: int = 8,
        lost_cb: LostCallback | None = None,
        wakeup_events: int = 1,
    ) -> None:
        """Open a ring for every CPU; `BPF.perf_buffer_poll` runs the callbacks.

        Args:
            callback: Called with the CPU's number, the data's address, and its size with padding.
            page_cnt: Pages of each ring, a power of two.
            lost_cb: Called with the number of records that were lost; else they are reported on standard error.
            wakeup_events: Records before a poll returns.

        Raises:
            Exception: The number of pages is no power of two.
            KernelError: Refused.
        """
        if page_cnt <= 0 or page_cnt & (page_cnt - 1):
            raise Exception("Perf buffer page_cnt must be a power of two")  # noqa: TRY002 - bcc's
        for cpu in online_cpus():
            try:
                ring = CpuRing(cpu, page_cnt * PAGE_SIZE, wakeup_events=wakeup_events)
            except KernelError as error:
                if error.errno == errno.ENODEV:  # the CPU went offline meanwhile
                    continue
                raise
            self._close(cpu)
            self.bpf.perf_buffers[self._name, cpu] = PerfBuffer(ring, callback, lost_cb)
            self[cpu] = ctypes.c_int(ring.event.fileno())

    def open_perf_event(self, typ: int, config: int, pid: int = -1) -> None:
        """Put a counter for every CPU into the table, for ``perf_read`` in programs.

        Args:
            typ: ``PerfType``.
            config: ``PerfHWConfig`` and so on.
            pid: Only this process; -1 for all.

        Raises:
            KernelError: The machine has no such counter.
        """
        for cpu in online_cpus():
            opened = perf.open_sampling(typ, config, perf.Aim(pid=pid, cpu=cpu))
            perf.enable(opened)
            self._close(cpu)
            self.bpf.open_perf_events[-self.map_fd, cpu] = opened
            self[cpu] = ctypes.c_int(opened.fileno())

    def __delitem__(self, key: Key) -> None:
        super().__delitem__(key)
        index = self._index(key)
        self._close(index if isinstance(index, int) else cast("ctypes.c_int", index).value)

    def _close(self, cpu: int) -> None:
        reader = self.bpf.perf_buffers.pop((self._name, cpu), None)
        if reader is not None:
            reader.close()
        opened = self.bpf.open_perf_events.pop((-self.map_fd, cpu), None)
        if opened is not None:
            opened.close()
