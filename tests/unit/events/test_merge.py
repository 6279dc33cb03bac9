"""Time order over several rings: what waits, what comes at once, and what comes late."""

from collections import deque

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from syscast.events.merge import Lane, Merge, Order


class Ring:
    """Records by (time, when it is committed); those behind one that is not cannot be read."""

    def __init__(self, records=(), slack_ns=0):
        self.slack_ns = slack_ns
        self.waiting = deque(records)
        self.produced = 0
        self.consumed = 0
        self.now = 0

    def arrive(self, now):
        """Space was taken for all whose time has come."""
        self.now = now
        self.produced = self.consumed + sum(time <= now for time, _ in self.waiting)

    def mark(self):
        return (self.produced,)

    def passed(self, mark):
        return self.consumed >= mark[0]

    def read(self, most=1000):
        found = []
        while self.waiting and len(found) < most:
            time, ready = self.waiting[0]
            if time > self.now or ready > self.now:
                break
            self.waiting.popleft()
            self.consumed += 1
            found.append((time,))
        return found


def rounds(rings, ends, bound=50, most=1000):
    """Read at these times; gives what came in each round, and the order's verdict."""
    lanes = [Lane(ring, bound) for ring in rings]
    merge, order, found = Merge(), Order(), []
    for now in ends:
        for ring in rings:
            ring.arrive(now)
        for ring, lane in zip(rings, lanes, strict=True):
            lane.begin(now)
            records = ring.read(most)
            lane.end(records[-1][0] if records else 0)
            merge.add(records)
        taken = merge.take(min(lane.awaited for lane in lanes))
        order.note(taken, lambda record: record[0])
        found.append([time for (time,) in taken])
    return found, order, merge


def ring_of(*times):
    return Ring([(time, time) for time in times])


def test_what_came_before_the_look_is_given_at_once():
    found, order, merge = rounds([ring_of(5, 20), ring_of(7, 9)], [10, 30])
    assert found == [[5, 7, 9], [20]]
    assert (order.late, merge.held) == (0, [])


def test_what_is_newer_than_the_look_at_another_ring_waits():
    late = Ring([(12, 12)])
    fast = ring_of(5, 11, 14)
    lanes = [Lane(late, 50), Lane(fast, 50)]
    merge = Merge()
    late.arrive(10)
    fast.arrive(10)
    for lane in lanes:
        lane.begin(10)
    lanes[0].end(0)
    fast.arrive(15)  # while the first ring was looked at
    for record in fast.read():
        merge.add([record])
    lanes[1].end(14)
    assert merge.take(min(lane.awaited for lane in lanes)) == [(5,)]
    assert merge.held == [(11,), (14,)]


def test_a_record_that_is_being_written_is_waited_for():
    slow = Ring([(10, 32), (11, 11)])
    found, order, _ = rounds([slow, ring_of(12, 15)], [16, 20, 33, 34])
    assert found == [[], [], [10, 11, 12, 15], []]
    assert order.late == 0


def test_but_not_longer_than_the_bound():
    slow = Ring([(10, 200), (11, 11)])
    found, order, _ = rounds([slow, ring_of(12, 15)], [16, 40, 70, 200, 210], bound=50)
    assert found == [[], [], [12, 15], [10, 11], []]
    assert order.late == 2


def test_a_bound_of_nothing_holds_nothing():
    slow = Ring([(10, 200)])
    found, order, _ = rounds([slow, ring_of(12)], [16, 200], bound=0)
    assert found == [[12], [10]]
    assert order.late == 1


def test_times_taken_before_the_space_get_slack():
    early = Ring([(20, 20)], slack_ns=5)
    found, _, merge = rounds([early], [22, 26])
    assert found == [[], [20]]
    assert merge.held == []


def test_everything_can_be_taken_at_the_end():
    merge = Merge()
    merge.add([(9,), (3,)])
    merge.add([(5,)])
    assert merge.take(4) == [(3,)]
    assert merge.take() == [(5,), (9,)]
    assert merge.take() == []


times = st.lists(st.integers(1, 1000), max_size=40).map(sorted)


@given(st.lists(times, min_size=1, max_size=4), st.lists(st.integers(1, 1000)), st.integers(1, 40))
def test_in_the_order_of_time_and_complete(rings, looks, most):
    """Whatever is read when, and however little at a time."""
    ends = [*sorted(looks), *range(1001, 1200)]
    found, order, merge = rounds([ring_of(*each) for each in rings], ends, most=most)
    delivered = [time for each in found for time in each]
    assert delivered == sorted(time for each in rings for time in each)
    assert (order.late, merge.held) == (0, [])


begun = st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 300)), max_size=30)


@given(st.lists(begun, min_size=1, max_size=3), st.integers(1, 100))
def test_none_is_lost_or_waits_for_ever(rings, bound):
    """Programs that take long: what is late is counted, and nothing waits longer than the bound."""
    made = [Ring((time, time + took) for time, took in sorted(records)) for records in rings]
    found, order, merge = rounds(made, range(0, 1500, 10), bound=bound)
    delivered = [time for each in found for time in each]
    assert sorted(delivered) == sorted(time for records in rings for time, _ in records)
    assert merge.held == []
    highest = 0
    late = 0
    for time in delivered:
        late += time < highest
        highest = max(highest, time)
    assert order.late == late


def test_what_a_single_ring_has_out_of_order_is_counted():
    order = Order()
    order.note_as_read([5, 7, 6, 6, 9])
    assert order.late == 2
    order.note_as_read([8, 10])
    assert order.late == 3
    order.note_column(np.array([10, 12, 11, 13], np.uint64))
    order.note_column(np.array([13, 14], np.uint64))
    order.note_column(np.array([], np.uint64))
    order.note_as_read([])
    assert order.late == 4
    order.note_as_read([13])
    assert order.late == 5
