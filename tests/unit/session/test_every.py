"""Functions called at intervals: when, in what order, what they give, and what happens when they fail."""

import asyncio
import os
import threading
import time
from types import SimpleNamespace

import pytest

from syscast.errors import UsageError
from syscast.kernel.descriptors import Fd
from syscast.session.session import Session


class Quiet:
    """A part whose ring has nothing, or always something."""

    def __init__(self, *, busy=False):
        number, self.write_end = os.pipe()
        self.fd = Fd(number, "a pipe")
        self.reader = SimpleNamespace(fd=self.fd, closed=False, available=lambda: 0)
        self.meta = SimpleNamespace(foreign=True, programs=())
        self.decoder = SimpleNamespace(seen=0, views=lambda found: [number for (number,) in found])
        self.intake = None
        self.detached = False
        self.control = None
        self.room = 1 << 20
        self.taken = 0
        self.busy = busy
        if busy:
            os.write(self.write_end, b"x")

    def gather(self, _, now, *__, **___):
        if self.busy:
            self.decoder.seen += 1
            self.taken += 100
        return now

    def release(self, *_):
        return [(self.taken,)] if self.busy else []

    def detach(self):
        self.detached = True

    def close(self):
        self.fd.close()
        os.close(self.write_end)


@pytest.fixture
def opened(monkeypatch):
    """Makes sessions over such a part, which have no ledger to close with."""
    monkeypatch.setattr(Session, "stats", lambda _: None)
    made = []

    def make(*, busy=False):
        made.append(Session([Quiet(busy=busy)]))
        return made[-1]

    yield make
    for session in made:
        session.close()


@pytest.fixture(params=["quiet", "busy"])
def session(request, opened):
    return opened(busy=request.param == "busy")


@pytest.fixture
def quiet(opened):
    return opened()


def elapsed(act):
    start = time.monotonic()
    act()
    return time.monotonic() - start


WAYS = {
    "events": lambda session, seconds: [None for _ in session.events(timeout=seconds)],
    "run": lambda session, seconds: session.run(lambda _: None, timeout=seconds),
    "wait": lambda session, seconds: session.wait(seconds),
    "async": lambda session, seconds: asyncio.run(_iterate(session, seconds)),
}


async def _iterate(session, seconds):
    asyncio.get_running_loop().call_later(seconds, session.stop)
    async for _ in session:
        pass


@pytest.mark.parametrize("way", WAYS)
def test_it_is_called_in_whatever_way_a_session_waits(session, way):
    handle = session.every("20ms", lambda: "given")
    WAYS[way](session, 0.3)
    assert 1 <= handle.calls <= 15
    assert handle.calls + handle.skipped <= 15
    assert handle.last == "given"


def test_reading_calls_what_is_due(quiet):
    handle = quiet.every("10ms", lambda: None)
    time.sleep(0.05)
    quiet.read(0)
    assert handle.calls == 1
    assert handle.skipped >= 4  # more on a machine that slept longer


def test_times_do_not_drift(quiet):
    start = time.monotonic()
    handle = quiet.every("20ms", lambda: time.sleep(0.005))
    quiet.wait(1.0)
    # A call that takes a quarter of the interval, or comes late, moves no later one.
    due = int((time.monotonic() - start) / 0.02)
    assert due - 2 <= handle.calls + handle.skipped <= due


def test_a_function_that_takes_too_long_leaves_calls_out(quiet):
    handle = quiet.every("10ms", lambda: time.sleep(0.035))
    quiet.wait(0.3)
    assert 3 <= handle.calls <= 10
    assert handle.skipped >= 2 * handle.calls


def test_several_have_their_own_times_and_order(quiet):
    seen = []
    quiet.every(0.05, lambda: seen.append("slow"))
    quiet.every("20ms", lambda: seen.append("fast"))
    quiet.wait(0.23)
    assert seen[:2] == ["fast", "fast"]
    assert 2 <= seen.count("slow") <= 4
    assert seen.count("fast") > seen.count("slow")


def test_what_it_gives_goes_to_then(quiet):
    seen = []
    numbers = iter(range(100))
    handle = quiet.every("10ms", lambda: next(numbers), seen.append)
    quiet.wait(0.1)
    assert seen == list(range(handle.calls))
    assert handle.last == seen[-1]


def test_iterating_the_handle_runs_the_session(quiet):
    numbers = iter(range(100))
    for given in quiet.every("10ms", lambda: next(numbers)):
        if given == 5:
            quiet.stop()
    assert given == 5
    assert quiet.ended


def test_cancelling_ends_it_and_its_iteration(quiet):
    handle = quiet.every("10ms", lambda: 1)
    given = []
    for each in handle:
        given.append(each)
        if len(given) == 3:
            handle.cancel()
    assert given == [1, 1, 1]
    quiet.wait(0.05)
    assert (handle.calls, handle.cancelled) == (3, True)


def test_it_may_cancel_itself_stop_read_and_add_others(quiet):
    added = []

    def work():
        handle.cancel()
        quiet.read(0)  # which calls nothing again
        added.append(quiet.every("10ms", quiet.stop))

    handle = quiet.every("10ms", work)
    assert elapsed(lambda: quiet.wait(5)) < 3
    assert (handle.calls, added[0].calls) == (1, 1)


@pytest.mark.parametrize("way", WAYS)
def test_an_exception_ends_the_session_and_comes_out(session, way):
    other = session.every("1h", lambda: None)

    def work():
        raise LookupError("in it")

    handle = session.every("20ms", work)
    with pytest.raises(LookupError, match="in it"):
        WAYS[way](session, 5)
    assert session.ended
    assert (handle.calls, handle.cancelled, other.cancelled) == (1, True, False)
    assert (
        list(session.events(timeout=0.05)) is not None
    )  # what is left can be read, or it is closed


def test_events_before_an_exception_were_delivered(opened):
    session = opened(busy=True)
    seen = []

    def work():
        raise LookupError

    session.every("30ms", work)
    with pytest.raises(LookupError):
        session.run(seen.append, timeout=5)
    assert seen == [100 * (each + 1) for each in range(len(seen))]
    assert session._parts[0].taken == seen[-1]


def test_a_thread_may_cancel(quiet):
    handle = quiet.every("10ms", lambda: None)
    timer = threading.Timer(0.1, handle.cancel)
    timer.start()
    quiet.wait(0.3)
    timer.join()
    assert 1 <= handle.calls <= 12


@pytest.mark.parametrize("interval", ["soon", "", "-1s", -1, float("nan"), True, "1 parsec"])
def test_no_interval(quiet, interval):
    with pytest.raises(UsageError, match=r"interval '.*': set: it is no duration"):
        quiet.every(interval, lambda: None)


def test_an_interval_of_nothing(quiet):
    with pytest.raises(UsageError, match="interval '0': set: it is zero"):
        quiet.every(0, lambda: None)


def test_a_closed_session_takes_none(quiet):
    quiet.close()
    with pytest.raises(UsageError, match="closed"):
        quiet.every("1s", lambda: None)
