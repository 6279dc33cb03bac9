"""When a reader changes from being told to asking and back, with time and amounts made up."""

import pytest

from syscast.session.pace import Pace

RECORD = 100
ROOM = 1 << 20


class Reader:
    """A reader that looks after each step, at records that came evenly."""

    def __init__(self, mode="adaptive", latency=0.01, rooms=(ROOM,)):
        self.now = 100.0
        self.pace = Pace(mode, latency, rooms, self.now)

    def look(self, after, records, *, emptied=True, sizes=None):
        self.now += after
        self.pace.looking(self.now)
        sizes = sizes or [records * RECORD] + [0] * (len(self.pace.rooms) - 1)
        self.pace.looked(self.now, sizes, records, emptied=emptied)

    def looks(self, times, after, records):
        for _ in range(times):
            self.look(after, records)

    def sleep(self, rate):
        """Sleep until the next look is due; records come at a rate meanwhile."""
        step = max(self.pace.due - self.now, 1e-5)
        self.look(step, round(step * rate))
        return step


def test_a_trickle_is_told():
    reader = Reader()
    reader.looks(1000, 0.1, 1)
    reader.looks(1000, 0.001, 1)
    assert not reader.pace.asking
    assert reader.pace.changes == 0


def test_many_wake_ups_in_a_row_end_it():
    reader = Reader()
    reader.looks(16, 0.0001, 1)
    assert not reader.pace.asking
    reader.looks(1, 0.0001, 1)
    assert reader.pace.asking


def test_a_burst_now_and_then_is_told():
    reader = Reader()
    for _ in range(100):
        reader.looks(15, 0.00001, 3)
        reader.look(0.02, 1)
    assert not reader.pace.asking


def test_a_ring_that_never_runs_empty_wakes_nobody():
    reader = Reader()
    for _ in range(1000):
        reader.look(0.0001, 900, emptied=False)
    assert not reader.pace.asking


@pytest.mark.parametrize(("mode", "latency"), [("push", 0.01), ("push", 0), ("adaptive", 0)])
def test_who_wants_to_be_told_always_is(mode, latency):
    reader = Reader(mode, latency)
    reader.looks(1000, 0.00001, 1)
    assert not reader.pace.asking


def test_who_wants_to_ask_always_does():
    reader = Reader("poll", 0.02)
    for _ in range(1000):
        reader.sleep(0)
    assert reader.pace.asking
    assert not reader.pace.quiet
    assert reader.pace.interval == pytest.approx(0.018)


def asking(**kwargs):
    reader = Reader(**kwargs)
    reader.looks(17, 0.0001, 1)
    assert reader.pace.asking
    return reader


def test_the_first_look_of_one_who_asks_is_at_once():
    reader = asking()
    assert reader.pace.due == reader.now


@pytest.mark.parametrize("latency", [0.0002, 0.001, 0.01, 1.0])
@pytest.mark.parametrize("rate", [3000, 100_000, 1_000_000])
def test_no_record_waits_longer_than_the_latency(latency, rate):
    reader = asking(latency=latency) if latency > 0.0004 else Reader("poll", latency)
    for _ in range(200):
        assert reader.sleep(rate) <= latency


@pytest.mark.parametrize("rate", [1_000, 100_000, 1_000_000, 4_000_000])
def test_no_ring_fills_beyond_a_quarter(rate):
    reader = asking()
    reader.sleep(rate)
    for _ in range(100):
        step = reader.sleep(rate)
        assert step * rate * RECORD <= ROOM / 4 * 1.01


def test_a_small_ring_is_looked_at_without_a_pause():
    reader = asking(rooms=(4096,))
    for _ in range(20):
        reader.sleep(1_000_000)
    assert reader.pace.interval == 0


def test_the_fullest_ring_counts():
    reader = asking(rooms=(ROOM, ROOM))
    reader.look(0.001, 1000, sizes=[100, 100_000])
    assert reader.pace.interval == pytest.approx(ROOM / 4 / (100_000 / 0.001), rel=0.01)


def test_a_burst_is_remembered_for_some_looks():
    reader = asking()
    reader.look(0.001, 1000)
    first = reader.pace.interval
    reader.look(0.001, 0)
    assert first < reader.pace.interval < 2 * first


def test_a_look_in_parts_counts_once():
    one, two = asking(rooms=(ROOM, ROOM)), asking(rooms=(ROOM, ROOM))
    one.look(0.001, 1000, sizes=[50_000, 50_000])
    two.look(0.001, 500, sizes=[50_000, 0])
    two.pace.looked(two.now, [0, 50_000], 500, emptied=True)
    assert two.pace.interval == pytest.approx(one.pace.interval)


def test_what_could_not_be_taken_at_once_is_taken_without_a_pause():
    reader = asking()
    reader.look(0.005, 10_000, emptied=False)
    assert reader.pace.due == reader.now


def test_silence_ends_asking():
    reader = asking()
    start = reader.now
    while not reader.pace.quiet:
        reader.sleep(0)
        assert reader.now < start + 1
    reader.pace.be_told(reader.now)
    assert not reader.pace.asking
    assert reader.pace.changes == 2
    assert 0.1 < reader.pace.asked(reader.now) < 1
    before = reader.pace.asked(reader.now)
    reader.look(5, 1)
    assert reader.pace.asked(reader.now) == before


@pytest.mark.parametrize(
    ("rate", "quiet"), [(200, True), (400, True), (700, False), (5000, False)]
)
def test_how_many_are_too_few_to_ask(rate, quiet):
    reader = asking()
    for _ in range(100):
        reader.sleep(rate)
        if reader.pace.quiet:
            break
    assert reader.pace.quiet is quiet


def test_who_changes_to_and_fro_becomes_patient():
    """Bursts of 10 ms with pauses in which nothing comes: the changes become fewer."""
    reader = asking()
    times = []
    for _ in range(6):
        start = reader.now
        while not reader.pace.quiet:
            reader.sleep(0)
        times.append(reader.now - start)
        reader.pace.be_told(reader.now)
        reader.looks(17, 0.0001, 1)
    assert times == sorted(times)
    assert times[-1] > 8 * times[0]
    assert times[-1] < 3
    while not reader.pace.quiet:
        reader.sleep(0)
    reader.pace.be_told(reader.now)
    reader.look(60, 1)
    reader.looks(17, 0.0001, 1)
    start = reader.now
    while not reader.pace.quiet:
        reader.sleep(0)
    assert reader.now - start == pytest.approx(times[0], rel=0.3)
