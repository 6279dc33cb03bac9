"""Integer operators, comparisons and boolean operators, with Python's meaning."""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING

from syscast.btf.types import Array
from syscast.frontend.python.arguments import bytes_for_text, python_int, python_text, raw_text
from syscast.frontend.python.capacities import capacity, fill, text_in
from syscast.frontend.python.conditions import branch_on
from syscast.frontend.python.eventing import as_text
from syscast.frontend.python.settled import settled
from syscast.frontend.python.strings import is_text, same, text_of
from syscast.frontend.python.values import (
    BoolValue,
    IntValue,
    Lowered,
    PlaceValue,
    PtrValue,
    PyValue,
    StrValue,
    boolean,
    plain,
)
from syscast.ir.intervals import exact, join, meet, of_type
from syscast.ir.ops import (
    Binary,
    BinaryOp,
    BytesEqual,
    Checked,
    CheckedConvert,
    CheckedOp,
    Compare,
    Convert,
    ExactCompare,
    Predicate,
    SlotLoad,
    SlotStore,
)
from syscast.ir.types import BOOL, I64, U64, Const, PtrType, Reg, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from syscast.frontend.python.context import Flow, Lowering
    from syscast.ir.intervals import Interval

_OPERATORS: Mapping[type[ast.operator], tuple[CheckedOp, Callable[[int, int], int]]] = {
    ast.Add: (CheckedOp.ADD, operator.add),
    ast.Sub: (CheckedOp.SUB, operator.sub),
    ast.Mult: (CheckedOp.MUL, operator.mul),
    ast.FloorDiv: (CheckedOp.FLOORDIV, operator.floordiv),
    ast.Mod: (CheckedOp.MOD, operator.mod),
    ast.LShift: (CheckedOp.LSHIFT, operator.lshift),
    ast.RShift: (CheckedOp.RSHIFT, operator.rshift),
    ast.BitAnd: (CheckedOp.AND, operator.and_),
    ast.BitOr: (CheckedOp.OR, operator.or_),
    ast.BitXor: (CheckedOp.XOR, operator.xor),
}
_REFUSED: Mapping[type[ast.operator], tuple[str, str]] = {
    ast.Div: ("`/` makes a float, and the kernel has none", "use `//`"),
    ast.Pow: ("`**` needs a constant exponent of 0 to 64", "shift for powers of two"),
    ast.MatMult: ("`@` is not part of the probe language", ""),
}
_LOGIC: Mapping[type[ast.operator], BinaryOp] = {
    ast.BitAnd: BinaryOp.AND,
    ast.BitOr: BinaryOp.OR,
    ast.BitXor: BinaryOp.XOR,
}
_SHIFTS = {CheckedOp.LSHIFT, CheckedOp.RSHIFT}
_MAX_POWER = 64
_MAX_TEXT = 4096
"""PATH_MAX, and what the per-CPU scratch room is planned for."""
_MAX_FOLD_BITS = 4096
"""Constants beyond this would only cost memory: no 64-bit value comes of them."""

_PREDICATES: Mapping[type[ast.cmpop], Predicate] = {
    ast.Eq: Predicate.EQ,
    ast.NotEq: Predicate.NE,
    ast.Lt: Predicate.SLT,
    ast.LtE: Predicate.SLE,
    ast.Gt: Predicate.SGT,
    ast.GtE: Predicate.SGE,
    ast.Is: Predicate.EQ,
    ast.IsNot: Predicate.NE,
}
_PYTHON: Mapping[Predicate, Callable[[int, int], bool]] = {
    Predicate.EQ: operator.eq,
    Predicate.NE: operator.ne,
    Predicate.SLT: operator.lt,
    Predicate.SLE: operator.le,
    Predicate.SGT: operator.gt,
    Predicate.SGE: operator.ge,
}


def literal(low: Lowering, node: ast.expr) -> Lowered:
    """A literal of the source."""
    assert isinstance(node, ast.Constant)
    if isinstance(node.value, float | complex):
        raise low.rejection(
            node,
            f"{node.value!r} is a {type(node.value).__name__}, and the kernel has none",
            "scale to integers",
        )
    return PyValue(node.value)


def binary(low: Lowering, node: ast.expr) -> Lowered:
    """``a op b``."""
    assert isinstance(node, ast.BinOp)
    left, right = low.expr(node.left), low.expr(node.right)
    return combine(low, node, node.op, (node.left, left), (node.right, right))


