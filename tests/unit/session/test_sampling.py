"""How many events are kept: what a ring that fills up and a budget of CPU time ask for."""

import struct
import warnings
from types import SimpleNamespace

import pytest

from syscast.errors import SampledEventsWarning
from syscast.session.sampling import MOST, Budget, Keeping, Relief
from syscast.spec.meta import LEDGER, LEDGER_MAP

RING = 1000


class Part:
    """An object with one program, a ring and what the reader tells it."""

    def __init__(self):
        self.waiting = 0
        self.counters = dict.fromkeys(LEDGER, 0)
        self.kept = 1
        self.reader = SimpleNamespace(available=lambda: self.waiting)
        self.control = SimpleNamespace(set=self._set)
        self.meta = SimpleNamespace(programs=[SimpleNamespace(id=0)])
        ledger = SimpleNamespace(lookup_cpus=lambda _: [self._row()])
        self.loaded = SimpleNamespace(maps={LEDGER_MAP: ledger}, ring_size=RING, closed=False)

    def _row(self):
        return struct.pack(f"<{len(LEDGER)}Q", *self.counters.values())

    def _set(self, name, value):
        assert name == "keep_one_in"
        self.kept = value


@pytest.fixture
def part():
    return Part()


@pytest.fixture
def keeping(part):
    made = Keeping([part])
    made.notice = lambda _: None
    return made


def looked(regulator, start, seconds, step=0.02, each=lambda _: None):
    """Let it look every 20 ms, and something happen before each look."""
    now = start
    while now < start + seconds:
        each(now)
        regulator.look(now)
        now += step
    return now


def test_a_ring_with_room_sends_all(part, keeping):
    part.waiting = RING // 3
    looked(Relief([part], keeping, 0.0), 0.0, 60.0)
    assert (part.kept, keeping.changes) == (1, 0)


def test_a_ring_that_stays_over_half_full_doubles(part, keeping):
    part.waiting = 600
    looked(Relief([part], keeping, 0.0), 0.0, 0.2)
    assert part.kept in {8, 16, 32}


def test_of_several_rings_the_fullest_counts(part, keeping):
    def ring(waiting):
        return SimpleNamespace(available=lambda: waiting, size=RING)

    part.reader = SimpleNamespace(available=lambda: 900, lanes=[ring(300), ring(300), ring(300)])
    looked(Relief([part], keeping, 0.0), 0.0, 1.0)
    assert part.kept == 1
    part.reader.lanes = [ring(0), ring(600), ring(0)]
    looked(Relief([part], keeping, 1.0), 1.0, 0.2)
    assert part.kept > 1


def test_a_full_ring_that_is_being_emptied_is_left_alone(part, keeping):
    relief = Relief([part], keeping, 0.0)

    def empty(now):
        part.waiting = max(0, 900 - int(now * 1000))

    looked(relief, 0.0, 0.4, each=empty)
    assert part.kept == 2


def test_drops_say_by_how_much_it_is_too_many(part, keeping):
    relief = Relief([part], keeping, 0.0)
    part.counters |= {"tried": 1000, "dropped": 900}
    relief.look(0.1)
    assert part.kept == 16
    part.counters |= {"tried": 2000, "dropped": 901}
    relief.look(0.2)
    assert part.kept == 32
    part.counters |= {"tried": 3000}
    relief.look(0.3)
    assert part.kept == 32


def test_what_is_counted_by_key_is_too_many_as_well(part, keeping):
    part.counters |= {"tried": 100, "aggregated": 50}
    Relief([part], keeping, 0.0).look(0.1)
    assert part.kept == 2


def test_there_is_a_most(part, keeping):
    part.waiting = RING
    looked(Relief([part], keeping, 0.0), 0.0, 60.0)
    assert part.kept == MOST


def test_room_lets_it_down_step_by_step(part, keeping):
    relief = Relief([part], keeping, 0.0)
    part.counters |= {"tried": 1000, "dropped": 900}
    relief.look(0.1)
    now = looked(relief, 0.12, 0.4)
    assert part.kept == 16
    looked(relief, now, 60.0)
    assert (part.kept, keeping.highest) == (1, 16)


