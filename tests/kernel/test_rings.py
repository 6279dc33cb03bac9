"""A ring for each CPU, the order of time over rings and probes, and rings that keep the newest records."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from processes import FIRST_TOKEN, ask, forked

import syscast as sc
from syscast import features
from syscast.btf import source
from syscast.events.event import boot_time
from syscast.probes import registers, syscall_table

pytestmark = [pytest.mark.kernel, pytest.mark.native]

ME = os.getpid()
CPUS = sorted(os.sched_getaffinity(0))
IN_VM = bool(os.environ.get("SYSCAST_VM"))
EACH = 5_000


class Seen(sc.Event):
    token: sc.i64


class Left(sc.Event):
    answer: sc.i64


@sc.syscall("getpriority")
def getpriority(who):
    return Seen(token=who)


@sc.raw_tracepoint("sys_exit")
def sys_exit(_regs, ret):
    if ret != -3:
        return None
    return Left(answer=ret)


@pytest.fixture(scope="module", autouse=True)
def warm():
    """What stays open for the life of the process is no leak of the first test that opens it."""
    source.kernel()
    with sc.attach(getpriority, sys_exit, pid=ME, follow=True):
        pass


@contextlib.contextmanager
def on_cpu(cpu):
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


@contextlib.contextmanager
def flood(session, each=EACH):
    """A child on each CPU asks so often; then the session is stopped."""

    def act(cpu):
        os.sched_setaffinity(0, {cpu})
        for token in range(FIRST_TOKEN, FIRST_TOKEN + each):
            ask(token)

    pids = [forked(partial(act, cpu)) for cpu in CPUS]
    waiter = threading.Thread(target=lambda: ([os.waitpid(p, 0) for p in pids], session.stop()))
    waiter.start()
    yield
    waiter.join()


def need_ring_buffer():
    if not features.supported("ringbuf"):
        pytest.skip(features.probe("ringbuf").reason)


def rings_of(session):
    return len(session._parts[0].reader.lanes)


# ---------------------------------------------------------------- shards


def test_each_cpu_has_a_ring():
    need_ring_buffer()
    with getpriority.attach(pid=ME, rings="per-cpu", ring_size=1 << 16) as session:
        for cpu in CPUS:
            with on_cpu(cpu):
                ask(FIRST_TOKEN + cpu)
        common, *own = session._parts[0].reader.lanes
        waiting = [ring.available() for ring in own]
        assert common.available() == 0
        assert sum(size > 0 for size in waiting) == len(CPUS)
        assert {ring.size for ring in own} == {1 << ((1 << 16) // len(own)).bit_length() - 1}
        events = session.read(5)
    assert [(each.token, each.cpu) for each in events] == [(FIRST_TOKEN + c, c) for c in CPUS]


def test_a_cpu_without_a_ring_uses_the_one_for_all_until_it_has_one(monkeypatch):
    need_ring_buffer()
    monkeypatch.setattr("syscast.buffers.sharded.online_cpus", lambda: ())
    with getpriority.attach(pid=ME, rings="per-cpu") as session:
        assert rings_of(session) == 1
        ask(FIRST_TOKEN)
        monkeypatch.undo()
        assert [each.token for each in session.read(5)] == [FIRST_TOKEN]
        assert rings_of(session) > len(CPUS)
        ask(FIRST_TOKEN + 1)
        assert [each.token for each in session.read(5)] == [FIRST_TOKEN + 1]
        assert session._parts[0].reader.lanes[0].available() == 0


@pytest.mark.parametrize("how", ["events", "tuples", "batches"])
def test_several_rings_come_in_the_order_of_time(how):
    need_ring_buffer()
    with getpriority.attach(pid=ME, follow=True, rings="per-cpu", ring_size=32 << 20) as session:
        times, cpus = [], Counter()
        with flood(session):
            if how == "events":
                for event in session:
                    times.append(boot_time(event))
                    cpus[event.cpu] += 1
            elif how == "tuples":
                for found in session.tuples():
                    times += [raw[0] for raw in found]
                    cpus.update(raw[7] for raw in found)
            else:
                for batch in session.batches():
                    times += batch.array["time"].tolist()
                    cpus.update(batch.array["cpu"].tolist())
        stats = session.stats()
    assert cpus == dict.fromkeys(CPUS, EACH)
    late = highest = 0
    for each in times:
        late += each < highest
        highest = max(highest, each)
    # Where a processor of a virtual machine stands still inside a program, the bound passes.
    assert late == stats.late < len(times) / 2
    assert stats.problems() == []


def test_a_flood_of_several_cpus_gets_rings_of_its_own():
    need_ring_buffer()
    if len(CPUS) < 2:
        pytest.skip("a single processor")
    each = 20_000 if IN_VM else 100_000
    with getpriority.attach(pid=ME, follow=True, rings="auto", ring_size=1 << 16) as session:
        assert rings_of(session) == 1
        count = 0
        with flood(session, each):
            for events in iter(partial(session.read, 5), []):
                count += len(events)
                time.sleep(0.05 if IN_VM else 0.01)  # a reader that is late
        session.detach()
        while events := session.read(0):
            count += len(events)
        row = session.stats()["getpriority"]
        assert rings_of(session) > len(CPUS)
    assert row.tried == each * len(CPUS) == count + row.dropped
    assert row.problems() == []


def test_rings_for_one_cpu_alone_would_make_its_room_smaller():
    need_ring_buffer()
    with (
        on_cpu(CPUS[0]),
        getpriority.attach(pid=ME, rings="auto", ring_size=1 << 14) as session,
    ):
        for _ in range(8):
            for token in range(FIRST_TOKEN, FIRST_TOKEN + 200):
                ask(token)
            assert session.read(5)
        assert rings_of(session) == 1


def test_perf_rings_belong_to_cpus_anyway(monkeypatch):
    monkeypatch.setenv("SYSCAST_DISABLE", "ringbuf")
    with getpriority.attach(pid=ME, rings="per-cpu") as session:
        ask(FIRST_TOKEN)
        assert [each.token for each in session.read(5)] == [FIRST_TOKEN]


def test_closing_gives_every_ring_back():
    need_ring_buffer()
    with getpriority.attach(pid=ME, rings="per-cpu"):
        pass
    before = sorted(Path("/proc/self/fd").iterdir())
    with getpriority.attach(pid=ME, rings="per-cpu") as session:
        ask(FIRST_TOKEN)
        assert session.read(5)
    assert sorted(Path("/proc/self/fd").iterdir()) == before


# ---------------------------------------------------------------- order over probes


@pytest.mark.parametrize("ring", ["ringbuf", "perf"])
def test_entry_and_exit_alternate(ring, monkeypatch):
    """Two objects with a ring each: of one thread, what came first is given first."""
    if ring == "perf":
        monkeypatch.setenv("SYSCAST_DISABLE", "ringbuf")
    else:
        need_ring_buffer()
    done = threading.Event()

    def act():
        for token in range(FIRST_TOKEN, FIRST_TOKEN + 3000):
            ask(token)
        done.set()

    with sc.attach(getpriority, sys_exit, pid=ME) as session:
        thread = threading.Thread(target=act)
        thread.start()
        events = []
        while not (done.is_set() and len(events) >= 6000):
            events += session.read(1)
        thread.join()
        late = session.stats().late
    kinds = [type(each) for each in events if each.tid == thread.native_id]
    assert kinds == [Seen, Left] * 3000
    assert late == 0


def test_one_event_in_one_ring_waits_for_nothing():
    with getpriority.attach(pid=ME) as session:
        delays = []
        for token in range(FIRST_TOKEN, FIRST_TOKEN + 20):
            time.sleep(0.02)
            ask(token)
            (event,) = session.read(5)
            delays.append(time.clock_gettime_ns(time.CLOCK_BOOTTIME) - boot_time(event))
    assert sorted(delays)[len(delays) // 2] < (50_000_000 if IN_VM else 2_000_000)


# ---------------------------------------------------------------- the flight recorder


@pytest.fixture(params=["ringbuf", "perf"])
def kept(request, monkeypatch):
    """The kernel's ring that overwrites, and what stands in for it."""
    if request.param == "perf":
        monkeypatch.setenv("SYSCAST_DISABLE", "ringbuf_overwrite")
    elif not features.supported("ringbuf_overwrite"):
        pytest.skip("this kernel's ring buffer does not overwrite")


