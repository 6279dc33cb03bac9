"""Arithmetic on ranges of integers, low and high inclusive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.ir.ops import BinaryOp, CheckedOp, Predicate
from syscast.ir.types import IntType

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.ir.types import IrType

Interval = tuple[int, int]

_WIDEST = 64


def of_type(type_: IrType) -> Interval:
    """Every value of a type; a pointer is a 64-bit number."""
    if not isinstance(type_, IntType):
        return 0, (1 << _WIDEST) - 1
    if type_.signed:
        return -(1 << type_.bits - 1), (1 << type_.bits - 1) - 1
    return 0, (1 << type_.bits) - 1


def fits(inner: Interval, outer: Interval) -> bool:
    """Whether ``inner`` lies in ``outer``."""
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def meet(a: Interval, b: Interval) -> Interval:
    """What both have; ``b`` where they have nothing (the place is never reached)."""
    low, high = max(a[0], b[0]), min(a[1], b[1])
    return (low, high) if low <= high else b


def join(a: Interval, b: Interval) -> Interval:
    """The smallest range around both."""
    return min(a[0], b[0]), max(a[1], b[1])


def corners(function: Callable[[int, int], int], a: Interval, b: Interval) -> Interval:
    """The range of a function that is monotonic in each argument."""
    values = [function(x, y) for x in a for y in b]
    return min(values), max(values)


def exact(op: CheckedOp, a: Interval, b: Interval) -> Interval | None:
    """The range of Python's exact result; None where it is not known to be bounded."""
    match op:
        case CheckedOp.ADD:
            return a[0] + b[0], a[1] + b[1]
        case CheckedOp.SUB:
            return a[0] - b[1], a[1] - b[0]
        case CheckedOp.MUL:
            return corners(lambda x, y: x * y, a, b)
        case CheckedOp.FLOORDIV | CheckedOp.MOD:
            return _division(op, a, b)
        case CheckedOp.LSHIFT | CheckedOp.RSHIFT:
            return _shift(op, a, b)
        case CheckedOp.AND | CheckedOp.OR | CheckedOp.XOR:
            return _bits(op, a, b)


def _division(op: CheckedOp, a: Interval, b: Interval) -> Interval | None:
    if b[0] <= 0:
        return None
    if op is CheckedOp.FLOORDIV:
        return corners(lambda x, y: x // y, a, b)
    return 0, min(a[1], b[1] - 1) if a[0] >= 0 else b[1] - 1


def _shift(op: CheckedOp, a: Interval, b: Interval) -> Interval | None:
    if b[0] < 0:
        return None
    if op is CheckedOp.RSHIFT:
        counts = min(b[0], _WIDEST), min(b[1], _WIDEST)
        return corners(lambda x, n: x >> n, a, counts)
    return corners(lambda x, n: x << n, a, b) if b[1] <= _WIDEST else None


def _bits(op: CheckedOp, a: Interval, b: Interval) -> Interval | None:
    if op is CheckedOp.AND:
        limits = [each[1] for each in (a, b) if each[0] >= 0]
        return (0, min(limits)) if limits else None
    if a[0] < 0 or b[0] < 0:
        return None
    return 0, (1 << max(a[1], b[1]).bit_length()) - 1


_SAME = {
    BinaryOp.ADD: CheckedOp.ADD,
    BinaryOp.SUB: CheckedOp.SUB,
    BinaryOp.MUL: CheckedOp.MUL,
    BinaryOp.UDIV: CheckedOp.FLOORDIV,
    BinaryOp.UREM: CheckedOp.MOD,
    BinaryOp.AND: CheckedOp.AND,
    BinaryOp.OR: CheckedOp.OR,
    BinaryOp.XOR: CheckedOp.XOR,
    BinaryOp.SHL: CheckedOp.LSHIFT,
    BinaryOp.LSHR: CheckedOp.RSHIFT,
}


def wrapped(op: BinaryOp, a: Interval, b: Interval, whole: Interval) -> Interval:
    """The range of a machine operation, which wraps into ``whole``."""
    unsigned = op not in {BinaryOp.UDIV, BinaryOp.UREM, BinaryOp.LSHR} or a[0] >= 0
    found = exact(_SAME[op], a, b) if op in _SAME and unsigned else None
    return found if found is not None and fits(found, whole) else whole


_NEGATED = {
    Predicate.EQ: Predicate.NE,
    Predicate.SLT: Predicate.SGE,
    Predicate.SLE: Predicate.SGT,
    Predicate.ULT: Predicate.UGE,
    Predicate.ULE: Predicate.UGT,
}
_NEGATED |= {b: a for a, b in _NEGATED.items()}


def narrowed(
    pred: Predicate, a: Interval, b: Interval, *, holds: bool
) -> tuple[Interval, Interval]:
    """Both ranges where ``a pred b`` holds, or does not."""
    if not holds:
        pred = _NEGATED[pred]
    match pred:
        case Predicate.EQ:
            both = meet(a, b)
            return both, both
        case Predicate.SLT | Predicate.ULT:
            return meet((a[0], b[1] - 1), a), meet((a[0] + 1, b[1]), b)
        case Predicate.SLE | Predicate.ULE:
            return meet((a[0], b[1]), a), meet((a[0], b[1]), b)
        case Predicate.SGT | Predicate.UGT:
            return meet((b[0] + 1, a[1]), a), meet((b[0], a[1] - 1), b)
        case Predicate.SGE | Predicate.UGE:
            return meet((b[0], a[1]), a), meet((b[0], a[1]), b)
        case _:
            return a, b
