"""What every sink is, and the way bytes leave for a stream.

`Output` writes to the stream's descriptor itself: Python's buffered writers keep what a closed
pipe refused and complain once more when the interpreter ends.
"""

from __future__ import annotations

import errno
import io
import os
import time
from typing import IO, TYPE_CHECKING, ClassVar, Protocol, TypeAlias, cast

from syscast.errors import SyscastError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.events.event import Event

Stream: TypeAlias = IO[str] | IO[bytes]

_GONE = {errno.EPIPE, errno.ECONNRESET, errno.EIO}  # EIO: the terminal was hung up
_CURES = {
    errno.ENOSPC: "free some space or write elsewhere",
    errno.EDQUOT: "free some space or write elsewhere",
    errno.EFBIG: "the file reached its limit; write elsewhere",
    errno.EBADF: "the output was closed before the start",
}
_RETRY_S = 0.002
_WIDTH = 80


class SinkClosed(SyscastError):  # noqa: N818 - the reader has enough: a reason to stop, no error
    """Nobody reads any more, such as behind ``| head``: stop quietly."""


class SinkError(SyscastError):
    """A sink cannot be written.

    Attributes:
        errno: The C ``errno`` value.
    """

    def __init__(self, message: str, errno: int = 0) -> None:
        super().__init__(message)
        self.errno = errno


class Sink(Protocol):
    """Where events go, in batches.

    ``open`` once, ``write`` any number of times, ``close`` once, also after an error.
    """

    name: ClassVar[str]

    def open(self) -> None:
        """Get ready; a table writes its header here if it knows its columns."""

    def write(self, events: Sequence[Event]) -> None:
        """Take a batch; when it returns, the batch has left this process.

        Raises:
            SinkClosed: Nobody reads any more.
            SinkError: It cannot be written, the disk is full.
        """

    def close(self) -> None:
        """Let go of what was opened; the stream stays open."""


class Output:
    """Writes bytes or text to a stream, whole and at once.

    Attributes:
        terminal: The stream is a terminal.
    """

    def __init__(self, stream: Stream | None, name: str) -> None:
        """Take a stream.

        Args:
            stream: ``sys.stdout`` or an open file; None is what Python makes of a closed stdout.
            name: The sink's name, for messages.
        """
        self._stream = stream
        self._name = name
        self._fd = _descriptor(stream)
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self.terminal: bool = self._fd >= 0 and os.isatty(self._fd)

    def width(self) -> int:
        """Columns of the terminal; 80 where they are unknown."""
        try:
            return os.get_terminal_size(self._fd).columns or _WIDTH
        except OSError:
            return _WIDTH

    def write_text(self, text: str) -> None:
        """Write text in the stream's encoding; what that lacks is escaped. See `write`."""
        self.write(text.encode(self._encoding, "backslashreplace"))

    def write(self, data: bytes) -> None:
        """Write all of it.

        Raises:
            SinkClosed: Nobody reads any more.
            SinkError: Any other failure.
        """
        try:
            self._write(data)
        except OSError as error:
            raise failure(self._name, error.errno or 0) from error
        except ValueError as error:  # Python's word for a closed file
            raise failure(self._name, errno.EBADF) from error

    def _write(self, data: bytes) -> None:
        if self._stream is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        self._stream.flush()  # what others wrote to it comes first
        if self._fd < 0:
            if isinstance(self._stream, io.TextIOBase):
                cast("IO[str]", self._stream).write(data.decode(self._encoding))
            else:
                cast("IO[bytes]", self._stream).write(data)
            self._stream.flush()
            return
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._fd, view) :]
            except BlockingIOError:  # somebody made the pipe non-blocking
                time.sleep(_RETRY_S)


def failure(name: str, number: int, more: str = "") -> SyscastError:
    """Make the error of a sink that cannot be written.

    Args:
        name: The sink's.
        number: The C ``errno`` value.
        more: What else to say, where it was no closed pipe.
    """
    text = f"sink {name!r}: write: {os.strerror(number).lower()}"
    if number in _GONE:
        return SinkClosed(text)
    said = "; ".join(filter(None, (_CURES.get(number), more)))
    return SinkError(f"{text} ({said})" if said else text, number)


def _descriptor(stream: Stream | None) -> int:
    """Give the stream's descriptor, -1 for one in memory."""
    if stream is None:
        return -1
    try:
        return stream.fileno()
    except (AttributeError, OSError, ValueError):  # in memory, or closed: then writing says so
        return -1
