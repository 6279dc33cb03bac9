"""One thread reads, any thread closes, and a forked child does neither."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from syscast.errors import UsageError
from syscast.kernel.polling import Poller

if TYPE_CHECKING:
    from types import TracebackType


class Guarded(ABC):
    """Base of the readers: waiting, waking, closing, and who may do it.

    The lock is held while the ring's memory is in use, so that a close from another thread comes
    before or after a read, never in between.

    Attributes:
        poller: Watches the ring; readable when there are records.
    """

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._state = threading.Lock()
        self._waiting = 0
        self._closed = False
        self.poller: Poller = Poller()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for records; False when the time is over, or it was woken or closed."""
        self._check_owner("wait")
        with self._state:
            if self._closed:
                return False
            self._waiting += 1
        try:
            ready = self.poller.wait(timeout)
        finally:
            with self._state:
                self._waiting -= 1
                if self.closed:
                    self._retire()
        return bool(ready) and not self.closed

    def wake(self) -> None:
        """End the current or the next `wait`; callable from signal handlers and threads."""
        self._check_owner("wake")
        if not self._closed:
            self.poller.wake()

    def close(self) -> None:
        """Give the ring back; a second call does nothing.

        A thread that waits is woken; one that reads finishes first. Not for signal handlers:
        they may `wake`.
        """
        if os.getpid() != self._owner:
            # Its locks may have been held by threads that do not exist here.
            if not self._closed:
                self._closed = True
                self._release()
                self.poller.close()
            return
        with self._state:
            if self._closed:
                return
            self._closed = True
        with self._lock:
            self._release()
        with self._state:
            self._retire()

    def _retire(self) -> None:
        """Close the poller once nobody waits with it."""
        if self._waiting:
            self.poller.wake()
        else:
            self.poller.close()

    @abstractmethod
    def _release(self) -> None:
        """Give back what the reader holds."""

    def _check(self, act: str) -> None:
        self._check_owner(act)
        if self._closed:
            raise UsageError(f"{self._subject}: {act}: it is closed")

    def _check_owner(self, act: str) -> None:
        if os.getpid() != self._owner:
            raise UsageError(
                f"{self._subject}: {act}: it belongs to process {self._owner}, from which this "
                f"one was forked (open a reader here)"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
