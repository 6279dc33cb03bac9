"""C's operators on values: the machine's arithmetic in the type that C says.

Signed overflow wraps, ``x / 0`` is 0 and ``x % 0`` is x as BPF does, a shift's count is taken modulo the
width. Operands that are known now give a result that is known now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.frontend.c.conversions import (
    convert,
    ir_type,
    is_null,
    is_scalar,
    is_wide,
    number,
)
from syscast.frontend.c.emitter import ANY, wrapped
from syscast.frontend.c.types import (
    INT,
    LONG,
    UNSIGNED_INT128,
    VOID_POINTER,
    Bool,
    Enum,
    Int,
    Pointer,
    common,
    is_integer,
    promoted,
)
from syscast.frontend.c.values import CValue
from syscast.ir import ops
from syscast.ir.ops import BinaryOp, Predicate
from syscast.ir.types import BOOL, I64, U64, Const, IntType

if TYPE_CHECKING:
    from syscast.frontend.c.emitter import Emitter
    from syscast.frontend.c.types import CType
    from syscast.ir.types import Value

_PLAIN = {
    "+": BinaryOp.ADD,
    "-": BinaryOp.SUB,
    "*": BinaryOp.MUL,
    "&": BinaryOp.AND,
    "|": BinaryOp.OR,
    "^": BinaryOp.XOR,
}
_SIGNED = {
    "==": Predicate.EQ,
    "!=": Predicate.NE,
    "<": Predicate.SLT,
    "<=": Predicate.SLE,
    ">": Predicate.SGT,
    ">=": Predicate.SGE,
}
_UNSIGNED = {
    "==": Predicate.EQ,
    "!=": Predicate.NE,
    "<": Predicate.ULT,
    "<=": Predicate.ULE,
    ">": Predicate.UGT,
    ">=": Predicate.UGE,
}
COMPARISONS = frozenset(_SIGNED)


def binary(e: Emitter, op: str, a: CValue, b: CValue) -> CValue:
    """``a op b`` for every binary operator but ``&&``, ``||`` and the comma."""
    if op in COMPARISONS:
        return from_bool(e, compare(e, op, a, b))
    if isinstance(a.ctype, Pointer) or isinstance(b.ctype, Pointer):
        return _pointers(e, op, a, b)
    types = _integers(e, op, a, b)
    if op in {"<<", ">>"}:
        return _shift(e, op, a, b)
    type_ = common(*types)
    a, b = convert(e, a, type_), convert(e, b, type_)
    if op in {"/", "%"}:
        return _divide(e, op, a, b)
    return _wrapping(e, _PLAIN[op], a, b)


def from_bool(e: Emitter, value: Value) -> CValue:
    """A condition as C's ``int`` of 0 or 1."""
    return CValue(INT, e.convert_to(value, ir_type(INT)))


def _integers(
    e: Emitter, op: str, a: CValue, b: CValue
) -> tuple[Int | Bool | Enum, Int | Bool | Enum]:
    for each in (a, b):
        if is_wide(each.ctype):
            e.error(
                None,
                f"'{op}' of 128-bit integers",
                "they are only stored and copied; take a half of it: (u64)x",
            )
    left, right = a.ctype, b.ctype
    if isinstance(left, Int | Bool | Enum) and isinstance(right, Int | Bool | Enum):
        return left, right
    e.error(None, f"'{op}' of '{left.spelling}' and '{right.spelling}'")


def _wrapping(e: Emitter, op: BinaryOp, a: CValue, b: CValue) -> CValue:
    left, right = a.made, b.made
    assert isinstance(left.type, IntType)
    if isinstance(left, Const) and isinstance(right, Const):
        return number(_folded(op, left.value, right.value), a.ctype)
    result = e.reg(left.type)
    e.emit(ops.Binary(result, op, left, right))
    return CValue(a.ctype, result)