def tokens(events):
    return [each.token - FIRST_TOKEN for each in events]


@pytest.mark.usefixtures("kept")
def test_a_dump_holds_the_newest_events_and_leaves_them():
    with (
        on_cpu(CPUS[0]),
        getpriority.attach(pid=ME, pressure="overwrite", ring_size=1 << 16) as session,
    ):
        assert session.dump() == []
        assert session.dump_batches() == []
        for number in range(5000):
            ask(FIRST_TOKEN + number)
        first = tokens(session.dump())
        assert first == [*range(first[0], 5000)]
        assert 100 < len(first) < 1000
        (batch,) = session.dump_batches()
        assert [each - FIRST_TOKEN for each in batch.array["token"].tolist()] == first
        row = session.stats()["getpriority"]
        assert (row.delivered, row.overwritten, row.dropped) == (len(first), first[0], 0)
        ask(FIRST_TOKEN + 5000)
        again = tokens(session.dump())
        assert again == [*range(again[0], 5001)]
        assert again[0] >= first[0]
        session.detach()
        assert tokens(session.dump()) == again
        stats = session.stats()
    row = stats["getpriority"]
    assert (row.tried, row.delivered, row.overwritten) == (5001, len(first) + 1, first[0])
    assert (stats.lost, stats.problems()) == (0, [])
    assert f"{first[0]:,} overwritten" in stats.summary()


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("rings", ["one", "per-cpu"])
def test_dumps_of_a_flood_on_all_cpus(rings):
    """Whatever is written while it is copied: no record twice or torn, and every one accounted for."""
    with getpriority.attach(
        pid=ME, follow=True, pressure="overwrite", ring_size=1 << 16, rings=rings
    ) as session:
        dumps = 0
        with flood(session):
            while not session.ended:
                events = session.dump()
                dumps += 1
                times = [boot_time(each) for each in events]
                assert times == sorted(times)
                numbers = {}
                for each in events:
                    assert 0 <= each.token - FIRST_TOKEN < EACH
                    numbers.setdefault(each.cpu, []).append(each.seq)
                for found in numbers.values():
                    assert len(set(found)) == len(found)
        session.detach()
        last = session.dump()
        stats = session.stats()
    row = stats["getpriority"]
    assert dumps
    assert last
    assert row.tried == EACH * len(CPUS)
    assert row.tried == row.delivered + row.overwritten + row.dropped
    assert stats.problems() == []
    assert row.decode_errors == stats.damaged == 0


