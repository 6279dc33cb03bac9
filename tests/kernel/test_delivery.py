"""Adaptive delivery: how soon events come, what wakes the reader, and that no wake-up is lost.

The promise of `syscast.session.waiting` is tried with a reader that changes to and fro many times a second,
and the test shows that it would see a lost wake-up, by breaking the promise on purpose.
"""

# ruff: noqa: ARG001 - probes name what a call has, and fixtures act by being asked for

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from processes import FIRST_TOKEN, ask, forked

import syscast as sc
from syscast import features
from syscast.btf import source
from syscast.cli.main import run
from syscast.session import pace
from syscast.session.waiting import Promise

pytestmark = [pytest.mark.kernel, pytest.mark.native]

ME = os.getpid()
IN_VM = bool(os.environ.get("SYSCAST_VM"))
STREAM, FLOOD = 200, 3000
only_here = pytest.mark.skipif(IN_VM, reason="takes too long on an emulated CPU")


class Asked(sc.Event):
    who: sc.i32


class Parent(sc.Event):
    number: sc.u32


@sc.syscall("getpriority")
def getpriority(which, who, ret):
    return Asked(who=who)


@sc.syscall("getppid")
def getppid(ret):
    return Parent(number=ret)


@pytest.fixture(scope="module", autouse=True)
def warm():
    """What stays open for the life of the process is no leak of the first test that opens it."""
    import numpy  # noqa: F401, ICN001, PLC0415  (else the first batch waits for it)

    source.kernel()
    with getpriority.attach(pid=ME), getppid.attach(pid=ME):
        pass


@pytest.fixture(params=["ringbuf", "perf"])
def either_ring(request, monkeypatch):
    """The ring buffer, and what stands in for it on kernels without."""
    if request.param == "perf":
        monkeypatch.setenv("SYSCAST_DISABLE", "ringbuf")
    elif not features.supported("ringbuf"):
        pytest.skip(features.probe("ringbuf").reason)
    return request.param


@pytest.fixture
def hasty(monkeypatch):
    """Ask after few wake-ups however slow the machine is, and stop asking after few looks."""
    monkeypatch.setattr(pace, "_GAP_S", 0.05 if IN_VM else 0.005)
    monkeypatch.setattr(pace, "_GAP_SHARE", 0.01 if IN_VM else 1)
    monkeypatch.setattr(pace, "_FEWER", 0.02 if IN_VM else 4)
    monkeypatch.setattr(pace, "_MANY", 6)
    monkeypatch.setattr(pace, "_QUIET_ROUNDS", 3)
    monkeypatch.setattr(pace, "_MOST_PATIENT_S", 0)


@contextlib.contextmanager
def calling(pauses):
    """A child that asks again and again, with these pauses, once it is told to; gives its pid and the start."""
    reading, writing = os.pipe()

    def work():
        os.close(writing)
        if not os.read(reading, 1):
            return
        for number, pause in enumerate(pauses):
            ask(FIRST_TOKEN + number)
            if pause:
                time.sleep(pause)

    pid = forked(work)
    os.close(reading)
    try:
        yield pid, lambda: os.write(writing, b"x")
    finally:
        os.close(writing)
        os.waitpid(pid, 0)


def delivery(session):
    return session.stats().delivery


# ---------------------------------------------------------------- modes


def test_a_trickle_wakes_the_reader_each_time(either_ring):
    with calling([0.02] * 20) as (pid, start), getpriority.attach(pid=pid) as session:
        start()
        delays = [time.time_ns() - event.time for event in session.events(count=20, timeout=30)]
        stats = delivery(session)
    assert len(delays) == 20
    assert sorted(delays)[10] < (200 if IN_VM else 20) * 1e6
    assert (stats.mode, stats.now, stats.rounds, stats.changes) == ("adaptive", "push", 0, 0)
    assert 10 <= stats.wakeups <= 21
    assert stats.records == 20
    assert str(stats).startswith("delivery: adaptive (latency 10 ms), now push; ")
    assert either_ring


