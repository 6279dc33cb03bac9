"""Waiting for perf and ring buffers, and running the callbacks of what came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from syscast.bcc.failures import failure
from syscast.kernel.polling import Poller

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from syscast.kernel.descriptors import Fd

_NO_RINGS = "No ring buffers found"


class Reader(Protocol):
    """One buffer: of a CPU, or a ring."""

    @property
    def fd(self) -> Fd:
        """Readable when there is something."""
        ...

    @property
    def pending(self) -> bool:
        """Whether there are records that left the buffer and whose callback was not run yet."""
        ...

    def consume(self) -> int:
        """Run the callback for every record; gives their number."""
        ...

    def close(self) -> None: ...


class _Watch:
    """A poller over the readers of a dictionary that others fill and empty."""

    def __init__(self, readers: Mapping[Hashable, Reader]) -> None:
        self._readers = readers
        self._known: list[Reader] = []
        self._poller: Poller | None = None
        self._due: list[Reader] = []

    def poll(self, timeout: int) -> None:
        """Wait up to so many milliseconds, for ever if negative, and consume what is ready."""
        readers = list(self._readers.values())
        if self._poller is None or readers != self._known:
            self.close()
            self._poller = Poller()
            for reader in readers:
                self._poller.add(reader.fd, reader)
            self._known = readers
            # Of what a perf buffer got before, epoll(7) is never told (perf_poll forgets it when it is asked).
            self._due = list(readers)
        # A callback that ended its round left records that epoll(7) knows nothing of.
        self._due += [each for each in readers if each.pending and each not in self._due]
        if self._deliver():
            return
        tokens = self._poller.wait(None if timeout < 0 else timeout / 1000)
        self._due = [each for each in readers if any(each is token for token in tokens)]
        self._deliver()

    def _deliver(self) -> int:
        """Consume what is due; a callback that raises leaves the rest for the next time."""
        count = 0
        while self._due:
            first = self._due[0]
            count += first.consume()
            # The callback may have closed everything.
            if first in self._due:
                self._due.remove(first)
        return count

    def close(self) -> None:
        poller, self._poller = self._poller, None
        self._known = []
        self._due = []
        if poller is not None:
            poller.close()


class Polling:
    """What `BPF` knows of buffers.

    Attributes:
        perf_buffers: Open perf buffers, by table and CPU.
        ring_buffers: Open ring buffers, by table.
    """

    def __init__(self) -> None:
        self.perf_buffers: dict[Hashable, Reader] = {}
        self.ring_buffers: dict[Hashable, Reader] = {}
        self._perf = _Watch(self.perf_buffers)
        self._rings = _Watch(self.ring_buffers)

    def perf_buffer_poll(self, timeout: int = -1) -> None:
        """Wait for records of perf buffers and run the callbacks.

        Args:
            timeout: Milliseconds; -1 waits for ever.
        """
        self._perf.poll(timeout)

    def kprobe_poll(self, timeout: int = -1) -> None:
        """The old name of `perf_buffer_poll`."""
        self.perf_buffer_poll(timeout)

    def perf_buffer_consume(self) -> None:
        """Run the callbacks for what is there, without waiting."""
        for reader in list(self.perf_buffers.values()):
            reader.consume()

    def ring_buffer_poll(self, timeout: int = -1) -> None:
        """Wait for records of ring buffers and run the callbacks.

        Args:
            timeout: Milliseconds; -1 waits for ever.

        Raises:
            Exception: No ring buffer is open.
        """
        if not self.ring_buffers:
            raise failure(_NO_RINGS)
        self._rings.poll(timeout)

    def ring_buffer_consume(self) -> None:
        """Run the callbacks for what is there, without waiting; raises as `ring_buffer_poll`."""
        if not self.ring_buffers:
            raise failure(_NO_RINGS)
        for reader in list(self.ring_buffers.values()):
            reader.consume()

    def _close_buffers(self) -> None:
        for watch in (self._perf, self._rings):
            watch.close()
        for readers in (self.perf_buffers, self.ring_buffers):
            for reader in list(readers.values()):
                reader.close()
            readers.clear()
