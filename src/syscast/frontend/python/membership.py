"""Comparisons, chained ones too, and ``in``: over tuples, constant sets and ranges, and in strings."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import msgspec

from syscast.frontend.python.arguments import arguments, bytes_for_text, python_int, python_text
from syscast.frontend.python.arithmetic import compare_values
from syscast.frontend.python.strings import contains, is_text, text_of
from syscast.frontend.python.values import BoolValue, IntValue, Lowered, PyValue, TupleValue
from syscast.ir.ops import (
    Binary,
    BinaryOp,
    Branch,
    Checked,
    CheckedOp,
    Compare,
    Convert,
    ExactCompare,
    Predicate,
    Raise,
    Select,
    SlotLoad,
    SlotStore,
)
from syscast.ir.types import BOOL, I64, U64, Const, Value
from syscast.state.state import State

if TYPE_CHECKING:
    from syscast.frontend.python.context import Flow, Lowering

_MAX_ITEMS = 256
"""Each item of a constant set costs a comparison; more belong into a map."""


class _Range(msgspec.Struct, frozen=True):
    """``range(...)`` written in place."""

    start: IntValue
    stop: IntValue
    step: IntValue


_Side = tuple[ast.expr, Lowered]


def compare(low: Lowering, node: ast.expr) -> Lowered:
    """``a < b < c``: each operand is evaluated once, and none after the answer is known."""
    assert isinstance(node, ast.Compare)
    left: _Side = (node.left, low.expr(node.left))
    if len(node.ops) == 1:
        result, _ = _one(low, node, node.ops[0], left, node.comparators[0])
        return result
    answer = low.builder.slot("compared", BOOL, 1)
    end = low.builder.label("compared")
    flows: list[Flow] = []
    for position, (op, right_node) in enumerate(zip(node.ops, node.comparators, strict=True)):
        result, right = _one(low, node, op, left, right_node)
        truth = low.truth(right_node, result)
        low.add(SlotStore(answer, truth, span=low.span(node)))
        flows.append(low.flow())
        if position == len(node.ops) - 1:
            break
        more = low.builder.label("compare")
        low.branch(node, truth, more, end)
        low.builder.start(more)
        if right is None:
            raise low.rejection(
                right_node,
                "a range cannot be compared further",
                "use `and` between two comparisons",
            )
        left = (right_node, right)
    low.jump(end)
    low.builder.start(end)
    low.resume(*flows)
    final = low.reg(BOOL)
    low.add(SlotLoad(final, answer, span=low.span(node)))
    return BoolValue(final)


def _one(
    low: Lowering, node: ast.Compare, op: ast.cmpop, left: _Side, right_node: ast.expr
) -> tuple[Lowered, Lowered | None]:
    """One comparison, and its right operand (None for a range, which is no value)."""
    if not isinstance(op, ast.In | ast.NotIn):
        right = low.expr(right_node)
        return compare_values(low, node, op, left, (right_node, right)), right
    container = _container(low, right_node)
    if isinstance(container, _Range):
        found = _in_range(low, node, left, container)
    else:
        found = _contains(low, node, left, (right_node, container))
    if isinstance(op, ast.NotIn):
        found = _inverted(low, node, found)
    return BoolValue(found), None if isinstance(container, _Range) else container


def _container(low: Lowering, node: ast.expr) -> Lowered | _Range:
    """The right operand of ``in``; lists and sets written in place need no heap here."""
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        for each in node.elts:
            if isinstance(each, ast.Starred):
                raise low.rejection(each, "`*` is not part of the probe language")
        return TupleValue(tuple(low.expr(each) for each in node.elts))
    if isinstance(node, ast.Call):
        function = low.expr(node.func)
        if isinstance(function, PyValue) and function.value is range:
            return _range(low, node)
    return low.expr(node)


def _range(low: Lowering, node: ast.Call) -> _Range | PyValue:
    nodes = arguments(low, node, 1, 3)
    values = [low.expr(each) for each in nodes]
    known = [each for each in map(python_int, values) if each is not None]
    if len(known) == len(values):
        try:
            return PyValue(range(*known))
        except ValueError as error:
            raise low.rejection(node, f"this always raises ValueError: {error}") from None
    numbers = [low.integer(each, value) for each, value in zip(nodes, values, strict=True)]
    if len(numbers) == 1:
        numbers.insert(0, IntValue(Const(0, I64), I64))
    start, stop, *step = numbers
    return _Range(start, stop, step[0] if step else IntValue(Const(1, I64), I64))


def _contains(low: Lowering, node: ast.Compare, left: _Side, right: _Side) -> Value:
    right_node, container = right
    if isinstance(container, TupleValue):
        nodes = getattr(right_node, "elts", None) or [right_node] * len(container.items)
        return _among(low, node, left, list(zip(nodes, container.items, strict=True)))
    held = container.value if isinstance(container, PyValue) else None
    if isinstance(held, State):
        return low.states().contains(low, node, held, right_node, left)
    if isinstance(held, range):
        return _in_constant_range(low, node, left, held)
    if isinstance(held, tuple | set | frozenset):
        if len(held) > _MAX_ITEMS:
            raise low.rejection(
                right_node, f"`in` takes at most {_MAX_ITEMS} constants, this has {len(held)}"
            )
        items = held if isinstance(held, tuple) else sorted(held, key=_order)
        return _among(low, node, left, [(right_node, PyValue(each)) for each in items])
    if is_text(low, container):
        return _in_text(low, node, left, (right_node, container))
    if isinstance(held, str) and isinstance(left[1], PyValue) and isinstance(left[1].value, str):
        return Const(int(left[1].value in held), BOOL)
    raise low.rejection(
        right_node,
        f"`in` needs a tuple, a set, a range or a string, this is {low.describe(container)}",
        "write the values in place, such as (80, 443), or capture a constant tuple",
    )


def _in_text(low: Lowering, node: ast.Compare, left: _Side, right: _Side) -> Value:
    held = left[1].value if isinstance(left[1], PyValue) else None
    if isinstance(held, bytes):
        raise low.rejection(left[0], *bytes_for_text(held))
    needle = python_text(left[1])
    if needle is None:
        raise low.rejection(
            left[0], f"`in` looks for a constant string, this is {low.describe(left[1])}"
        )
    return contains(low, node, needle, text_of(low, *right))


def _order(item: object) -> tuple[str, str]:
    """A set has no order of its own, and the same program must give the same object."""
    return type(item).__name__, repr(item)


def _among(low: Lowering, node: ast.Compare, left: _Side, items: list[_Side]) -> Value:
    """Equal to one of a few values; all were evaluated before, as Python does."""
    found: Value = Const(0, BOOL)
    for element, value in items:
        result = compare_values(low, node, ast.Eq(), left, (element, value))
        equal = low.truth(element, result)
        either = low.reg(BOOL)
        low.add(Select(either, equal, Const(1, BOOL), found, span=low.span(node)))
        found = either
    return found


def _inverted(low: Lowering, node: ast.expr, value: Value) -> Value:
    result = low.reg(BOOL)
    low.add(Compare(result, Predicate.EQ, value, Const(0, BOOL), span=low.span(node)))
    return result


# ---------------------------------------------------------------- ranges


def _in_constant_range(low: Lowering, node: ast.Compare, left: _Side, values: range) -> Value:
    known = python_int(left[1])
    if known is not None:
        return Const(int(known in values), BOOL)
    if not values:
        low.integer(*left)  # a string would be a mistake here, too
        return Const(0, BOOL)
    up = values if values.step > 0 else values[::-1]
    ends = [low.known(node, PyValue(each)) for each in (up[0], up[-1] + 1, up.step)]
    start, stop, step = (each for each in ends if isinstance(each, IntValue))
    return _in_range(low, node, left, _Range(start, stop, step))


def _in_range(low: Lowering, node: ast.Compare, left: _Side, values: _Range) -> Value:
    """Between the ends, and congruent to the start modulo the step."""
    x = low.integer(*left)
    step = values.step.value
    if isinstance(step, Const):
        if step.value == 0:
            raise low.rejection(node, "this always raises ValueError: range() with a step of 0")
        inside = _between(low, node, x, values, up=step.value > 0)
        return _congruent(low, node, inside, x, values.start, Const(abs(step.value), I64))
    _raise_if_zero(low, node, step)
    up, going_up = low.reg(BOOL), _between(low, node, x, values, up=True)
    low.add(ExactCompare(up, Predicate.SGT, step, Const(0, I64), span=low.span(node)))
    inside = low.reg(BOOL)
    going_down = _between(low, node, x, values, up=False)
    low.add(Select(inside, up, going_up, going_down, span=low.span(node)))
    size = _magnitude(low, node, values.step, up)
    return _congruent(low, node, inside, x, values.start, size)


def _raise_if_zero(low: Lowering, node: ast.Compare, step: Value) -> None:
    zero = low.reg(BOOL)
    low.add(ExactCompare(zero, Predicate.EQ, step, Const(0, I64), span=low.span(node)))
    bad, good = low.builder.label("no_step"), low.builder.label("step")
    low.add(Branch(zero, bad, good, span=low.span(node)))
    low.builder.start(bad)
    low.add(Raise(low.site(node, "ValueError"), span=low.span(node)))
    low.builder.start(good)


def _between(low: Lowering, node: ast.Compare, x: IntValue, values: _Range, *, up: bool) -> Value:
    start, stop = (Predicate.SGE, Predicate.SLT) if up else (Predicate.SLE, Predicate.SGT)
    first, last, both = low.reg(BOOL), low.reg(BOOL), low.reg(BOOL)
    span = low.span(node)
    low.add(ExactCompare(first, start, x.value, values.start.value, span=span))
    low.add(ExactCompare(last, stop, x.value, values.stop.value, span=span))
    low.add(Select(both, first, last, Const(0, BOOL), span=span))
    return both


def _magnitude(low: Lowering, node: ast.Compare, step: IntValue, positive: Value) -> Value:
    """The step without its sign, as u64."""
    span = low.span(node)
    wide, negated, size = low.reg(U64), low.reg(U64), low.reg(U64)
    low.add(Convert(wide, step.value, span=span))
    low.add(Binary(negated, BinaryOp.SUB, Const(0, U64), wide, span=span))
    low.add(Select(size, positive, wide, negated, span=span))
    return size


def _congruent(
    low: Lowering, node: ast.Compare, inside: Value, x: IntValue, start: IntValue, step: Value
) -> Value:
    """Whether x is inside and leaves the same rest as the start; the step is positive."""
    if step == Const(1, I64):
        return inside
    site = low.site(node, "ZeroDivisionError")  # never counted: the step is not 0
    rests: list[Value] = []
    for number in (x, start):
        if isinstance(number.value, Const) and isinstance(step, Const):
            rests.append(Const(number.value.value % step.value, I64))
            continue
        kind = U64 if U64 in {number.kind, step.type} else I64
        rest = low.reg(kind)
        low.add(Checked(rest, CheckedOp.MOD, number.value, step, site, span=low.span(node)))
        rests.append(rest)
    same, both = low.reg(BOOL), low.reg(BOOL)
    low.add(ExactCompare(same, Predicate.EQ, rests[0], rests[1], span=low.span(node)))
    low.add(Select(both, inside, same, Const(0, BOOL), span=low.span(node)))
    return both
