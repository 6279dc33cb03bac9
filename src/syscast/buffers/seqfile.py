"""Reads the file of a BPF iterator: rows as blocks of ring records.

Iterator programs write each record behind the header that a ring would give it, so that what is read
is a block as the other readers give it, only cut anywhere: a read ends where the kernel's buffer is
full or the caller's is. What is left of a record waits here for its rest.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from syscast.errors import FormatError, KernelError

if TYPE_CHECKING:
    from syscast.kernel.descriptors import Fd

READ_SIZE = 1 << 18
"""More than the kernel's buffer (8 pages, ``bpf_seq_read``), so that no read leaves a rest there."""

_HEADER = 8


class SeqFile:
    """One walk through a table.

    Args:
        fd: Of the iterator; owned from here on.
        read_size: Bytes asked for at once.
    """

    def __init__(self, fd: Fd, read_size: int = READ_SIZE) -> None:
        self._fd = fd
        self._size = read_size
        self._rest = b""

    def read_block(self) -> bytes:
        """The next whole records with their headers; empty at the table's end.

        Raises:
            KernelError: Refused, or a record is larger than the kernel's buffer (E2BIG).
            FormatError: The table ends within a record.
        """
        while True:
            data = self._read()
            if not data:
                if self._rest:
                    raise FormatError(
                        f"{self._fd.what}: read: it ends within a record ({len(self._rest)} bytes)"
                    )
                return b""
            if self._rest:
                data = self._rest + data
            end = _whole(data)
            self._rest = data[end:]
            if end:
                return data if end == len(data) else data[:end]

    def _read(self) -> bytes:
        while True:
            try:
                return os.read(self._fd.fileno(), self._size)
            except BlockingIOError:
                # MAX_ITER_OBJECTS elements in a row wrote nothing: the walk goes on at the next read.
                continue
            except OSError as error:
                number = error.errno or 0
                cure = "a row is larger than the kernel's buffer" if number == errno.E2BIG else ""
                raise KernelError.from_errno(
                    f"{self._fd.what}: read", number, "read", cure
                ) from None

    def close(self) -> None:
        """End the walk; a second call does nothing."""
        self._fd.close()


def _whole(data: bytes) -> int:
    """Where the last whole record ends."""
    end = 0
    while end + _HEADER <= len(data):
        length = int.from_bytes(data[end : end + 4], "little")
        following = end + _HEADER + (length + 7 & -8)
        if following > len(data):
            break
        end = following
    return end
