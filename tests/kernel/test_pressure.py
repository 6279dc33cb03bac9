"""Too many events: held back in the kernel by a limit, by sampling or by a budget, and counted to the last one."""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from processes import LIBC

import syscast as sc
from syscast import features
from syscast.btf import source
from syscast.errors import KernelError
from syscast.kernel import bpfprogs
from syscast.session.attach import open_session
from syscast.session.delivery import Delivery
from syscast.session.filters import Filters
from syscast.session.part import Part
from syscast.session.plan import Plan

pytestmark = [pytest.mark.kernel, pytest.mark.native]

ME = os.getpid()


class Asked(sc.Event):
    who: sc.i64
    which: sc.i64


@sc.syscall("getpriority")
def getpriority(which, who):
    return Asked(who=who, which=which)


def ask(count, distinct=1):
    """Make so many system calls, with so many different arguments."""
    for number in range(count):
        LIBC.getpriority(0, 1000 + number % distinct)


def drained(session):
    """Detach, and take everything that is left."""
    session.detach()
    events = []
    while found := session.read(0):
        events += found
    return events


def told(session, one_in):
    """Say how many to keep, as a regulator would."""
    for part in session._parts:
        part.control.set("keep_one_in", one_in)


def check(session, made, events):
    """The ledger's row of the probe, whose equations hold, to the last call."""
    ledger = session.stats()
    assert ledger.problems() == []
    row = ledger["getpriority"]
    held = row.filtered + row.raised + row.limited + row.sampled
    assert row.ran == held + row.tried == made, row
    assert row.delivered == len(events) == row.tried - row.dropped - row.aggregated, row
    return row


@pytest.fixture(scope="module", autouse=True)
def warm():
    """What stays open for the life of the process is no leak of the first test that opens it."""
    for types in (source.kernel, *(partial(source.module, name) for name in source.modules())):
        types()
    with sc.attach(getpriority, pid=ME):
        pass


@pytest.fixture(params=["ringbuf", "perf"])
def either_ring(request, monkeypatch):
    """The ring buffer, and what stands in for it on kernels without."""
    if request.param == "perf":
        monkeypatch.setenv("SYSCAST_DISABLE", "ringbuf")
    elif not features.supported("ringbuf"):
        pytest.skip(features.probe("ringbuf").reason)
    return request.param


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("limit", "most"),
    [("3/h", 1), ("5/h burst 3", 3), ("5/h burst 7 by comm", 7), ("5/h burst 2 by who", 40)],
    ids=str,
)
def test_a_limit_lets_a_burst_through_and_counts_the_rest(limit, most):
    with sc.attach(getpriority, pid=ME, limit=limit) as session:
        ask(400, 20)
        events = drained(session)
        row = check(session, 400, events)
    assert (len(events), row.limited) == (most, 400 - most)
    if "who" in limit:
        assert Counter(event.who for event in events) == dict.fromkeys(range(1000, 1020), 2)
    else:
        assert [event.who for event in events] == list(range(1000, 1000 + most))


@pytest.mark.parametrize("key", ["comm, pid, uid, cgroup", "cpu", "none", "which, tid"])
def test_a_limit_goes_by_any_part_of_the_task(key):
    cpus = len(os.sched_getaffinity(0)) if key == "cpu" else 1
    with sc.attach(getpriority, pid=ME, limit=f"5/h burst 4 by {key}") as session:
        ask(100)
        events = drained(session)
        check(session, 100, events)
    assert 4 <= len(events) <= 4 * cpus


def test_each_thread_has_a_rate_of_its_own():
    def work():
        ask(50)

    with sc.attach(getpriority, pid=ME, limit="1/h burst 3 by tid") as session:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        events = drained(session)
        check(session, 200, events)
    assert sorted(Counter(event.tid for event in events).values()) == [3, 3, 3, 3]