def test_it_does_not_swing(part, keeping):
    """A flood of four times what the ring takes: after a while most of the time is spent at 1 of 4."""
    relief = Relief([part], keeping, 0.0)
    at = []

    def flood(now):
        part.counters["tried"] += 400 // part.kept
        part.counters["dropped"] += max(0, 400 // part.kept - 100)
        part.waiting = 900 if part.kept < 4 else 50
        at.append((now, part.kept))

    looked(relief, 0.0, 120.0, each=flood)
    late = [kept for now, kept in at if now > 60]
    assert late.count(4) + late.count(8) > 0.95 * len(late)
    assert keeping.changes < 40


class Meter:
    """Costs a fixed share, and one for each event that is sent."""

    def __init__(self, part):
        self.part = part
        self.fixed, self.sent = 0.0, 0.0
        self.reader_s = 0.0
        self.programs_ns = 0

    def reading(self):
        pass

    def run(self, seconds):
        self.programs_ns += int(self.fixed * seconds * 1e9)
        self.reader_s += self.sent / self.part.kept * seconds


@pytest.mark.parametrize(
    ("fixed", "sent", "kept"),
    [(0.001, 0.005, {1}), (0.001, 0.1, {16, 32}), (0.005, 0.5, {128, 256, 512})],
    ids=str,
)
def test_a_budget_is_kept_by_sampling(part, keeping, fixed, sent, kept):
    meter = Meter(part)
    meter.fixed, meter.sent = fixed, sent
    budget = Budget(0.01, meter, [part], keeping, 0.0)
    looked(budget, 0.0, 20.0, each=lambda _: meter.run(0.02))
    assert part.kept in kept
    assert budget.used <= 0.0101
    assert budget.floor is None


def test_what_sampling_cannot_help_is_said_once(part, keeping):
    said = []
    keeping.notice = said.append
    meter = Meter(part)
    meter.fixed = 0.05
    budget = Budget(0.01, meter, [part], keeping, 0.0)
    looked(budget, 0.0, 20.0, each=lambda _: meter.run(0.02))
    assert part.kept == 4096
    assert budget.floor == pytest.approx(0.05, rel=0.01)
    assert said == [
        "tracing takes 5.0 % of a CPU even where next to nothing is sent: the budget of 1.0 % cannot be kept"
    ]


def test_a_budget_lets_go_when_there_is_less(part, keeping):
    meter = Meter(part)
    meter.sent = 1.0
    budget = Budget(0.01, meter, [part], keeping, 0.0)
    now = looked(budget, 0.0, 10.0, each=lambda _: meter.run(0.02))
    assert part.kept >= 128
    meter.sent = 0.001
    looked(budget, now, 10.0, each=lambda _: meter.run(0.02))
    assert part.kept == 1


def test_a_backlog_is_not_taken_for_the_new_rate(part, keeping):
    meter = Meter(part)
    budget = Budget(0.01, meter, [part], keeping, 0.0)
    backlog = 1.0

    def read(now):
        del now
        nonlocal backlog
        meter.reader_s += 0.02 if backlog > 0 else 0.0001
        backlog -= 0.01 if part.kept > 1 else 0
        part.waiting = int(RING * max(backlog, 0))

    looked(budget, 0.0, 3.0, each=read)
    assert keeping.highest == 16


def test_the_largest_wish_is_told(part, keeping):
    keeping.wish("ring", 4)
    keeping.wish("budget", 16)
    keeping.wish("ring", 8)
    assert (part.kept, keeping.changes) == (16, 2)
    keeping.wish("budget", 1)
    assert part.kept == 8


def test_changes_are_told_now_and_then(part):
    keeping = Keeping([part])
    said = []
    keeping.notice = said.append
    for now, one_in in ((0.1, 2), (0.2, 4), (0.3, 8), (1.2, 8), (1.5, 1), (3.0, 1)):
        keeping.wish("ring", one_in)
        keeping.tell(now)
    assert said == ["keeping 1 of 2 events", "keeping 1 of 8 events", "keeping all events"]


def test_python_is_warned_once(part):
    keeping = Keeping([part])
    keeping.wish("ring", 2)
    with pytest.warns(
        SampledEventsWarning, match=r"^keeping 1 of 2 events \(see session.stats\(\)"
    ):
        keeping.tell(1.0)
    keeping.wish("ring", 4)
    with warnings.catch_warnings(action="error"):
        keeping.tell(3.0)
