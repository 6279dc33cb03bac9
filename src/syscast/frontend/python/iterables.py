"""What a ``for`` can go over: ranges, arrays of the kernel, tuples, and these numbered or side by side.

Each knows how many rounds it has at most. Where that is more than a loop may have, the user states less.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from syscast.btf.types import Array
from syscast.frontend.python import language
from syscast.frontend.python.arguments import arguments, python_int
from syscast.frontend.python.arithmetic import as_kind, combine
from syscast.frontend.python.assignment import items_of
from syscast.frontend.python.iterating import MAX_ROUNDS, Constants, Counted, bounded_arguments
from syscast.frontend.python.linked import hlist_entries, list_entries
from syscast.frontend.python.members import address_of, dereference, is_char
from syscast.frontend.python.values import (
    IntValue,
    Lowered,
    PlaceValue,
    PyValue,
    StrValue,
    TupleValue,
    constant,
)
from syscast.ir.intervals import meet, of_type
from syscast.ir.ops import (
    Binary,
    BinaryOp,
    Compare,
    Convert,
    ExactCompare,
    Offset,
    Predicate,
    SlotLoad,
    SlotStore,
)
from syscast.ir.types import BOOL, I64, U64, Const, PtrType, Reg, Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.frontend.python.context import Lowering
    from syscast.ir.types import IntType

_MAX_UNROLLED = 64
"""Each item of a tuple gets a body of its own."""


def iterable(low: Lowering, node: ast.expr) -> Counted | Constants:
    """What an expression gives to go over."""
    if isinstance(node, ast.Call):
        function = low.expr(node.func)
        maker = _CALLS.get(id(function.value)) if isinstance(function, PyValue) else None
        if maker is not None:
            return maker(low, node)
    if isinstance(node, ast.Tuple | ast.List):
        return _few(low, node, [(each, _plain(low, each)) for each in node.elts])
    value = low.expr(node)
    if isinstance(value, PlaceValue):
        return _elements(low, node, value)
    items = items_of(value)
    if items is None and isinstance(value, PyValue):
        items = _constant_items(value.value)
    if items is not None:
        return _few(low, node, [(node, each) for each in items])
    if isinstance(value, PyValue) and isinstance(value.value, range):
        return _ConstantRange(low, node, value.value)
    if isinstance(value, PyValue) and isinstance(value.value, set | frozenset):
        raise low.rejection(node, "a set has no order to go over it", "capture a tuple")
    hint = "a loop goes over range(...), a tuple, an array of the kernel, or list_entries(...)"
    if isinstance(value, StrValue):
        hint = "compare it as a whole, or look at one character: text[0]"
    raise low.rejection(node, f"{low.describe(value)} cannot be looped over", hint)


def _plain(low: Lowering, node: ast.expr) -> Lowered:
    if isinstance(node, ast.Starred):
        raise low.rejection(node, "`*` is not part of the probe language")
    return low.expr(node)


def _constant_items(value: object) -> tuple[Lowered, ...] | None:
    return tuple(PyValue(each) for each in value) if isinstance(value, str | bytes) else None


def _few(low: Lowering, node: ast.expr, items: Sequence[tuple[ast.expr, Lowered]]) -> Constants:
    if len(items) > _MAX_UNROLLED:
        raise low.rejection(
            node,
            f"a loop over a tuple repeats its body for each item: at most {_MAX_UNROLLED}, this has {len(items)}",
            "use range(), or a map for a table",
        )
    return Constants(items)


# ---------------------------------------------------------------- ranges


class _Numbered(Counted):
    """Rounds counted by a number that is known, or computed before the loop."""

    _count: Value | None = None

    def test(self, low: Lowering, number: Reg, exhausted: str) -> None:
        over = low.reg(BOOL)
        count = self._count or Const(self.limit, U64)
        span = low.span(self.node)
        low.add(Compare(over, Predicate.UGE, number, count, span=span))
        more = low.builder.label("round")
        low.branch(self.node, over, exhausted, more)
        low.builder.start(more)


class _ConstantRange(_Numbered):
    exact = True

    def __init__(self, low: Lowering, node: ast.expr, values: range, limit: int = 0) -> None:
        super().__init__(node)
        # What a Python range may hold is more than len() can say.
        count = max(0, -(-(values.stop - values.start) // values.step))
        if count > MAX_ROUNDS and not limit:
            raise low.rejection(
                node,
                f"this loop has {count} rounds; a probe's has at most {MAX_ROUNDS}",
                "state a limit: bounded(range(...), limit=1000)",
            )
        self.values = values
        self.limit = self.least = count
        if limit and count > limit:
            self.exact, self.limit, self.least = False, limit, limit
            self._count = Const(min(count, (1 << 64) - 1), U64)
        for end in (values.start, values[-1]) if count else ():
            if constant(end) is None:
                raise low.rejection(node, f"{end} does not fit 64 bits")

    def item(self, low: Lowering, number: Reg) -> Lowered:
        values = self.values[: self.limit] or self.values
        start = low.known(self.node, PyValue(values.start))
        assert isinstance(start, IntValue)
        ends = (values[0], values[-1]) if values else (values.start, values.start)
        kind = start.kind
        if max(ends) >= 1 << 63:
            if min(ends) < 0:
                raise low.rejection(
                    self.node, f"no 64-bit integer holds both {min(ends)} and {max(ends)}"
                )
            kind, start = U64, IntValue(Const(values.start, U64), U64)
        value = _stepped(low, self.node, start.value, number, (values.step, kind))
        return IntValue(value, kind, known=meet((min(ends), max(ends)), of_type(kind)))


class _Range(_Numbered):
    """``range()`` of values that only the kernel knows; the step is a constant."""

    def __init__(
        self, low: Lowering, node: ast.Call, ends: tuple[IntValue, IntValue], step: int
    ) -> None:
        super().__init__(node)
        first, stop = ends if step > 0 else ends[::-1]
        size = abs(step)
        most = -(-(stop.interval[1] - first.interval[0]) // size)
        self.limit = max(0, most)
        self.least = max(0, -(-(stop.interval[0] - first.interval[1]) // size))
        kind = U64 if U64 in {ends[0].kind, ends[1].kind} else I64
        self._kind: IntType = kind
        self._step = step
        self._known = (first.interval[0], stop.interval[1])
        self._start, self._stop = (_of_kind(low, node, each, kind) for each in ends)

    def begin(self, low: Lowering) -> None:
        """How many rounds: (stop - start) / step, rounded up; the difference of equal kinds fits u64."""
        ends = (self._start, self._stop)
        lower, upper = ends if self._step > 0 else ends[::-1]
        span = low.span(self.node)
        slot = low.builder.slot("(rounds)", U64, 8)
        some = low.reg(BOOL)
        low.add(SlotStore(slot, Const(0, U64), span=span))
        low.add(ExactCompare(some, Predicate.SLT, lower, upper, span=span))
        counting, counted = low.builder.label("count"), low.builder.label("counted")
        low.branch(self.node, some, counting, counted)
        low.builder.start(counting)
        count = self._binary(low, BinaryOp.SUB, self._wide(low, upper), self._wide(low, lower))
        if abs(self._step) != 1:
            count = self._binary(low, BinaryOp.SUB, count, Const(1, U64))
            count = self._binary(low, BinaryOp.UDIV, count, Const(abs(self._step), U64))
            count = self._binary(low, BinaryOp.ADD, count, Const(1, U64))
        low.add(SlotStore(slot, count, span=span))
        low.jump(counted)
        low.builder.start(counted)
        total = low.reg(U64)
        low.add(SlotLoad(total, slot, span=span))
        self._count = total

    def _wide(self, low: Lowering, value: Value) -> Value:
        if isinstance(value, Const):
            return Const(value.value % (1 << 64), U64)
        made = low.reg(U64)
        low.add(Convert(made, value, span=low.span(self.node)))
        return made

    def _binary(self, low: Lowering, op: BinaryOp, a: Value, b: Value) -> Reg:
        made = low.reg(U64)
        low.add(Binary(made, op, a, b, span=low.span(self.node)))
        return made

    def item(self, low: Lowering, number: Reg) -> Lowered:
        value = _stepped(low, self.node, self._start, number, (self._step, self._kind))
        known = meet(
            (self._known[0] + (self._step < 0), self._known[1] - (self._step > 0)),
            of_type(self._kind),
        )
        return IntValue(value, self._kind, known=known)


def _of_kind(low: Lowering, node: ast.expr, value: IntValue, kind: IntType) -> Value:
    if value.value.type == kind:
        return value.value
    return as_kind(low, node, value.value, kind == U64)


def _stepped(
    low: Lowering, node: ast.expr, start: Value, number: Reg, how: tuple[int, IntType]
) -> Value:
    """``start + number * step``, which is between the range's ends and so fits."""
    step, kind = how
    span = low.span(node)
    value: Value = number
    if kind != U64:
        value = low.reg(kind)
        low.add(Convert(value, number, span=span))
    if abs(step) != 1:
        scaled = low.reg(kind)
        low.add(Binary(scaled, BinaryOp.MUL, value, Const(abs(step), kind), span=span))
        value = scaled
    if step > 0 and isinstance(start, Const) and not start.value:
        return value
    moved = low.reg(kind)
    op = BinaryOp.ADD if step > 0 else BinaryOp.SUB
    low.add(Binary(moved, op, start, value, span=span))
    return moved


