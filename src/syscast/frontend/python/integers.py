"""Python's functions on integers, casts that check the range, and arithmetic that wraps."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import msgspec

from syscast.events.machineints import MachineInt, i8, i16, i32, i64, u8, u16, u32, u64
from syscast.frontend.python.arguments import arguments, python_int
from syscast.frontend.python.arithmetic import both, combine, is_bool
from syscast.frontend.python.values import IntValue, Lowered, PtrValue, PyValue, TupleValue, plain
from syscast.ir.intervals import meet, of_type
from syscast.ir.ops import (
    Binary,
    BinaryOp,
    Branch,
    Checked,
    CheckedConvert,
    CheckedOp,
    Convert,
    ExactCompare,
    Predicate,
    Raise,
    Select,
    SlotLoad,
    SlotStore,
)
from syscast.ir.types import BOOL, I64, U64, Const, IntType, Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syscast.frontend.python.context import CallHandler, Lowering

_BITS = 64
_MASK = (1 << _BITS) - 1
_MAX_VALUES = 64

_WRAPPING: Mapping[type[ast.operator], BinaryOp] = {
    ast.Add: BinaryOp.ADD,
    ast.Sub: BinaryOp.SUB,
    ast.Mult: BinaryOp.MUL,
    ast.BitAnd: BinaryOp.AND,
    ast.BitOr: BinaryOp.OR,
    ast.BitXor: BinaryOp.XOR,
}
"""Operators that give the same bits whether their operands were cut to 64 bits or not."""


# ---------------------------------------------------------------- casts


def cast_to(type_: IntType) -> CallHandler:
    """``u16(x)``: the value if it fits, else OverflowError."""

    def handler(low: Lowering, node: ast.Call) -> Lowered:
        (inner,) = arguments(low, node, 1, 1)
        value = low.expr(inner)
        known = python_int(value)
        start = -(1 << (type_.bits - 1)) if type_.signed else 0
        if known is not None:
            if not start <= known < start + (1 << type_.bits):
                raise low.rejection(
                    node, f"this always raises OverflowError: {known} does not fit {type_}"
                )
            return PyValue(known)
        number = _address(low, node, value) or low.integer(inner, value)
        if number.kind == type_:
            return IntValue(number.value, type_, name=number.name, known=number.known)
        narrow = low.reg(type_)
        site = low.site(node, "OverflowError")
        low.add(CheckedConvert(narrow, number.value, site, span=low.span(node)))
        known_range = meet(number.interval, of_type(type_))
        wide = low.widen(node, narrow, type_)
        return IntValue(wide, type_, name=number.name, known=known_range)

    return handler


def _address(low: Lowering, node: ast.expr, value: Lowered) -> IntValue | None:
    """A pointer's address as u64; None for what is no pointer."""
    if not isinstance(value, PtrValue):
        return None
    result = low.reg(U64)
    low.add(Convert(result, value.value, span=low.span(node)))
    return IntValue(result, U64)


def to_int(low: Lowering, node: ast.Call) -> Lowered:
    """``int(x)``: of an integer, a bool or a pointer."""
    inner, *base = arguments(low, node, 1, 2)
    value = low.expr(inner)
    held = value.value if isinstance(value, PyValue) else None
    if isinstance(held, str | bytes) or base:
        bases = [python_int(low.expr(each)) for each in base]
        if not isinstance(held, str | bytes) or None in bases:
            raise low.rejection(node, "a probe cannot parse text", "int() takes an integer")
        try:
            return PyValue(int(held, *[each for each in bases if each is not None]))
        except ValueError as error:
            raise low.rejection(node, f"this always raises ValueError: {error}") from None
    return _address(low, node, value) or plain(low.integer(inner, value))


# ---------------------------------------------------------------- abs, min, max, divmod, pow


def absolute(low: Lowering, node: ast.Call) -> Lowered:
    """``abs(x)``; OverflowError for -2**63, whose absolute value is no i64."""
    (inner,) = arguments(low, node, 1, 1)
    value = low.expr(inner)
    known = python_int(value)
    if known is not None:
        return PyValue(abs(known))
    number = plain(low.integer(inner, value))
    if number.kind == U64:
        return number
    span = low.span(node)
    below = low.reg(BOOL)
    low.add(ExactCompare(below, Predicate.SLT, number.value, Const(0, I64), span=span))
    negative, end = low.builder.label("negative"), low.builder.label("absolute")
    answer = low.builder.slot("absolute", I64, 8)
    low.add(SlotStore(answer, number.value, span=span))
    low.add(Branch(below, negative, end, span=span))
    low.builder.start(negative)
    negated = low.reg(I64)
    site = low.site(node, "OverflowError")
    low.add(Checked(negated, CheckedOp.SUB, Const(0, I64), number.value, site, span=span))
    low.add(SlotStore(answer, negated, span=span))
    low.jump(end)
    low.builder.start(end)
    result = low.reg(I64)
    low.add(SlotLoad(result, answer, span=span))
    lowest, highest = number.interval
    least = 0 if lowest <= 0 <= highest else min(abs(lowest), abs(highest))
    most = max(abs(lowest), abs(highest))
    return IntValue(result, I64, known=meet((least, most), of_type(I64)))


