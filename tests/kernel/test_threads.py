"""Sessions between threads and processes: closed while they are read, and forked in the middle."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import pickle
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from processes import FIRST_TOKEN, ask, forked

import syscast as sc
from syscast.btf import source

pytestmark = [pytest.mark.kernel, pytest.mark.native]

ME = os.getpid()
IN_VM = bool(os.environ.get("SYSCAST_VM"))
FORMS = {
    "events": lambda session: ([each.who] for each in session),
    "stream": lambda session: ([getattr(each, "who", -1)] for each in session.stream()),
    "read": lambda session: iter(lambda: [each.who for each in _read(session)], None),
    "tuples": lambda session: ([row[9] for row in rows] for rows in session.tuples()),
    "batches": lambda session: (batch.array["who"].tolist() for batch in session.batches()),
}


CASES = [
    (form, how)
    for form in (("events",) if IN_VM else (*FORMS, "async"))
    for how in ("close", "stop")
    if (form, how) != ("read", "close")  # a read of a closed session is refused
]


class Asked(sc.Event):
    who: sc.i32


@sc.syscall("getpriority")
def getpriority(which, who, ret):  # noqa: ARG001  (the call's own names)
    return Asked(who=who)


def _read(session):
    if session.ended:
        raise StopIteration
    return session.read(60)


@pytest.fixture(scope="module", autouse=True)
def warm():
    """What stays open for the life of the process is no leak of the first test that opens it."""
    import numpy  # noqa: F401, ICN001, PLC0415  (else the first batch waits for it)

    source.kernel()
    with getpriority.attach(pid=ME):
        pass


@contextlib.contextmanager
def flooded(pause=0.0, **options):
    """A session on a child that calls for as long as it lasts, with rising tokens."""
    reading, writing = os.pipe()

    def work():
        os.close(writing)
        os.set_blocking(reading, False)
        for number in range(1 << 30):
            ask(FIRST_TOKEN + number % (1 << 22))
            if pause:
                time.sleep(pause)
            if number % 64 == 0:
                try:
                    if not os.read(reading, 1):
                        return
                except BlockingIOError:
                    continue

    pid = forked(work)
    os.close(reading)
    try:
        with getpriority.attach(pid=pid, **options) as session:
            yield session
    finally:
        os.close(writing)
        os.waitpid(pid, 0)


class Reading(threading.Thread):
    """Reads in one form until the session ends; keeps what it saw and what went wrong."""

    def __init__(self, session, form):
        super().__init__(daemon=True)
        self.session = session
        self.form = form
        self.seen = 0
        self.last = -1
        self.problem = None

    def run(self):
        try:
            if self.form == "async":
                asyncio.run(self.iterate())
                return
            for tokens in FORMS[self.form](self.session):
                self.note(tokens)
        except RuntimeError as error:  # what StopIteration becomes inside a generator
            if "StopIteration" not in str(error):
                self.problem = error
        except BaseException as error:  # noqa: BLE001  (the test looks at it)
            self.problem = error

    async def iterate(self):
        async for event in self.session:
            self.note([event.who])

    def note(self, tokens):
        self.seen += len(tokens)
        self.last = tokens[-1] if tokens else self.last


@pytest.mark.filterwarnings("ignore::syscast.LostEventsWarning")
@pytest.mark.parametrize(("form", "how"), CASES)
@pytest.mark.parametrize("pause", [0.0] if IN_VM else [0.0, 0.002])
def test_closing_from_another_thread_while_one_reads(form, how, pause):
    with flooded(pause, ring_size=1 << 16) as session:
        reader = Reading(session, form)
        reader.start()
        deadline = time.monotonic() + 60
        while reader.seen < 20:
            assert time.monotonic() < deadline
            assert reader.is_alive(), reader.problem
            time.sleep(0.005)
        getattr(session, how)()
        reader.join(30)
        assert not reader.is_alive()
        assert reader.problem is None
        if how == "stop":
            session.detach()
    assert session.ended
    assert session.stats().problems(drained=False) == []


@pytest.mark.filterwarnings("ignore::syscast.LostEventsWarning")
def test_closing_at_any_moment():
    """Many short lives: the moment at which the other thread closes falls everywhere."""
    with flooded():
        for number in range(12):
            session = getpriority.attach(pid=ME)
            reader = Reading(session, list(FORMS)[number % 5])
            if reader.form == "read":
                session.close()
                continue
            reader.start()
            for _ in range(50 * number):
                ask(FIRST_TOKEN)
            session.close()
            reader.join(30)
            assert (reader.is_alive(), reader.problem) == (False, None)


def test_a_sleep_of_a_reader_leaves_python_to_others():
    """The interpreter's lock is given up in epoll_wait(2), and in the timer's sleeps."""
    for mode in ("push", "poll"):
        with getpriority.attach(pid=ME, mode=mode) as session:
            reader = threading.Thread(target=session.read, args=[1.0])
            count = 0
            reader.start()
            start = time.process_time()
            while time.process_time() - start < 0.1:
                count += 1
            assert reader.is_alive()
            alone = 0
            session.stop()
            reader.join()
            start = time.process_time()
            while time.process_time() - start < 0.1:
                alone += 1
        assert count > alone / 4


def test_several_sessions_in_several_threads():
    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(getpriority.attach(pid=ME)) for _ in range(3)]
        readers = [Reading(each, "events") for each in sessions]
        for each in readers:
            each.start()
        for number in range(500):
            ask(FIRST_TOKEN + number)
        deadline = time.monotonic() + 60
        while any(each.last < FIRST_TOKEN + 499 for each in readers):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        for each in sessions:
            each.stop()
        for each in readers:
            each.join(30)
    assert [each.seen for each in readers] == [500] * 3
    assert [each.problem for each in readers] == [None] * 3


# ---------------------------------------------------------------- forks


def _in_the_child(session, queue):
    """What a child may do with a session of its parent's, and what it is told."""
    words = []
    for act in (
        lambda: session.read(0),
        lambda: next(iter(session)),
        lambda: next(session.batches(timeout=1)),
        session.stop,
        session.close,
    ):
        try:
            act()
            words.append("")
        except sc.UsageError as error:
            words.append(str(error))
    queue.put(words)


