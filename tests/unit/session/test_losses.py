"""What is told of losses, from numbers and counters, each once."""

from types import SimpleNamespace

import pytest

from syscast.events.event import is_loss
from syscast.events.sequence import SequenceTracker
from syscast.session import accounts
from syscast.session.losses import Losses
from syscast.spec.meta import LEDGER, ProgramMeta

OFFSET = 1_000_000


class Part:
    """One program on two CPUs, with counters that a test sets."""

    def __init__(self):
        self.meta = SimpleNamespace(
            foreign=False, programs=[ProgramMeta("p_0", 0, "p", "kprobe", "p")]
        )
        self.decoder = SimpleNamespace(
            sequence=SequenceTracker(),
            decode_errors=0,
            wall=lambda time: time + OFFSET,
        )
        self.reader = SimpleNamespace(closed=False, available=lambda: self.waiting)
        self.waiting = 0
        self.drained = False
        self.dropped = [0, 0]
        self.missed = None

    def read(self, *numbers, cpu=0):
        """Records with these numbers, ten ns apart."""
        records = [(10 * n + 10, n, 0, 0, 0, 1, 0, cpu, b"") for n in numbers]
        self.decoder.sequence.observe(records)


@pytest.fixture
def part(monkeypatch):
    made = Part()

    def counters(_, __):
        return [
            tuple(dropped if name == "dropped" else 0 for name in LEDGER)
            for dropped in made.dropped
        ]

    monkeypatch.setattr(accounts, "counters", counters)
    monkeypatch.setattr(accounts, "missed", lambda *_: made.missed)
    return made


def told(losses):
    found = losses.take()
    assert all(map(is_loss, found))
    return [(each.cause, each.count, each.cpu) for each in found]


def test_a_gap_that_the_kernel_counted(part):
    losses = Losses([part], begun=1)
    part.dropped[1] = 3
    part.read(0, 4, cpu=1)
    losses.gaps()
    (lost,) = losses.take()
    assert (lost.probe, lost.cause, lost.count, lost.cpu) == ("p", "ring full", 3, 1)
    assert lost.end - lost.start == 40
    losses.gaps()
    losses.count()
    assert told(losses) == []


def test_drops_behind_the_last_record_are_told_once(part):
    losses = Losses([part], begun=1)
    part.read(0)
    part.dropped[0] = 5
    part.waiting = 100  # what waits may show the gap
    losses.count()
    assert told(losses) == []
    part.waiting = 0
    losses.count()
    assert told(losses) == [("ring full", 5, 0)]
    part.dropped[0] = 7
    part.read(8)
    losses.gaps()
    assert told(losses) == [("ring full", 2, 0)]


def test_a_gap_seen_before_the_counter_is_told_when_it_is_counted(part):
    losses = Losses([part], begun=1)
    part.read(0, 4)
    part.dropped[0] = 2
    losses.gaps()
    assert told(losses) == [("ring full", 2, 0)]
    part.dropped[0] = 3
    losses.count()
    assert told(losses) == [("ring full", 1, 0)]
    part.drained = True
    losses.count()
    assert told(losses) == []


def test_a_damaged_record_explains_its_number(part):
    losses = Losses([part], begun=1)
    part.decoder.decode_errors = 1
    part.dropped[0] = 1
    part.read(0, 3)
    losses.gaps()
    assert told(losses) == [("ring full", 1, 0), ("damaged", 1, 0)]
    part.decoder.decode_errors = 2  # behind the last one
    losses.count()
    assert told(losses) == []
    part.drained = True
    losses.count()
    losses.count()
    assert told(losses) == [("damaged", 1, -1)]


def test_numbers_that_nobody_explains_are_told_at_the_end(part):
    losses = Losses([part], begun=1)
    part.read(0, 5)
    losses.gaps()
    losses.count()
    assert told(losses) == []
    part.drained = True
    losses.count()
    losses.count()
    assert told(losses) == [("unexplained", 4, 0)]


def test_records_that_come_late_are_not_lost(part):
    losses = Losses([part], begun=1)
    part.read(0, 3)
    losses.gaps()  # of two, neither of which was dropped
    part.read(1)
    part.read(2)
    part.read(4)
    part.drained = True
    losses.gaps()
    losses.count()
    assert told(losses) == []


def test_misses_are_told_as_far_as_they_are_counted(part):
    losses = Losses([part], begun=1)
    losses.count()
    assert told(losses) == []  # unknown
    part.missed = 3
    losses.count()
    part.missed = 5
    losses.count()
    assert told(losses) == [("missed", 3, -1), ("missed", 2, -1)]


def test_where_gaps_are_on_purpose_only_counters_tell(part):
    losses = Losses([part], begun=1, exact=False)
    part.read(0, 5)
    losses.gaps()
    assert told(losses) == []
    part.dropped[0] = 2
    losses.count()
    assert told(losses) == [("ring full", 2, 0)]


def test_a_loss_waits_for_what_is_held_back_with_it(part):
    losses = Losses([part], begun=1)
    part.dropped[0] = 8
    part.read(0, 5, 10)
    losses.gaps()
    assert [each.count for each in losses.take(60)] == [4]
    assert [each.count for each in losses.take()] == [4]