@pytest.mark.usefixtures("kept")
def test_what_a_flight_recorder_does_not_do():
    with getpriority.attach(pid=ME, pressure="overwrite") as session:
        assert not session.wait(0.05)
        for act in (
            lambda: session.read(0),
            lambda: list(session),
            lambda: list(session.tuples(timeout=0)),
            lambda: list(session.batches(timeout=0)),
            lambda: session.run(print, timeout=0),
        ):
            with pytest.raises(sc.UsageError, match=r"session: read: .*dump\(\) gives them"):
                act()
    with pytest.raises(sc.UsageError, match="it is closed"):
        session.dump()
    with (
        getpriority.attach(pid=ME) as session,
        pytest.raises(sc.UsageError, match="pressure='overwrite'"),
    ):
        session.dump()


def test_rings_that_do_not_exist():
    for wrong, words in (
        ({"rings": "two"}, "rings 'two': set: there is none of this name"),
        ({"pressure": "overwrite", "rings": "auto"}, "rings 'auto': set: a flight recorder"),
        ({"ring_size": 0}, "ring size '0': set: it is out of range"),
        ({"ring_size": -4096}, "ring size '-4096': set: it is out of range"),
        ({"ring_size": 1 << 31}, "out of range"),
        ({"ring_size": 1.5}, "out of range"),
    ):
        with pytest.raises(sc.UsageError, match=words):
            getpriority.attach(pid=ME, **wrong)


