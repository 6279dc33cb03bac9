"""State that probes share with Python: the kernel's answers are Python's, and no count is lost."""

from __future__ import annotations

import os
import sys
import threading
import time
from enum import IntEnum
from pathlib import Path
from typing import Annotated

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from state_runner import running

import syscast as sc
from syscast import i32, i64, u8, u16, u32, u64
from syscast.btf import source
from syscast.codegen.child import Child

pytestmark = [pytest.mark.kernel, pytest.mark.native]

BIG = 1 << 63
NUMBERS = (0, 1, 2, 3, 7, 8, 255, 256, 1023, (1 << 31) - 1, 1 << 32, BIG - 1, BIG, (1 << 64) - 1)


class Color(IntEnum):
    RED = 1
    BLUE = 2


class Pair(sc.Struct):
    number: u32
    total: u64 = 0
    signed: i32 = -1


class Key(sc.Event):
    port: u16
    addr: sc.IPv4


table: sc.Hash[u64, i64] = sc.Hash[u64, i64]()
sums = sc.Hash[u32, u64](default=0)
pairs = sc.Hash[u8, Pair]()
tuples = sc.Hash[tuple[u32, u16, bool], tuple[u8, u64]]()
names = sc.Hash[Annotated[str, 16], bool]()
texts = sc.Hash[u8, Annotated[str, 24]]()
events = sc.Hash[Key, Color]()
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
STATES = {name: held for name, held in globals().items() if hasattr(held, "plan")}


def assigns(a, b, c):
    if b in table:
        table[b] = table[b] - 1
    else:
        table[b] = a
    sums[b & 0xFFFF] += b >> 8
    sums[3] += 5
    sums[3] -= 1


def takes_out(a, b, c):
    table[b] = a
    if b & 1:
        del table[b]
    elif b & 2:
        last.value = table.pop(b)
        switch.set(True)
    else:
        last.set(table.pop(b + 1, 77) if b < 1000 else table.get(b, 3))


def misses(a, b, c):
    if b & 1:
        del table[b]
    elif b & 2:
        table.pop(b)
    else:
        last.value = table[b]


def structs(a, b, c):
    k = b & 7
    if k in pairs:
        pairs[k].total += b >> 8
        pairs[k].signed -= 1
        pairs[k].number = pairs[k].number + 1
    else:
        pairs[k] = Pair(number=k, total=1)


def composes(a, b, c):
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


def per_cpu(a, b, c):
    own[b & 3] += 1
    recent[b & 31] = b & 0xFFFFFFFF
    slots[b & 7] += 3
    slots[0] = slots[1]
    parts[b & 3] += a >> 8


def indexes(a, b, c):
    slots[a] = 1


def counts(a, b, c):
    hits.add()
    hits.add(b)
    by_low[b & 255] += 1
    by_low.add(b & 3, 2)
    by_pair[b & 1, "name"] += a
    top.add(b & 7)
    top[3] += 2


def distributes(a, b, c):
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


@pytest.fixture(scope="module")
def child():
    source.kernel()  # opened for good, before a test counts descriptors
    with Child() as made:
        yield made


@pytest.fixture(autouse=True)
def empty():
    cpus = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, cpus)
    reset()


def reset():
    for held in STATES.values():
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


# ---------------------------------------------------------------- under load

busy = sc.Counter[u64]()
busy_total = sc.Sum[u8]()
busy_hash = sc.Hash[u64, u64](default=0)
busy_hist = sc.Log2Hist[u8]()
busy_array = sc.Array[u64](16)
busy_one = sc.Counter()


def adds(a, b, c):
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


def test_draining_under_load_counts_each_run_once(child):
    seconds = float(os.environ.get("SYSCAST_LOAD_SECONDS", "2"))
    with running(adds, child=child) as runner:
        runs = [0, 0, 0]
        stop = threading.Event()

        def produce(number):
            count = 0
            while not stop.is_set():
                runner.run("adds", 0, count)
                count += 1
            runs[number] = count

        threads = [threading.Thread(target=produce, args=(n,)) for n in range(len(runs))]
        totals = dict.fromkeys(drained(), 0)
        for each in threads:
            each.start()
        rounds = 0
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                for name, count in drained().items():
                    totals[name] += count
                rounds += 1
        finally:
            stop.set()
            for each in threads:
                each.join()
        for name, count in drained().items():
            totals[name] += count
        assert not runner.raised()
    assert rounds > 2
    assert totals == dict.fromkeys(totals, sum(runs))
