"""Blocks of several rings become one, in the order of time."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from syscast.events.sorting import merged, times

EVER = (1 << 64) - 1


def record(time, size=16, flags=0):
    body = struct.pack("<Q", time).ljust(size, b"x")
    return struct.pack("<II", size | flags, 0) + body + bytes(-size & 7)


@given(
    st.lists(st.lists(st.integers(1, 50), max_size=10), min_size=1, max_size=3), st.integers(0, 60)
)
def test_alike(rings, complete):
    blocks = [b"".join(map(record, each)) for each in rings]
    done, rest = merged(blocks, 24, complete)
    everything = sorted(time for each in rings for time in each)
    assert list(times(done, 24)) == [time for time in everything if time <= complete]
    assert list(times(rest, 24)) == [time for time in everything if time > complete]


def test_mixed_and_discarded():
    blocks = [record(5, 12) + record(9, 40), record(4, 16, flags=1 << 30) + record(7, 8)]
    done, rest = merged(blocks, 0, 7)
    assert done == record(5, 12) + record(7, 8)
    assert rest == record(9, 40)
    assert list(times(done, 0)) == [5, 7]


def test_nothing():
    assert merged([b""], 0, EVER) == (b"", b"")
