"""Records of a perf ring. Pure: bytes in, records out.

``struct perf_event_header`` (u32 type, u16 misc, u16 size), then for a sample u32 size and the
bytes, for a loss u64 id and u64 count (include/uapi/linux/perf_event.h).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from syscast.errors import FormatError

RECORD_LOST = 2
RECORD_SAMPLE = 9

_WRITERS = 4

_HEADER = struct.Struct("<IHH")
_SAMPLE = struct.Struct("<IHHI")
_LOST = struct.Struct("<IHHQQ")


class Parsed(NamedTuple):
    """What a piece of a ring held.

    Attributes:
        records: The samples' bytes; up to 7 bytes of padding may follow the content.
        lost: Records that the kernel had no space for.
        used: Bytes of whole records.
    """

    records: list[bytes]
    lost: int
    used: int


def parse(data: bytes, max_records: int) -> Parsed:
    """Read whole records.

    Args:
        data: From the consumer's position to the producer's, put together where it wrapped.
        max_records: Samples to take at most.

    Raises:
        FormatError: The ring is damaged.
    """
    uniform = _uniform(data, max_records)
    if uniform is not None:
        return uniform
    found: list[bytes] = []
    lost = 0
    position = 0
    end = len(data)
    while position + _HEADER.size <= end and len(found) < max_records:
        kind, _, size = _HEADER.unpack_from(data, position)
        if size < _HEADER.size or position + size > end or size % 8:
            raise FormatError(
                f"perf ring: read: a record of {size} bytes at byte {position} of {end}"
            )
        if kind == RECORD_SAMPLE:
            if size < _SAMPLE.size:
                raise FormatError(f"perf ring: read: a sample of {size} bytes")
            _, _, _, length = _SAMPLE.unpack_from(data, position)
            first = position + _SAMPLE.size
            if first + length > position + size:
                raise FormatError(f"perf ring: read: {length} bytes in a sample of {size} bytes")
            found.append(data[first : first + length])
        elif kind == RECORD_LOST and size >= _LOST.size:
            lost += _LOST.unpack_from(data, position)[4]
        position += size
    return Parsed(found, lost, position)


def newest_first(data: bytes) -> list[bytes]:
    """Read the records of a ring that is written backward and keeps the newest.

    Args:
        data: The whole ring from its newest record on; zeros where nothing was written yet.

    Returns:
        The samples' bytes, the newest first, up to where records are cut. If the ring went around, some more
        of the oldest are left out: their space may just have been taken by programs that were writing.

    Raises:
        FormatError: The ring is damaged.
    """
    found: list[tuple[int, bytes]] = []
    position = largest = 0
    end = len(data)
    whole = True
    while position + _SAMPLE.size <= end:
        kind, _, size = _HEADER.unpack_from(data, position)
        if not size:
            break
        fits = size >= _HEADER.size and not size % 8
        length = _SAMPLE.unpack_from(data, position)[3] if kind == RECORD_SAMPLE and fits else 0
        if not fits or _SAMPLE.size + length > max(size, _SAMPLE.size):
            whole = False
            if position < end - _WRITERS * largest:
                raise FormatError(
                    f"perf ring: read: a record of {size} bytes at byte {position} of {end}"
                )
            break  # of a record that is being overwritten
        if position + size > end:
            whole = False
            break
        if kind == RECORD_SAMPLE:
            first = position + _SAMPLE.size
            found.append((position + size, data[first : first + length]))
            largest = max(largest, size)
        position += size
    if whole and position + _SAMPLE.size <= end:
        return [record for _, record in found]
    # One program in each of the contexts task, softirq, interrupt and NMI.
    return [record for stop, record in found if stop <= end - _WRITERS * largest]


def _uniform(data: bytes, max_records: int) -> Parsed | None:
    """The same for samples of one size, without looking at each; None if they are not."""
    if len(data) < _SAMPLE.size:
        return None
    kind, _, size, length = _SAMPLE.unpack_from(data)
    rest = size - _SAMPLE.size - length
    if kind != RECORD_SAMPLE or size % 8 or rest < 0 or len(data) % size:
        return None
    count = len(data) // size
    head = data[: _SAMPLE.size]
    if any(data[at::size] != head[at : at + 1] * count for at in range(_SAMPLE.size)):
        return None
    count = min(count, max_records)
    used = count * size
    form = struct.Struct(f"<{_SAMPLE.size}x{length}s{rest}x")
    return Parsed([record for (record,) in form.iter_unpack(data[:used])], 0, used)
