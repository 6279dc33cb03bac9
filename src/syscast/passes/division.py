"""``//`` and ``%`` as Python does them, and C's signed division, all by unsigned division."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.ir.ops import BinaryOp, CheckedOp, Predicate
from syscast.ir.types import I64, U64, Const, IntType
from syscast.passes.arithmetic import magnitude
from syscast.passes.operands import I64_RANGE

if TYPE_CHECKING:
    from syscast.ir.ops import Binary
    from syscast.ir.types import Value
    from syscast.passes.editor import Editor
    from syscast.passes.operands import Operands


def floor(o: Operands) -> None:
    """``a // b`` and ``a % b``."""
    e = o.editor
    if o.b_range[0] <= 0 <= o.b_range[1]:
        o.raise_if(e.compare(Predicate.EQ, o.b, 0), "ZeroDivisionError")
    if o.a_range[0] >= 0 and o.b_range[0] >= 0:
        o.give_value(e.convert(_unsigned(o, o.a, o.b), o.type))
    elif not o.signed:
        _mixed(o)
    elif o.b_range[0] >= 0:
        _by_positive(o)
    else:
        _signed(o)


def _unsigned(o: Operands, a: Value, b: Value) -> Value:
    op = BinaryOp.UDIV if o.op is CheckedOp.FLOORDIV else BinaryOp.UREM
    return o.editor.binary(op, o.editor.convert(a, U64), o.editor.convert(b, U64))


def _by_positive(o: Operands) -> None:
    """By b > 0: for a < 0, a // b is ~(~a // b), and ~a is not negative."""
    e = o.editor
    sign = e.binary(BinaryOp.ASHR, o.a, 63)
    flipped = e.convert(e.binary(BinaryOp.XOR, o.a, sign), U64)
    quotient = e.convert(e.binary(BinaryOp.UDIV, flipped, e.convert(o.b, U64)), I64)
    quotient = e.binary(BinaryOp.XOR, quotient, sign)
    if o.op is CheckedOp.FLOORDIV:
        o.give_value(quotient)
    else:
        o.give(BinaryOp.SUB, o.a, e.binary(BinaryOp.MUL, quotient, o.b))


def _signed(o: Operands) -> None:
    e = o.editor
    if o.op is CheckedOp.FLOORDIV and o.a_range[0] == I64_RANGE[0] and o.b_range[1] >= -1:
        least = e.compare(Predicate.EQ, o.a, I64_RANGE[0])
        o.overflow_if(o.both(least, e.compare(Predicate.EQ, o.b, -1)))
    a, a_negative = magnitude(e, o.a, o.a_negative())
    b, b_negative = magnitude(e, o.b, o.b_negative())
    quotient = e.binary(BinaryOp.UDIV, a, b)
    rest = e.binary(BinaryOp.SUB, a, e.binary(BinaryOp.MUL, quotient, b))
    differ = e.binary(BinaryOp.XOR, a_negative, b_negative)
    uneven = e.compare(Predicate.NE, rest, 0)
    if o.op is CheckedOp.FLOORDIV:
        up = e.binary(BinaryOp.ADD, quotient, e.convert(uneven, U64))
        down = e.binary(BinaryOp.SUB, Const(0, U64), up)
        o.give_value(e.convert(e.select(differ, down, quotient), I64))
        return
    # The rest has the divisor's sign: from a's magnitude it is rest, or what is missing to b.
    missing = e.binary(BinaryOp.SUB, b, rest)
    size = e.select(o.both(differ, uneven), missing, rest)
    negated = e.binary(BinaryOp.SUB, Const(0, U64), size)
    o.give_value(e.convert(e.select(b_negative, negated, size), I64))


def _mixed(o: Operands) -> None:
    """One operand is an I64 that may be negative, the other and the result are U64."""
    e = o.editor
    if o.a_range[0] < 0:
        negative = o.a_negative()
        if o.op is CheckedOp.FLOORDIV:
            o.overflow_if(negative)  # at most -1
            o.give(BinaryOp.UDIV, o.a, o.b)
            return
        a, _ = magnitude(e, o.a, negative)
        rest = e.binary(BinaryOp.UREM, a, o.b)
        uneven = e.compare(Predicate.NE, rest, 0)
        missing = e.binary(BinaryOp.SUB, o.b, rest)
        o.give_value(e.select(o.both(negative, uneven), missing, rest))
        return
    negative = o.b_negative()
    b, _ = magnitude(e, o.b, negative)
    found = _unsigned(o, o.a, b)
    # By a negative number both answers are below zero, unless there is nothing to divide.
    tested = o.a if o.op is CheckedOp.FLOORDIV else found
    o.overflow_if(o.both(negative, e.compare(Predicate.NE, tested, 0)))
    o.give_value(found)


def truncating(editor: Editor, op: Binary) -> None:
    """C's signed ``/`` and ``%``, which round to zero; the divisor is known not to be 0."""
    type_ = op.a.type
    assert isinstance(type_, IntType)
    e = editor
    wide_a, wide_b = e.convert(op.a, I64), e.convert(op.b, I64)
    a, a_negative = magnitude(e, wide_a, e.compare(Predicate.SLT, wide_a, 0))
    b, b_negative = magnitude(e, wide_b, e.compare(Predicate.SLT, wide_b, 0))
    if op.op is BinaryOp.SDIV:
        found = e.binary(BinaryOp.UDIV, a, b)
        negative: Value = e.binary(BinaryOp.XOR, a_negative, b_negative)
    else:
        found = e.binary(BinaryOp.UREM, a, b)
        negative = a_negative
    negated = e.binary(BinaryOp.SUB, Const(0, U64), found)
    e.convert(e.select(negative, negated, found), type_, into=op.result)
