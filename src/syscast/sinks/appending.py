"""A file that grows by whole pieces and always ends properly, also when the disk is full.

Behind the last piece stands an ending, which the next piece overwrites. So the file is complete
after each piece, and a piece that does not fit is taken back: where the ending stood there was
room, so it goes there again.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from typing import TYPE_CHECKING

from syscast.errors import UsageError
from syscast.kernel.descriptors import Fd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.events.block import Buffer

_RETRY_S = 0.002
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
_MODE = 0o666


class AppendedFile:
    """Pieces in a file; in a pipe too, where nothing can be taken back and the ending comes last.

    Attributes:
        size: Bytes of the pieces, without the ending.
        whole: Whether pieces that failed can be taken back.
    """

    def __init__(self, path: str) -> None:
        """Open a file for writing, without emptying it yet; ``-`` is stdout.

        Raises:
            UsageError: It cannot be opened.
        """
        self.size: int = 0
        self._ending: bytes = b""
        self._length = 0
        try:
            number = os.dup(1) if path == "-" else os.open(path, _FLAGS, _MODE)
        except OSError as error:
            cause = (error.strerror or "cannot be opened").lower()
            raise UsageError(f"output '{path}': open: {cause}") from None
        self._fd = Fd(number, f"file '{path}'")
        self.whole: bool = path != "-" and stat.S_ISREG(os.fstat(self._fd.fileno()).st_mode)

    def begin(self) -> None:
        """Empty the file."""
        if self.whole:
            os.ftruncate(self._fd.fileno(), 0)

    def append(self, parts: Sequence[Buffer], ending: bytes) -> None:
        """Write a piece and the new ending.

        Raises:
            OSError: It does not fit, or the output is gone; a file is as it was before.
        """
        if not self.whole:
            for part in parts:
                self._stream(part)
                self.size += len(part)
            self._ending = ending
            return
        start = self.size
        try:
            at = start
            for part in (*parts, ending):
                at = self._put(part, at)
        except OSError:
            self._take_back(start)
            raise
        self.size = at - len(ending)
        if at < self._length:
            os.ftruncate(self._fd.fileno(), at)
        self._length = at
        self._ending = ending

    def close(self) -> None:
        """Close it; a pipe gets its ending first.

        Raises:
            OSError: The output is gone, or kept what was written no longer.
        """
        if self._fd.closed:
            return
        try:
            if not self.whole:
                self._stream(self._ending)
        finally:
            os.close(self._fd.release())  # whose failure matters: some file systems write then

    def _put(self, data: Buffer, at: int) -> int:
        view = memoryview(data)
        while view:
            count = os.pwrite(self._fd.fileno(), view, at)
            if not count:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            view = view[count:]
            at += count
        return at

    def _take_back(self, start: int) -> None:
        """Put the old ending where it was."""
        end = start
        try:
            end = self._put(self._ending, start)
        except OSError:
            end = start  # without its ending, the file is one that was cut between two pieces
        os.ftruncate(self._fd.fileno(), end)
        self._length = end

    def _stream(self, data: Buffer) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._fd.fileno(), view) :]
            except BlockingIOError:  # somebody made the pipe non-blocking
                time.sleep(_RETRY_S)
