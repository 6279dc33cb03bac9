"""Wrong lowerings, planted one at a time, to show that the harness sees them.

Each plant replaces one function of the compiler by a wrong one, as a slip of the hand would, for as long as a context lasts. Every probe
is then run as ever; what counts is how many it takes until one differs.
"""

from __future__ import annotations

import ast
import contextlib
import time
from typing import TYPE_CHECKING, NamedTuple
from unittest import mock

import msgspec

from differential.engine import Engine
from differential.grammar import generate
from syscast.codegen.functiontext import FunctionText
from syscast.frontend.python import arithmetic as front_arithmetic
from syscast.frontend.python import eventing, integers, lower, membership
from syscast.frontend.python.calls import CALLS
from syscast.frontend.python.context import Lowering
from syscast.frontend.python.values import BoolValue, IntValue
from syscast.ir import intervals, ops
from syscast.ir.ops import BinaryOp, CheckedOp, Predicate
from syscast.ir.types import I64, U64, Const, IntType
from syscast.passes import arithmetic, bounds, compare, division, emits, shifts
from syscast.passes.operands import Operands
from syscast.passes.sites import Sites

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from syscast.frontend.python.values import Lowered
    from syscast.ir.intervals import Interval
    from syscast.ir.types import Reg, Value
    from syscast.passes.editor import Editor
    from syscast.spec.meta import FieldMeta

BATCH = 10
"""Probes in one object: what is caught, is caught soon."""


class Plant(NamedTuple):
    """A wrong lowering."""

    name: str
    plant: Callable[[], AbstractContextManager[object]]


class Caught(NamedTuple):
    """How a plant was found.

    Attributes:
        probes: Run until then, or all where it was not.
        way: What differed, "" for nothing.
    """

    name: str
    probes: int
    way: str
    seconds: float


def hunt(plant: Plant, seed: int, limit: int) -> Caught:
    """Run probes on a planted compiler until one differs."""
    began = time.monotonic()
    with plant.plant(), Engine(("host",), 80) as engine:
        for first in range(0, limit, BATCH):
            probes = [generate(seed, number) for number in range(first, first + BATCH)]
            found = engine.batch(probes, seed).mismatches
            if found:
                number = min(each.probe.number for each in found)
                return Caught(plant.name, number + 1, found[0].way, time.monotonic() - began)
    return Caught(plant.name, limit, "", time.monotonic() - began)


# ---------------------------------------------------------------- operators


def _division(signed: Callable[[Operands], None]) -> Callable[[], AbstractContextManager[object]]:
    """Another way to divide two I64."""
    right = division.floor

    def floor(o: Operands) -> None:
        if not o.signed or (o.a_range[0] >= 0 and o.b_range[0] >= 0):
            right(o)
            return
        if o.b_range[0] <= 0 <= o.b_range[1]:
            o.raise_if(o.editor.compare(Predicate.EQ, o.b, 0), "ZeroDivisionError")
        signed(o)

    return lambda: mock.patch.object(division, "floor", floor)


def _unsigned(o: Operands) -> None:
    o.give(BinaryOp.UDIV if o.op is CheckedOp.FLOORDIV else BinaryOp.UREM, o.a, o.b)


def _to_zero(only: CheckedOp) -> Callable[[Operands], None]:
    """C's quotient, or its rest, in place of Python's."""

    def signed(o: Operands) -> None:
        if o.op is not only:
            (division._by_positive if o.b_range[0] >= 0 else division._signed)(o)  # noqa: SLF001
            return
        e = o.editor
        a, a_negative = arithmetic.magnitude(e, o.a, o.a_negative())
        b, b_negative = arithmetic.magnitude(e, o.b, o.b_negative())
        quotient = only is CheckedOp.FLOORDIV
        found = e.binary(BinaryOp.UDIV if quotient else BinaryOp.UREM, a, b)
        negative: Value = (
            e.binary(BinaryOp.XOR, a_negative, b_negative) if quotient else a_negative
        )
        negated = e.binary(BinaryOp.SUB, Const(0, U64), found)
        o.give_value(e.convert(e.select(negative, negated, found), I64))

    return signed


def _no_raise(exception: str, *only: CheckedOp) -> Callable[[], AbstractContextManager[object]]:
    right = Operands.raise_if

    def raise_if(self: Operands, cond: Value, what: str) -> None:
        if what != exception or (only and self.op not in only):
            right(self, cond, what)

    return lambda: mock.patch.object(Operands, "raise_if", raise_if)


def _logical_shift(o: Operands) -> None:
    shifts._count(o)  # noqa: SLF001  (the part that is right)
    o.give(BinaryOp.LSHR, o.a, o.editor.binary(BinaryOp.AND, o.b, 63))