def test_each_probe_has_a_rate_of_its_own():
    @sc.syscall("getppid")
    def getppid():
        return Asked(who=0, which=0)

    with sc.attach(getpriority, getppid, pid=ME, limit="1/h burst 3") as session:
        for _ in range(10):
            os.getppid()
            ask(1)
        events = drained(session)
        assert session.stats().problems() == []
    assert Counter(event.probe for event in events) == {"getpriority": 3, "getppid": 3}


def test_what_is_used_up_comes_back():
    """A thousand a second for half a second, and the thousand that may come at once."""
    with sc.attach(getpriority, pid=ME, limit="1000/s") as session:
        start, made = time.monotonic(), 0
        while time.monotonic() < start + 0.5:
            ask(50)
            made += 50
        seconds = time.monotonic() - start
        events = drained(session)
        check(session, made, events)
    allowed = 1000 + 1000 * seconds
    assert made > 2 * allowed, "the test needs more calls than the limit"
    assert 0.95 * 1500 <= len(events) <= allowed + len(os.sched_getaffinity(0)) + 1


def test_text_and_addresses_are_keys():
    class Named(sc.Event):
        comm: str
        number: sc.i64

    @sc.syscall("getpriority")
    def named(who):
        return Named(comm=sc.current.comm, number=who)

    with sc.attach(named, pid=ME, limit="1/h burst 2 by comm, number") as session:
        ask(60, 3)
        events = drained(session)
        assert session.stats().problems() == []
    assert Counter(event.number for event in events) == {1000: 2, 1001: 2, 1002: 2}


def test_a_limit_by_what_no_event_has_is_refused():
    with pytest.raises(
        sc.UsageError,
        match=r"^limit '5/s by wich': set: event 'Asked' has no field 'wich' and a "
        r"task has none, either \(did you mean which or who\?\)$",
    ):
        sc.attach(getpriority, pid=ME, limit="5/s by wich")


# ---------------------------------------------------------------- sampling


@pytest.mark.parametrize("one_in", [1, 2, 3, 8, 100])
def test_one_of_so_many_is_kept(one_in, either_ring):
    del either_ring
    with sc.attach(getpriority, pid=ME, pressure="sample") as session:
        told(session, one_in)
        ask(5000)
        events = drained(session)
        row = check(session, 5000, events)
    expected = 5000 / one_in
    spread = 0 if one_in == 1 else 3 * len(os.sched_getaffinity(0)) + 3
    assert abs(len(events) - expected) <= spread
    assert row.sampled == 5000 - len(events)


def test_sampling_takes_alike_from_what_alternates():
    """Every second event is of the other sort: both are kept in the same share."""
    with sc.attach(getpriority, pid=ME, pressure="sample") as session:
        told(session, 8)
        ask(8000, 2)
        events = drained(session)
        check(session, 8000, events)
    kinds = Counter(event.who for event in events)
    assert all(abs(count - 500) < 50 for count in kinds.values()), kinds
    assert len(kinds) == 2


def test_without_the_option_nobody_is_asked():
    with sc.attach(getpriority, pid=ME) as session:
        told(session, 8)
        ask(100)
        assert len(drained(session)) == 100


def test_a_full_ring_raises_n_and_python_is_warned(either_ring):
    del either_ring
    with sc.attach(getpriority, pid=ME, pressure="sample", ring_size=4096, mode="push") as session:
        events = []
        ask(2000)
        time.sleep(0.1)
        with pytest.warns(sc.SampledEventsWarning, match=r"^keeping 1 of \d+ events "):
            events += session.read(0)
        ask(2000)
        pressure = session.stats().pressure
        assert pressure.highest == pressure.keep_one_in >= 8
        assert f"sampling: keeping 1 of {pressure.keep_one_in} events" in str(session.stats())
        events += drained(session)
        row = check(session, 4000, events)
    assert row.sampled > 0


# ---------------------------------------------------------------- counted by key