def combine(
    low: Lowering,
    node: ast.AST,
    op: ast.operator,
    left: tuple[ast.expr, Lowered],
    right: tuple[ast.expr, Lowered],
) -> Lowered:
    """An operator on two lowered operands; also for augmented assignment."""
    if type(op) in _LOGIC and all(is_bool(side) for _, side in (left, right)):
        return both(low, node, type(op), left, right)
    a, b = python_int(left[1]), python_int(right[1])
    if a is not None and b is not None:
        return PyValue(_fold(low, node, op, a, b))
    if isinstance(op, ast.Pow) and b is not None and 0 <= b <= _MAX_POWER:
        return _power(low, node, left, b)
    if type(op) in _REFUSED:
        raise low.rejection(node, *_REFUSED[type(op)])
    if any(is_text(low, side) or python_text(side) is not None for _, side in (left, right)):
        raise low.rejection(
            node,
            "a string cannot be computed with in a probe",
            'join text in an f-string: f"{a}{b}"',
        )
    checked, _ = _OPERATORS[type(op)]
    x, y = low.integer(*left), low.integer(*right)
    kind = x.kind if checked in _SHIFTS else (U64 if U64 in {x.kind, y.kind} else I64)
    result = low.reg(kind)
    site = low.site(
        node,
        "ZeroDivisionError" if checked in {CheckedOp.FLOORDIV, CheckedOp.MOD} else "OverflowError",
    )
    low.add(Checked(result, checked, x.value, y.value, site, span=low.span(node)))
    found = exact(checked, x.interval, y.interval)
    return IntValue(result, kind, known=meet(found, of_type(kind)) if found else None)


def is_bool(value: Lowered) -> bool:
    """Whether a value is a bool in Python, too."""
    return isinstance(value, BoolValue) or (
        isinstance(value, PyValue) and isinstance(value.value, bool)
    )


def both(
    low: Lowering,
    node: ast.AST,
    op: type[ast.operator],
    left: tuple[ast.expr, Lowered],
    right: tuple[ast.expr, Lowered],
) -> BoolValue:
    """``a & b``, ``a | b``, ``a ^ b`` of two bools: a bool."""
    a, b = low.truth(*left), low.truth(*right)
    result = low.reg(BOOL)
    low.add(Binary(result, _LOGIC[op], a, b, span=low.span(node)))
    return BoolValue(result)


def _power(low: Lowering, node: ast.AST, base: tuple[ast.expr, Lowered], exponent: int) -> Lowered:
    """``x ** 3`` by multiplication; no factor is greater than the result, so none overflows first."""
    square = result = None
    for bit in range(exponent.bit_length()):
        square = (
            base if square is None else (base[0], combine(low, node, ast.Mult(), square, square))
        )
        if exponent >> bit & 1:
            result = (
                square
                if result is None
                else (base[0], combine(low, node, ast.Mult(), result, square))
            )
    return PyValue(1) if result is None else plain(low.integer(*result))


def _fold(low: Lowering, node: ast.AST, op: ast.operator, a: int, b: int) -> int:
    """Compute with Python itself what is known when compiling."""
    try:
        if isinstance(op, ast.Div | ast.MatMult):
            raise low.rejection(node, *_REFUSED[type(op)])
        if isinstance(op, ast.Pow):
            if b < 0:
                raise low.rejection(
                    node,
                    "a negative power is a float, and the kernel has none",
                    "divide: a // b**n",
                )
            if a.bit_length() * b > _MAX_FOLD_BITS:
                raise low.rejection(node, "this constant does not fit 64 bits")
            return int(a**b)
        if isinstance(op, ast.LShift) and b > _MAX_FOLD_BITS:
            raise low.rejection(node, "this constant does not fit 64 bits")
        return _OPERATORS[type(op)][1](a, b)
    except (ZeroDivisionError, ValueError) as error:
        raise low.rejection(node, f"this always raises {type(error).__name__}: {error}") from None


def unary(low: Lowering, node: ast.expr) -> Lowered:
    """``-x``, ``+x``, ``~x``, ``not x``."""
    assert isinstance(node, ast.UnaryOp)
    if isinstance(node.op, ast.Not):
        inverted = low.reg(BOOL)
        truth = low.truth(node.operand)
        low.add(Compare(inverted, Predicate.EQ, truth, Const(0, BOOL), span=low.span(node)))
        return BoolValue(inverted)
    operand = low.expr(node.operand)
    known = python_int(operand)
    if known is not None:
        return PyValue(
            -known
            if isinstance(node.op, ast.USub)
            else known
            if isinstance(node.op, ast.UAdd)
            else ~known
        )
    value = plain(low.integer(node.operand, operand))
    if isinstance(node.op, ast.UAdd):
        return value
    # -x is 0 - x and ~x is -1 - x, both negative numbers for a large x: hence I64.
    start = Const(0 if isinstance(node.op, ast.USub) else -1, I64)
    result = low.reg(I64)
    site = low.site(node, "OverflowError")
    low.add(Checked(result, CheckedOp.SUB, start, value.value, site, span=low.span(node)))
    return IntValue(result, I64)