def _folded(op: BinaryOp, a: int, b: int) -> int:  # noqa: PLR0911  (one line an operator)
    match op:
        case BinaryOp.ADD:
            return a + b
        case BinaryOp.SUB:
            return a - b
        case BinaryOp.MUL:
            return a * b
        case BinaryOp.AND:
            return a & b
        case BinaryOp.OR:
            return a | b
        case BinaryOp.XOR:
            return a ^ b
        case BinaryOp.SHL:
            return a << b
        case _:
            return a >> b


def _shift(e: Emitter, op: str, a: CValue, b: CValue) -> CValue:
    assert isinstance(a.ctype, Int | Bool | Enum)
    type_ = promoted(a.ctype)
    a = convert(e, a, type_)
    made = a.made
    assert isinstance(made.type, IntType)
    count = e.convert_to(b.made, made.type)
    if isinstance(count, Const):
        count = Const(count.value & (made.type.bits - 1), made.type)
    else:
        masked = e.reg(made.type)
        e.emit(ops.Binary(masked, BinaryOp.AND, count, Const(made.type.bits - 1, made.type)))
        count = masked
    right = BinaryOp.ASHR if made.type.signed else BinaryOp.LSHR
    machine = BinaryOp.SHL if op == "<<" else right
    return _wrapping(e, machine, a, CValue(type_, count))


def _divide(e: Emitter, op: str, a: CValue, b: CValue) -> CValue:
    left, right = a.made, b.made
    type_ = left.type
    assert isinstance(type_, IntType)
    if isinstance(right, Const):
        if right.value == 0:
            return number(0, a.ctype) if op == "/" else a
        if isinstance(left, Const):
            return number(_quotient(op, left.value, right.value), a.ctype)
        return CValue(a.ctype, _divided(e, op, left, right))
    zero = e.compare(Predicate.EQ, right, Const(0, type_))
    safe = e.select(zero, Const(1, type_), right)
    divided = _divided(e, op, left, safe)
    return CValue(a.ctype, e.select(zero, Const(0, type_) if op == "/" else left, divided))


def _divided(e: Emitter, op: str, a: Value, b: Value) -> Value:
    """By what is not zero."""
    type_ = a.type
    assert isinstance(type_, IntType)
    if type_.signed:
        machine = BinaryOp.SDIV if op == "/" else BinaryOp.SREM
    else:
        machine = BinaryOp.UDIV if op == "/" else BinaryOp.UREM
    result = e.reg(type_)
    e.emit(ops.Binary(result, machine, a, b))
    return result


def _quotient(op: str, a: int, b: int) -> int:
    quotient = abs(a) // abs(b)
    if (a < 0) != (b < 0):
        quotient = -quotient
    return quotient if op == "/" else a - quotient * b


# ---------------------------------------------------------------- comparisons


def compare(e: Emitter, op: str, a: CValue, b: CValue) -> Value:
    """``a op b`` of a comparison, as a bool."""
    if isinstance(a.ctype, Pointer) or isinstance(b.ctype, Pointer):
        return _compare_pointers(e, op, a, b)
    if (is_wide(a.ctype) or is_wide(b.ctype)) and op in {"==", "!="}:
        return _same_halves(e, op, a, b)
    type_ = common(*_integers(e, op, a, b))
    left, right = convert(e, a, type_).made, convert(e, b, type_).made
    assert isinstance(left.type, IntType)
    table = _SIGNED if left.type.signed else _UNSIGNED
    if isinstance(left, Const) and isinstance(right, Const):
        return Const(int(_holds(op, left.value, right.value)), BOOL)
    return e.compare(table[op], left, right)


def _same_halves(e: Emitter, op: str, a: CValue, b: CValue) -> Value:
    """128-bit integers are compared half by half."""
    a, b = convert(e, a, UNSIGNED_INT128), convert(e, b, UNSIGNED_INT128)
    differences: list[Value] = []
    for offset in (0, 8):
        left, right, difference = e.reg(U64), e.reg(U64), e.reg(U64)
        e.emit(ops.AnyLoad(left, a.made, offset))
        e.emit(ops.AnyLoad(right, b.made, offset))
        e.emit(ops.Binary(difference, BinaryOp.XOR, left, right))
        differences.append(difference)
    both = e.reg(U64)
    e.emit(ops.Binary(both, BinaryOp.OR, *differences))
    return e.compare(Predicate.EQ if op == "==" else Predicate.NE, both, Const(0, U64))


