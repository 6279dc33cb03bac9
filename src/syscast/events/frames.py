"""The messages of a recording, each with a check sum, found and tested before anybody parses them.

A recording is a stream of Arrow IPC messages as Arrow's own format describes them: the mark
FF FF FF FF, the size of the metadata, the metadata (a flatbuffer), the body. Arrow has no check
sums, so a flipped bit in a body would be another event, and nothing but the flatbuffer says how
long a body is. So a seal of 40 bytes stands at the end of each message's metadata, where the format
allows any padding and Arrow's readers look at nothing::

    char mark[8]; u64 body length; u64 events so far; u32 number of the message;
    u32 bytes of a note before the seal, padded to 8; u32 zero; u32 crc

all little endian. The CRC-32 is that of the whole message with the crc itself left out. So nothing
reaches the parser of flatbuffers that the recorder did not write, unless somebody means it. The note
is what belongs to the message and is no row of it: what was lost (see `syscast.events.lostnotes`).
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, NamedTuple, Protocol
from zlib import crc32

from syscast.errors import FormatError
from syscast.events.schema import pad
from syscast.events.text import counted

if TYPE_CHECKING:
    from syscast.events.block import Buffer

MARK = b"SYSCAST\1"
END = b"\xff\xff\xff\xff\0\0\0\0"
"""Arrow's mark of the end of a stream."""

MAX_METADATA = 1 << 26
MAX_BODY = 1 << 30

_PREFIX = struct.Struct("<II")
_CONTINUES = 0xFFFFFFFF
_SEAL = struct.Struct("<8sQQIII")
_CRC = struct.Struct("<I")
_SEAL_SIZE = _SEAL.size + _CRC.size
_KINDS = (
    (b"ARROW1", "an Arrow file, not a stream"),
    (b"PAR1", "a Parquet file"),
    (b"\x7fELF", "an ELF object (syscast run takes it)"),
)