@pytest.mark.parametrize(
    "form", ["events"] if IN_VM else ["events", "tuples", "batches", "read", "async"]
)
def test_a_flood_is_asked_for_and_then_the_reader_is_told_again(form, hasty, either_ring):
    flood = FLOOD
    pauses = [0.0005] * STREAM + [0] * flood + [0.4, 0.05, 0]
    total = len(pauses)
    with (
        calling(pauses) as (pid, start),
        getpriority.attach(pid=pid, ring_size=16 << 20) as session,
    ):
        start()
        seen = []
        for tokens in taken(session, form):
            seen += tokens
            if len(seen) >= total:
                break
        stats = session.stats()
    assert seen == list(range(FIRST_TOKEN, FIRST_TOKEN + total))
    assert stats.problems(drained=False) == []
    assert stats.delivery.now == "push"
    assert stats.delivery.changes >= 2
    assert 0 < stats.delivery.share_polled < 1
    assert stats.delivery.rounds > 0
    assert either_ring


def taken(session, form):
    """Lists of what is seen, in each way of reading."""
    if form == "events":
        yield from ([event.who] for event in session.events(timeout=60))
    elif form == "tuples":
        yield from ([row[9] for row in rows] for rows in session.tuples(timeout=60))
    elif form == "batches":
        yield from (batch.array["who"].tolist() for batch in session.batches(timeout=60))
    elif form == "read":
        while events := session.read(60):
            yield [event.who for event in events]
    else:
        loop = asyncio.new_event_loop()
        found = aiter(session)
        with contextlib.closing(loop):
            while True:
                event = loop.run_until_complete(asyncio.wait_for(anext(found), 60))
                yield [event.who]
                if event.who == FIRST_TOKEN + STREAM + FLOOD + 2:
                    loop.run_until_complete(found.aclose())
                    return


@only_here
def test_few_wake_ups_in_a_flood():
    """At most one for each 1,000 events, of a reader that keeps up: `hasty` is not needed here."""
    calls = 300_000
    with (
        calling([0] * calls) as (pid, start),
        getpriority.attach(pid=pid, ring_size=64 << 20) as session,
    ):
        start()
        count = 0
        for rows in session.tuples(timeout=60):
            count += len(rows)
            if count >= calls:
                break
        stats = session.stats()
    assert count == calls
    assert stats.delivery.wakeups <= calls / 1000
    assert stats.delivery.records_per_wakeup >= 1000


def test_asking_always(either_ring):
    with (
        calling([0.01] * 30) as (pid, start),
        getpriority.attach(pid=pid, mode="poll", latency="50ms") as session,
    ):
        assert session.read(0.2) == []
        start()
        delays = [time.time_ns() - event.time for event in session.events(count=30, timeout=30)]
        stats = delivery(session)
    assert (stats.mode, stats.now, stats.wakeups, stats.changes) == ("poll", "poll", 0, 0)
    assert stats.share_polled == 1
    assert stats.rounds >= 5
    assert max(delays) > 5e6  # they wait for the timer
    if not IN_VM:
        assert sorted(delays)[15] < 60e6
    assert either_ring


@only_here
@pytest.mark.parametrize(("mode", "latency"), [("push", "10ms"), ("adaptive", 0), ("push", "0")])
def test_told_always(mode, latency, hasty, either_ring):
    with (
        calling([0.0005] * 300) as (pid, start),
        getpriority.attach(pid=pid, mode=mode, latency=latency) as session,
    ):
        start()
        seen = [event.who for event in session.events(count=300, timeout=30)]
        stats = delivery(session)
    assert seen == list(range(FIRST_TOKEN, FIRST_TOKEN + 300))
    assert (stats.now, stats.rounds, stats.changes) == ("push", 0, 0)
    assert stats.wakeups > 10
    assert either_ring


