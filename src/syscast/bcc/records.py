"""Records on their way to callbacks: in memory of ours, at addresses that ``ctypes.cast`` takes.

What a ring holds is copied out at once, so that the kernel gets the space back before the callbacks run. The memory
is used again and again until the reader is closed: a pointer that a callback keeps stays readable, as under bcc,
though not its content. A callback that raises ends the round; the next one goes on behind its record.
"""

from __future__ import annotations

import ctypes
import errno
import sys

# Behind the last record, so that a struct larger than it is still inside our memory.
_SLACK = 1 << 16


class Memory:
    """Bytes at an address.

    Attributes:
        at: Byte that the next record starts at.
        end: Bytes that are in use.
    """

    __slots__ = ("_buffer", "_old", "at", "end", "view")

    def __init__(self, size: int) -> None:
        self._buffer = ctypes.create_string_buffer(size + _SLACK)
        self._old: list[object] = []
        self.view: memoryview[int] = memoryview(self._buffer).cast("B")
        self.at: int = 0
        self.end: int = 0

    def fill(self, data: bytes) -> None:
        """Put other bytes in, from the beginning on."""
        if len(data) + _SLACK > len(self._buffer):
            # Pointers into the old memory may still be held.
            self._old.append(self._buffer)
            self._buffer = ctypes.create_string_buffer(len(data) + _SLACK)
            self.view = memoryview(self._buffer).cast("B")
        ctypes.memmove(self._buffer, data, len(data))
        self.at, self.end = 0, len(data)

    @property
    def address(self) -> int:
        """Where the first byte lies."""
        return ctypes.addressof(self._buffer)


def leave(error: OSError) -> None:
    """What a user's callback raised: a broken pipe on standard output ends the process quietly, as in bcc.

    Raises:
        OSError: Any other error, for the caller of the poll.
        SystemExit: The pipe is broken.
    """
    if error.errno == errno.EPIPE:
        sys.exit()
    raise error


def report_lost(count: int) -> None:
    """Say on standard error that records were lost."""
    sys.stderr.write(f"Possibly lost {count} samples\n")