class Source(Protocol):
    """Where bytes come from: a file or a pipe that is open for reading bytes."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill a buffer as far as there are bytes; 0 at the end."""
        ...

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move on, to skim."""
        ...


class Frame(NamedTuple):
    """One message.

    Attributes:
        data: The whole message, ready for an Arrow reader; without its body where it was skimmed.
        events: Events in the recording up to the end of this message.
        note: What else belongs to it.
    """

    data: memoryview
    events: int
    note: bytes = b""


class DamagedError(FormatError):
    """The recording is damaged or cut from some place on.

    Attributes:
        at: Bytes of the file that are good.
        events: Events in them.
    """

    def __init__(self, message: str, at: int, events: int) -> None:
        super().__init__(message)
        self.at = at
        self.events = events

    @classmethod
    def at_place(cls, name: str, at: int, events: int, what: str) -> DamagedError:
        """Make one.

        Args:
            name: Of the recording.
            at: As above.
            events: As above.
            what: The cause.
        """
        count = counted(events, "event")
        return cls(
            f"recording '{name}': read: damaged at byte {at}: {what} (the {count} before it are whole)",
            at,
            events,
        )


def seal(message: Buffer, number: int, events: int, note: bytes = b"") -> list[Buffer]:
    """Give an Arrow message its check sum.

    Args:
        message: One whole encapsulated message.
        number: Its number in the file, from 0.
        events: Events in the file when it is written.
        note: What belongs to it and is no row.

    Returns:
        The parts of the message, to be written one after the other.
    """
    view = memoryview(message).cast("B")
    _, size = _PREFIX.unpack_from(view)
    body = view[_PREFIX.size + size :]
    room = pad(len(note))
    head = bytearray(_PREFIX.pack(_CONTINUES, size + room + _SEAL_SIZE))
    head += view[_PREFIX.size : _PREFIX.size + size]
    head += note.ljust(room, b"\0")
    head += _SEAL.pack(MARK, len(body), events, number, len(note), 0)
    head += _CRC.pack(crc32(body, crc32(head)))
    return [head, body]


class FrameReader:
    """Reads the messages of one recording.

    Attributes:
        at: Bytes read that were good.
        events: Events in them.
    """

    def __init__(self, source: Source, name: str, *, skim: bool = False) -> None:
        """Take a source at its start.

        Args:
            source: Of the recording's bytes.
            name: For messages.
            skim: Pass over the bodies of messages, and test nothing.
        """
        self._source = source
        self._name = name
        self._skim = skim
        self._number = 0
        self.at: int = 0
        self.events: int = 0

    def next(self, *, whole: bool = False) -> Frame | None:
        """Read the next message; None at the end of a stream of messages.

        Args:
            whole: Read its body and test it, even where the others are skimmed.

        Raises:
            DamagedError: It is damaged, or the file ends here without Arrow's mark of the end.
            FormatError: The file was never a recording.
        """
        prefix = self._bytes(_PREFIX.size)
        mark, size = _PREFIX.unpack(prefix)
        if mark != _CONTINUES:
            raise self._no_message(bytes(prefix))
        if size == 0:
            self.at += _PREFIX.size
            return None
        if size % 8 or not _SEAL_SIZE < size <= MAX_METADATA:
            raise self._damage(f"a message says that it has {size} bytes of metadata")
        head = self._bytes(size)
        seal_at = size - _SEAL_SIZE
        mark_found, length, events, number, noted, _ = _SEAL.unpack_from(head, seal_at)
        if mark_found != MARK:
            raise self._unsealed()
        if length % 8 or length > MAX_BODY:
            raise self._damage(f"a message says that it has {length} bytes")
        if number != self._number or events < self.events:
            raise self._damage(f"message {number} stands where {self._number} has to")
        if pad(noted) > seal_at:
            raise self._damage(f"a message says that its note has {noted} bytes")
        note = bytes(head[seal_at - pad(noted) : seal_at])[:noted]
        if self._skim and not whole:
            self._source.seek(length, os.SEEK_CUR)
            return self._passed(Frame(memoryview(prefix + head), events), length)
        message = bytearray(_PREFIX.size + size + length)
        message[: _PREFIX.size] = prefix
        body_at = _PREFIX.size + size
        message[_PREFIX.size : body_at] = head
        view = memoryview(message)
        self._fill(view[body_at:])
        (said,) = _CRC.unpack_from(message, body_at - _CRC.size)
        if crc32(view[body_at:], crc32(view[: body_at - _CRC.size])) != said:
            raise self._damage("the check sum differs")
        return self._passed(Frame(view, events, note), 0)

    def _passed(self, frame: Frame, more: int) -> Frame:
        self._number += 1
        self.at += len(frame.data) + more
        self.events = frame.events
        return frame

    def _bytes(self, size: int) -> bytearray:
        found = bytearray(size)
        self._fill(memoryview(found))
        return found

    def _fill(self, view: memoryview) -> None:
        wanted = len(view)
        got = 0
        while got < wanted:
            count = self._source.readinto(view[got:])
            if not count:
                break
            got += count
        if got == wanted:
            return
        if not self.at and not got and wanted == _PREFIX.size:
            raise FormatError(f"recording '{self._name}': read: it is empty")
        if not self.at and wanted == _PREFIX.size:
            raise self._no_message(bytes(view[:got]))
        raise self._damage("the file ends here")

    def _no_message(self, start: bytes) -> FormatError:
        if self.at:
            return self._damage("no message begins there")
        what = next((name for mark, name in _KINDS if start.startswith(mark)), "")
        return FormatError(
            f"recording '{self._name}': read: it is "
            + (what or "no recording (syscast record makes them)")
        )

    def _unsealed(self) -> FormatError:
        if self.at:
            return self._damage("a message has no check sum")
        return FormatError(
            f"recording '{self._name}': read: its messages have no check sums "
            "(another program wrote it; read it as an Arrow IPC stream)"
        )

    def _damage(self, what: str) -> DamagedError:
        return DamagedError.at_place(self._name, self.at, self.events, what)