def extreme(predicate: Predicate) -> CallHandler:
    """``min`` (``SLT``) or ``max`` (``SGT``) of two or more, or of one tuple."""
    name = "min" if predicate is Predicate.SLT else "max"

    def handler(low: Lowering, node: ast.Call) -> Lowered:
        values = _candidates(low, node, name)
        known = [python_int(value) for _, value in values]
        if None not in known:
            pick = min if predicate is Predicate.SLT else max
            held = [value.value for _, value in values if isinstance(value, PyValue)]
            return PyValue(pick(each for each in held if isinstance(each, int)))
        if all(is_bool(value) for _, value in values):
            op = ast.BitAnd if predicate is Predicate.SLT else ast.BitOr
            chosen = values[0]
            for another in values[1:]:
                chosen = another[0], both(low, node, op, chosen, another)
            return chosen[1]
        numbers = [(each, low.integer(each, value)) for each, value in values]
        if any(is_bool(value) for _, value in values):
            numbers = [
                (each, msgspec.structs.replace(value, mixed=True)) for each, value in numbers
            ]
        best = numbers[0][1]
        for each, other in numbers[1:]:
            best = _better(low, each, predicate, best, other)
        return best

    return handler


def _candidates(low: Lowering, node: ast.Call, name: str) -> list[tuple[ast.expr, Lowered]]:
    nodes = arguments(low, node, 1, _MAX_VALUES)
    lowered = [low.expr(each) for each in nodes]
    if len(nodes) > 1:
        return list(zip(nodes, lowered, strict=True))
    (only,) = lowered
    if isinstance(only, PyValue) and isinstance(only.value, tuple | frozenset | set | range):
        if len(only.value) > _MAX_VALUES and not isinstance(only.value, range):
            raise low.rejection(
                nodes[0],
                f"{name}() takes at most {_MAX_VALUES} values here",
                "keep the constants in a tuple, and test with `in`",
            )
        ends = only.value if not isinstance(only.value, range) else _ends(only.value)
        only = TupleValue(tuple(PyValue(each) for each in sorted(ends)))
    if not isinstance(only, TupleValue):
        raise low.rejection(
            node, f"{name}() takes two or more values, or a tuple of them", f"{name}(a, b)"
        )
    if not only.items:
        raise low.rejection(node, f"this always raises ValueError: {name}() of nothing")
    each = nodes[0].elts if isinstance(nodes[0], ast.Tuple) else [nodes[0]] * len(only.items)
    return list(zip(each, only.items, strict=True))


def _ends(values: range) -> list[int]:
    return [values[0], values[-1]] if values else []


def _better(
    low: Lowering, node: ast.expr, predicate: Predicate, best: IntValue, other: IntValue
) -> IntValue:
    """The smaller or greater of two; of an i64 and a u64, min fits an i64 and max a u64."""
    span = low.span(node)
    kinds = {best.kind, other.kind}
    kind = U64 if kinds == {U64} or (U64 in kinds and predicate is Predicate.SGT) else I64
    better = low.reg(BOOL)
    low.add(ExactCompare(better, predicate, other.value, best.value, span=span))
    take, keep, end = (low.builder.label(hint) for hint in ("take", "keep", "best"))
    answer = low.builder.slot("best", kind, 8)
    low.add(Branch(better, take, keep, span=span))
    for label, value in ((take, other), (keep, best)):
        low.builder.start(label)
        low.add(SlotStore(answer, _as(low, node, value.value, kind), span=span))
        low.jump(end)
    low.builder.start(end)
    result = low.reg(kind)
    low.add(SlotLoad(result, answer, span=span))
    pick = min if predicate is Predicate.SLT else max
    ends = [pick(pair) for pair in zip(best.interval, other.interval, strict=True)]
    natural = best.natural if best.natural == other.natural else kind
    mixed = best.mixed or other.mixed
    return IntValue(result, natural, known=(ends[0], ends[1]), mixed=mixed)


def _as(low: Lowering, node: ast.AST, value: Value, kind: IntType) -> Value:
    """The same 64 bits as another kind; a constant stays one where it can."""
    if isinstance(value, Const):
        number = value.value & _MASK
        return Const(number - (1 << _BITS) if kind == I64 and number >> 63 else number, kind)
    if value.type == kind:
        return value
    result = low.reg(kind)
    low.add(Convert(result, value, span=low.span(node)))
    return result