def _range(low: Lowering, node: ast.Call, limit: int = 0) -> Counted:
    nodes = arguments(low, node, 1, 3)
    values = [low.expr(each) for each in nodes]
    known = [python_int(each) for each in values]
    if len(values) == 3 and known[2] is None:
        raise low.rejection(nodes[2], "the step of a loop's range is a constant")
    if known[-1] == 0 and len(values) == 3:
        raise low.rejection(node, "this always raises ValueError: range() with a step of 0")
    if None not in known:
        return _ConstantRange(
            low, node, range(*[each for each in known if each is not None]), limit
        )
    numbers = [low.integer(each, value) for each, value in zip(nodes[:2], values[:2], strict=True)]
    if len(numbers) == 1:
        numbers.insert(0, IntValue(Const(0, I64), I64))
    made = _Range(low, node, (numbers[0], numbers[1]), known[2] or 1 if len(values) == 3 else 1)
    if limit:
        made.limit, made.least = limit, min(made.least, limit)
    elif made.limit > MAX_ROUNDS:
        text = ast.unparse(node)
        cut = f", or cut it: range(min({ast.unparse(nodes[0])}, 64))" if len(nodes) == 1 else ""
        raise low.rejection(
            node,
            f"nothing shows that this loop has at most {MAX_ROUNDS} rounds",
            f"state a limit: bounded({text}, limit=64){cut}",
        )
    return made


