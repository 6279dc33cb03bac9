"""Malformed IR is named where it is; the function's text goes along."""

from __future__ import annotations

import pytest
from sketch import Kernel, Sketch, listen, program, raw

from syscast import passes
from syscast.errors import InternalError
from syscast.ir import ops
from syscast.ir.check import Layer, check
from syscast.ir.ops import BinaryOp, CheckedOp, Predicate
from syscast.ir.program import Block, Program
from syscast.ir.types import BOOL, I32, I64, U8, U64, Const, PtrType, Reg, Slot, Space


@pytest.fixture(scope="module")
def kernel():
    return Kernel()


@pytest.fixture
def s(kernel):
    return Sketch(kernel)


def problem(s, layer=Layer.LOWERED, **members):
    with pytest.raises(InternalError) as caught:
        check(program(s.function(raw(), **members)), layer)
    assert "entry:" in caught.value.details
    return str(caught.value).splitlines()[0]


def test_a_good_program_passes(kernel):
    made = listen(kernel, raw())
    check(made)
    check(passes.run(made, kernel.btf), Layer.PRIMITIVE)


def test_a_register_is_made_before_its_use_on_every_path(s):
    one = Reg(7, I64)
    s.op(ops.Branch, cond=Const(1, BOOL), then="made", other="join")
    s.start("made")
    s.add(ops.Binary(result=one, op=BinaryOp.ADD, a=Const(1, I64), b=Const(2, I64)))
    s.op(ops.Jump, target="join")
    s.start("join")
    s.op(ops.Binary, I64, op=BinaryOp.ADD, a=one, b=one)
    s.finish()
    assert "%7 is not made on every path" in problem(s)


def test_a_register_is_made_once_and_keeps_its_type(s):
    one = s.op(ops.Binary, I64, op=BinaryOp.ADD, a=Const(1, I64), b=Const(2, I64))
    s.op(ops.Convert, I32, a=Reg(one.id, U64))
    s.finish()
    assert "%0 is a i64" in problem(s)


def test_two_definitions(kernel):
    s = Sketch(kernel)
    op = ops.CtxAddr(result=Reg(0, PtrType(Space.CTX)))
    s.add(op)
    s.add(op)
    s.finish()
    assert "%0 is made twice" in problem(s)


@pytest.mark.parametrize(
    ("op", "says"),
    [
        (
            ops.Binary(result=Reg(0, I64), op=BinaryOp.ADD, a=Const(1, I32), b=Const(1, I64)),
            "differ",
        ),
        (
            ops.Compare(result=Reg(0, I64), pred=Predicate.EQ, a=Const(1, I32), b=Const(1, I32)),
            "bool",
        ),
        (ops.Convert(result=Reg(0, I64), a=Const(256, U8)), "does not fit"),
        (
            ops.Checked(
                result=Reg(0, I64), op=CheckedOp.ADD, a=Const(1, I32), b=Const(1, I64), site=0
            ),
            "64-bit",
        ),
        (
            ops.Checked(
                result=Reg(0, I64), op=CheckedOp.ADD, a=Const(1, I64), b=Const(1, I64), site=4
            ),
            "no site 4",
        ),
        (ops.SlotStore(slot=Slot(9, "x", I64, 8), value=Const(1, I64)), "no slot"),
        (ops.Helper(result=None, name="no_such"), "no such helper"),
        (ops.Helper(result=None, name="ktime_get_ns", args=(Const(1, I64),)), "takes 0"),
        (ops.Helper(result=None, name="ringbuf_submit", args=(Const(1, I64),) * 2), "pointer"),
        (ops.Load(result=Reg(0, I64), ptr=Const(1, I64)), "not a pointer"),
        (ops.Call(result=None, function="elsewhere"), "no function"),
        (ops.Finish(), "not at the end"),
    ],
    ids=str,
)
def test_each_mistake_is_named(s, op, says):
    s.add(op)
    if s.terminated:
        s._open = s._blocks[-1][1]
    s.finish()
    assert says in problem(s)


def test_blocks_end_and_go_somewhere(kernel):
    s = Sketch(kernel)
    s.op(ops.Jump, target="nowhere")
    assert "no block nowhere" in problem(s)
    made = listen(kernel, raw()).functions[0]
    cut = made.blocks[0].ops[:-1]
    with pytest.raises(InternalError, match="no terminator"):
        check(Program("p", (type(made)("f", (Block("entry", cut),), made.slots),)))


def test_codegen_gets_primitives_only(s):
    s.argument(0, I64)
    s.finish()
    assert "not a primitive" in problem(s, Layer.PRIMITIVE)


def test_a_pass_that_breaks_the_ir_is_named(kernel, monkeypatch):
    def breaks(program, _btf):
        function = program.functions[0]
        block = Block("entry", (ops.Jump(target="lost"),))
        return Program("p", (type(function)("f", (block,), ()),))

    monkeypatch.setattr(passes, "PASSES", (("breaks", breaks),))
    with pytest.raises(InternalError, match="pass 'breaks'"):
        passes.run(listen(kernel, raw()), kernel.btf)