def test_a_wake_up_for_each_record_though_the_reader_is_behind():
    """Without a latency the kernel is made to wake also who has not read all."""
    with getpriority.attach(pid=ME, latency=0) as forced, getpriority.attach(pid=ME) as plain:
        for session in (forced, plain):
            ask(FIRST_TOKEN)
            poller = session._waiting._poller
            assert poller.wait(5)
        # Both have a record that is not read. An edge is what wakes: the next one makes one only here.
        import select  # noqa: PLC0415  (this test only)

        woken = []
        for session in (forced, plain):
            with select.epoll() as edges:
                edges.register(
                    session._parts[0].reader.fd.fileno(), select.EPOLLIN | select.EPOLLET
                )
                edges.poll(0)
                ask(FIRST_TOKEN)
                woken.append(bool(edges.poll(0.3)))
    assert woken == [True, False]


@only_here
def test_several_rings_are_asked_together(hasty):
    def work():
        for number in range(400):
            ask(FIRST_TOKEN + number)
            os.getppid()
            time.sleep(0.0005)

    reading, writing = os.pipe()
    pid = forked(lambda: (os.read(reading, 1), work()))
    with sc.attach(getpriority, getppid, pid=pid) as session:
        os.write(writing, b"x")
        events = list(session.events(count=800, timeout=60))
        stats = delivery(session)
    os.waitpid(pid, 0)
    os.close(reading)
    os.close(writing)
    assert [type(event) for event in events] == [Asked, Parent] * 400
    assert stats.rounds > 5
    assert stats.wakeups < 400


# ---------------------------------------------------------------- time limits while asking


@pytest.fixture
def asked(hasty):
    """A session that asks just now, of a child that is silent for a while."""
    with (
        calling([0.0003] * 200 + [1.2, 0]) as (pid, start),
        getpriority.attach(pid=pid, latency="400ms") as session,
    ):
        start()
        assert len(list(session.events(count=150, timeout=30))) == 150
        assert delivery(session).now == "poll"
        yield session


@only_here
def test_looking_does_not_wait_for_the_timer(asked):
    before = time.monotonic()
    while time.monotonic() - before < 0.1:
        asked.read(0)
    for form in ("events", "tuples", "batches"):
        list(getattr(asked, form)(timeout=0))
    assert time.monotonic() - before < 0.3


@only_here
def test_time_limits_hold_while_asking(asked):
    asked.read(0)
    before = time.monotonic()
    asked.read(0.05)
    assert time.monotonic() - before < 0.2


@only_here
def test_stop_ends_a_sleep_while_asking(asked):
    asked.read(0)
    time.sleep(0.2)
    asked.read(0)
    timer = threading.Timer(0.05, asked.stop)
    before = time.monotonic()
    timer.start()
    for _ in asked:
        pass
    timer.join()
    assert time.monotonic() - before < 0.3
    assert asked.ended


def test_the_command_s_end_ends_a_sleep_while_asking():
    with getpriority.attach(command=["true"], mode="poll", latency="30s") as session:
        before = time.monotonic()
        assert list(session) == []
        assert time.monotonic() - before < 15
    assert session.ended


# ---------------------------------------------------------------- no wake-up is lost


def changing(seconds, seed):
    """Pauses of a child that makes a reader change all the time: streams, and single calls at any distance."""
    pick = random.Random(seed)
    made, total = [], 0.0
    while total < seconds:
        stream = pick.choice((1, 1, 1, 1, 40))
        made += [0.0001] * (stream - 1) + [pick.random() * pick.choice((0.001, 0.01, 0.03))]
        total += 0.0002 * stream + made[-1]
    return made


def worst(session, count, patience):
    """Seconds that the event which waited longest had waited."""
    longest = 0.0
    while count:
        events = session.read(patience)
        now = time.time_ns()
        if events:
            longest = max(longest, (now - events[0].time) / 1e9)
        count -= len(events)
        if not events:
            break
    assert not count
    return longest


@pytest.mark.parametrize("seed", [1] if IN_VM else [1, 2])
def test_no_wake_up_is_lost(hasty, seed):
    pauses = changing(1.5, seed)
    with calling(pauses) as (pid, start), getpriority.attach(pid=pid, latency="2ms") as session:
        start()
        longest = worst(session, len(pauses), 20.0)
        stats = delivery(session)
    assert stats.changes > (1 if IN_VM else 20)
    assert longest < 5.0