def _bounded(low: Lowering, node: ast.Call) -> Counted | Constants:
    what, limit = bounded_arguments(low, node)
    if isinstance(what, ast.Call):
        function = low.expr(what.func)
        if isinstance(function, PyValue) and function.value is range:
            return _range(low, what, limit)
    items = iterable(low, what)
    if isinstance(items, _ConstantRange):
        return _ConstantRange(low, what, items.values, limit)
    if (items.limit if isinstance(items, Counted) else len(items.items)) > limit:
        raise low.rejection(
            node, "bounded() is for ranges; what this goes over has a length of its own", ""
        )
    return items


# ---------------------------------------------------------------- arrays


class _Elements(_Numbered):
    """A fixed array of the kernel; each element is read in its round."""

    exact = True

    def __init__(self, low: Lowering, node: ast.expr, place: PlaceValue, array: Array) -> None:
        super().__init__(node)
        self._place = place
        self._element = array.element_id
        self._base = address_of(low, node, place)
        self.limit = self.least = array.count

    def item(self, low: Lowering, number: Reg) -> Lowered:
        size = low.btf.size_of(self._element)
        span = low.span(self.node)
        delta, space = low.reg(U64), self._place.space
        low.add(Binary(delta, BinaryOp.MUL, number, Const(size, U64), span=span))
        address = low.reg(PtrType(space, self._element))
        low.add(Offset(address, self._base, delta, span=span))
        return dereference(low, self.node, address, space, self._element)


def _elements(low: Lowering, node: ast.expr, place: PlaceValue) -> Counted:
    kind = low.btf.type(low.btf.resolve(place.type_id))
    if not isinstance(kind, Array):
        raise low.rejection(node, f"{low.describe(place)} cannot be looped over", "name an array")
    if is_char(low, kind.element_id):
        raise low.rejection(
            node,
            f"{low.describe(place)} holds text, which is compared as a whole",
            "read one byte: text[0]",
        )
    if not kind.count:
        raise low.rejection(
            node,
            f"{low.describe(place)} says nothing of its length",
            "go over a range: for i in bounded(range(n), limit=64)",
        )
    if kind.count > MAX_ROUNDS:
        raise low.rejection(node, f"this array has more than {MAX_ROUNDS} elements")
    return _Elements(low, node, place, kind)


