"""What a type checker makes of state; checked by mypy and pyright, never run."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import Annotated, assert_type

from syscast.events.event import Event
from syscast.events.fieldtypes import Comm, IPv4, u16, u32, u64
from syscast.frontend.python.language import current
from syscast.session.probe import raw_tracepoint
from syscast.state.counter import Counter, TopK
from syscast.state.histogram import Distribution, LinearHist, Log2Hist
from syscast.state.maps import Array, Hash, LruHash, PerCpuHash, Var
from syscast.state.statistics import Mean, Sum
from syscast.state.structs import Struct


class Flow(Struct):
    port: u16
    size: u64 = 0


class Key(Event):
    address: IPv4


reads = Counter()
calls = Counter[Comm]()
sizes = Log2Hist()
latency = Log2Hist[tuple[u32, Comm]]()
steps = LinearHist[u32](0, 10, 1)
total = Sum()
mean = Mean[u32]()
top = TopK[Annotated[str, 32]](5)
flows = Hash[tuple[u32, u16], Flow]()
names: Hash[Key, str] = LruHash[Key, str]()
own = PerCpuHash[u32, u64](default=0, merge="max")
slots = Array[u32](4)
limit = Var[u64](5)

Hash[u32, u64](default="x")  # type: ignore[arg-type]
PerCpuHash[u32, u64](merge="mean")  # type: ignore[arg-type]
Flow(8)  # type: ignore[call-arg]
Flow(port="http")  # type: ignore[arg-type]


@raw_tracepoint
def sys_enter(_regs: object, number: int) -> None:
    reads.add()
    calls[current.comm] += 1
    sizes.add(number)
    latency[current.pid, current.comm].add(number)
    steps[1].add(number)
    total.add(number)
    mean[1].add(number)
    top["x"] += 1
    top.add("x", 2)
    if (1, 2) in flows:
        flows[1, 2].size += 1
    flows[1, 2] = Flow(port=80)
    own[1] += 1
    slots[1] += 1
    limit.value += 1
    limit.set(own.get(1, 0))
    del flows[1, 2]
    calls[1] += 1  # type: ignore[index]
    flows[1, 2] = 5  # type: ignore[assignment]


def read() -> None:
    assert_type(reads.value, int)
    assert_type(calls["a"], int)
    assert_type(calls.drain(), dict[str, int])
    assert_type(calls.most_common(3), list[tuple[str, int]])
    assert_type(sizes.value, Distribution)
    assert_type(latency.items(), list[tuple[tuple[int, str], Distribution]])
    assert_type(top.ranking(), list[tuple[str, int]])
    assert_type(flows[1, 2], Flow)
    assert_type(flows[1, 2].size, int)
    assert_type(flows.get((1, 2)), Flow | None)
    assert_type(own.get(1, 0), int)
    assert_type(own.per_cpu(1), tuple[int, ...])
    assert_type(slots.to_list(), list[int])
    assert_type(limit.value, int)
    assert_type(dict(flows), dict[tuple[int, int], Flow])