def compare_values(
    low: Lowering,
    node: ast.expr,
    op: ast.cmpop,
    left: tuple[ast.expr, Lowered],
    right: tuple[ast.expr, Lowered],
) -> Lowered:
    """``left op right`` of two lowered operands; not ``in``."""
    predicate = _PREDICATES[type(op)]
    _refuse_bytes(low, left, right)
    a, b = python_int(left[1]), python_int(right[1])
    if a is not None and b is not None:
        if isinstance(op, ast.Is | ast.IsNot):
            raise low.rejection(
                node, "`is` compares pointers with None or with each other", "use `==`"
            )
        return boolean(_PYTHON[predicate](a, b))
    texts = [python_text(side) for _, side in (left, right)]
    if None not in texts and predicate in {Predicate.EQ, Predicate.NE}:
        return boolean((texts[0] == texts[1]) == (predicate is Predicate.EQ))
    left, right = (
        (left[0], _read_for(low, left, right[1])),
        (right[0], _read_for(low, right, left[1])),
    )
    sides = (left[1], right[1])
    if _are_texts(low, left[1], right[1]):
        return _compare_strings(low, node, predicate, left, right)
    if any(isinstance(side, PtrValue) for side in sides):
        return _compare_pointers(low, node, predicate, left, right)
    if isinstance(op, ast.Is | ast.IsNot):
        raise low.rejection(
            node, "`is` compares pointers with None or with each other", "use `==`"
        )
    x, y = low.integer(*left), low.integer(*right)
    result = low.reg(BOOL)
    low.add(ExactCompare(result, predicate, x.value, y.value, span=low.span(node)))
    return BoolValue(result)


def _refuse_bytes(
    low: Lowering, left: tuple[ast.expr, Lowered], right: tuple[ast.expr, Lowered]
) -> None:
    """Bytes and text are never equal in Python; in a buffer of the kernel they look alike."""
    for (node, side), (_, other) in ((left, right), (right, left)):
        if isinstance(side, PyValue) and isinstance(side.value, bytes):
            text = isinstance(other, PyValue) and isinstance(other.value, str)
            if text or is_text(low, other):
                raise low.rejection(node, *bytes_for_text(side.value))


def _are_texts(low: Lowering, a: Lowered, b: Lowered) -> bool:
    """Whether a comparison is of text; two pointers are compared as such."""
    if isinstance(a, StrValue) or isinstance(b, StrValue):
        return True
    places = [isinstance(each, PlaceValue) and is_text(low, each) for each in (a, b)]
    return all(places) or (any(places) and (is_text(low, a) and is_text(low, b)))


def _read_for(low: Lowering, side: tuple[ast.expr, Lowered], other: Lowered) -> Lowered:
    """Kernel or user text read as far as a comparison with a constant string needs."""
    node, value = side
    if not (
        isinstance(value, PlaceValue | PtrValue)
        and isinstance(other, PyValue)
        and isinstance(other.value, str | bytes)
    ):
        return value
    wanted = len(raw_text(other.value))
    size = min(wanted + 2, _MAX_TEXT)  # one more than is equal, and the NUL
    if isinstance(value, PlaceValue):
        kind = low.btf.type(low.btf.resolve(value.type_id))
        size = min(size, kind.count + 1) if isinstance(kind, Array) and kind.count else size
    elif value.array:
        size = min(size, value.array + 1)
    return as_text(low, node, value, size) or value


def _compare_pointers(
    low: Lowering,
    node: ast.expr,
    predicate: Predicate,
    left: tuple[ast.expr, Lowered],
    right: tuple[ast.expr, Lowered],
) -> Lowered:
    if predicate not in {Predicate.EQ, Predicate.NE}:
        raise low.rejection(
            node,
            "pointers can be compared for equality only",
            "use `==`, `!=` or `is`; a number is compared by its member: sk.skc_num",
        )
    values: list[Value] = []
    for side_node, side in (left, right):
        if isinstance(side, PtrValue):
            values.append(side.value)
        elif isinstance(side, PyValue) and side.value in {None, 0}:
            values.append(Const(0, PtrType(_pointer(left, right).space)))
        else:
            raise low.rejection(
                side_node,
                "a pointer can be compared with a pointer or None only",
                "read a member to compare numbers",
            )
    result = low.reg(BOOL)
    low.add(Compare(result, predicate, values[0], values[1], span=low.span(node)))
    return BoolValue(result)


