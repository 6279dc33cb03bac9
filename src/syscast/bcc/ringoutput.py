"""BPF_RINGBUF_OUTPUT: one ring for all CPUs, records in the order that programs reserved them.

The kernel does not count what a ring has no space for. Programs that syscast compiles do, in a map of counters beside
the tables, and the losses are reported as those of perf buffers are.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, cast

from syscast.bcc.events import Events
from syscast.bcc.records import Memory, leave, report_lost
from syscast.bcc.tablebase import TableBase
from syscast.buffers.reader import DISCARD, HEADER_SIZE
from syscast.buffers.ring import RingReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from syscast.kernel.descriptors import Fd
    from syscast.loader.loaded import LoadedMap

    Callback: TypeAlias = Callable[[object, int, int], object]

LOST_MAP = "syscast_lost"
"""Per-CPU counters of lost records, by the number of the ring among the text's rings."""

_LENGTH = struct.Struct("<I")
_SIZE = DISCARD - 1
_BLOCK = 1 << 20


class Losses:
    """What a ring lost since it was looked at."""

    def __init__(self, counters: LoadedMap, number: int) -> None:
        """Read a counter; the map must stay open for as long as this lives."""
        self._counters = counters
        self._number = number
        self._seen = self._total()

    def fresh(self) -> int:
        """Records that were lost since the last call."""
        total = self._total()
        lost, self._seen = total - self._seen, total
        return lost

    def _total(self) -> int:
        values = self._counters.lookup_cpus(self._number) or ()
        return sum(int.from_bytes(value, "little") for value in values)


class RingBuffer:
    """Reads one ring and runs the callback."""

    def __init__(
        self, held: LoadedMap, callback: Callback, ctx: object, losses: Losses | None
    ) -> None:
        """Map the ring.

        Args:
            held: The map; must stay open for as long as the reader.
            callback: Called with ``ctx``, the data's address and its exact size; a result below 0 ends the round.
            ctx: Whatever the callback is to get.
            losses: The ring's counter of lost records.

        Raises:
            KernelError: It cannot be mapped.
        """
        self._reader = RingReader(held.fd, held.spec.max_entries)
        self._callback = callback
        self._ctx = ctx
        self._losses = losses
        self._closed = False
        self._memory = Memory(min(held.spec.max_entries, _BLOCK))

    @property
    def fd(self) -> Fd:
        """Readable when there is something."""
        return self._reader.fd

    @property
    def pending(self) -> bool:
        """Whether records are left of an earlier round."""
        return not self._closed and self._memory.at < self._memory.end

    def consume(self) -> int:
        """Run the callback for what is there, and give the number of records.

        Raises:
            FormatError: The ring is damaged.
        """
        count, ended = self._deliver()
        # As much as was there in the beginning: programs that go on sending cannot keep us here.
        left = 0 if ended or self._closed else self._reader.available()
        while left > 0 and not (ended or self._closed):
            block = self._reader.read_block(min(left, _BLOCK)).data
            if not block:
                break
            left -= len(block)
            self._memory.fill(block)
            delivered, ended = self._deliver()
            count += delivered
        lost = self._losses.fresh() if self._losses and not self._closed else 0
        if lost:
            report_lost(lost)
        return count

    def _deliver(self) -> tuple[int, bool]:
        memory, view, ctx, callback = self._memory, self._memory.view, self._ctx, self._callback
        address = memory.address + HEADER_SIZE
        count = 0
        # This loop is as hot as a script's events are many.
        while memory.at < memory.end and not self._closed:
            at = memory.at
            (length,) = _LENGTH.unpack_from(view, at)
            size = length & _SIZE
            # What raises is not called for the same record again.
            memory.at = at + (size + 15 & -8)
            if length & DISCARD:
                continue
            count += 1
            try:
                result = callback(ctx, address + at, size)
            except OSError as error:
                leave(error)
            else:
                if result is not None and _as_int(result) < 0:
                    return count, True
        return count, False

    def close(self) -> None:
        """Give the ring back; a second call does nothing. A callback may close its own reader."""
        self._closed = True
        self._reader.close()


class RingBuf(Events, TableBase):
    """A ring that programs send events through."""

    def open_ring_buffer(self, callback: Callback, ctx: object = None) -> None:
        """Read the ring; `BPF.ring_buffer_poll` runs the callback.

        Args:
            callback: Called with ``ctx``, the data's address and its size.
            ctx: Whatever the callback is to get.

        Raises:
            KernelError: It cannot be mapped.
        """
        old = self.bpf.ring_buffers.pop(self._name, None)
        if old is not None:
            old.close()
        self.bpf.ring_buffers[self._name] = RingBuffer(self._map, callback, ctx, self._losses())

    def _losses(self) -> Losses | None:
        counters = self.bpf.map_named(LOST_MAP)
        rings = [meta.name for meta in self.bpf.metas.values() if meta.type == "ringbuf"]
        if counters is None or self.meta.name not in rings:
            return None
        return Losses(counters, rings.index(self.meta.name))


def _as_int(result: object) -> int:
    try:
        return int(cast("int", result))
    except (TypeError, ValueError):
        return 0
