"""``+ - *`` exactly: wrap, then find out whether it did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.ir.intervals import exact, fits
from syscast.ir.ops import BinaryOp, Predicate
from syscast.ir.types import BOOL, U64, Const
from syscast.passes.operands import I64_RANGE

if TYPE_CHECKING:
    from syscast.ir.types import Value
    from syscast.passes.editor import Editor
    from syscast.passes.operands import Operands

_HALF = (1 << 32) - 1
_LIMIT = I64_RANGE[1]


def _outcome(o: Operands) -> tuple[bool, bool]:
    """Whether the exact result can be too small, too large."""
    found = exact(o.op, o.a_range, o.b_range) or (-(1 << 130), 1 << 130)
    return found[0] < o.range[0], found[1] > o.range[1]


def add(o: Operands) -> None:
    """``a + b``."""
    small, large = _outcome(o)
    if not (small or large):
        o.give(BinaryOp.ADD, o.a, o.b)
        return
    if o.a_range[0] == o.a_range[1]:
        o = o.swapped()
    if o.signed:
        _add_signed(o)
    else:
        _add_unsigned(o)


def _add_signed(o: Operands) -> None:
    e = o.editor
    known = o.b_constant
    if known is not None:
        _outside(o, o.range[0] - known, o.range[1] - known)
        o.give(BinaryOp.ADD, o.a, o.b)
        return
    total = e.binary(BinaryOp.ADD, o.a, o.b)
    # The sum's sign differs from both operands' only where it wrapped.
    a_flipped = e.binary(BinaryOp.XOR, o.a, total)
    b_flipped = e.binary(BinaryOp.XOR, o.b, total)
    flipped = e.binary(BinaryOp.AND, a_flipped, b_flipped)
    o.overflow_if(e.compare(Predicate.SLT, flipped, 0))
    o.give_value(total)


def _add_unsigned(o: Operands) -> None:
    e = o.editor
    if o.a_range[0] < 0:
        o = o.swapped()  # at most one is an I64
    total = e.binary(BinaryOp.ADD, o.a, o.b)
    wrapped = e.compare(Predicate.ULT, total, o.a)
    if o.b_range[0] >= 0:
        o.overflow_if(wrapped)
    elif o.b_range[1] < 0:
        o.overflow_if(e.compare(Predicate.UGT, total, o.a))
    else:
        below = e.compare(Predicate.UGT, total, o.a)
        o.overflow_if(e.select(o.b_negative(), below, wrapped))
    o.give_value(total)


def subtract(o: Operands) -> None:
    """``a - b``."""
    small, large = _outcome(o)
    e = o.editor
    if not (small or large):
        o.give(BinaryOp.SUB, o.a, o.b)
    elif o.signed and o.b_range[1] > _LIMIT:
        # A u64 from a constant of 0 or below: a - b is too small where b is above a + 2 ** 63.
        o.overflow_if(e.compare(Predicate.UGT, o.b, o.a_range[0] - o.range[0]))
        o.give(BinaryOp.SUB, o.a, o.b)
    elif o.signed and o.b_constant is not None:
        _outside(o, o.range[0] + o.b_constant, o.range[1] + o.b_constant)
        o.give(BinaryOp.SUB, o.a, o.b)
    elif o.signed:
        difference = e.binary(BinaryOp.SUB, o.a, o.b)
        signs_differ = e.binary(BinaryOp.XOR, o.a, o.b)
        a_flipped = e.binary(BinaryOp.XOR, o.a, difference)
        flipped = e.binary(BinaryOp.AND, signs_differ, a_flipped)
        o.overflow_if(e.compare(Predicate.SLT, flipped, 0))
        o.give_value(difference)
    else:
        _subtract_unsigned(o)


def _subtract_unsigned(o: Operands) -> None:
    e = o.editor
    difference = e.binary(BinaryOp.SUB, o.a, o.b)
    below = e.compare(Predicate.ULT, o.a, o.b)
    if o.b_range[0] < 0:
        wrapped = e.compare(Predicate.ULT, difference, o.a)
        below = e.select(o.b_negative(), wrapped, below)
    if o.a_range[0] < 0:
        o.overflow_if(o.a_negative())
    o.overflow_if(below)
    o.give_value(difference)


def multiply(o: Operands) -> None:
    """``a * b``."""
    small, large = _outcome(o)
    if not (small or large):
        o.give(BinaryOp.MUL, o.a, o.b)
        return
    if o.a_range[0] == o.a_range[1]:
        o = o.swapped()
    if o.b_constant is not None:
        _by_constant(o, o.b_constant)
    elif o.signed:
        _multiply_signed(o)
    else:
        _multiply_unsigned(o)


def _by_constant(o: Operands, factor: int) -> None:
    """A constant factor bounds the other operand; it is not 0, or nothing could overflow."""
    low, high = o.range
    if factor < 0:
        low, high = high, low
    _outside(o, -(-low // factor), high // factor)
    o.give(BinaryOp.MUL, o.a, o.b)


def _multiply_signed(o: Operands) -> None:
    e = o.editor
    a, a_negative = magnitude(e, o.a, o.a_negative())
    b, b_negative = magnitude(e, o.b, o.b_negative())
    product, lost = _product(o, a, b)
    negative = e.binary(BinaryOp.XOR, a_negative, b_negative)
    limit = e.binary(BinaryOp.ADD, e.convert(negative, U64), Const(_LIMIT, U64))
    o.overflow_if(o.either(lost, e.compare(Predicate.UGT, product, limit)))
    negated = e.binary(BinaryOp.SUB, Const(0, U64), product)
    o.give_value(e.convert(e.select(negative, negated, product), o.type))


def _multiply_unsigned(o: Operands) -> None:
    e = o.editor
    if o.a_range[0] < 0:
        o = o.swapped()
    product, lost = _product(o, o.a, o.b)
    if o.b_range[0] < 0:
        # Below zero unless a is zero; then the product is, too.
        something = e.compare(Predicate.NE, o.a, 0)
        lost = e.select(o.b_negative(), something, lost)
    o.overflow_if(lost)
    o.give_value(product)


def _product(o: Operands, a: Value, b: Value) -> tuple[Value, Value]:
    """The wrapped product of two u64, and whether it lost bits.

    By halves: LLVM's own check becomes a call into a library that BPF does not have, and it turns
    a check by division into its own.
    """
    e = o.editor
    a_high, a_low = e.binary(BinaryOp.LSHR, a, 32), e.binary(BinaryOp.AND, a, _HALF)
    b_high, b_low = e.binary(BinaryOp.LSHR, b, 32), e.binary(BinaryOp.AND, b, _HALF)
    both = o.both(e.compare(Predicate.NE, a_high, 0), e.compare(Predicate.NE, b_high, 0))
    cross = e.binary(
        BinaryOp.ADD,
        e.binary(BinaryOp.MUL, a_high, b_low),
        e.binary(BinaryOp.MUL, a_low, b_high),
    )
    cross_lost = e.compare(Predicate.UGT, cross, _HALF)
    low = e.binary(BinaryOp.MUL, a_low, b_low)
    product = e.binary(BinaryOp.ADD, e.binary(BinaryOp.SHL, cross, 32), low)
    carried = e.compare(Predicate.ULT, product, low)
    return product, o.either(o.either(both, cross_lost), carried)


def magnitude(e: Editor, value: Value, negative: Value) -> tuple[Value, Value]:
    """The absolute value as u64, and whether it was negative."""
    pattern = e.convert(value, U64)
    if negative == Const(0, BOOL):
        return pattern, negative
    negated = e.binary(BinaryOp.SUB, Const(0, U64), pattern)
    return e.select(negative, negated, pattern), negative


def _outside(o: Operands, low: int, high: int) -> None:
    """Overflow where a is not in ``low..high``."""
    e = o.editor
    if o.a_range[0] < low:
        if not fits((low, low), o.range):
            o.overflow_if(Const(1, BOOL))
        elif o.signed:
            o.overflow_if(e.compare(Predicate.SLT, o.a, low))
        else:
            _below_unsigned(o, low)
    if o.a_range[1] > high:
        if not fits((high, high), o.range):
            o.overflow_if(Const(1, BOOL))
        else:
            above = Predicate.SGT if o.signed else Predicate.UGT
            o.overflow_if(e.compare(above, o.a, high))


def _below_unsigned(o: Operands, low: int) -> None:
    """a, a number or a negative one's pattern, is below ``low``, which is not negative."""
    if o.a_range[0] < 0:
        o.overflow_if(o.a_negative())
    if low > 0:
        o.overflow_if(o.editor.compare(Predicate.ULT, o.a, low))
