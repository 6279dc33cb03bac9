"""Records of perf rings."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscast.buffers.perfrecords import RECORD_LOST, RECORD_SAMPLE, newest_first, parse
from syscast.errors import FormatError

MANY = 1 << 20


def sample(data):
    raw = data + bytes(-(len(data) + 4) & 7)
    return struct.pack("<IHHI", RECORD_SAMPLE, 0, 12 + len(raw), len(raw)) + raw


def lost(count):
    return struct.pack("<IHHQQ", RECORD_LOST, 0, 24, 1, count)


def test_samples_of_one_size():
    parsed = parse(sample(b"a" * 20) * 50, MANY)
    assert parsed.records == [b"a" * 20] * 50
    assert parsed.used == 50 * 32
    assert parse(sample(b"a" * 20) * 50, 3).used == 96


def test_samples_of_many_sizes_and_losses():
    data = sample(b"a" * 20) + lost(5) + sample(b"b" * 4) + lost(2)
    parsed = parse(data, MANY)
    assert parsed == ([b"a" * 20, b"b" * 4], 7, len(data))


def test_a_limit_leaves_the_rest():
    data = sample(b"a" * 20) + sample(b"b" * 4)
    assert parse(data, 1) == ([b"a" * 20], 0, 32)


def test_other_records_are_passed_over():
    other = struct.pack("<IHHQ", 5, 0, 16, 0)
    assert parse(other + sample(b"b" * 4), MANY).records == [b"b" * 4]


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<IHH", RECORD_SAMPLE, 0, 0),
        struct.pack("<IHH", RECORD_SAMPLE, 0, 8) + bytes(8),
        struct.pack("<IHHI", RECORD_SAMPLE, 0, 16, 100) + bytes(4),
        struct.pack("<IHHI", RECORD_SAMPLE, 0, 4096, 4) + bytes(4),
        struct.pack("<IHHI", RECORD_SAMPLE, 0, 12, 0) + bytes(4),
    ],
    ids=["no size", "no content", "content too long", "too long", "odd"],
)
def test_damage(data):
    with pytest.raises(FormatError, match="perf ring: read: "):
        parse(data, MANY)


@given(st.binary(max_size=200))
def test_any_bytes(data):
    try:
        parsed = parse(data, MANY)
    except FormatError:
        return
    assert parsed.used <= len(data)


@given(st.lists(st.integers(0, 5).map(lambda n: bytes([n]) * (8 * n + 4)), max_size=20))
def test_round_trip(contents):
    assert parse(b"".join(map(sample, contents)), MANY).records == contents


# ---------------------------------------------------------------- rings that keep the newest


def backward(payloads, size):
    """A ring of so many bytes after these samples were written backward, from its newest record on."""
    ring, head = bytearray(size), 0
    for payload in payloads:
        total = 12 + len(payload)
        record = struct.pack("<IHHI", 9, 0, total, len(payload)) + payload
        head -= total
        for at, byte in enumerate(record):
            ring[(head + at) % size] = byte
    start = head % size
    return bytes(ring[start:] + ring[:start])


def payload(number):
    return struct.pack("<Q", number).ljust(20, b".")


def test_newest_first():
    assert newest_first(bytes(4096)) == []
    few = [payload(number) for number in range(10)]
    assert newest_first(backward(few, 4096)) == few[::-1]


@pytest.mark.parametrize("size", [4096, 4096 + 8])
def test_the_oldest_of_a_full_ring_may_be_written_over(size):
    many = [payload(number) for number in range(1000)]
    found = newest_first(backward(many, size))
    assert found == many[::-1][: len(found)]
    assert size // 32 - 5 <= len(found) <= size // 32 - 4


def test_a_torn_oldest_record_is_left_out():
    data = bytearray(backward([payload(number) for number in range(1000)], 4096))
    data[-32:] = b"\xff" * 32
    found = newest_first(bytes(data))
    assert found[0] == payload(999)
    assert len(found) == 4096 // 32 - 4


def test_damage_elsewhere_is_told():
    data = bytearray(backward([payload(number) for number in range(1000)], 4096))
    data[320:352] = b"\xff" * 32
    with pytest.raises(FormatError, match="at byte 320 of 4096"):
        newest_first(bytes(data))