def _any_count(o: Operands) -> None:
    """Only the check for a negative count is left."""
    if o.b_range[0] < 0:
        o.raise_if(o.b_negative(), "ValueError")


def _signed_always() -> AbstractContextManager[object]:
    return mock.patch.object(compare, "_UNSIGNED", {each: each for each in compare._UNSIGNED})  # noqa: SLF001


def _one_sided(type_: IntType) -> Interval:
    return -(1 << 64), intervals.of_type(type_)[1]


# ---------------------------------------------------------------- code generation


def _no_signed_wrap(self: FunctionText, op: ops.Binary) -> None:
    flag = " nsw" if op.op in {BinaryOp.ADD, BinaryOp.SUB, BinaryOp.MUL} else ""
    type_ = f"i{op.a.type.bits}" if isinstance(op.a.type, IntType) else "ptr"
    a, b = (_operand(each) for each in (op.a, op.b))
    self._make(op, f"{op.op.value}{flag} {type_} {a}, {b}")


def _operand(value: Value) -> str:
    if not isinstance(value, Const):
        return f"%r{value.id}"
    if isinstance(value.type, IntType) and value.type.bits == 1:
        return "true" if value.value else "false"
    return str(value.value)


def _extension(old: str, new: str) -> Callable[[], AbstractContextManager[object]]:
    right = FunctionText._make

    def make(self: FunctionText, op: ops.Op, line: str) -> None:
        right(self, op, line.replace(f"{old} ", f"{new} ") if "to i64" in line else line)

    return lambda: mock.patch.object(FunctionText, "_make", make)


def _swapped_branches() -> AbstractContextManager[object]:
    right = FunctionText._ends  # noqa: SLF001

    def ends(self: FunctionText, op: ops.Op) -> bool:
        if isinstance(op, ops.Branch) and op.then.startswith("then"):
            op = msgspec.structs.replace(op, then=op.other, other=op.then)
        return right(self, op)

    return mock.patch.object(FunctionText, "_ends", ends)


# ---------------------------------------------------------------- the front end


@contextlib.contextmanager
def _handler(
    kind: type[ast.expr], handler: Callable[[Lowering, ast.expr], Lowered]
) -> Iterator[None]:
    with mock.patch.dict(lower._HANDLERS, {kind: handler}):  # noqa: SLF001
        yield


def _truth_only(low: Lowering, node: ast.expr) -> Lowered:
    return IntValue(low.integer(node, BoolValue(low.truth(node))).value, I64)


def _all_operands(low: Lowering, node: ast.expr) -> Lowered:
    """``and`` and ``or`` that evaluate everything first."""
    assert isinstance(node, ast.BoolOp)
    for each in node.values[1:]:
        low.expr(each)
    return front_arithmetic.boolean_operator(low, node)


def _twice(low: Lowering, node: ast.expr) -> Lowered:
    """``a < b < c`` as ``a < b and b < c``."""
    assert isinstance(node, ast.Compare)
    if len(node.ops) == 1:
        return membership.compare(low, node)
    sides = [node.left, *node.comparators]
    parts: list[ast.expr] = [
        ast.copy_location(ast.Compare(sides[n], [op], [sides[n + 1]]), node)
        for n, op in enumerate(node.ops)
    ]
    return front_arithmetic.boolean_operator(
        low, ast.copy_location(ast.BoolOp(ast.And(), parts), node)
    )


@contextlib.contextmanager
def _min_is_max() -> Iterator[None]:
    with mock.patch.dict(CALLS, {id(min): CALLS[id(max)], id(max): CALLS[id(min)]}):
        yield


def _cut(low: Lowering, node: ast.expr, number: Value, type_: IntType, name: str) -> Value:
    """A field takes the low bits."""
    if isinstance(number, Const):
        return _RIGHT_FIT(low, node, number, type_, name)
    result: Reg = low.reg(type_)
    low.add(ops.Convert(result, number, span=low.span(node)))
    return result


_RIGHT_FIT = eventing.fit


def _whole_number(low: Lowering, node: ast.expr, field: FieldMeta, value: Lowered) -> Value:
    """A bool field keeps the number."""
    del field
    result: Reg = low.reg(IntType(8, signed=False))
    low.add(ops.Convert(result, low.integer(node, value).value, span=low.span(node)))
    return result


def _bool_field() -> AbstractContextManager[object]:
    return mock.patch.dict(eventing._STORES, {"bool": _whole_number})  # noqa: SLF001


