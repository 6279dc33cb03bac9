"""A ring for each CPU, and the one for all beside them.

Programs that send from several CPUs at once wait for each other at one ring's lock; rings of their own
they fill without. The ring for all stays: it has what was sent before, and what CPUs send that
have no ring yet.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from syscast.buffers.guard import Guarded
from syscast.buffers.reader import BLOCK_SIZE, Block
from syscast.buffers.ring import RingReader
from syscast.kernel.descriptors import Fd
from syscast.kernel.host import online_cpus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.loader.loaded import LoadedMap
    from syscast.loader.shards import Shards


class ShardedReader(Guarded):
    """Reads one ring for all CPUs and those that belong to one each; see `reader.Reader`.

    Attributes:
        size: Bytes of each CPU's ring.
    """

    lost = 0
    """Ring buffers do not count what they have no space for; their programs do."""
    slack_ns = 0

    def __init__(self, events: LoadedMap, shards: Shards) -> None:
        """Open the ring for all; `spread` makes the others.

        Args:
            events: The ring for all, owned by the caller.
            shards: Makes the others.

        Raises:
            KernelError: It cannot be mapped.
        """
        super().__init__(events.fd.what)
        self._shards = shards
        self._rings: dict[int, RingReader] = {}
        self._fds: list[Fd] = []
        self._next = 0
        self._fd: Fd | None = None
        self._common = RingReader(events.fd, events.spec.max_entries)
        self.size: int = shards.size
        try:
            self.poller.add(self._common.fd, self)
            self._fd = Fd(os.dup(self.poller.fileno()), "rings")
        except BaseException:
            self._release()
            self.poller.close()
            raise

    def spread(self) -> int:
        """Make a ring for each CPU that is online and has none.

        Returns:
            How many were made.

        Raises:
            KernelError: The kernel refused one; those before it are in use.
        """
        with self._lock:
            self._check("spread")
            wanted = [cpu for cpu in online_cpus() if cpu not in self._rings]
            for cpu in wanted:
                self._open(cpu)
            return len(wanted)

    def _open(self, cpu: int) -> None:
        fd = self._shards.make(cpu)
        try:
            ring = RingReader(fd, self._shards.size)
        except BaseException:
            fd.close()
            raise
        self._fds.append(fd)
        self._rings[cpu] = ring
        self.size = (
            min(self._shards.size, self.size) if len(self._rings) > 1 else self._shards.size
        )
        self.poller.add(fd, self)

    @property
    def fd(self) -> Fd:
        """Readable when one of the rings is."""
        assert self._fd is not None
        return self._fd

    @property
    def lanes(self) -> Sequence[RingReader]:
        """The rings, each in the order of its own; the one for all is the first."""
        return (self._common, *self._rings.values())

    @property
    def spread_out(self) -> bool:
        """Whether CPUs have rings of their own."""
        return bool(self._rings)

    def available(self) -> int:
        """Bytes that wait to be read, headers included; some may not be committed yet."""
        with self._lock:
            self._check("look")
            return sum(ring.available() for ring in self.lanes)

    def mark(self) -> tuple[int, ...]:
        """Where the rings' producers are; see `reader.Reader`."""
        return tuple(position for ring in self.lanes for position in ring.mark())

    def passed(self, mark: tuple[int, ...]) -> bool:
        """Whether all before a mark was read; rings made since then do not count."""
        pairs = zip(self.lanes, mark, strict=False)
        return all(ring.passed((position,)) for ring, position in pairs)

    def read(self, max_records: int = 256) -> list[bytes]:
        """Take records, ring by ring."""
        with self._lock:
            self._check("read")
            taken: list[bytes] = []
            for ring in self.lanes:
                taken += ring.read(max_records - len(taken))
            return taken

    def read_block(self, max_bytes: int = BLOCK_SIZE) -> Block:
        """Take the committed records of the next ring that has some."""
        with self._lock:
            self._check("read")
            lanes = self.lanes
            for _ in lanes:
                ring = lanes[self._next % len(lanes)]
                self._next += 1
                block = ring.read_block(max_bytes)
                if block.data:
                    return block
            return Block(b"")

    def _release(self) -> None:
        self._common.close()
        for ring in self._rings.values():
            ring.close()
        for fd in self._fds:
            fd.close()
        if self._fd is not None:
            self._fd.close()
