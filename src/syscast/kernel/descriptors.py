"""``Fd``: the owner of one file descriptor.

Descriptors are never passed around as numbers that somebody ought to close. A number that is 0,
1 or 2 would be taken for a standard stream by the next ``print`` or child, so such a descriptor
moves up. All are closed on exec.
"""

from __future__ import annotations

import fcntl
import os
import sys
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

_FIRST_FREE = 3


def lifted(number: int) -> int:
    """Move a descriptor that took a standard stream's number; always close-on-exec.

    Args:
        number: A descriptor owned by the caller; closed if it is moved.
    """
    if number >= _FIRST_FREE:
        return number
    try:
        return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE)
    finally:
        os.close(number)


class Fd:
    """Owns one descriptor and closes it once.

    That is on ``close``, at the end of ``with``, or at worst when collected, with a
    ResourceWarning. A process that was forked after the descriptor was opened closes its own copy only and does
    not warn.
    """

    __slots__ = ("__weakref__", "_number", "_owner", "_what")

    def __init__(self, number: int, what: str = "descriptor") -> None:
        """Take ownership.

        Args:
            number: An open descriptor, close-on-exec already set by the call that made it.
            what: Object and name for messages, such as ``map 'events'``.
        """
        self._number = lifted(number)
        self._owner = os.getpid()
        self._what = what

    @classmethod
    def open(cls, path: str, flags: int = os.O_RDONLY) -> Fd:
        """Open a file; raises OSError."""
        return cls(os.open(path, flags | os.O_CLOEXEC), f"file '{path}'")

    @classmethod
    def pipe(cls, what: str = "pipe") -> tuple[Fd, Fd]:
        """A pipe's reading and writing end, both close-on-exec."""
        reading, writing = os.pipe2(os.O_CLOEXEC)
        return cls(reading, f"{what}, reading end"), cls(writing, f"{what}, writing end")

    @property
    def what(self) -> str:
        """Object and name, for messages."""
        return self._what

    @property
    def closed(self) -> bool:
        """Whether it was closed or released."""
        return self._number < 0

    def fileno(self) -> int:
        """The number, for one call; raises ValueError once closed."""
        if self._number < 0:
            raise ValueError(f"{self._what}: use: the descriptor is closed")
        return self._number

    def duplicate(self) -> Fd:
        """Another owner of the same open file."""
        number = fcntl.fcntl(self.fileno(), fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE)
        return Fd(number, self._what)

    def release(self) -> int:
        """Give the number up to a new owner, who must close it."""
        number = self.fileno()
        self._number = -1
        return number

    def close(self) -> None:
        """Close it; a second call does nothing."""
        number, self._number = self._number, -1
        if number >= 0:
            os.close(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else str(self._number)
        return f"Fd({state}, {self._what!r})"

    def __del__(self) -> None:
        # __init__ may have failed before the attribute was set.
        number = getattr(self, "_number", -1)
        if number < 0:
            return
        if os.getpid() == self._owner and not sys.is_finalizing():
            import warnings  # noqa: PLC0415  # only on this rare path

            text = f"{self._what}: never closed: {self!r}"
            warnings.warn(text, ResourceWarning, stacklevel=2, source=self)
        self.close()
