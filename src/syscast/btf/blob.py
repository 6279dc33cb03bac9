"""Bytes that are read a few at a time: from memory, or from a file without mapping it.

``/sys/kernel/btf/vmlinux`` holds over 5 MB and a trace needs some 100 KB of it, so a file is read
in blocks as they are asked for. One ``read`` of a sysfs file returns at most a page anyway
(``kernfs_file_read_iter`` in the kernel's ``fs/kernfs/file.c``).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol
from zlib import crc32

from syscast.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCK_SHIFT = 12
BLOCK = 1 << BLOCK_SHIFT
_FIRST_FREE_FD = 3


class Blob(Protocol):
    """Random access to a fixed number of bytes."""

    @property
    def size(self) -> int:
        """How many bytes there are."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes, or raise FormatError where the blob is too short."""
        ...

    def cstring(self, offset: int) -> bytes:
        """Return the bytes from ``offset`` up to the next NUL, which must exist."""
        ...


class MemoryBlob:
    """A blob over bytes that are in memory already."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size: int = len(data)

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes from ``offset``."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise FormatError(f"data: read: no bytes {offset}..{offset + length} (truncated)")
        return self._data[offset : offset + length]

    def cstring(self, offset: int) -> bytes:
        """Return the bytes from ``offset`` up to the next NUL."""
        end = self._data.find(0, offset)
        if end < 0:
            raise FormatError(f"data: read: the string at {offset} never ends")
        return self._data[offset:end]


class FileBlob:
    """A blob over a part of a file; owns the file descriptor.

    Blocks are kept once read. Where ``checks`` holds a CRC-32 per block, each block is
    compared as it is read.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = _open(path)
        self._start = 0
        self._checks: Sequence[int] | None = None
        self._blocks: dict[int, bytes] = {}
        self.size: int = os.fstat(self._fd).st_size

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; blocks that were read stay readable."""
        fd, self._fd = getattr(self, "_fd", -1), -1
        if fd >= 0:
            os.close(fd)

    def stat(self) -> os.stat_result:
        """Return what ``fstat`` says of the open file."""
        return os.fstat(self._fd)

    def narrow(self, start: int, size: int, checks: Sequence[int] | None = None) -> None:
        """Make the blob the ``size`` bytes from ``start`` of what it was."""
        if start < 0 or size < 0 or start + size > self.size:
            raise FormatError(f"file '{self._path}': read: too short (truncated)")
        self._blocks.clear()
        self._start += start
        self._checks = checks
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes from ``offset``."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise FormatError(
                f"file '{self._path}': read: no bytes {offset}..{offset + length} (truncated)"
            )
        number, first = offset >> BLOCK_SHIFT, offset & (BLOCK - 1)
        if first + length <= BLOCK:
            block = self._blocks.get(number)
            if block is None:
                block = self._load(number)
            return block[first : first + length]
        last = (offset + length - 1) >> BLOCK_SHIFT
        blocks = [self._blocks.get(n) or self._load(n) for n in range(number, last + 1)]
        return b"".join(blocks)[first : first + length]

    def cstring(self, offset: int) -> bytes:
        """Return the bytes from ``offset`` up to the next NUL."""
        if not 0 <= offset < self.size:
            raise FormatError(f"file '{self._path}': read: no string at {offset}")
        number, first = offset >> BLOCK_SHIFT, offset & (BLOCK - 1)
        block = self._blocks.get(number) or self._load(number)
        end = block.find(0, first)
        if end >= 0:
            return block[first:end]
        parts = [block[first:]]
        while True:
            number += 1
            if number << BLOCK_SHIFT >= self.size:
                raise FormatError(f"file '{self._path}': read: the string at {offset} never ends")
            block = self._blocks.get(number) or self._load(number)
            end = block.find(0)
            if end >= 0:
                parts.append(block[:end])
                return b"".join(parts)
            parts.append(block)

    def _load(self, number: int) -> bytes:
        offset = number << BLOCK_SHIFT
        length = min(BLOCK, self.size - offset)
        parts = []
        while length > 0:
            part = os.pread(self._fd, length, self._start + offset) if self._fd >= 0 else b""
            if not part:
                raise FormatError(f"file '{self._path}': read: ends at byte {offset} (truncated)")
            parts.append(part)
            offset += len(part)
            length -= len(part)
        block = parts[0] if len(parts) == 1 else b"".join(parts)
        if self._checks is not None and crc32(block) != self._checks[number]:
            raise FormatError(f"file '{self._path}': read: wrong checksum of block {number}")
        self._blocks[number] = block
        return block


def _open(path: str) -> int:
    """Open for reading, close-on-exec, never as one of the standard descriptors."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    low = []
    try:
        while fd < _FIRST_FREE_FD:
            low.append(fd)
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    finally:
        for number in low:
            os.close(number)
    return fd