def _next_line(self: Lowering, node: ast.AST, exception: str) -> int:
    span = self.span(node)
    later = msgspec.structs.replace(span, line=span.line + 1)
    return self.unit.site(exception, later, "")


def _same_site(self: Sites, site: int, exception: str) -> int:
    del self, exception
    return site


def _first_only(a: Interval, b: Interval) -> Interval:
    """Where paths meet, the first one's range is taken."""
    del b
    return a


_RIGHT_NARROWED = intervals.narrowed


def _narrower(
    pred: Predicate, a: Interval, b: Interval, *, holds: bool
) -> tuple[Interval, Interval]:
    """One less than is possible behind a comparison."""
    first, second = _RIGHT_NARROWED(pred, a, b, holds=holds)
    return (first[0], first[1] - 1) if first[1] > first[0] else first, second


def _patched(
    owner: object, name: str, wrong: object
) -> Callable[[], AbstractContextManager[object]]:
    return lambda: mock.patch.object(owner, name, wrong)


def _call_of(function: object, wrong: object) -> Callable[[], AbstractContextManager[object]]:
    return lambda: mock.patch.dict(CALLS, {id(function): wrong})


def _identity(low: Lowering, node: ast.Call) -> Lowered:
    return low.expr(node.args[0])


def _half_wrap(low: Lowering, node: ast.expr, op: BinaryOp, a: Value, b: Value) -> Value:
    """``wrap64`` in 32 bits."""
    made: Reg = low.reg(U64)
    low.add(ops.Binary(made, op, a, b, span=low.span(node)))
    cut: Reg = low.reg(U64)
    low.add(ops.Binary(cut, BinaryOp.AND, made, Const(0xFFFF_FFFF, U64), span=low.span(node)))
    return cut


def _all_bits(o: Operands) -> None:
    """``& | ^`` that forget the signs of a U64's other operand."""
    o.give(shifts._BITS[o.op], o.a, o.b)  # noqa: SLF001


def _no_padding(editor: Editor, record: Reg, start: int, end: int) -> None:
    del editor, record, start, end


PLANTS: tuple[Plant, ...] = (
    Plant("udiv for //", _division(_unsigned)),
    Plant("// rounds to zero", _division(_to_zero(CheckedOp.FLOORDIV))),
    Plant("% has the dividend's sign", _division(_to_zero(CheckedOp.MOD))),
    Plant("no guard against a divisor of 0", _no_raise("ZeroDivisionError")),
    Plant("no guard against a negative count", _no_raise("ValueError")),
    Plant("lshr for >>", _patched(shifts, "right", _logical_shift)),
    Plant("a shift count of 64 and more", _patched(shifts, "_count", _any_count)),
    Plant("overflow of + unseen", _no_raise("OverflowError", CheckedOp.ADD)),
    Plant("overflow of - unseen", _no_raise("OverflowError", CheckedOp.SUB)),
    Plant("overflow of * unseen", _no_raise("OverflowError", CheckedOp.MUL)),
    Plant("overflow of << unseen", _no_raise("OverflowError", CheckedOp.LSHIFT)),
    Plant("a negative operand of a u64's bits unseen", _patched(shifts, "bits", _all_bits)),
    Plant("u64 compared with signs", _signed_always),
    Plant("a conversion tests its upper end only", _patched(compare, "of_type", _one_sided)),
    Plant("nsw", _patched(FunctionText, "_binary", _no_signed_wrap)),
    Plant("lost sign extension", _extension("sext", "zext")),
    Plant("wrong widening", _extension("zext i32", "sext i32")),
    Plant("swapped branches", _swapped_branches),
    Plant("a bool field keeps the number", _bool_field),
    Plant("padding is not cleared", _patched(emits, "_zero", _no_padding)),
    Plant("and/or give a bool", lambda: _handler(ast.BoolOp, _truth_only)),
    Plant("and/or evaluate everything", lambda: _handler(ast.BoolOp, _all_operands)),
    Plant("a chained comparison evaluates twice", lambda: _handler(ast.Compare, _twice)),
    Plant("min and max swapped", _min_is_max),
    Plant("abs does nothing", _call_of(abs, _identity)),
    Plant("a field takes the low bits", _patched(eventing, "fit", _cut)),
    Plant("wrap64 in 32 bits", _patched(integers, "_binary", _half_wrap)),
    Plant("the line behind is counted", _patched(Lowering, "site", _next_line)),
    Plant("another exception is counted", _patched(Sites, "kind", _same_site)),
    Plant("ranges of the first path only", _patched(bounds, "join", _first_only)),
    Plant("a range narrowed by one too much", _patched(bounds, "narrowed", _narrower)),
)
"""All of them."""