@pytest.mark.parametrize("kept", [True, False])
def test_a_lost_wake_up_would_be_seen(kept, hasty, monkeypatch):
    """The same reader, that takes its promise back, or does not."""
    if not features.supported("ringbuf"):
        pytest.skip("perf rings know no promise")
    if not kept:
        give = Promise.give
        monkeypatch.setattr(Promise, "give", lambda self, _: give(self, 3600))
        monkeypatch.setattr(Promise, "take_back", lambda _: None)
    with getpriority.attach(pid=ME, latency="20ms") as session:
        until = time.monotonic() + 60
        for mode in ("push", "poll"):
            while delivery(session).now == mode and time.monotonic() < until:
                if mode == "push":
                    ask(FIRST_TOKEN)
                session.read(0.03)
        time.sleep(0.05)
        assert session.read(0) == []
        timer = threading.Timer(0.1, ask, [FIRST_TOKEN + 1])
        timer.start()
        (event,) = session.read(1.5)
        waited = (time.time_ns() - event.time) / 1e9
        timer.join()
        assert delivery(session).changes >= 2
    assert (waited < 1.0) is kept


# ---------------------------------------------------------------- what a program sees


def test_an_object_without_a_ring_buffer_has_a_plain_control_map(monkeypatch):
    monkeypatch.setenv("SYSCAST_DISABLE", "ringbuf")
    with getpriority.attach(pid=ME) as session:
        control = session._parts[0].control
        assert not control.shared
        control.set("keep_one_in", 5)
        control.set("awake_until", 7)
        held = session._parts[0].loaded.maps["control"].lookup(0)
        assert (held[:8], held[8:12]) == (b"\7" + bytes(7), b"\5" + bytes(3))
        ask(FIRST_TOKEN)
        assert [event.who for event in session.read(5)] == [FIRST_TOKEN]


def test_programs_see_what_is_written_at_once():
    if not features.supported("ringbuf"):
        pytest.skip(features.probe("ringbuf").reason)
    with getpriority.attach(pid=ME) as session:
        control = session._parts[0].control
        assert control.shared
        control.set("sharded", 1)
        control.set("awake_until", 1 << 40)
        held = session._parts[0].loaded.maps["control"].lookup(0)
        assert (int.from_bytes(held[:8], "little"), held[12]) == (1 << 40, 1)
    control.set("awake_until", 5)  # closed: nothing happens


BAD = [
    ({"latency": "soon"}, r"latency 'soon': set: it is no duration"),
    ({"latency": -1}, r"latency '-1': set: it is no duration"),
    ({"latency": "2h"}, r"latency '2h': set: it is over a minute"),
    ({"latency": True}, r"latency 'True': set: it is no duration"),
    (
        {"mode": "pull"},
        r"mode 'pull': set: there is none of this name \(there are adaptive, push, poll\)",
    ),
    ({"mode": "poll", "latency": 0}, r"latency '0': set: mode 'poll' sleeps between looks"),
]


@only_here
@pytest.mark.parametrize(("options", "words"), BAD)
def test_what_cannot_be_set(options, words):
    with pytest.raises(sc.UsageError, match=words):
        getpriority.attach(pid=ME, **options)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--latency", "soon"], "latency 'soon': set: it is no duration (such as 10ms, 1s, or 0)"),
        (["--latency", "-5ms"], "latency '-5ms': set: it is no duration"),
        (["--latency", "1h"], "latency '1h': set: it is over a minute"),
        (["--mode", "pull"], "mode 'pull': set: there is none of this name"),
        (
            ["--mode", "poll", "--latency", "0"],
            "latency '0': set: mode 'poll' sleeps between looks",
        ),
    ],
)
def test_what_cannot_be_set_on_the_command_line(args, words, capfd, monkeypatch):
    monkeypatch.setattr("syscast.session.part.Part.load", pytest.fail)  # nothing is loaded
    capfd.readouterr()
    assert run(["trace", "syscall:getpriority", *args, "--", "true"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"syscast: {words}")
    assert err.count("\n") == 1
