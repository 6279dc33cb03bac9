"""Comparisons and conversions of integers as numbers, whatever their types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.ir.intervals import fits, of_type
from syscast.ir.ops import BinaryOp, Predicate
from syscast.ir.types import BOOL, I64, U64, Const, IntType
from syscast.passes.operands import I64_RANGE, U64_RANGE

if TYPE_CHECKING:
    from syscast.ir.intervals import Interval
    from syscast.ir.ops import CheckedConvert, ExactCompare
    from syscast.ir.types import Value
    from syscast.passes.editor import Editor

_UNSIGNED = {
    Predicate.EQ: Predicate.EQ,
    Predicate.NE: Predicate.NE,
    Predicate.SLT: Predicate.ULT,
    Predicate.SLE: Predicate.ULE,
    Predicate.SGT: Predicate.UGT,
    Predicate.SGE: Predicate.UGE,
}
_LESS = frozenset({Predicate.SLT, Predicate.SLE, Predicate.NE})
_MORE = frozenset({Predicate.SGT, Predicate.SGE, Predicate.NE})


def exact(e: Editor, op: ExactCompare, a_range: Interval, b_range: Interval) -> None:
    """Lower an ExactCompare."""
    if fits(a_range, I64_RANGE) and fits(b_range, I64_RANGE):
        a, b = _wide(e, op.a, I64), _wide(e, op.b, I64)
        e.compare(op.pred, a, b, into=op.result)
        return
    a, b = _wide(e, op.a, U64), _wide(e, op.b, U64)
    pred = _UNSIGNED[op.pred]
    if fits(a_range, U64_RANGE) and fits(b_range, U64_RANGE):
        e.compare(pred, a, b, into=op.result)
        return
    # One is above what the other's type has; a negative one is below all of the other's.
    a_may = a_range[0] < 0
    patterns = e.compare(pred, a, b)
    negative = e.compare(Predicate.SLT, e.convert(a if a_may else b, I64), 0)
    if op.pred in (_LESS if a_may else _MORE):
        e.binary(BinaryOp.OR, patterns, negative, into=op.result)
    else:
        positive = e.binary(BinaryOp.XOR, negative, Const(1, BOOL))
        e.binary(BinaryOp.AND, patterns, positive, into=op.result)


def convert(e: Editor, op: CheckedConvert, a_range: Interval) -> None:
    """Lower a CheckedConvert."""
    source, target = op.a.type, op.result.type
    assert isinstance(source, IntType)
    low, high = of_type(target)
    below, above = (
        (Predicate.SLT, Predicate.SGT) if source.signed else (Predicate.ULT, Predicate.UGT)
    )
    if a_range[0] < low == 0 and a_range[1] > high:
        # As an unsigned number a negative one is above every limit: one comparison sees both.
        e.raise_if(e.compare(Predicate.UGT, op.a, high), op.site)
    else:
        if a_range[0] < low:
            e.raise_if(e.compare(below, op.a, low), op.site)
        if a_range[1] > high:
            e.raise_if(e.compare(above, op.a, high), op.site)
    e.convert(op.a, target, into=op.result)


def _wide(e: Editor, value: Value, type_: IntType) -> Value:
    if isinstance(value, Const):
        return e.constant(value.value, type_)
    return e.convert(value, type_)
