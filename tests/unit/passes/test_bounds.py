"""Ranges: what checks may be left out, and what may not."""

from __future__ import annotations

import pytest
from sketch import Kernel, Sketch, program, raw

from syscast.ir import ops
from syscast.ir.ops import BinaryOp, CheckedOp, Predicate
from syscast.ir.types import BOOL, I64, U16, U64, Const
from syscast.passes import checks
from syscast.passes.bounds import Bounds

LIMIT = 1 << 63


@pytest.fixture
def s():
    return Sketch(Kernel())


def add_one(s, value):
    return s.op(ops.Checked, I64, op=CheckedOp.ADD, a=value, b=Const(1, I64), site=0)


def raises(s):
    made = checks.run(program(s.function(raw())), s.kernel.btf)
    return sum(isinstance(op, ops.Raise) for b in made.functions[0].blocks for op in b.ops)


def test_a_narrow_load_plus_one_cannot_overflow(s):
    narrow = s.argument(0, U16)
    add_one(s, s.op(ops.Convert, I64, a=narrow))
    s.finish()
    assert raises(s) == 0


def test_a_wide_one_can(s):
    add_one(s, s.argument(0, I64))
    s.finish()
    assert raises(s) == 1


def compared(s, pred, bound):
    """A slot, and the branch where it stands in a relation to a constant."""
    slot = s.slot("n", I64, 8)
    s.op(ops.SlotStore, slot=slot, value=s.argument(0, I64))
    value = s.op(ops.SlotLoad, I64, slot=slot)
    cond = s.op(ops.ExactCompare, BOOL, pred=pred, a=value, b=Const(bound, I64))
    s.op(ops.Branch, cond=cond, then="then", other="other")
    return slot


@pytest.mark.parametrize(("block", "count"), [("then", 0), ("other", 1)])
def test_a_comparison_bounds_the_slot_behind_it(s, block, count):
    slot = compared(s, Predicate.SLT, 100)
    other = "other" if block == "then" else "then"
    s.start(block)
    add_one(s, s.op(ops.SlotLoad, I64, slot=slot))
    s.finish()
    s.start(other)
    s.finish()
    assert raises(s) == count


def test_a_store_ends_what_a_comparison_told(s):
    slot = compared(s, Predicate.SLT, 100)
    s.start("then")
    s.op(ops.SlotStore, slot=slot, value=s.argument(1, I64))
    add_one(s, s.op(ops.SlotLoad, I64, slot=slot))
    s.finish()
    s.start("other")
    s.finish()
    assert raises(s) == 1


def test_paths_join(s):
    slot = compared(s, Predicate.SLT, 100)
    s.start("then")
    s.op(ops.SlotStore, slot=slot, value=Const(5, I64))
    s.op(ops.Jump, target="join")
    s.start("other")
    s.op(ops.SlotStore, slot=slot, value=Const(9, I64))
    s.op(ops.Jump, target="join")
    s.start("join")
    read = s.op(ops.SlotLoad, I64, slot=slot)
    made = add_one(s, read)
    s.finish()
    function = s.function(raw())
    op = next(op for b in function.blocks for op in b.ops if getattr(op, "result", None) == made)
    assert Bounds(function).operands(op)[0] == (5, 9)


def loop(s, bound):
    """``n = 0; while n < bound: n += 1``."""
    slot = s.slot("n", I64, 8)
    s.op(ops.SlotStore, slot=slot, value=Const(0, I64))
    s.op(ops.Jump, target="head")
    s.start("head")
    value = s.op(ops.SlotLoad, I64, slot=slot)
    cond = s.op(ops.ExactCompare, BOOL, pred=Predicate.SLT, a=value, b=bound)
    s.op(ops.Branch, cond=cond, then="body", other="end")
    s.start("body")
    s.op(ops.SlotStore, slot=slot, value=add_one(s, s.op(ops.SlotLoad, I64, slot=slot)))
    s.op(ops.Jump, target="head")
    s.start("end")
    s.finish()


def test_a_counter_in_a_loop_ends_at_its_bound(s):
    loop(s, Const(1000, I64))
    assert raises(s) == 0


def test_a_loop_whose_counter_nothing_bounds_keeps_its_check(s):
    slot = s.slot("n", I64, 8)
    s.op(ops.SlotStore, slot=slot, value=Const(0, I64))
    s.op(ops.Jump, target="head")
    s.start("head")
    s.op(ops.SlotStore, slot=slot, value=add_one(s, s.op(ops.SlotLoad, I64, slot=slot)))
    s.op(ops.Branch, cond=Const(1, BOOL), then="head", other="end")
    s.start("end")
    s.finish()
    assert raises(s) == 1


def test_a_slot_whose_address_is_taken_can_hold_anything(s):
    slot = s.slot("n", I64, 8)
    s.op(ops.SlotStore, slot=slot, value=Const(0, I64))
    address = s.op(ops.SlotAddr, s.kernel.pointer(0), slot=slot)
    s.op(ops.Helper, I64, name="get_current_comm", args=(address, Const(8, U64)))
    add_one(s, s.op(ops.SlotLoad, I64, slot=slot))
    s.finish()
    assert raises(s) == 1


def test_machine_arithmetic_that_may_wrap_tells_nothing(s):
    wide = s.op(ops.Binary, I64, op=BinaryOp.ADD, a=s.argument(0, I64), b=Const(1, I64))
    add_one(s, wide)
    s.finish()
    assert raises(s) == 1


def test_masks_shifts_and_divisions_bound(s):
    wide = s.argument(0, U64)
    masked = s.op(ops.Checked, U64, op=CheckedOp.AND, a=wide, b=Const(255, I64), site=0)
    s.op(ops.Checked, U64, op=CheckedOp.MUL, a=masked, b=masked, site=0)
    rest = s.op(ops.Checked, U64, op=CheckedOp.MOD, a=wide, b=Const(10, I64), site=0)
    s.op(ops.Checked, U64, op=CheckedOp.SUB, a=Const(9, U64), b=rest, site=0)
    high = s.op(ops.Checked, U64, op=CheckedOp.RSHIFT, a=wide, b=Const(40, I64), site=0)
    s.op(ops.Checked, U64, op=CheckedOp.LSHIFT, a=high, b=Const(40, I64), site=0)
    s.finish()
    assert raises(s) == 0