def _holds(op: str, a: int, b: int) -> bool:
    if op in {"==", "!="}:
        return (a == b) == (op == "==")
    if op in {"<", ">="}:
        return (a < b) == (op == "<")
    return (a > b) == (op == ">")


def _compare_pointers(e: Emitter, op: str, a: CValue, b: CValue) -> Value:
    for each in (a, b):
        if not is_scalar(each.ctype):
            e.error(None, f"'{op}' of '{a.ctype.spelling}' and '{b.ctype.spelling}'")
    left, right = (
        each.made if isinstance(each.ctype, Pointer) else convert(e, each, VOID_POINTER).made
        for each in (a, b)
    )
    if isinstance(left, Const) and isinstance(right, Const):
        return Const(int(_holds(op, left.value, right.value)), BOOL)
    return e.compare(_UNSIGNED[op], left, right)


# ---------------------------------------------------------------- pointers


def element_size(pointer: CType) -> int:
    """By how much ``p + 1`` moves; as in GNU C, 1 for ``void`` and functions."""
    assert isinstance(pointer, Pointer)
    return pointer.to.size


def _pointers(e: Emitter, op: str, a: CValue, b: CValue) -> CValue:
    if op == "-" and isinstance(a.ctype, Pointer) and isinstance(b.ctype, Pointer):
        return _difference(e, a, b)
    if op == "+" and isinstance(b.ctype, Pointer):
        a, b = b, a
    if op not in {"+", "-"} or not isinstance(a.ctype, Pointer) or not is_integer(b.ctype):
        e.error(
            None,
            f"'{op}' of '{a.ctype.spelling}' and '{b.ctype.spelling}'",
            "cast the pointer to u64 to compute with its number",
        )
    return CValue(a.ctype, moved(e, a, b, back=op == "-"))


def moved(e: Emitter, pointer: CValue, count: CValue, *, back: bool = False) -> Value:
    """``pointer + count``, or ``pointer - count``, in elements."""
    size = element_size(pointer.ctype)
    delta = scaled(e, count, -size if back else size)
    if is_null(pointer):  # an address written as a number of elements from 0: offsetof by hand
        return e.convert_to(delta, ANY)
    return e.at(pointer.made, delta.value if isinstance(delta, Const) else delta)


def scaled(e: Emitter, count: CValue, size: int) -> Value:
    """``count * size`` in 64 bits."""
    wide = convert(e, count, LONG).made
    if isinstance(wide, Const):
        return wrapped(wide.value * size, I64)
    if size == 1:
        return wide
    result = e.reg(I64)
    e.emit(ops.Binary(result, BinaryOp.MUL, wide, Const(size, I64)))
    return result


def _difference(e: Emitter, a: CValue, b: CValue) -> CValue:
    size = element_size(a.ctype)
    left = convert(e, a, LONG)
    right = convert(e, b, LONG)
    bytes_ = _wrapping(e, BinaryOp.SUB, left, right)
    return bytes_ if size in {0, 1} else _divide(e, "/", bytes_, number(size, LONG))


# ---------------------------------------------------------------- one operand


def unary(e: Emitter, op: str, value: CValue) -> CValue:
    """``+x``, ``-x``, ``~x``."""
    if is_wide(value.ctype) or not isinstance(value.ctype, Int | Bool | Enum):
        e.error(None, f"'{op}' of '{value.ctype.spelling}'")
    value = convert(e, value, promoted(value.ctype))
    if op == "-":
        return binary(e, "-", number(0, value.ctype), value)
    if op == "~":
        return binary(e, "^", value, number(-1, value.ctype))
    return value