@pytest.mark.parametrize("mode", ["adaptive", "poll"])
def test_a_process_forked_in_the_middle_of_an_iteration(mode):
    """By `multiprocessing`, while a thread of this process reads."""
    context = multiprocessing.get_context("fork")
    with getpriority.attach(pid=ME, mode=mode) as session:
        reader = Reading(session, "events")
        reader.start()
        queue = context.SimpleQueue()
        for number in range(300):
            ask(FIRST_TOKEN + number)
            if number in {50, 150}:
                process = context.Process(target=_in_the_child, args=(session, queue))
                with warnings.catch_warnings():
                    warnings.simplefilter(
                        "ignore", DeprecationWarning
                    )  # threads and fork, 3.12 on
                    process.start()
                words = queue.get()
                process.join()
                assert process.exitcode == 0
                assert all("belongs to process" in each for each in words[:3])
                assert words[3:] == ["", ""]
        deadline = time.monotonic() + 60
        while reader.last < FIRST_TOKEN + 299:
            assert time.monotonic() < deadline
            assert reader.is_alive(), reader.problem
            time.sleep(0.01)
        session.stop()
        reader.join(30)
        assert session.stats().problems(drained=False) == []
    assert (reader.seen, reader.problem) == (300, None)


def test_a_child_that_only_waits_leaves_its_parents_programs_alone():
    with getpriority.attach(pid=ME, pressure="sample", ring_size=4096) as session:

        def work():
            for act in (
                lambda: session.wait(0.3),
                lambda: session.every(1, int),
                session.dump,
                session.aggregated,
            ):
                with pytest.raises(sc.UsageError, match="it belongs to process"):
                    act()
            for part in session._parts:
                part.control.set("keep_one_in", 1000)

        for number in range(500):
            ask(FIRST_TOKEN + number)
        pid = forked(work)
        assert os.waitpid(pid, 0)[1] == 0
        for number in range(500):
            ask(FIRST_TOKEN + number)
        stats = session.stats()
        assert (stats.total.ran, stats.total.sampled) == (1000, 0)
        assert stats.problems() == []


def test_two_readers_of_a_full_ring_get_each_event_once():
    with flooded(ring_size=4096) as session:
        seen = [[], []]

        def read(mine):
            for event in session:
                mine.append((event.cpu, event.envelope.seq))

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", sc.LostEventsWarning)
            threads = [threading.Thread(target=read, args=(each,)) for each in seen]
            for thread in threads:
                thread.start()
            time.sleep(2.5)
            session.stop()
            for thread in threads:
                thread.join(30)
        session.detach()
        found = seen[0] + seen[1]
        stats = session.stats()
    assert stats.total.dropped > 0
    assert len(found) == len(set(found)) == stats.total.delivered


def test_a_reader_that_refuses_a_warning_leaves_its_events_to_the_next():
    with getpriority.attach(pid=ME, ring_size=4096) as session:
        for number in range(500):
            ask(FIRST_TOKEN + number)
        kept = session.read(0)
        for number in range(500):
            ask(FIRST_TOKEN + number)
        with warnings.catch_warnings():
            warnings.simplefilter("error", sc.LostEventsWarning)
            with pytest.raises(sc.LostEventsWarning):
                session.read(0)
            session.detach()
            kept += session.read(0)
        while found := session.read(0):
            kept += found
        assert len(kept) == session.stats().total.delivered > 0


def test_a_child_that_ends_while_its_parent_iterates():
    """Its exit runs destructors and closes descriptors; nothing of it reaches the parent."""
    with getpriority.attach(pid=ME) as session:
        seen = []
        ask(FIRST_TOKEN)
        for event in session:
            seen.append(event.who - FIRST_TOKEN)
            if len(seen) == 5:
                break
            pid = os.fork()
            if pid == 0:
                with contextlib.suppress(BaseException):
                    del session
                os._exit(0)
            os.waitpid(pid, 0)
            ask(FIRST_TOKEN + len(seen))
    assert seen == [0, 1, 2, 3, 4]


def test_a_session_cannot_be_sent_to_a_spawned_process():
    with getpriority.attach(pid=ME) as session:
        with pytest.raises(sc.UsageError, match="session: pickle: it belongs to process"):
            pickle.dumps(session)
        ask(FIRST_TOKEN)
        assert [event.who for event in session.read(10)] == [FIRST_TOKEN]
