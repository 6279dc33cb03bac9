"""Finding committed records, compared with a plain walk."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscast.buffers.reader import BUSY, DISCARD
from syscast.buffers.scan import Extent, committed, records
from syscast.errors import FormatError

NO_LIMIT = 1 << 30


def ring(headers):
    return b"".join(
        struct.pack("<II", header, 7) + bytes((header & (DISCARD - 1)) + 7 & -8)
        for header in headers
    )


def scan(data, *, size=None, limit=NO_LIMIT, lead=0):
    words = memoryview(bytes(lead) + data + data).cast("I")
    return committed(words, lead, len(data) if size is None else size, limit)


def plain(headers, limit):
    """The same, without any cleverness."""
    end = 0
    taken = []
    for header in headers:
        step = 8 + ((header & (DISCARD - 1)) + 7 & -8)
        if header & BUSY or (taken and end + step > limit):
            break
        taken.append(header)
        end += step
    alike = len(set(taken)) == 1 and taken[0] < DISCARD
    return Extent(end, end // len(taken) if alike else 0)


lengths = st.sampled_from([0, 1, 8, 72, 73, 80, 4000])
kinds = st.sampled_from([0, 0, 0, 0, DISCARD, BUSY, BUSY | DISCARD])
runs = st.lists(st.tuples(lengths, kinds, st.integers(1, 60)), max_size=8)


@given(runs, st.sampled_from([1, 100, 1000, 5000, NO_LIMIT]), st.sampled_from([0, 8, 64]))
def test_as_a_plain_walk(parts, limit, lead):
    headers = [length | flag for length, flag, times in parts for _ in range(times)]
    assert scan(ring(headers), limit=limit, lead=lead) == plain(headers, limit)


@pytest.mark.parametrize("busy_at", [0, 1, 7, 8, 9, 40, 41, 999])
def test_a_busy_record_in_a_long_run(busy_at):
    headers = [72] * 1000
    headers[busy_at] |= BUSY
    assert scan(ring(headers)) == Extent(80 * busy_at, 80 if busy_at else 0)


def test_nothing():
    assert scan(b"") == Extent(0, 0)


def test_a_record_beyond_the_producer():
    with pytest.raises(FormatError, match="a record of 4096 bytes leaves the ring"):
        scan(ring([8, 4096]), size=32)


@given(st.binary(max_size=400), st.integers(0, 400))
def test_any_bytes(data, limit):
    data = data[: len(data) & ~7]
    try:
        found = scan(data, limit=limit)
    except FormatError:
        return
    assert 0 <= found.end <= len(data)
    records(data[: found.end])


def test_records_of_a_block():
    data = ring([3, 8 | DISCARD, 16])
    found, end = records(data)
    assert [len(record) for record in found] == [3, 16]
    assert end == len(data)
    assert records(data, 1) == ([bytes(3)], 16)
    assert records(b"") == ([], 0)