@pytest.mark.parametrize("by", ["", " by pid, cpu", " by who", " by none"])
def test_a_full_ring_is_counted_by_key(by):
    with sc.attach(getpriority, pid=ME, pressure=f"aggregate{by}", ring_size=4096) as session:
        ask(3000, 3)
        counted = session.aggregated()
        ask(300, 3)
        counted += session.aggregated()
        events = drained(session)
        row = check(session, 3300, events)
        assert session.aggregated() == []
    assert row.dropped == 0
    assert sum(each.count for each in counted) == row.aggregated > 2000
    for each in counted:
        assert isinstance(each, sc.Aggregated)
        assert each.probe == "getpriority"
        assert each.start <= each.end
    if by == " by who":
        assert {each.who for each in counted} == {1000, 1001, 1002}
    if by == "":
        assert {each.comm for each in counted} == {events[0].comm}
    if "pid" in by:
        assert {each.pid for each in counted} == {ME}


def test_a_full_perf_buffer_is_counted_by_key(monkeypatch):
    monkeypatch.setenv("SYSCAST_DISABLE", "ringbuf")
    test_a_full_ring_is_counted_by_key("")


def test_counting_while_it_is_taken_out_loses_nothing():
    """Two threads fill the ring while the counts are taken out again and again."""
    over = threading.Event()
    made = [0, 0]

    def work(index):
        while not over.is_set():
            ask(100, 50)
            made[index] += 100

    with sc.attach(
        getpriority, pid=ME, pressure="aggregate by who, tid", ring_size=4096
    ) as session:
        threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
        for thread in threads:
            thread.start()
        counted = []
        for _ in range(15):
            counted += session.aggregated()
        over.set()
        for thread in threads:
            thread.join()
        events = drained(session)
        counted += session.aggregated()
        row = check(session, sum(made), events)
    assert sum(each.count for each in counted) == row.aggregated > 0


def test_each_count_is_given_to_one_of_those_who_take():
    over = threading.Event()
    took = [[], []]

    def take(mine):
        while not over.is_set():
            mine += session.aggregated()

    with sc.attach(getpriority, pid=ME, pressure="aggregate by who", ring_size=4096) as session:
        threads = [threading.Thread(target=take, args=(each,)) for each in took]
        for thread in threads:
            thread.start()
        for _ in range(60):
            ask(200, 50)
        over.set()
        for thread in threads:
            thread.join()
        events = drained(session)
        took.append(session.aggregated())
        row = check(session, 12000, events)
    assert sum(each.count for mine in took for each in mine) == row.aggregated > 0


def test_taking_while_another_closes_says_that_it_is_closed():
    problems = []

    def take():
        try:
            while True:
                session.aggregated()
        except Exception as error:  # noqa: BLE001  (the test looks at it)
            problems.append(error)

    for pause in (0.05, 0.1, 0.15):
        with sc.attach(getpriority, pid=ME, pressure="aggregate", ring_size=4096) as session:
            thread = threading.Thread(target=take)
            thread.start()
            end = time.monotonic() + pause
            while time.monotonic() < end:
                ask(50)
        thread.join(30)
    assert [type(each) for each in problems] == [sc.UsageError] * 3
    assert {str(each) for each in problems} == {"session: read: it is closed"}


def test_a_stream_has_the_counts_among_its_events():
    with sc.attach(getpriority, pid=ME, pressure="aggregate", ring_size=4096) as session:
        ask(500)
        found = list(session.stream(timeout=0.1, count=10))
        ask(500)
        session.detach()
        found += session.stream(timeout=0.1)
        row = session.stats()["getpriority"]
        assert session.stats().problems() == []
    counts = [each.count for each in found if isinstance(each, sc.Aggregated)]
    assert sum(counts) == row.aggregated > 500
    assert len(found) - len(counts) == row.delivered
    assert not [each for each in found if isinstance(each, sc.Lost)]


