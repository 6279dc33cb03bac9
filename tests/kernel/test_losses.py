"""What is lost is told once each: in the stream, as a warning, in the ledger, and all say the same."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import threading
import time
import warnings
from contextlib import contextmanager
from itertools import pairwise

import msgspec
import pytest

import syscast as sc
from syscast import features
from syscast.btf import source
from syscast.errors import KernelError
from syscast.kernel.bpfprogs import prog_test_run
from syscast.probes import registers, syscall_table
from syscast.session.delivery import Delivery
from syscast.session.filters import Filters
from syscast.session.part import Part
from syscast.session.plan import Plan, plan
from syscast.session.session import Session
from syscast.spec.meta import LEDGER, LEDGER_MAP

pytestmark = [pytest.mark.kernel, pytest.mark.native]

PAGE = 4096
GETPRIORITY = syscall_table.find("getpriority", registers.here().machine).number
LIBC = ctypes.CDLL(None)
PACKET = bytes(64)


class Tick(sc.Event):
    value: sc.u64


@sc.raw_tracepoint("sys_enter")
def tick():
    return Tick(value=7)


@sc.raw_tracepoint("sys_enter")
def by_call(_regs, number):
    if number != GETPRIORITY:
        return None
    return Tick(value=7)


class AsFilter:
    """Stands in for the probe's kind: the kernel repeats runs of socket filters by itself."""

    def prepare(self, program):
        return msgspec.structs.replace(program, type="socket_filter", attach_type="", target="")


class Flood:
    """A session of a probe that runs as often as it is told to.

    As a socket filter, where those may call what probes call; else at a system call.
    """

    def __init__(self, ring_size):
        delivery = Delivery(ring_size=ring_size)
        made = plan([tick.job()])[0]
        kinds = {each.probe: AsFilter() for each in made.spec.meta.programs}
        made = Plan(made.spec, made.choices, made.classes, cached=True, kinds=kinds, states={})
        try:
            self.part = Part.load(made, Filters(), delivery)
            self.session = Session([self.part], None, delivery)
            self.repeats = True
        except KernelError:
            self.session = sc.attach(by_call, pid=os.getpid(), ring_size=ring_size)
            (self.part,) = self.session._parts
            self.repeats = False
        self.loaded = self.part.loaded
        self.issued = 0

    def run(self, times, cpu=None):
        """Send so many events, on one CPU."""
        program = next(iter(self.loaded.programs.values())).fd
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(allowed) if cpu is None else cpu})
        try:
            if self.repeats:
                prog_test_run(program, data_in=PACKET, repeat=times)
            else:
                for _ in range(times):
                    LIBC.getpriority(9, 0)
        finally:
            os.sched_setaffinity(0, allowed)
        self.issued += times


@pytest.fixture(scope="module", autouse=True)
def warm():
    """What stays open for the life of the process is no leak of the first test that opens it."""
    source.kernel()
    with sc.attach(by_call, pid=os.getpid()):
        pass


@pytest.fixture(params=["ringbuf", "perf"])
def flooding(request, monkeypatch):
    """Makes floods."""
    if request.param == "perf":
        monkeypatch.setenv("SYSCAST_DISABLE", "ringbuf")
    elif not features.supported("ringbuf"):
        pytest.skip(features.probe("ringbuf").reason)

    @contextmanager
    def made(ring_size=PAGE):
        flood = Flood(ring_size)
        with flood.session:
            yield flood

    return made


def split(items):
    items = list(items)
    lost = [each for each in items if isinstance(each, sc.Lost)]
    return [each for each in items if not isinstance(each, sc.Lost)], lost


def all_of(session):
    """The rest of the stream."""
    session.detach()
    return list(session.stream(timeout=0))


def check(flood, events, lost):
    """Every event came, or a Lost tells of it, and the ledger says the same."""
    ledger = flood.session.stats()
    assert ledger.problems() == []
    assert ledger.disagreements() == []
    assert sum(each.count for each in lost) == ledger.lost
    assert len(events) + ledger.lost == flood.issued
    assert ledger.total.delivered == len(events)


# ---------------------------------------------------------------- the stream