def test_the_last_calls_of_a_command():
    """The example: the last system call of a process is the one that ends it."""
    path = Path(__file__).parents[2] / "examples/last_calls.py"
    spec = importlib.util.spec_from_file_location("example_last_calls", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = module.last_calls(["true"])
    ending = syscall_table.find("exit_group", registers.here().machine).number
    assert found[-1].number == ending
    assert len(found) > 10


def test_a_paused_ring_does_not_wait_for_busy_threads(monkeypatch):
    """Each sleep while it is paused would let another thread keep the interpreter for 5 ms."""
    monkeypatch.setenv("SYSCAST_DISABLE", "ringbuf_overwrite")
    with getpriority.attach(pid=ME, pressure="overwrite", ring_size=1 << 16) as session:
        ask(FIRST_TOKEN)
        with monkeypatch.context() as patch:
            patch.setattr("syscast.buffers.perfflight.time.sleep", None)
            assert tokens(session.dump()) == [0]


@pytest.mark.skipif(
    IN_VM, reason="starting the command line takes too long in an emulated machine"
)
def test_a_signal_dumps_on_the_command_line():
    child = forked(partial(_ask_on, FIRST_TOKEN))
    command = [
        *(sys.executable, "-m", "syscast", "trace", "syscall:getpriority", "who"),
        *("--pressure", "overwrite", "--json", "--pid", str(child)),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            _until_attached(process.pid)
            process.send_signal(signal.SIGUSR1)
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    assert process.returncode == 0, err
    marks = [line.split(": ", 1)[1] for line in err.splitlines() if "dump" in line]
    assert [mark.split(":")[0] for mark in marks] == ["dump 1 (SIGUSR1)", "dump 2 (end)"]
    counts = [int(mark.split(": ")[1].split()[0].replace(",", "")) for mark in marks]
    lines = [json.loads(line) for line in out.splitlines()]
    assert len(lines) == sum(counts)
    assert counts[0] > 0
    times = [each["time"] for each in lines]
    assert times[: counts[0]] == sorted(times[: counts[0]])


def _ask_on(token):
    while True:
        ask(token)
        time.sleep(0.001)


def _until_attached(pid):
    """The command catches SIGUSR1 once it records."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
        caught = next(line for line in status if line.startswith("SigCgt"))
        if int(caught.split()[1], 16) >> signal.SIGUSR1 - 1 & 1:
            time.sleep(0.3)
            return
        time.sleep(0.05)
    pytest.fail("the command does not begin to record")


# ---------------------------------------------------------------- changing the way of reading

FLOOD_S = 0.3
WAYS = {
    "events": lambda session, timeout: len(list(session.events(timeout=timeout))),
    "batches": lambda session, timeout: sum(map(len, session.batches(timeout=timeout))),
    "read": lambda session, timeout: len(session.read(timeout)),
}


@contextlib.contextmanager
def calling(seconds, *cpus):
    """A child on each CPU asks for so long."""

    def act(cpu):
        os.sched_setaffinity(0, {cpu})
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for token in range(FIRST_TOKEN, FIRST_TOKEN + 50):
                ask(token)

    pids = [forked(partial(act, cpu)) for cpu in cpus]
    yield
    for pid in pids:
        os.waitpid(pid, 0)


@pytest.mark.parametrize(
    ("first", "then"),
    [("batches", "read"), ("batches", "events"), ("events", "batches"), ("read", "batches")],
)
def test_another_way_of_reading_takes_over_what_is_held_back(first, then):
    need_ring_buffer()
    with getpriority.attach(pid=ME, follow=True, rings="per-cpu", ring_size=32 << 20) as session:
        with calling(FLOOD_S, *CPUS):
            count = WAYS[first](session, 0.1)
        intake = session._parts[0].intake
        if first == "batches":  # as a batch leaves what another ring may still come before
            ask(FIRST_TOKEN)
            intake._blocks += [
                intake._source.fetch(ring, 1 << 20) for ring in intake._reader.lanes
            ]
        else:
            ask(FIRST_TOKEN)
            intake.gather(1 << 20, 0, 0, last=False)
        assert intake.holding
        assert session.stats().problems(drained=False) == []
        started = time.monotonic()
        while found := WAYS[then](session, 0.1):
            count += found
        assert time.monotonic() - started < 10
        session.detach()
        stats = session.stats()
        row = stats["getpriority"]
        assert not intake.holding
    assert count == row.tried == row.delivered
    assert stats.problems() == []
    assert stats.late == 0 or IN_VM


def test_what_batches_have_left_is_in_the_ledger_at_the_end():
    need_ring_buffer()
    with getpriority.attach(pid=ME, rings="per-cpu") as session:
        for token in range(FIRST_TOKEN, FIRST_TOKEN + 10):
            ask(token)
        intake = session._parts[0].intake
        intake._blocks = [intake._source.fetch(ring, 1 << 20) for ring in intake._reader.lanes]
        session.detach()
        assert session.stats().disagreements() == []
    row = session.stats()["getpriority"]
    assert (row.tried, row.delivered, row.dropped) == (10, 0, 0)
    assert session.stats().disagreements() == []
    assert session.stats().unexplained == 0


# ---------------------------------------------------------------- while a flood goes on


@pytest.mark.parametrize("how", ["iteration", "stream"])
def test_other_tasks_have_their_turns_during_a_flood(how):
    need_ring_buffer()
    turns = 0

    async def beat():
        nonlocal turns
        while True:
            await asyncio.sleep(0.005)
            turns += 1

    async def read(session):
        async for event in session if how == "iteration" else session.stream():
            str(event)  # slower than the flood

    async def both(session):
        task = asyncio.create_task(beat())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(read(session), 0.5)
        task.cancel()

    with getpriority.attach(pid=ME, follow=True) as session, calling(1.2, CPUS[-1]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", sc.LostEventsWarning)
            started = time.monotonic()
            asyncio.run(both(session))
        took = time.monotonic() - started
        assert session.stats().lost or session._parts[0].reader.available()
    assert took < 1.2 or IN_VM
    assert turns >= 5


def test_an_async_iteration_ends_behind_what_was_there_at_the_end():
    need_ring_buffer()
    each = 10_000  # more than one look takes

    async def read(session):
        return [event.token async for event in session]

    with getpriority.attach(pid=ME) as session:
        for token in range(FIRST_TOKEN, FIRST_TOKEN + 50):
            for _ in range(each // 50):
                ask(token)
        session.stop()
        assert len(asyncio.run(read(session))) == each


@pytest.mark.parametrize("how", ["stream", "collect"])
def test_a_flood_gets_rings_of_its_own_however_it_is_read(how):
    need_ring_buffer()
    if len(CPUS) < 2:
        pytest.skip("a single processor")
    with (
        getpriority.attach(pid=ME, follow=True, rings="auto", ring_size=1 << 18) as session,
        calling(2, *CPUS),
    ):
        end = time.monotonic() + 2
        if how == "stream":
            for item in session.stream(timeout=2):
                str(item)
                if rings_of(session) > 1:
                    break
        else:
            while rings_of(session) == 1 and time.monotonic() < end:
                for item in session.collect(0.1):
                    str(item)
        assert rings_of(session) > len(CPUS)


def test_a_stream_hands_out_what_it_has_read_before_it_reads_more():
    need_ring_buffer()
    with (
        getpriority.attach(pid=ME, follow=True, ring_size=32 << 20) as session,
        calling(1.5, CPUS[-1]),
    ):
        time.sleep(0.3)  # the ring has much when the first look comes
        longest, last = 0.0, time.monotonic()
        for item in session.stream(timeout=0.5):
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
            str(item)
    assert longest < 0.3 or IN_VM
    assert session.stats().unexplained == 0