# ---------------------------------------------------------------- own cost

needs_stats = pytest.mark.skipif(
    not features.supported("run_stats"), reason="the kernel does not measure programs"
)


@needs_stats
def test_a_session_says_what_it_costs():
    with sc.attach(getpriority, pid=ME, cost=True) as session:
        ask(3000)
        events = session.read(1)
        ask(1)
        cost = session.stats().cost
        hits = {each.role: each.hits for each in cost.programs}
        assert all(count >= 3001 for count in hits.values()), hits
        assert all(20 < each.ns_per_hit < 50_000 for each in cost.programs), cost
        assert 0 < cost.programs_share < 1
        assert 0 < cost.reader_share <= cost.process_share < 16
        assert math.isclose(cost.share, cost.programs_share + cost.reader_share)
        assert "hits, " in str(session.stats())
        assert session.stats().to_dict()["cost"]["share"] > 0
        events += drained(session)
        check(session, 3001, events)
        final = session.stats().cost
        ask(100)
        assert session.stats().cost.programs == final.programs
    assert session.stats().cost.programs == final.programs


@needs_stats
def test_without_the_option_nothing_is_measured():
    with sc.attach(getpriority, pid=ME) as session:
        assert session.stats().cost is None


@needs_stats
def test_a_budget_is_kept_by_sampling():
    """A reader that takes long for each event, and calls that come as fast as they can for a second."""
    notices = []
    with sc.attach(getpriority, pid=ME, budget="20%") as session:
        session.notify(notices.append)
        over = threading.Event()
        made = [0]

        def work():
            while not over.is_set():
                ask(20)
                made[0] += 20
                time.sleep(0.001)

        thread = threading.Thread(target=work)
        thread.start()
        events = []
        for event in session.events(timeout=2.0):
            events.append(event)
            end = time.thread_time() + 0.0002
            while time.thread_time() < end:
                pass
        over.set()
        thread.join()
        pressure = session.stats().pressure
        events += drained(session)
        row = check(session, made[0], events)
    assert pressure.highest >= 2
    assert row.sampled > 0
    assert notices[0].startswith("keeping 1 of ")


def test_a_kernel_that_does_not_measure_says_so(monkeypatch):
    def refuse():
        raise KernelError("run-time statistics: enable: invalid argument", 22, "BPF_ENABLE_STATS")

    monkeypatch.setattr(bpfprogs, "enable_stats", refuse)
    with pytest.raises(KernelError, match="run-time statistics: enable"):
        sc.attach(getpriority, pid=ME, cost=True)


# ---------------------------------------------------------------- prebuilt objects


def test_an_object_without_the_code_for_a_limit_says_so():
    for options, what in (
        ({"limit": "5/s"}, "limit '5/s'"),
        ({"pressure": "aggregate"}, "pressure 'aggregate'"),
    ):
        with sc.attach(getpriority, pid=ME) as session:
            plan_spec = session._parts[0].loaded.spec
        with pytest.raises(sc.UsageError, match=f"^{what}: set: object .* was built without it"):
            Part.load(
                Plan(plan_spec, (), {}, cached=False, kinds={}, states={}),
                Filters(pid=ME),
                Delivery(**options),
            )


def test_programs_without_options_are_as_long_as_before():
    """What is off costs no more than one instruction, once the verifier has dropped what cannot be reached."""
    with open_session([getpriority.job()], Filters(pid=ME)) as plain:
        lengths = {
            name: each.info().xlated_len // 8
            for name, each in plain._parts[0].loaded.programs.items()
        }
    with open_session(
        [getpriority.job()], Filters(pid=ME), delivery=Delivery(pressure="sample")
    ) as sampling:
        more = {
            name: each.info().xlated_len // 8
            for name, each in sampling._parts[0].loaded.programs.items()
        }
    assert any(more[name] > length + 20 for name, length in lengths.items())
