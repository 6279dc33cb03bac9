"""Which buffers share a place: those that no path uses at the same time."""

from __future__ import annotations

import pytest
from sketch import Kernel
from test_provenance import C, kprobe

from syscast.ir import ops
from syscast.ir.types import BOOL, U64, Const
from syscast.passes.originflow import OriginFlow
from syscast.passes.sharing import shared


@pytest.fixture
def s():
    return C(Kernel())


def left(s) -> list[str]:
    """Names of the slots that are left."""
    s.op(ops.Return)
    function = s.function(kprobe(), name="f", id=-1)
    flow = OriginFlow(function, s.kernel.btf)
    flow.settle()
    made = shared(function, flow)
    slots = {slot for b in made.blocks for op in b.ops if (slot := getattr(op, "slot", None))}
    assert slots <= set(made.slots)
    return [slot.name for slot in made.slots]


def use(s, here):
    s.store(here, Const(1, U64))


def test_one_after_the_other(s):
    a, b = s.local("a", 16)[1], s.local("b", 32)[1]
    use(s, a)
    use(s, a)
    use(s, b)
    assert left(s) == ["b"]


def test_both_at_once(s):
    a, b = s.local("a")[1], s.local("b")[1]
    use(s, a)
    use(s, b)
    use(s, a)
    assert left(s) == ["a", "b"]


def test_one_op_that_uses_both(s):
    a, b = s.local("a")[1], s.local("b")[1]
    s.op(ops.AnyCopy, dst=a, src=b, size=8)
    assert left(s) == ["a", "b"]


def test_either_on_a_way_of_its_own(s):
    a, b, c = (s.local(name)[1] for name in "abc")
    use(s, c)
    s.op(ops.Branch, cond=Const(1, BOOL), then="left", other="right")
    for label, here in (("left", a), ("right", b)):
        s.start(label)
        use(s, here)
        s.op(ops.Jump, target="end")
    s.start("end")
    use(s, c)
    assert left(s) == ["a", "c"]


def test_around_a_loop(s):
    a, b = s.local("a")[1], s.local("b")[1]
    s.op(ops.Jump, target="loop")
    s.start("loop")
    use(s, a)
    use(s, b)
    s.op(ops.Branch, cond=Const(1, BOOL), then="loop", other="end")
    s.start("end")
    assert left(s) == ["a", "b"]


def test_an_address_in_a_slot_is_still_followed(s):
    a, b = s.local("a")[1], s.local("b")[1]
    slot = s.slot("p", a.type, 8)
    s.op(ops.SlotStore, slot=slot, value=a)
    use(s, b)
    use(s, s.op(ops.SlotLoad, a.type, slot=slot))
    assert sorted(left(s)) in (["a", "p"], ["b", "p"])


def test_an_address_that_is_in_a_map_is_not(s):
    a, b = s.local("a")[1], s.local("b")[1]
    value = s.looked_up()
    s.op(ops.Store, ptr=value, value=a)
    use(s, a)
    use(s, b)
    assert "a" in left(s)
