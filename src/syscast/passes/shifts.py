"""``<< >> & | ^`` as on Python's integers of any size. A machine's shift count must be below 64."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.ir.intervals import exact, fits
from syscast.ir.ops import BinaryOp, CheckedOp, Predicate
from syscast.ir.types import I64, Const

if TYPE_CHECKING:
    from syscast.ir.types import Value
    from syscast.passes.operands import Operands

_WIDTH = 64
_BITS = {
    CheckedOp.AND: BinaryOp.AND,
    CheckedOp.OR: BinaryOp.OR,
    CheckedOp.XOR: BinaryOp.XOR,
}


def _count(o: Operands) -> Value | None:
    """Whether the count is 64 or more, None if it cannot be; a negative one raised."""
    e = o.editor
    if o.b_range[0] < 0:
        o.raise_if(o.b_negative(), "ValueError")
    if o.b_range[1] < _WIDTH:
        return None
    return e.compare(Predicate.UGE, o.b, _WIDTH)


def left(o: Operands) -> None:
    """``a << b``."""
    e = o.editor
    big = _count(o)
    shift = BinaryOp.ASHR if o.signed else BinaryOp.LSHR
    found = exact(o.op, o.a_range, o.b_range)
    if big is None and found is not None and fits(found, o.range):
        o.give(BinaryOp.SHL, o.a, o.b)
        return
    count = o.b if big is None else e.binary(BinaryOp.AND, o.b, _WIDTH - 1)
    shifted = e.binary(BinaryOp.SHL, o.a, count)
    lost: Value = e.compare(Predicate.NE, e.binary(shift, shifted, count), o.a)
    if big is not None:
        # Only zero may be shifted as far as that, and stays zero by any masked count.
        lost = o.either(lost, o.both(big, e.compare(Predicate.NE, o.a, 0)))
    o.overflow_if(lost)
    o.give_value(shifted)


def right(o: Operands) -> None:
    """``a >> b``."""
    e = o.editor
    big = _count(o)
    if o.signed:
        count = o.b
        if big is not None:
            count = e.select(big, Const(_WIDTH - 1, I64), o.b)
        o.give(BinaryOp.ASHR, o.a, count)
    elif big is None:
        o.give(BinaryOp.LSHR, o.a, o.b)
    else:
        masked = e.binary(BinaryOp.AND, o.b, _WIDTH - 1)
        shifted = e.binary(BinaryOp.LSHR, o.a, masked)
        o.give_value(e.select(big, e.constant(0, o.type), shifted))


def bits(o: Operands) -> None:
    """``a & b``, ``a | b``, ``a ^ b``: patterns, but for the sign of a U64 result."""
    if not o.signed and o.op is not CheckedOp.AND:
        # A negative number has ones without end on its left; the result would have them too.
        for interval, negative in ((o.a_range, o.a_negative), (o.b_range, o.b_negative)):
            if interval[0] < 0:
                o.overflow_if(negative())
    o.give(_BITS[o.op], o.a, o.b)