def _pointer(left: tuple[ast.expr, Lowered], right: tuple[ast.expr, Lowered]) -> PtrType:
    for _, side in (left, right):
        if isinstance(side, PtrValue) and isinstance(side.value.type, PtrType):
            return side.value.type
    raise AssertionError


def _compare_strings(
    low: Lowering,
    node: ast.expr,
    predicate: Predicate,
    left: tuple[ast.expr, Lowered],
    right: tuple[ast.expr, Lowered],
) -> Lowered:
    (text_node, text), (other_node, other) = (
        (left, right) if isinstance(left[1], StrValue) else (right, left)
    )
    if predicate not in {Predicate.EQ, Predicate.NE}:
        raise low.rejection(node, "strings can be compared for equality only")
    if is_text(low, other):
        whole = text_of(low, text_node, text)
        equal = same(low, node, whole, text_of(low, other_node, other))
        return _equality(low, node, predicate, equal)
    wanted = python_text(other)
    if not isinstance(text, StrValue) or wanted is None:
        raise low.rejection(
            other_node,
            f"a string can be compared with a string only, this is {low.describe(other)}",
        )
    if b"\0" in wanted or len(wanted) >= text.size:
        raise low.rejection(
            other_node,
            f"this can never be equal: {ast.unparse(text_node)} has at most {text.size - 1} bytes and no NUL",
        )
    # The buffer is zero behind its text, so the literal's own NUL ends the comparison.
    equal = low.reg(BOOL)
    low.add(BytesEqual(equal, text.address, wanted + b"\0", span=low.span(node)))
    return _equality(low, node, predicate, equal)


def _equality(low: Lowering, node: ast.expr, predicate: Predicate, equal: Value) -> Lowered:
    if predicate is Predicate.EQ:
        return BoolValue(equal)
    inverted = low.reg(BOOL)
    low.add(Compare(inverted, Predicate.EQ, equal, Const(0, BOOL), span=low.span(node)))
    return BoolValue(inverted)


def boolean_operator(low: Lowering, node: ast.expr) -> Lowered:
    """``a and b``, ``a or b``: the operand that decides is the value; the rest is not evaluated."""
    assert isinstance(node, ast.BoolOp)
    stop_when = isinstance(node.op, ast.Or)
    end = low.builder.label("or" if stop_when else "and")
    join = Join(low, node)
    flows: list[Flow] = []
    for operand in node.values[:-1]:
        value = low.known(operand, low.expr(operand))
        flows.append(low.flow())
        decides, more = low.builder.label("decides"), low.builder.label("more")
        truth = low.truth(operand, value)
        low.branch(operand, truth, *((decides, more) if stop_when else (more, decides)))
        # Only the operand that decides must fit the kind of all.
        low.builder.start(decides)
        join.store(operand, value)
        low.jump(end)
        low.builder.start(more)
    join.store(node.values[-1], low.known(node.values[-1], low.expr(node.values[-1])))
    flows.append(low.flow())
    low.jump(end)
    low.builder.start(end)
    low.resume(*flows)
    return join.load()


def conditional(low: Lowering, node: ast.expr) -> Lowered:
    """``a if c else b``."""
    assert isinstance(node, ast.IfExp)
    verdict = settled(low, node.test)
    if verdict is not None:
        return low.expr(node.body if verdict else node.orelse)
    then, other, end = (low.builder.label(hint) for hint in ("if", "else", "endif"))
    ways = branch_on(low, node.test, then, other)
    join = Join(low, node)
    flows: list[Flow] = []
    for label, part, way in zip((then, other), (node.body, node.orelse), ways, strict=True):
        low.builder.start(label)
        low.resume(way)
        join.store(part, low.known(part, low.expr(part)))
        flows.append(low.flow())
        low.jump(end)
    low.builder.start(end)
    low.resume(*flows)
    return join.load()


