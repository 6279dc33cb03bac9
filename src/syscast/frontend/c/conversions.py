"""C's conversions: between types, to the promoted and the common type, to a condition.

LP64; what does not fit is cut off; pointers and integers of 64 bits are each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.frontend.c.emitter import ANY, wrapped
from syscast.frontend.c.types import (
    INT,
    UNSIGNED_LONG,
    Array,
    Bool,
    Enum,
    Float,
    FunctionType,
    Int,
    Pointer,
    Record,
    Void,
    is_integer,
)
from syscast.frontend.c.values import CValue
from syscast.ir import ops
from syscast.ir.types import BOOL, I64, U8, U64, Const, IntType, PtrType

if TYPE_CHECKING:
    from syscast.frontend.c.emitter import Emitter
    from syscast.frontend.c.types import CType
    from syscast.ir.types import IrType, Value

_WIDEST = 8
WORD = I64
"""What helpers and programs return."""


def is_wide(ctype: CType) -> bool:
    """Integers of 128 bits, which are only stored and copied."""
    return isinstance(ctype, Int) and ctype.size > _WIDEST


def in_memory(ctype: CType) -> bool:
    """Whether values of the type are given by the address of memory."""
    return isinstance(ctype, Record | Array) or is_wide(ctype)


def is_scalar(ctype: CType) -> bool:
    """Whether values of the type fit a register: integers and pointers."""
    return isinstance(ctype, Pointer) or (is_integer(ctype) and not is_wide(ctype))


def ir_type(ctype: CType) -> IrType:
    """The IR type of a scalar."""
    match ctype:
        case Pointer() | Array() | FunctionType():
            return ANY
        case Bool():
            return U8
        case Int() | Enum():
            return IntType(min(ctype.size, _WIDEST) * 8, ctype.signed)
        case _:
            raise AssertionError(ctype)


def number(value: int, ctype: CType = INT) -> CValue:
    """A constant of an integer type, cut off to its width."""
    type_ = ir_type(ctype)
    assert isinstance(type_, IntType)
    return CValue(ctype, wrapped(value, type_))


def constant_of(value: CValue) -> int | None:
    """The number, where it is known now."""
    made = value.value
    return made.value if isinstance(made, Const) else None


def is_null(value: CValue) -> bool:
    """Whether a value is the constant 0, which is every pointer's null."""
    return constant_of(value) == 0


# ---------------------------------------------------------------- values


def convert(e: Emitter, value: CValue, to: CType) -> CValue:
    """The value as another type; structs only to their own."""
    if value.ctype is to or value.ctype == to:
        return CValue(to, value.value)
    match to:
        case Void():
            return CValue(to, None)
        case Float():
            e.error(None, f"'{to.spelling}': BPF has no floating point numbers")
        case Bool():
            return CValue(to, e.convert_to(truth(e, value), U8))
        case Record() | Array() | FunctionType():
            _refuse(e, value, to)
        case _:
            pass
    if isinstance(value.ctype, Void):
        e.error(None, "this has no value", "its type is void")
    if isinstance(value.ctype, Record):
        _refuse(e, value, to)
    if is_wide(to):
        return _widened(e, value, to)
    if is_wide(value.ctype):
        value = _narrowed(e, value)
    return CValue(to, _resized(e, value.made, ir_type(to)))


def _refuse(e: Emitter, value: CValue, to: CType) -> None:
    e.error(None, f"a value of type '{value.ctype.spelling}' cannot become '{to.spelling}'")


def _resized(e: Emitter, made: Value, to: IrType) -> Value:
    source = made.type
    if isinstance(source, PtrType) and isinstance(to, IntType):
        return e.convert_to(e.convert_to(made, U64), to)
    if isinstance(source, IntType) and isinstance(to, PtrType) and source.bits < 64:
        made = e.convert_to(made, I64 if source.signed else U64)
    return e.convert_to(made, to)


def _widened(e: Emitter, value: CValue, to: CType) -> CValue:
    """An integer of 128 bits in memory: the number and its sign."""
    if is_wide(value.ctype):
        return CValue(to, value.value)
    signed = isinstance(value.ctype, Int | Enum) and value.ctype.signed
    low = _resized(e, value.made, I64 if signed else U64)
    place = e.buffer(to, "wide")
    assert place.ptr is not None
    e.emit(ops.Store(place.ptr, low, 0))
    high: Value = Const(0, U64)
    if signed:
        shifted = e.reg(I64)
        e.emit(ops.Binary(shifted, ops.BinaryOp.ASHR, low, Const(63, I64)))
        high = shifted
    e.emit(ops.Store(place.ptr, high, 8))
    return CValue(to, place.ptr)


def _narrowed(e: Emitter, value: CValue) -> CValue:
    low = e.reg(U64)
    e.emit(ops.AnyLoad(low, value.made, 0))
    return CValue(UNSIGNED_LONG, low)


def truth(e: Emitter, value: CValue) -> Value:
    """The value as a condition, a bool: whether it is not zero."""
    if not is_scalar(value.ctype):
        if is_wide(value.ctype):
            return truth(e, _either(e, value))
        e.error(None, f"'{value.ctype.spelling}' is no condition")
    made = value.made
    if isinstance(made, Const):
        return Const(int(made.value != 0), BOOL)
    return e.compare(ops.Predicate.NE, made, Const(0, made.type))


def _either(e: Emitter, value: CValue) -> CValue:
    halves = [e.reg(U64), e.reg(U64)]
    for number_, half in enumerate(halves):
        e.emit(ops.AnyLoad(half, value.made, 8 * number_))
    result = e.reg(U64)
    e.emit(ops.Binary(result, ops.BinaryOp.OR, *halves))
    return CValue(UNSIGNED_LONG, result)
