"""Boot time to wall clock, over clocks that are set and machines that are suspended."""

import pickle
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscast.events.clock import KEPT, Reading, WallClock, offset_at
from syscast.events.event import Event
from syscast.events.fieldtypes import u32
from syscast.events.records import Decoder
from syscast.events.schema import record_struct

HOUR = 3600 * 10**9
START = 1_782_907_200 * 10**9


class Seen(Event):
    """Something with a time."""

    number: u32


def seen_at(times):
    """A decoder, and a block of records with these boot times."""
    schema = Seen.schema(1)
    layout = record_struct(schema)
    block = b""
    for number, boot in enumerate(times):
        head = (boot, number, 0, 1, 1, schema.id, 0, 0, b"")
        block += struct.pack("<II", layout.size, 0) + layout.pack(*head, number)
    return Decoder([schema], (), {1: Seen}), block


class Clocks:
    """A boot clock and a wall clock; reading takes some time."""

    def __init__(self):
        self.boot = 1000
        self.offset = START
        self.took = 100

    def read(self):
        before = self.boot + self.offset
        self.boot += self.took // 2
        stamp = self.boot
        self.boot += self.took // 2
        return Reading(stamp, before - stamp, self.boot + self.offset - stamp)


@pytest.fixture
def clocks():
    return Clocks()


def at(wall, boot):
    return boot + offset_at(boot, wall.offset, wall.steps)


def test_clocks_that_are_left_alone_have_one_offset_for_ever(clocks):
    wall = WallClock(clocks.read)
    for took in (100, 5_000_000, 60, 100_000) * 50:
        clocks.took = took
        clocks.boot += 10**9
        assert not wall.look()
    assert wall.steps == ()
    assert wall.offset == START


def test_a_step_counts_from_the_last_look(clocks):
    before = clocks.boot
    wall = WallClock(clocks.read)
    clocks.boot += 10**9
    clocks.offset += HOUR
    after = clocks.boot
    assert wall.look()
    assert not wall.look()
    assert at(wall, before) == before + START
    assert at(wall, after) == after + START + HOUR


def test_a_step_that_the_kernel_tells_of_counts_from_then(clocks):
    wall = WallClock(clocks.read)
    clocks.boot += 10**9
    before = clocks.boot  # nobody has looked since the start
    clocks.offset -= HOUR
    assert wall.look(just_set=True)
    assert at(wall, before) == before + START
    assert at(wall, clocks.boot) == clocks.boot + START - HOUR


def test_a_step_is_after_what_the_kernel_says_was_before_it(clocks):
    wall = WallClock(clocks.read)
    clocks.boot += 10**9
    asleep = clocks.boot
    clocks.boot += 10
    wall.unchanged(clocks.boot)  # a ring has woken the reader, the clock's own timer has not
    clocks.offset += HOUR
    assert wall.look()
    assert at(wall, asleep) == asleep + START
    assert at(wall, clocks.boot) == clocks.boot + START + HOUR


def test_suspend_moves_both_clocks_but_not_the_monotonic_one(clocks):
    wall = WallClock(clocks.read)
    clocks.boot += 8 * HOUR
    assert not wall.look(just_set=True)  # the kernel tells of each resume
    monotonic = Clocks()
    wall = WallClock(monotonic.read)
    asleep = monotonic.boot
    monotonic.offset += 8 * HOUR  # it stood still
    assert wall.look(just_set=True)
    assert at(wall, asleep) == asleep + START
    assert at(wall, monotonic.boot) == monotonic.boot + START + 8 * HOUR


def test_a_small_step_is_seen_when_reading_is_fast(clocks):
    wall = WallClock(clocks.read)
    clocks.took = 10**6
    clocks.offset += 10_000
    assert not wall.look()  # may be or not
    clocks.took = 100
    assert wall.look()
    assert at(wall, clocks.boot) == clocks.boot + START + 10_000


def test_many_steps_keep_the_newest(clocks):
    wall = WallClock(clocks.read)
    for _ in range(KEPT + 10):
        clocks.boot += 10**9
        clocks.offset += HOUR
        assert wall.look()
    assert len(wall.steps) == KEPT
    assert at(wall, clocks.boot) == clocks.boot + clocks.offset
    assert at(wall, 0) == START + 10 * HOUR


@given(
    st.integers(-(10**18), 10**18),
    st.lists(st.tuples(st.integers(0, 10**18), st.integers(-(10**18), 10**18)), max_size=5),
    st.lists(st.integers(0, 10**18), min_size=1, max_size=20),
)
def test_events_and_arrays_agree(offset, drawn, times):
    steps = tuple(sorted(drawn, key=lambda step: step[0]))
    decoder, block = seen_at(times)
    decoder.set_clock(offset, steps)
    batch = decoder.batch(block)
    expected = [(boot + offset_at(boot, offset, steps)) & ((1 << 64) - 1) for boot in times]
    assert [event.time for event in batch.events()] == expected
    assert [decoder.wall(boot) & ((1 << 64) - 1) for boot in times] == expected
    assert batch.array["time"].tolist() == expected
    assert batch.times().view(np.uint64).tolist() == expected
    event = batch.events()[0]
    assert pickle.loads(pickle.dumps(event)).time == expected[0]