def test_a_gap_stands_between_its_neighbours(flooding):
    with flooding() as flood:
        before = time.time_ns()
        flood.run(1000)
        first = flood.session.read(0)
        flood.run(1)
        items = list(flood.session.stream(timeout=0))
        rest = all_of(flood.session)
        after = time.time_ns()
        assert rest == []
        (gap, last) = items
        assert isinstance(gap, sc.Lost)
        assert (gap.probe, gap.cause, gap.cpu) == ("sys_enter", "ring full", last.cpu)
        assert gap.count == 1000 - len(first) == last.seq - first[-1].seq - 1
        assert before < first[-1].time == gap.start < gap.end == last.time < after
        assert gap.time == gap.end
        check(flood, [*first, last], [gap])


def test_what_is_lost_behind_the_last_event_is_told_by_the_counters(flooding):
    with flooding() as flood:
        flood.run(1000)
        events, lost = split(flood.session.stream(timeout=0))
        assert [each.cause for each in lost] == ["ring full"]
        assert lost[0].count == 1000 - len(events)
        assert lost[0].start == events[-1].time < lost[0].end
        # The gap that the next event shows is the same loss.
        flood.run(1)
        again, more = split(flood.session.stream(timeout=0))
        assert (len(again), more) == (1, [])
        # Only what is beyond it is told.
        flood.run(500)
        flood.session.read(0)
        flood.run(1)
        _, more = split(all_of(flood.session))
        assert len(more) == 1
        total = flood.session.stats()
        assert lost[0].count + more[0].count == total.lost
        assert total.problems() == []


def test_a_quiet_stream_tells_of_the_end_of_a_flood_by_itself(flooding):
    with flooding() as flood:
        flood.run(1000)
        stream = flood.session.stream(timeout=30)
        found = []
        start = time.monotonic()
        while not found or not isinstance(found[-1], sc.Lost):
            found.append(next(stream))
        assert time.monotonic() - start < 10
        assert found[-1].count == 1000 - (len(found) - 1)


@pytest.mark.parametrize("size", [PAGE, 16 * PAGE])
def test_the_sum_is_the_ledgers_while_a_reader_races_a_flood(flooding, size):
    cpus = sorted(os.sched_getaffinity(0))
    with flooding(size) as flood:
        found = []

        def produce():
            for round_ in range(40):
                flood.run(2000 if flood.repeats else 400, cpus[round_ % len(cpus)])
                time.sleep(0.001)
            flood.session.stop()

        writer = threading.Thread(target=produce)
        writer.start()
        found += flood.session.stream()
        writer.join()
        found += all_of(flood.session)
        events, lost = split(found)
        assert lost or size > PAGE
        times = [each.time for each in found]
        assert sum(a > b for a, b in pairwise(times)) <= len(found) // 100
        check(flood, events, lost)
        by_cpu = flood.session.stats().by_cpu
        for cpu, row in by_cpu.items():
            assert row.dropped == row.gaps == sum(each.count for each in lost if each.cpu == cpu)


def test_async_and_a_count(flooding):
    async def some(session):
        return [item async for item in session.stream(timeout=0.2, count=20)]

    with flooding() as flood:
        flood.run(1000)
        first = asyncio.run(some(flood.session))
        assert len(split(first)[0]) == 20
        rest = all_of(flood.session)
        events, lost = split([*first, *rest])
        assert lost
        check(flood, events, lost)


def test_who_leaves_early_finds_the_rest(flooding):
    with flooding() as flood:
        flood.run(1000)
        flood.session.read(0)
        flood.run(1)
        for item in flood.session.stream():
            assert isinstance(item, sc.Lost)
            break
        flood.run(1)
        kinds = [type(item) for item in all_of(flood.session)]
        assert kinds == [Tick, Tick]


# ---------------------------------------------------------------- the other ways to read


def test_plain_reading_warns_at_most_once_a_second(flooding):
    with flooding() as flood, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        start = time.monotonic()
        count = 0
        for _ in range(30):
            flood.run(200)
            count += len(flood.session.read(0))
        lasted = time.monotonic() - start
        flood.session.stop()
        count += sum(1 for _ in flood.session)
    assert {each.category for each in told} == {sc.LostEventsWarning}
    assert 1 <= len(told) <= lasted + 2
    assert all(each.filename == __file__ for each in told)
    text = str(told[0].message)
    assert text.startswith("session: ")
    assert "events lost (ring full " in text
    numbers = [int(str(each.message).split()[1].replace(",", "")) for each in told]
    assert sum(numbers) == flood.session.stats().lost == flood.issued - count


