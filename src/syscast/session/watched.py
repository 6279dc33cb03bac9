"""The process that a session's filter names: when it is gone, nothing more can come."""

from __future__ import annotations

import errno
import os
from typing import Protocol

from syscast.errors import UsageError
from syscast.kernel.descriptors import Fd
from syscast.kernel.polling import readable


class Leader(Protocol):
    """Whose end is the end of a session, when none of its followed descendants is left."""

    @property
    def pidfd(self) -> Fd:
        """Readable once it has ended."""
        ...

    def poll(self) -> int | None:
        """None while it lives."""
        ...


class Watched:
    """A process that this one did not start; closes its descriptor."""

    def __init__(self, pidfd: Fd) -> None:
        self.pidfd: Fd = pidfd
        self._ended = False

    def poll(self) -> int | None:
        """None while it lives, then 0: its exit code is its parent's to know."""
        if not self._ended:
            self._ended = readable(self.pidfd, 0)
        return 0 if self._ended else None

    def close(self) -> None:
        """Watch no longer."""
        self._ended = True
        self.pidfd.close()


def watch(pid: int) -> Watched | None:
    """Watch a process; None where it is this one, or may not be watched.

    Raises:
        UsageError: There is none.
    """
    if pid == os.getpid():
        return None
    try:
        return Watched(Fd(os.pidfd_open(pid), f"process {pid}"))
    except OSError as error:
        if error.errno in {errno.ESRCH, errno.EINVAL} and not _exists(pid):
            raise UsageError(f"filter 'pid': set: there is no process {pid}") from None
        return None  # a thread's number, or a sandbox that forbids it


def check_thread(tid: int) -> None:
    """Refuse a thread that does not exist; raises UsageError."""
    if not _exists(tid):
        raise UsageError(f"filter 'tid': set: there is no thread {tid}")


def _exists(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
