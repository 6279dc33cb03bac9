"""What an object says of its state is enough to make it again."""

from __future__ import annotations

from enum import IntEnum

import msgspec
import pytest

import syscast as sc
from syscast.errors import FormatError
from syscast.spec.meta import StateMeta
from syscast.state.described import from_meta


class Color(IntEnum):
    RED = 1


class Pair(sc.Struct):
    first: sc.u32
    second: sc.u64


STATES = [
    sc.Hash[sc.u32, sc.u64](5),
    sc.Hash[tuple[sc.u32, sc.Comm], Pair](7),
    sc.LruHash[sc.IPv4, bool](7),
    sc.PerCpuHash[Pair, sc.i32](7, merge="max"),
    sc.LruPerCpuHash[sc.u8, sc.u8](7, merge="min"),
    sc.Array[Color](9),
    sc.PerCpuArray[sc.i64](9, merge="min"),
    sc.Var[sc.u16](3),
    sc.Counter(),
    sc.Counter[sc.Comm](max_entries=9),
    sc.TopK[tuple[sc.u8, sc.u8]](4),
    sc.Log2Hist(),
    sc.Log2Hist[sc.u32](max_entries=77),
    sc.LinearHist(0, 10, 3),
    sc.LinearHist[sc.u32](-5, 10, 3),
    sc.Sum(),
    sc.Mean[sc.u32](),
    sc.Min[Color](),
    sc.Max(),
]


@pytest.mark.parametrize("held", STATES, ids=lambda held: f"{type(held).__name__}-{held.plan.key}")
def test_made_again(held):
    kind = type(held).__name__
    meta = StateMeta("name", kind, "label", (), *held.types(), held.options())
    meta = msgspec.msgpack.decode(msgspec.msgpack.encode(meta), type=StateMeta)
    made = from_meta(meta)
    assert type(made).__name__ == kind
    assert made.options() == held.options()
    assert made.plan.type == held.plan.type
    assert made.plan.entries == held.plan.entries
    for one, other in ((made.plan.key, held.plan.key), (made.plan.value, held.plan.value)):
        assert one.size == other.size
        assert [(f.kind, f.offset, f.size) for f in one.fields] == [
            (f.kind, f.offset, f.size) for f in other.fields
        ]


@pytest.mark.parametrize(
    "meta",
    [
        StateMeta("x", "Nothing"),
        StateMeta("x", "Hash"),
        StateMeta("x", "Counter", options={"colour": 1}),
        StateMeta("x", "TopK", options={"n": 0}),
    ],
    ids=lambda meta: f"{meta.kind}-{len(meta.options)}",
)
def test_nonsense_is_refused(meta):
    with pytest.raises(FormatError, match="state 'x': read: "):
        from_meta(meta)