def test_a_warning_that_is_an_error_loses_no_event(flooding):
    with flooding() as flood, warnings.catch_warnings():
        warnings.simplefilter("error")
        flood.run(1000)
        first = flood.session.read(0)
        flood.run(2)
        with pytest.raises(sc.LostEventsWarning, match="events lost"):
            flood.session.read(0)
        assert len(flood.session.read(0)) == 2
        assert len(first) + 2 + flood.session.stats().lost == flood.issued


def test_batches_have_their_losses(flooding):
    pytest.importorskip("numpy")
    with flooding() as flood:
        flood.run(1000)
        batches = list(flood.session.batches(timeout=0))
        flood.run(10)
        batches += flood.session.batches(timeout=0)
        lost = [each for batch in batches for each in batch.lost]
        assert [batch.lost for batch in batches[:-1]] == [()] * (len(batches) - 1)
        assert isinstance(lost[0], sc.Lost)
        events = [event for batch in batches for event in batch]
        flood.session.detach()
        check(flood, events, lost)


def test_without_loss_there_is_nothing(flooding):
    with flooding(1 << 20) as flood, warnings.catch_warnings():
        warnings.simplefilter("error")
        flood.run(3000)
        events, lost = split(all_of(flood.session))
        assert (len(events), lost) == (3000, [])
        check(flood, events, lost)


# ---------------------------------------------------------------- the ledger


def test_witnesses_that_disagree_are_shown(flooding):
    with flooding() as flood:
        flood.run(1000)
        kept = len(flood.session.read(0))
        # The kernel's counters are made to forget three drops.
        ledger = flood.loaded.maps[LEDGER_MAP]
        cpus = ledger.cpus
        at, size = 8 * LEDGER.index("dropped"), ledger.value_size // cpus
        value = bytearray(ledger.lookup(0))
        for cpu in range(cpus):
            place = cpu * size + at
            there = int.from_bytes(value[place : place + 8], "little")
            if there:
                value[place : place + 8] = (there - 3).to_bytes(8, "little")
                break
        ledger.update(0, bytes(value))
        flood.run(1)
        events, lost = split(all_of(flood.session))
        stats = flood.session.stats()
        missing = 1001 - kept - len(events)
        (text,) = stats.disagreements()
        assert text == (
            f"probe 'sys_enter': witnesses disagree: {missing:,} sequence numbers never came, the "
            f"kernel counted {missing - 3:,} records that were not sent"
        )
        assert text in str(stats)
        assert stats.losses["unexplained"] == 3
        assert "unexplained 3" in stats.summary()
        assert not stats.consistent()
        # Nobody says why they are missing, but missing they are.
        assert stats.lost == missing
        by_cause = {each.cause: each.count for each in lost}
        assert by_cause == {"ring full": missing - 3, "unexplained": 3}


def test_the_ledger_by_cpu_and_as_json(flooding):
    cpus = sorted(os.sched_getaffinity(0))
    with flooding() as flood:
        for cpu in cpus:
            flood.run(1000, cpu)
        events, _ = split(all_of(flood.session))
        stats = flood.session.stats()
        assert [(each.cpu, each.tried) for each in stats.by_cpu.values()] == [
            (cpu, 1000) for cpu in cpus
        ]
        assert sum(each.read for each in stats.by_cpu.values()) == len(events)
        told = json.loads(json.dumps(stats.to_dict()))
        assert told["lost"] == stats.lost == told["losses"]["ring full"]
        assert told["probes"][0]["tried"] == 1000 * len(cpus)
        assert f"ring full {stats.lost:,}" in str(stats)


def test_taking_the_ledger_is_cheap(flooding):
    with flooding() as flood:
        flood.run(1000)
        flood.session.stats()
        start = time.perf_counter()
        for _ in range(20):
            flood.session.stats()
        assert (time.perf_counter() - start) / 20 < 0.05