def quotient_and_rest(low: Lowering, node: ast.Call) -> Lowered:
    """``divmod(a, b)``: a tuple, to be taken apart."""
    first, second = arguments(low, node, 2, 2)
    a, b = (first, low.expr(first)), (second, low.expr(second))
    both = (combine(low, node, op, a, b) for op in (ast.FloorDiv(), ast.Mod()))
    return TupleValue(tuple(both))


def power(low: Lowering, node: ast.Call) -> Lowered:
    """``pow(a, b)`` is ``a ** b``; with a modulus it takes constants only."""
    nodes = arguments(low, node, 2, 3)
    values = [low.expr(each) for each in nodes]
    if len(nodes) == 2:
        return combine(low, node, ast.Pow(), (nodes[0], values[0]), (nodes[1], values[1]))
    known = [each for each in map(python_int, values) if each is not None]
    if len(known) != len(nodes):
        raise low.rejection(node, "pow() with a modulus takes constants only in a probe")
    try:
        return PyValue(pow(*known))
    except ValueError as error:
        raise low.rejection(node, f"this always raises ValueError: {error}") from None


# ---------------------------------------------------------------- wrapping


def wrap(bits: int) -> CallHandler:
    """``wrap32(x)``, ``wrap64(x)``: a whole expression modulo 2**bits."""

    def handler(low: Lowering, node: ast.Call) -> Lowered:
        (inner,) = arguments(low, node, 1, 1)
        value = _modular(low, inner)
        if bits == _BITS:
            return IntValue(value, U64)
        if isinstance(value, Const):
            return PyValue(value.value & ((1 << bits) - 1))
        cut = low.reg(U64)
        mask = Const((1 << bits) - 1, U64)
        low.add(Binary(cut, BinaryOp.AND, value, mask, span=low.span(node)))
        natural = IntType(bits, signed=False)
        return IntValue(_as(low, node, cut, I64), natural, known=of_type(natural))

    return handler


def _modular(low: Lowering, node: ast.expr) -> Value:
    """An expression modulo 2**64, as u64."""
    if isinstance(node, ast.BinOp) and type(node.op) in _WRAPPING:
        a, b = _modular(low, node.left), _modular(low, node.right)
        return _binary(low, node, _WRAPPING[type(node.op)], a, b)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.LShift):
        return _shift_left(low, node)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd):
        return _modular(low, node.operand)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Invert):
        start = Const(0 if isinstance(node.op, ast.USub) else _MASK, U64)
        return _binary(low, node, BinaryOp.SUB, start, _modular(low, node.operand))
    value = low.expr(node)
    known = python_int(value)
    if known is not None:
        return Const(known & _MASK, U64)
    return _as(low, node, low.integer(node, value).value, U64)


def _binary(low: Lowering, node: ast.expr, op: BinaryOp, a: Value, b: Value) -> Value:
    result = low.reg(U64)
    low.add(Binary(result, op, a, b, span=low.span(node)))
    return result


def _shift_left(low: Lowering, node: ast.BinOp) -> Value:
    """``a << n`` modulo 2**64: ValueError for a negative count, 0 for one of 64 and more."""
    a = _modular(low, node.left)
    count = low.integer(node.right)
    span = low.span(node)
    if isinstance(count.value, Const):
        n = count.value.value
        if n < 0:
            raise low.rejection(node, "this always raises ValueError: negative shift count")
        return Const(0, U64) if n >= _BITS else _binary(low, node, BinaryOp.SHL, a, Const(n, U64))
    if count.kind == I64:
        negative, good = low.builder.label("negative"), low.builder.label("count")
        below = low.reg(BOOL)
        low.add(ExactCompare(below, Predicate.SLT, count.value, Const(0, I64), span=span))
        low.add(Branch(below, negative, good, span=span))
        low.builder.start(negative)
        low.add(Raise(low.site(node, "ValueError"), span=span))
        low.builder.start(good)
    far = low.reg(BOOL)
    low.add(ExactCompare(far, Predicate.SGE, count.value, Const(_BITS, I64), span=span))
    near = _binary(low, node, BinaryOp.AND, _as(low, node, count.value, U64), Const(63, U64))
    shifted = _binary(low, node, BinaryOp.SHL, a, near)
    result = low.reg(U64)
    low.add(Select(result, far, Const(0, U64), shifted, span=span))
    return result


_TYPES: tuple[type, ...] = (u8, u16, u32, u64, i8, i16, i32, i64)


def _machine(type_: type) -> IntType:
    assert issubclass(type_, MachineInt)
    return IntType(type_.bits, signed=type_.signed)


CASTS: dict[int, CallHandler] = {id(each): cast_to(_machine(each)) for each in _TYPES}
"""The casts, as `calls.CALLS` has them."""
