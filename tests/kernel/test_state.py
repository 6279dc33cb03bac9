"""State that probes share with Python: the kernel's answers are Python's, and no count is lost."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import subprocess
import sys
import time
from enum import IntEnum
from pathlib import Path
from typing import Annotated

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from state_runner import running

import syscast as sc
from syscast import features, i32, i64, u8, u16, u32, u64
from syscast.btf import source
from syscast.btf.types import Enum
from syscast.codegen.child import Child
from syscast.errors import FullError, KernelError
from syscast.features import probing
from syscast.kernel.host import possible_cpus
from syscast.session.attach import open_session
from syscast.session.filters import Filters
from syscast.session.plan import Job
from syscast.state.state import State

pytestmark = [pytest.mark.kernel, pytest.mark.native]

BIG = 1 << 63
GETPPID = {"x86_64": 110, "aarch64": 173}[platform.machine()]
NUMBERS = (0, 1, 2, 3, 7, 8, 255, 256, 1023, (1 << 31) - 1, 1 << 32, BIG - 1, BIG, (1 << 64) - 1)


class Color(IntEnum):
    RED = 1
    BLUE = 2


class Pair(sc.Struct):
    number: u32
    total: u64 = 0
    signed: i32 = -1


class Host(sc.Struct):
    address: sc.IPv6
    mark: Annotated[bytes, 6]
    name: Annotated[str, 16]
    count: u32


class Key(sc.Event):
    port: u16
    addr: sc.IPv4


table: sc.Hash[u64, i64] = sc.Hash[u64, i64]()
sums = sc.Hash[u32, u64](default=0)
pairs = sc.Hash[u8, Pair]()
tuples = sc.Hash[tuple[u32, u16, bool], tuple[u8, u64]]()
names = sc.Hash[Annotated[str, 16], bool]()
flows = sc.Hash[u16, Pair](default=Pair(number=9))
texts = sc.Hash[u8, Annotated[str, 24]]()
events = sc.Hash[Key, Color]()
keys = sc.Hash[u8, Key]()
hosts = sc.Hash[u8, Host]()
cells = sc.Array[Pair](4)
one = sc.Hash[u8, Pair]()
results = sc.Hash[u16, i64]()
recent = sc.LruHash[u32, u32](64)
own = sc.PerCpuHash[u32, u64](default=0)
least = sc.PerCpuHash[u8, i64](merge="min")
slots = sc.Array[u32](8)
parts = sc.PerCpuArray[i64](4)
last = sc.Var[i64](5)
switch = sc.Var[bool]()
hits = sc.Counter()
by_low = sc.Counter[u8]()
by_pair = sc.Counter[tuple[u8, Annotated[str, 16]]]()
log2 = sc.Log2Hist()
log2_by = sc.Log2Hist[u8]()
linear = sc.LinearHist(-10, 1000, 37)
linear_by = sc.LinearHist[u8](0, 256, 16)
total = sc.Sum()
total_by = sc.Sum[u8]()
mean = sc.Mean()
mean_by = sc.Mean[u8]()
smallest = sc.Min()
smallest_by = sc.Min[u8]()
largest = sc.Max[u8]()
top = sc.TopK[u8](3)
STATES = {name: held for name, held in globals().items() if isinstance(held, State)}


def assigns(a, b, _c):
    if b in table:
        table[b] = table[b] - 1
    else:
        table[b] = a
    sums[b & 0xFFFF] += b >> 8
    sums[3] += 5
    sums[3] -= 1


def takes_out(a, b, _c):
    table[b] = a
    if b & 1:
        del table[b]
    elif b & 2:
        last.value = table.pop(b)
        switch.set(True)
    else:
        last.set(table.pop(b + 1, 77) if b < 1000 else table.get(b, 3))


def misses(_a, b, _c):
    if b & 1:
        del table[b]
    elif b & 2:
        table.pop(b)
    else:
        last.value = table[b]


def structs(_a, b, _c):
    k = b & 7
    if k in pairs:
        pairs[k].total += b >> 8
        pairs[k].signed -= 1
        pairs[k].number = pairs[k].number + 1
    else:
        pairs[k] = Pair(number=k, total=1)


def defaults(_a, b, _c):
    if flows[b & 7].number == 9:
        last.value += 1
    if b & 1:
        flows[b & 7].total += 2
    if b & 2:
        flows[b & 7].number = b & 15
    if b & 7 in flows and flows[b & 7].signed == -1:
        last.value += 100


def keeps_structs(_a, b, _c):
    """A struct of a map is a value: what happens to the map later does not change it."""
    given, other = flows[1], flows[7]
    flows[2] = Pair(number=77)
    results[0] = given.number + 10 * other.number
    one[1] = Pair(number=3, total=b)
    kept = one[1]
    del one[1]
    one[2] = Pair(number=4)
    one[3] = Pair(number=5)
    results[1] = kept.number
    cells[0] = Pair(number=1)
    old = cells[0]
    cells[0] = Pair(number=2)
    results[2] = old.number * 10 + cells[0].number
    last_seen = flows[1]
    for k in range(3):
        last_seen = flows[k]
        flows[k] = Pair(number=k * 10)
    results[3] = last_seen.number


def passes_structs(_a, b, _c):
    one[1] = Pair(number=3, total=b & 0xFFFF)
    one[2] = Pair(number=4, total=7)
    results[0] = after_changing(one[1], one[2])
    pair = (one[1], b & 7)
    one[1] = Pair(number=6)
    results[1] = pair[0].number + pair[1]
    one[1], one[2] = one[2], one[1]
    results[2] = one[1].number * 100 + one[2].number
    results[3] = (found := one[2]).number
    keys[1] = Key(port=b & 0xFFFF, addr=0x7F000001)
    key = keys[1]
    keys[1] = Key(port=1, addr=2)
    events[key] = Color.RED
    results[4] = key.port + found.number


def after_changing(first, second):
    one[1] = Pair(number=100)
    one[2] = Pair(number=200)
    return first.number * 10 + second.number + first.total


def writes_in_place(_a, b, _c):
    flows[b & 3].total += 1
    flows[b & 7].number = flows[b & 3].number + 1
    results[0] = flows[5].number if 5 in flows else -1
    one[1] = Pair(number=3)
    one[1].total += results.pop(0, 7) & 15 or replaces()
    results[1] = one[1].total
    flows[200].total += 10 // (b & 1)


def replaces():
    del one[1]
    one[2] = Pair(number=4)
    one[1] = Pair(number=5, total=50)
    return 1


def evaluates_defaults(_a, b, _c):
    n = 1
    results[1] = 4
    got = results.get(1, (n := 5))
    results[2] = got * 10 + n
    got = results.pop(1, (n := (b & 7) + 1))
    results[3] = got * 10 + n
    results[4] = results.get(2, results.pop(3, 0))
    results[5] = 1 if 3 in results else 0
    results[6] = results.get(2, 10 // (b & 1))


def composes(_a, b, _c):
    if (b & 3, b & 255, b > 100) in tuples:
        small, large = tuples[b & 3, b & 255, b > 100]
        tuples[b & 3, b & 255, b > 100] = (small + 1, large)
    else:
        tuples[b & 3, b & 255, b > 100] = (7, b)
    if b & 1:
        names["odd"] = b > 7
    else:
        names["even"] = True
    texts[b & 3] = "a text"
    if texts[b & 3] == "a text":
        last.value += 1
    events[Key(port=b & 0xFFFF, addr=0x7F000001)] = Color.BLUE if b > 7 else Color.RED


def per_cpu(a, b, _c):
    own[b & 3] += 1
    recent[b & 31] = b & 0xFFFFFFFF
    slots[b & 7] += 3
    slots[0] = slots[1]
    parts[b & 3] += a >> 8


def indexes(a, _b, _c):
    slots[a] = 1


def counts(a, b, _c):
    hits.add()
    hits.add(b)
    by_low[b & 255] += 1
    by_low.add(b & 3, 2)
    by_pair[b & 1, "name"] += a
    top.add(b & 7)
    top[3] += 2


def distributes(a, b, _c):
    log2.add(b)
    log2.add(a)
    log2_by[b & 1].add(a)
    linear.add(a)
    linear.add(b)
    linear_by[b & 3].add(b & 255)


def adds_up(a, b, c):
    total.add(a)
    total_by[b & 3].add(a)
    mean.add(a)
    mean_by[b & 3].add(c)
    smallest.add(a)
    smallest_by[b & 1].add(a)
    largest[b & 1].add(c)


@pytest.fixture(scope="module", autouse=True)
def kernel():
    source.kernel()  # opened for good, before a test counts descriptors


@pytest.fixture(scope="module")
def child():
    with Child() as made:
        yield made


@pytest.fixture(autouse=True)
def empty():
    cpus = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, cpus)
    reset()


def reset():
    for held in [each for each in globals().values() if isinstance(each, State)]:
        if isinstance(held, sc.Var):
            held.set(5 if held is last else False)
        else:
            held.clear()
        held._lost = 0


def contents(held):
    """All that a state holds, comparable."""
    if isinstance(held, sc.Var):
        return held.value
    if isinstance(held, sc.Array):
        return held.to_list()
    if isinstance(held, sc.Hash):
        return held.to_dict()
    return {(key, bucket): cell for key, bucket, cell in held._read()}


def inputs():
    signed = [n - (1 << 64) if n >= BIG else n for n in NUMBERS]
    return [(a, b, a ^ 0x55) for b in NUMBERS for a in (*signed, -1, -5)][:200]


@pytest.mark.parametrize(
    "probe",
    [
        assigns,
        takes_out,
        misses,
        structs,
        defaults,
        keeps_structs,
        passes_structs,
        writes_in_place,
        evaluates_defaults,
        composes,
        per_cpu,
        indexes,
        counts,
        distributes,
        adds_up,
    ],
    ids=lambda each: each.__name__,
)
def test_the_kernel_answers_as_python_does(probe, child):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with running(probe, child=child) as runner:
        for words in inputs():
            runner.run(probe.__name__, *words)
        inside = {name: contents(held) for name, held in STATES.items()}
        raised = runner.raised()
    after = {name: contents(held) for name, held in STATES.items()}
    assert after == inside
    reset()
    expected: dict[str, int] = {}
    for words in inputs():
        try:
            probe(*words)
        except Exception as error:  # noqa: BLE001 - whichever it is, it is counted
            name = type(error).__name__
            expected[name] = expected.get(name, 0) + 1
    assert {name: contents(held) for name, held in STATES.items()} == inside
    assert raised == expected


def moves_hosts(_a, _b, _c):
    host = hosts[1]
    del hosts[1]
    hosts[4] = hosts[3]
    hosts[2] = host
    results[0] = host.count


def test_fields_that_a_probe_cannot_read_are_copied_too(child):
    first = Host(address="fe80::1", mark=b"\x01\x02\x00\xff\x05\x06", name="first", count=70)
    third = Host(address="2001:db8::3", mark=b"third\x00", name="third", count=80)
    hosts[1], hosts[3] = first, third
    before = hosts.to_dict()
    with running(moves_hosts, child=child) as runner:
        runner.run("moves_hosts", 0, 0)
        assert runner.raised() == {}
        assert hosts.to_dict() == {2: before[1], 3: before[3], 4: before[3]}
        assert results[0] == first.count


# ---------------------------------------------------------------- under load

busy = sc.Counter[u64]()
busy_total = sc.Sum[u8]()
busy_hash = sc.Hash[u64, u64](default=0)
busy_hist = sc.Log2Hist[u8]()
busy_array = sc.Array[u64](16)
busy_one = sc.Counter()


def adds(_a, b, _c):
    busy[b & 63] += 1
    busy_total[b & 7].add(3)
    busy_hash[b & 31] += 1
    busy_hist[b & 3].add(b & 1023)
    busy_array[b & 15] += 1
    busy_one.add()


def drained():
    """What each state gives up, in runs of the probe."""
    return {
        "counter": sum(busy.drain().values()),
        "sum": sum(busy_total.drain().values()) // 3,
        "hash": sum(busy_hash.drain().values()),
        "histogram": sum(each.count for each in busy_hist.drain().values()),
        "array": sum(busy_array.drain()),
        "plain": busy_one.take(),
    }


torn = sc.Hash[u64, u64](default=0)
met = sc.Hash[u64, u64]()
rounds_of = sc.Hash[u64, u64](default=0)


STEPS = 1000
"""Of a run, so that a drain often comes while one is at work."""


def adds_in_two_steps(_a, b, _c):
    for _ in range(STEPS):
        torn[b] = torn[b] + 1
        met[b] = 1
        if b in met:
            met[b] += 1


@contextlib.contextmanager
def producers(runner, probe, number, argument):
    """Processes that run a probe while the block runs; how often each did is in the list afterwards.

    They are processes, not threads: a thread of the process that drains waits for it again and again.
    """
    runs, started = [], []
    stop = time.monotonic() + 60
    for each in range(number):
        back, front = os.pipe()
        go, ended = os.pipe()
        child = os.fork()
        if not child:
            code = 1
            try:
                os.close(ended)
                for _, _, other in started:  # they would keep the others running
                    os.close(other)
                os.set_blocking(go, False)
                count = 0
                while time.monotonic() < stop:
                    for _ in range(16):
                        runner.run(probe, 0, argument(each, count))
                        count += 1
                    with contextlib.suppress(BlockingIOError):
                        os.read(go, 1)
                        break
                os.write(front, count.to_bytes(8, "little"))
                code = 0
            finally:
                os._exit(code)
        os.close(front)
        os.close(go)
        started.append((child, back, ended))
    try:
        yield runs
    finally:
        for _, _, ended in started:
            os.close(ended)
        for child, back, _ in started:
            runs.append(int.from_bytes(os.read(back, 8), "little"))
            os.close(back)
            assert os.waitpid(child, 0)[1] == 0


def drained_meanwhile(runner, probe, number, argument, drain):
    """What was drained while processes ran a probe and afterwards, and how often they ran it."""
    seconds = float(os.environ.get("SYSCAST_LOAD_SECONDS", "2"))
    totals, rounds = dict.fromkeys(drain(), 0), 0
    end = time.monotonic() + seconds
    with producers(runner, probe, number, argument) as runs:
        while time.monotonic() < end:
            for name, count in drain().items():
                totals[name] += count
            rounds += 1
    for name, count in drain().items():
        totals[name] += count
    assert rounds > 2
    assert all(runs)
    assert not runner.raised()
    return totals, sum(runs)


def test_draining_under_load_counts_each_run_once(child):
    with running(adds, child=child) as runner:
        totals, runs = drained_meanwhile(runner, "adds", 3, lambda _, count: count, drained)
    assert totals == dict.fromkeys(totals, runs)


def test_a_drain_does_not_come_between_reading_and_writing(child):
    def drain():
        found = met.drain()
        assert set(found.values()) <= {2}
        return {"torn": sum(torn.drain().values())}

    with running(adds_in_two_steps, child=child) as runner:
        totals, runs = drained_meanwhile(
            runner, "adds_in_two_steps", 2, lambda number, _: number, drain
        )
    assert totals == {"torn": STEPS * runs}


def test_a_loop_that_the_kernel_runs_uses_the_same_map(child):
    types = source.kernel()
    helpers = types.type(types.find("bpf_func_id", Enum)).values
    # Where there is no bpf_loop, the verifier walks each round.
    rounds = 5000 if any(each.name == "BPF_FUNC_loop" for each in helpers) else 40

    def many(_a, b, _c):
        for i in range(rounds):
            torn[b] += 1
            rounds_of[i & 3] = rounds_of[i & 3] + 1

    def helped(key, by):
        torn[key] = torn[key] + by
        return torn[key]

    def calls_it(_a, b, _c):
        met[b] = helped(b, 3) + helped(b, 4)

    with running(many, calls_it, child=child) as runner:
        runner.run("many", 0, 7)
        runner.run("many", 0, 7)
        assert torn.drain() == {7: 2 * rounds}
        assert rounds_of.drain() == dict.fromkeys(range(4), rounds // 2)
        runner.run("many", 0, 8)
        assert torn.drain() == {8: rounds}
        runner.run("calls_it", 0, 9)
        assert torn.drain() == {9: 7}
        assert met.drain() == {9: 10}
        assert not runner.raised()


@pytest.mark.parametrize("at_once", [True, False])
def test_python_pops_what_the_kernel_holds(child, monkeypatch, at_once):
    if not at_once:  # as on a kernel that cannot
        monkeypatch.setattr(probing, "supported", lambda name: name != "hash_lookup_and_delete")

    def puts(_a, b, _c):
        table[b] = -4
        own[b] = b
        recent[b] = b

    with running(puts, child=child) as runner:
        runner.run("puts", 0, 6)
        assert (table.pop(6), own.pop(6), recent.pop(6)) == (-4, 6, 6)
        assert (table.pop(6, "gone"), 6 in own, 6 in recent) == ("gone", False, False)
        with pytest.raises(KeyError):
            recent.pop(6)


def test_a_map_that_is_missing_ends_the_run(child):
    with running(adds_in_two_steps, child=child) as runner:
        for name, each in runner.part.loaded.maps.items():
            if each.spec.type == "array_of_maps":
                with contextlib.suppress(KernelError):
                    each.delete(0)
                assert each.lookup(0) is None, name
        runner.run("adds_in_two_steps", 0, 1)
        assert runner.raised() == {"FullError": 1}


# ---------------------------------------------------------------- sessions

seen = sc.Counter[u64]()
allowed = sc.Hash[u32, bool]()
small = sc.Counter[u64](max_entries=4)
few = sc.Hash[u64, u64](4)
calls = sc.Counter()
sent = sc.Counter()


class Seen(sc.Event):
    number: u64


@sc.raw_tracepoint("sys_enter")
def enters(_regs, _id):
    seen[1] += 1
    calls.add()


@sc.raw_tracepoint("sys_exit")
def leaves(_regs, _ret):
    seen[2] += 1
    calls.add()


def fills(_a, b, _c):
    small[b] += 1
    few[b] = b


def reuses(_a, b, _c):
    seen[b] += 1


@sc.raw_tracepoint("sys_enter")
def sends_too(_regs, number):
    seen[number] += 1
    if number in allowed:
        return Seen(number=number)
    return None


def own_pid(runs=1000):
    for _ in range(runs):
        os.getppid()


def test_a_probe_needs_no_event():
    with enters.attach(pid=os.getpid()) as session:
        own_pid()
        assert session.wait(0.01) is False
        assert seen[1] >= 1000
        with pytest.raises(sc.UsageError, match="its probes send no events"):
            next(iter(session))
        stats = session.stats()
    assert stats.problems(drained=False) == []
    assert seen[1] == calls.value >= 1000
    assert repr(seen).startswith("Counter, 1 keys\n  1  ")


def test_counting_and_sending_go_together():
    allowed[GETPPID] = True
    with sends_too.attach(pid=os.getpid()) as session:
        own_pid(200)
        session.detach()
        events = session.read(1)
        assert [event.number for event in events] == [GETPPID] * 200
        assert seen[GETPPID] == 200
        assert session.stats().problems() == []
        assert set(session.states) == {"seen", "allowed"}
    with sends_too.attach(pid=os.getpid(), where=lambda e: e.number not in allowed) as session:
        own_pid(50)
        assert session.read(0.1) == []
    assert seen[GETPPID] == 250


def test_wait_ends_with_the_command():
    with enters.attach(command=["/bin/sh", "-c", "exit 0"]) as session:
        assert session.wait(20)
    assert seen[1] > 10


def test_a_forked_child_leaves_the_maps_to_its_parent():
    with enters.attach(pid=os.getpid()) as session:
        own_pid(100)
        child = os.fork()
        if not child:
            code = 1
            try:
                seen.drain()
            except sc.UsageError:
                time.sleep(0.5)  # the parent has drained by then
                session.close()
                code = 0
            finally:
                os._exit(code)
        assert seen.drain()[1] >= 100
        own_pid(100)
        assert os.waitpid(child, 0)[1] == 0
        own_pid(100)
        assert seen[1] >= 200
    assert seen[1] >= 200


def test_two_probes_and_two_sessions_share_one_map():
    with sc.attach(enters, leaves, pid=os.getpid()):
        own_pid(100)
        with leaves.attach(pid=os.getpid()):
            own_pid(100)
            first, second = seen[1], seen[2]
            assert second > first >= 200
        own_pid(100)
        assert seen[1] >= first + 100
    held = dict(seen)
    own_pid(100)
    assert dict(seen) == held
    with enters.attach(pid=os.getpid()):
        own_pid(100)
    assert seen[2] == held[2]
    assert seen[1] >= held[1] + 100


def test_what_python_writes_first_is_there(child):
    def knows(_a, b, _c):
        if b in allowed:
            sent.add()

    allowed[7] = True
    with running(knows, child=child) as runner:
        runner.run("knows", 0, 7)
        runner.run("knows", 0, 8)
        assert sent.value == 1
        allowed[8] = True
        assert dict(allowed.items()) == {7: True, 8: True}
        runner.run("knows", 0, 8)
        del allowed[7]
        runner.run("knows", 0, 7)
        sent.add(10)
        assert sent.value == 12
    assert allowed.to_dict() == {8: True}
    assert sent.take() == 12
    allowed.clear()


def test_a_full_map_is_counted_and_told(child):
    with running(fills, child=child) as runner:
        for number in range(10):
            runner.run("fills", 0, number)
            runner.run("fills", 0, number)
        assert runner.raised() == {"FullError": 12}
        assert small.lost == 12
        assert len(small) == 4
    assert small.lost == 12
    assert "12 updates found no room: max_entries=4" in repr(small)
    with pytest.raises(FullError, match="max_entries"):
        small.add(99)
    with running(fills, child=child) as runner, pytest.raises(FullError, match="max_entries"):
        few[99] = 1
    small._lost = 0
    small.clear()
    few.clear()


def test_keys_come_and_go(child):
    """Elements of a drained map are used again and start from zero."""
    with running(reuses, child=child) as runner:
        for turn in range(20):
            for key in range(500):
                runner.run("reuses", 0, turn * 500 + key)
            assert seen.drain() == dict.fromkeys(range(turn * 500, turn * 500 + 500), 1)
        assert len(seen) == 0
    assert runner.part.loaded.closed


def test_values_of_each_cpu(child):
    cpus = sorted(os.sched_getaffinity(0))
    with running(per_cpu, child=child) as runner:
        for cpu in cpus:
            os.sched_setaffinity(0, {cpu})
            for _ in range(cpu + 1):
                runner.run("per_cpu", 256, 1)
        wanted = tuple(n + 1 if n in cpus else 0 for n in range(possible_cpus()))
        assert own.per_cpu(1) == wanted
        assert parts.per_cpu(1) == wanted
        assert own[1] == parts[1] == sum(wanted)
        own[1] = 5
        assert own[1] == 5
    assert parts.per_cpu(1) == wanted


def test_least_recently_used_make_room(child):
    def remembers(_a, b, _c):
        recent[b] = b

    with running(remembers, child=child) as runner:
        for number in range(1000):
            runner.run("remembers", 0, number)
        assert not runner.raised()
        assert 0 < len(recent) <= 64
        assert 999 in recent


def test_a_state_may_have_the_name_of_a_map_of_ours(child):
    ledger = sc.Counter()
    events = sc.Counter()

    def named(_a, _b, _c):
        ledger.add()
        events.add()

    with running(named, child=child) as runner:
        runner.run("named")
        assert (ledger.value, events.value) == (1, 1)


# ---------------------------------------------------------------- examples

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name):
    spec = importlib.util.spec_from_file_location(f"counting_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def own_comm():
    return Path("/proc/thread-self/comm").read_text().rstrip("\n")


def test_the_example_that_counts_system_calls():
    module = example("syscalls")
    with module.sys_enter.attach(pid=os.getpid()):
        own_pid(2000)
        first = module.calls.drain()
        own_pid(500)
    assert set(first) == {own_comm()}
    assert 2000 <= first[own_comm()] < 4000
    assert 500 <= module.calls[own_comm()] < 2500


@pytest.mark.parametrize(
    ("place", "feature"),
    [
        ("kretprobe:vfs_read", "kprobe"),
        ("fexit:vfs_read", "fexit"),
        ("syscall:read", "raw_tracepoint"),
    ],
)
def test_the_example_that_measures_reads(place, feature):
    if not features.supported(feature):
        pytest.skip(features.probe(feature).reason)
    module = example("read_latency")
    job = Job(place, "call", module.vfs_read.function, "reads")
    filters = Filters(pid=os.getpid())
    with Path("/dev/zero").open("rb", 0) as zero, open_session([job], filters):
        started = time.monotonic_ns()
        for _ in range(500):
            zero.read(4096)
        whole = time.monotonic_ns() - started
        inside = module.latency[own_comm()].value
    assert 500 <= inside.count < 1500
    assert sum(low * count for low, _, count in inside.buckets) < whole * 2
    assert own_comm() in repr(module.latency)
    assert "█" in repr(module.latency)


def test_a_built_object_brings_its_state(tmp_path):
    built = tmp_path / "syscalls.bpf.o"
    done = subprocess.run(
        [sys.executable, "-m", "syscast", "build", EXAMPLES / "syscalls.py", "-o", built],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    with sc.run_object(built, Filters(pid=os.getpid())) as session:
        own_pid(500)
        calls_of = session.states["calls"]
    assert calls_of[own_comm()] >= 500