class Join:
    """One value out of several branches: bools stay bools, integers share one kind."""

    def __init__(self, low: Lowering, node: ast.expr) -> None:
        self._low = low
        self._node = node
        # The same join has the same number at the next attempt; no variable has such a name.
        low.joins += 1
        self._key = f"({low.context.section} {low.joins})"
        self._slot = None if self._key not in low.wide else low.builder.slot("join", U64, 8)
        self._shape: Lowered | None = None
        self._range: Interval | None = None
        self._mixed = False

    def store(self, node: ast.expr, value: Lowered) -> None:
        """Keep the value of one branch."""
        low = self._low
        if is_text(low, value) or python_text(value) is not None:
            self._store_text(node, text_of(low, node, value))
            return
        if isinstance(value, PyValue) and value.value is None and self._slot is not None:
            value = self._null(value)
        if isinstance(self._shape, BoolValue) and isinstance(value, IntValue):
            raise low.rejection(
                node, "the branches are a bool and an integer", "make both integers: int(...)"
            )
        if isinstance(self._shape, IntValue) and isinstance(value, BoolValue):
            value = low.integer(node, value)
            self._mixed = True
        if self._slot is None:
            if not isinstance(value, BoolValue | IntValue | PtrValue):
                none = isinstance(value, PyValue) and value.value is None
                raise low.rejection(
                    node,
                    f"{low.describe(value)} cannot be chosen between here",
                    "put the pointer's branch first" if none else "",
                )
            self._slot = low.builder.slot(
                "join", value.value.type, 1 if isinstance(value, BoolValue) else 8
            )
        self._shape = self._shape or value
        if not isinstance(value, BoolValue | IntValue | PtrValue) or not _same_shape(
            value, self._shape
        ):
            raise low.rejection(
                node,
                f"this branch is {low.describe(value)}, the other {low.describe(self._shape)}",
            )
        stored = value.value
        if isinstance(value, IntValue):
            self._range = join(self._range or value.interval, value.interval)
            self._mixed |= value.mixed
        if isinstance(value, IntValue) and stored.type != self._slot.type:
            if stored.type == U64:
                low.wide.add(self._key)
            stored = as_kind(low, node, stored, self._slot.type == U64)
        elif stored.type != self._slot.type and isinstance(self._slot.type, PtrType):
            viewed = low.reg(self._slot.type)
            low.add(Convert(viewed, stored, span=low.span(node)))
            stored = viewed
        low.add(SlotStore(self._slot, stored, span=low.span(node)))

    def _null(self, value: Lowered) -> Lowered:
        shape = self._shape
        if isinstance(shape, PtrValue):
            null = Const(0, shape.value.type)
            return PtrValue(null, shape.pointee, shape.space, shape.array, shape.text)
        return value

    def _store_text(self, node: ast.expr, value: StrValue) -> None:
        low = self._low
        if self._slot is None:
            size = capacity(low, self._key, value.size)
            self._slot = low.builder.slot("join", None, size)
        self._shape = self._shape or value
        if not isinstance(self._shape, StrValue):
            raise low.rejection(
                node, f"this branch is a string, the other {low.describe(self._shape)}"
            )
        fill(low, node, self._key, self._slot, value)

    def load(self) -> Lowered:
        """The value where the branches meet."""
        low, slot, shape = self._low, self._slot, self._shape
        assert slot is not None
        if isinstance(shape, StrValue):
            return text_in(low, slot)
        assert slot.type is not None
        value = low.reg(slot.type)
        low.add(SlotLoad(value, slot, span=low.span(self._node)))
        if isinstance(shape, BoolValue):
            return BoolValue(value)
        if isinstance(shape, PtrValue):
            return PtrValue(value, shape.pointee, shape.space, shape.array, shape.text)
        kind = U64 if value.type == U64 else I64
        return IntValue(value, kind, known=self._range, mixed=self._mixed)


def _same_shape(a: Lowered, b: Lowered | None) -> bool:
    if isinstance(a, PtrValue) and isinstance(b, PtrValue):
        return (a.pointee, a.space) == (b.pointee, b.space)
    return type(a) is type(b)


def as_kind(low: Lowering, node: ast.expr, value: Value, wide: bool) -> Reg | Const:  # noqa: FBT001
    """A value as U64 (``wide``) or I64, or OverflowError where it does not fit."""
    kind = U64 if wide else I64
    if isinstance(value, Const) and (value.value >= 0 or not wide) and value.value < (1 << 63):
        return Const(value.value, kind)
    result = low.reg(kind)
    low.add(CheckedConvert(result, value, low.site(node, "OverflowError"), span=low.span(node)))
    return result
