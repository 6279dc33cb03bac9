"""Where the committed records of a ring end. Pure: lengths in, positions out.

Millions of records a second leave no time to look at each one in Python. Most stand in runs of
one length, and a run is compared as a whole: the lengths at equal distances, copied out by one
strided slice, are the same bytes over and over. Runs are tried in growing steps, so that mixed
records cost no more than a plain walk.
"""

from __future__ import annotations

from typing import NamedTuple

from syscast.buffers.reader import BUSY, DISCARD, HEADER_SIZE
from syscast.errors import FormatError

_LENGTH = DISCARD - 1
_ROW = 8


class Extent(NamedTuple):
    """Records that were found, in bytes from the start.

    Attributes:
        end: Behind the last committed record.
        stride: Distance of the records if all are alike and none is discarded, else 0.
    """

    end: int
    stride: int


def padded(length: int) -> int:
    """Bytes that a record takes up, its header included."""
    return (length + 7 & -8) + HEADER_SIZE


def committed(words: memoryview, start: int, size: int, limit: int) -> Extent:
    """Find the end of the records that are committed.

    Args:
        words: The ring's data as u32.
        start: Byte offset of the first record in it.
        size: Bytes up to the producer's position.
        limit: Stop before the first record that ends beyond, in bytes, but take one anyway.

    Raises:
        FormatError: A record is longer than what was produced.
    """
    begin = at = start >> 2
    end = begin + (size >> 2)
    stop = min(end, begin + (limit >> 2))
    first = last = -1
    step = row = 0
    alike = True
    # In words of 4 bytes, and written out: this loop is hot where records are mixed.
    while at < stop or (at == begin and at < end):
        header = words[at]
        if header != last:
            if header >= BUSY:
                break
            step = (header & _LENGTH) + 15 >> 3 << 1
            if at + step > end:
                raise FormatError(f"ring: read: a record of {header} bytes leaves the ring")
        if at + step > stop and at > begin:
            break
        if header != last:
            first = header if first < 0 else first
            alike = alike and header == first and header < DISCARD
            last, row = header, 0
        row += 1
        count = 1
        if row >= _ROW:
            count = _run(words, at, header, step, (stop - at) // step)
            row = 0
        at += count * step
    taken = (at - begin) << 2
    return Extent(taken, padded(first) if alike and taken else 0)


def _run(words: memoryview, at: int, header: int, step: int, most: int) -> int:
    """How many records in a row, at most ``most``, have this header; in words."""
    count = 1
    tried = _ROW
    wanted = header.to_bytes(4, "little")
    while count < most:
        tried = min(tried, most - count)
        begin = at + count * step
        found = words[begin : begin + tried * step : step].tobytes()
        if found != wanted * tried:
            return count + _same(found, wanted, tried)
        count += tried
        tried *= 4
    return count


def _same(found: bytes, wanted: bytes, tried: int) -> int:
    """How many of the headers at the beginning are the wanted one: fewer than ``tried``."""
    low, high = 0, tried
    whole = wanted * tried
    while high - low > 1:
        middle = (low + high) // 2
        if found[: 4 * middle] == whole[: 4 * middle]:
            low = middle
        else:
            high = middle
    return low


def records(data: bytes, count: int = -1) -> tuple[list[bytes], int]:
    """The records of a block, without headers; discarded ones are left out.

    Args:
        data: Whole committed records with headers.
        count: How many to take at most; all if negative.

    Returns:
        The records, and behind which byte the last of them ends.
    """
    found: list[bytes] = []
    at = 0
    end = len(data)
    words = memoryview(data).cast("I")
    while at < end and len(found) != count:
        header = words[at >> 2]
        length = header & _LENGTH
        if header < DISCARD:
            found.append(data[at + HEADER_SIZE : at + HEADER_SIZE + length])
        at += length + 15 & -8
    return found, at