# ---------------------------------------------------------------- numbered, backwards, side by side


class _Zip(Counted):
    """Several at once; it ends with the shortest."""

    def __init__(self, node: ast.expr, parts: Sequence[Counted]) -> None:
        super().__init__(node)
        self._parts = parts
        self.limit = min(each.limit for each in parts)
        self.least = min(each.least for each in parts)
        self.exact = all(each.exact for each in parts)

    def begin(self, low: Lowering) -> None:
        for each in self._parts:
            each.begin(low)

    def test(self, low: Lowering, number: Reg, exhausted: str) -> None:
        for each in self._parts:
            each.test(low, number, exhausted)

    def item(self, low: Lowering, number: Reg) -> Lowered:
        return TupleValue(tuple(each.item(low, number) for each in self._parts))

    def advance(self, low: Lowering) -> None:
        for each in self._parts:
            each.advance(low)


class _Numbers(Counted):
    """The endless count that ``enumerate`` puts beside its items."""

    exact = True

    def __init__(self, node: ast.expr, start: tuple[ast.expr, Lowered], limit: int) -> None:
        super().__init__(node)
        self._start = start
        self.limit = self.least = limit

    def test(self, low: Lowering, number: Reg, exhausted: str) -> None:
        """It never ends."""

    def item(self, low: Lowering, number: Reg) -> Lowered:
        value = low.reg(I64)
        low.add(Convert(value, number, span=low.span(self.node)))
        counted = IntValue(value, I64, known=(0, max(0, self.limit - 1)))
        return combine(low, self.node, ast.Add(), self._start, (self.node, counted))


def _enumerate(low: Lowering, node: ast.Call) -> Counted | Constants:
    keywords = [each for each in node.keywords if each.arg == "start"]
    plain = ast.copy_location(
        ast.Call(
            node.func,
            node.args + [e.value for e in keywords],
            [e for e in node.keywords if e.arg != "start"],
        ),
        node,
    )
    inner, *rest = arguments(low, plain, 1, 2)
    start = (rest[0], low.expr(rest[0])) if rest else (node, PyValue(0))
    items = iterable(low, inner)
    if isinstance(items, Counted):
        return _Zip(node, (_Numbers(node, start, items.limit), items))
    numbered = []
    for number, (part, item) in enumerate(items.items):
        count = combine(low, node, ast.Add(), start, (node, PyValue(number)))
        numbered.append((part, TupleValue((count, item))))
    return Constants(numbered)


def _zip(low: Lowering, node: ast.Call) -> Counted | Constants:
    parts = [iterable(low, each) for each in arguments(low, node, 1, 8)]
    counted = [each for each in parts if isinstance(each, Counted)]
    if len(counted) == len(parts):
        return _Zip(node, counted)
    if counted:
        raise low.rejection(
            node, "zip() takes tuples only, or ranges and arrays only, in a probe", ""
        )
    constants = [each for each in parts if isinstance(each, Constants)]
    rows = zip(*(each.items for each in constants), strict=False)
    return Constants([(node, TupleValue(tuple(item for _, item in row))) for row in rows])


def _reversed(low: Lowering, node: ast.Call) -> Counted | Constants:
    (inner,) = arguments(low, node, 1, 1)
    items = iterable(low, inner)
    if isinstance(items, Constants):
        return Constants(items.items[::-1])
    if isinstance(items, _ConstantRange):
        return _ConstantRange(low, node, items.values[::-1])
    raise low.rejection(
        node,
        "reversed() takes a range of constants or a tuple in a probe",
        "count down: range(n - 1, -1, -1)",
    )


_CALLS = {
    id(range): _range,
    id(language.bounded): _bounded,
    id(enumerate): _enumerate,
    id(zip): _zip,
    id(reversed): _reversed,
    id(language.list_entries): list_entries,
    id(language.hlist_entries): hlist_entries,
}
"""How each function makes something to go over, by the function's identity."""
