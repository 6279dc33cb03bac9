"""How iterations end and what they leave, on rings that never run dry."""

import os
import threading
import time
from types import SimpleNamespace

import pytest

from syscast.errors import UsageError
from syscast.kernel.descriptors import Fd
from syscast.session import part as parts
from syscast.session.merging import Merging
from syscast.session.session import Session
from syscast.session.timeouts import deadline_of

SIZE = 100
"""Bytes of a record here."""


class Source:
    """A part with numbers for events: `left` of them, or as many as are asked for."""

    def __init__(self, left=None, waiting=1000):
        number, self.write_end = os.pipe()
        self.fd = Fd(number, "a pipe")
        os.write(self.write_end, b"x")  # always readable
        self.reader = SimpleNamespace(fd=self.fd, closed=False, available=lambda: waiting * SIZE)
        self.meta = SimpleNamespace(foreign=True)
        self.control = None
        self.room = 1 << 20
        self.left = left
        self.taken = 0
        self.given = 0
        self.detached = False
        self.intake = None
        self.decoder = SimpleNamespace(seen=0, views=lambda found: [number for (number,) in found])

    def gather(self, most, now, *_, **__):
        self.found = self.take(most)
        return now

    def release(self, *_):
        return [(number,) for number in self.found]

    def take(self, most):
        count = most // SIZE
        if self.left is not None:
            count = min(count, self.left)
            self.left -= count
        self.taken += count * SIZE
        self.given += count
        self.decoder.seen += count
        return list(range(self.given - count, self.given))

    def tuples(self):
        return self.take(parts.PIECE) or None

    def batch(self, *_, **__):
        return self.tuples()

    def close(self):
        self.fd.close()
        os.close(self.write_end)


@pytest.fixture
def opened():
    """Makes sessions over sources."""
    made = []

    def make(*args, **kwargs):
        source = Source(*args, **kwargs)
        made.append((source, Session([source])))
        return made[-1]

    yield make
    for source, session in made:
        session._waiting.close()  # its probes have no ledger to close with
        source.close()


FORMS = {
    "events": lambda session, timeout: session.events(timeout=timeout),
    "tuples": lambda session, timeout: session.tuples(timeout=timeout),
    "batches": lambda session, timeout: session.batches(timeout=timeout),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_time_is_over_also_where_there_is_always_more(opened, form):
    _, session = opened()
    start = time.monotonic()
    count = sum(1 for _ in FORMS[form](session, 0.1))
    assert count > 1
    assert 0.1 <= time.monotonic() - start < 5


@pytest.mark.parametrize("form", FORMS)
def test_stop_ends_after_what_was_in_the_ring(opened, form):
    source, session = opened(waiting=5000)
    iterator = FORMS[form](session, None)
    next(iterator)
    session.stop()
    at_stop = source.given
    for _ in iterator:
        pass
    assert 0 < source.given - at_stop <= 5000 + 2 * parts.PIECE // SIZE


@pytest.mark.parametrize("form", FORMS)
def test_stop_from_a_thread_ends_a_flood(opened, form):
    _, session = opened()
    timer = threading.Timer(0.1, session.stop)
    timer.start()
    for _ in FORMS[form](session, 20):
        if session.ended:
            break_at = time.monotonic()
    timer.join()
    assert time.monotonic() - break_at < 5


def test_what_an_iteration_leaves_is_read_next(opened):
    source, session = opened(left=10)
    taken = []
    for event in session.events(timeout=0):
        taken.append(event)
        if len(taken) == 3:
            break
    assert taken == [0, 1, 2]
    assert list(session.events(timeout=0, count=4)) == [3, 4, 5, 6]
    assert session.read(0) == [7, 8, 9]
    source.left = 2
    assert list(session.events(timeout=0)) == [10, 11]


def test_count_goes_over_several_readings(opened):
    source, session = opened()
    wanted = 3 * parts.PIECE // SIZE + 5
    assert list(session.events(count=wanted)) == list(range(wanted))
    assert session.read(0)[0] == wanted
    assert source.given > wanted


def test_reading_takes_more_than_a_piece(opened):
    _, session = opened()
    assert len(session.read(0)) > parts.PIECE // SIZE


def test_an_iteration_in_pieces_starts_with_few(opened):
    source, session = opened()
    next(iter(session))
    assert source.given <= parts.PIECE // SIZE


def test_a_timeout_that_is_no_number_is_refused():
    assert deadline_of(None) is None
    assert deadline_of(1) > time.monotonic()
    with pytest.raises(UsageError, match="timeout 'soon': read: it is no number of seconds"):
        deadline_of("soon")


def test_rings_are_read_by_the_clock_of_their_records(monkeypatch):
    """Kernels without ``bpf_ktime_get_boot_ns`` stamp records by CLOCK_MONOTONIC."""
    clock = time.CLOCK_PROCESS_CPUTIME_ID  # far from any clock that may be taken instead
    monkeypatch.setattr("syscast.session.merging.record_clock", lambda: clock)
    looked = []
    monkeypatch.setattr(
        Source, "gather", lambda _, __, now, *___, **____: looked.append(now) or now
    )
    monkeypatch.setattr(Source, "release", lambda *_: [])
    source = Source()
    Merging([source], 0.01).events(1, last=False)
    source.close()
    assert 0 < looked[0] <= time.clock_gettime_ns(clock)
