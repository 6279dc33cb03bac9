"""Adding to counters, histograms and statistics in a probe: each CPU adds to cells of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.frontend.python.arithmetic import as_kind
from syscast.frontend.python.mapaccess import Access
from syscast.frontend.python.statebytes import as_u64, put_together, take_apart
from syscast.ir.ops import (
    AtomicAdd,
    Binary,
    BinaryOp,
    Branch,
    Compare,
    Convert,
    ExactCompare,
    Load,
    Predicate,
    Select,
    Store,
)
from syscast.ir.types import BOOL, I64, U32, U64, Const, Value
from syscast.state.counter import Counter
from syscast.state.histogram import LinearHist, Log2Hist
from syscast.state.statistics import Max, Mean, Min, Sum

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable

    from syscast.frontend.python.context import Lowering
    from syscast.frontend.python.values import IntValue, Lowered
    from syscast.state.cells import Cells

Key = tuple["ast.expr", "Lowered"]


def add(
    low: Lowering,
    node: ast.expr,
    state: Cells[object],
    key: Key | None,
    amount: IntValue,
    hint: str,
) -> None:
    """Add to an aggregation.

    Args:
        low: The function.
        node: The place, for counters of exceptions.
        state: The aggregation.
        key: Node and value of the user's key; None where the aggregation has no keys.
        amount: What is added: a number of times for a counter, else a value.
        hint: Name for the state's map.
    """
    bucket: Value = Const(0, U32)
    value: Value = amount.value
    if isinstance(state, Log2Hist):
        bucket = _log2(low, node, value)
    elif isinstance(state, LinearHist):
        bucket = _linear(low, node, state, value)
    elif not isinstance(state, Counter):
        value = as_kind(low, node, value, wide=False)
    access = Access(low, node, state, hint)
    shape = state.keys_shape
    if shape is None or key is None:
        cell = access.present(access.number(bucket), b"")
    else:
        parts = take_apart(low, key[0], key[1], shape, "key")
        if state.buckets > 1:
            parts.append(bucket)
        whole = put_together(low, node, state.plan.key, parts, "key")
        cell = access.present(whole, bytes(state.plan.value.size))
    for kind, put in _PUTS.items():
        if isinstance(state, kind):
            put(low, node, cell, value)
            return
    raise AssertionError(type(state))


def _atomic(low: Lowering, node: ast.expr, cell: Value, value: Value, offset: int = 0) -> None:
    low.add(AtomicAdd(cell, as_u64(low, node, value), offset, span=low.span(node)))


def _put_one(low: Lowering, node: ast.expr, cell: Value, value: Value) -> None:
    del value
    _atomic(low, node, cell, Const(1, U64))


def _put_mean(low: Lowering, node: ast.expr, cell: Value, value: Value) -> None:
    _atomic(low, node, cell, Const(1, U64))
    _atomic(low, node, cell, value, 8)


def _extreme(predicate: Predicate) -> Callable[[Lowering, ast.expr, Value, Value], None]:
    def put(low: Lowering, node: ast.expr, cell: Value, value: Value) -> None:
        """Store a better value: {count, value}.

        No other CPU has this cell, so only a probe in an interrupt of this CPU can come between.
        """
        span = low.span(node)
        count, best, none = low.reg(U64), low.reg(I64), low.reg(BOOL)
        better, take = low.reg(BOOL), low.reg(BOOL)
        low.add(Load(count, cell, 0, span=span))
        low.add(Load(best, cell, 8, span=span))
        low.add(Compare(none, Predicate.EQ, count, Const(0, U64), span=span))
        low.add(Compare(better, predicate, value, best, span=span))
        low.add(Select(take, none, Const(1, BOOL), better, span=span))
        store, done = low.builder.label("better"), low.builder.label("counted")
        low.add(Branch(take, store, done, span=span))
        low.builder.start(store)
        low.add(Store(cell, value, 8, span=span))
        low.jump(done)
        low.builder.start(done)
        _atomic(low, node, cell, Const(1, U64))

    return put


_PUTS: dict[type, Callable[[Lowering, ast.expr, Value, Value], None]] = {
    Counter: _atomic,
    Log2Hist: _put_one,
    LinearHist: _put_one,
    Sum: _atomic,
    Mean: _put_mean,
    Min: _extreme(Predicate.SLT),
    Max: _extreme(Predicate.SGT),
}


# ---------------------------------------------------------------- buckets


def _log2(low: Lowering, node: ast.expr, value: Value) -> Value:
    """``Log2Hist._bucket``: 0 for negative values, else 1 + bit_length.

    All bits below the highest are set, then the bits are counted: without a branch, so that the
    verifier has one path to walk.
    """
    span = low.span(node)
    negative: Value = Const(0, BOOL)
    if value.type != U64:
        negative = low.reg(BOOL)
        low.add(ExactCompare(negative, Predicate.SLT, value, Const(0, I64), span=span))
    bits = as_u64(low, node, value)

    def op(kind: BinaryOp, a: Value, b: Value | int) -> Value:
        made = low.reg(U64)
        other = Const(b, U64) if isinstance(b, int) else b
        low.add(Binary(made, kind, a, other, span=span))
        return made

    for shift in (1, 2, 4, 8, 16, 32):
        bits = op(BinaryOp.OR, bits, op(BinaryOp.LSHR, bits, shift))
    pairs = op(BinaryOp.AND, op(BinaryOp.LSHR, bits, 1), 0x5555555555555555)
    bits = op(BinaryOp.SUB, bits, pairs)
    upper = op(BinaryOp.AND, op(BinaryOp.LSHR, bits, 2), 0x3333333333333333)
    bits = op(BinaryOp.ADD, op(BinaryOp.AND, bits, 0x3333333333333333), upper)
    bits = op(BinaryOp.ADD, bits, op(BinaryOp.LSHR, bits, 4))
    bits = op(BinaryOp.AND, bits, 0x0F0F0F0F0F0F0F0F)
    bits = op(BinaryOp.LSHR, op(BinaryOp.MUL, bits, 0x0101010101010101), 56)
    wide, chosen, narrow = op(BinaryOp.ADD, bits, 1), low.reg(U64), low.reg(U32)
    low.add(Select(chosen, negative, Const(0, U64), wide, span=span))
    low.add(Convert(narrow, chosen, span=span))
    return narrow


def _linear(low: Lowering, node: ast.expr, state: LinearHist[object], value: Value) -> Value:
    """``LinearHist._bucket``."""
    span = low.span(node)
    below, above = low.reg(BOOL), low.reg(BOOL)
    low.add(ExactCompare(below, Predicate.SLT, value, Const(state.low, I64), span=span))
    low.add(ExactCompare(above, Predicate.SGE, value, Const(state.high, I64), span=span))
    offset, step, bucket = low.reg(U64), low.reg(U64), low.reg(U64)
    start = Const(state.low % (1 << 64), U64)
    low.add(Binary(offset, BinaryOp.SUB, as_u64(low, node, value), start, span=span))
    low.add(Binary(step, BinaryOp.UDIV, offset, Const(state.step, U64), span=span))
    low.add(Binary(bucket, BinaryOp.ADD, step, Const(1, U64), span=span))
    low_one, chosen, narrow = low.reg(U64), low.reg(U64), low.reg(U32)
    low.add(Select(low_one, below, Const(0, U64), bucket, span=span))
    last = Const(state.buckets - 1, U64)
    low.add(Select(chosen, above, last, low_one, span=span))
    low.add(Convert(narrow, chosen, span=span))
    return narrow
