"""Reading, writing, copying and clearing places: slots, own memory, foreign memory, bit fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.frontend.c.conversions import convert, in_memory, ir_type
from syscast.frontend.c.types import (
    VOID,
    Array,
    Bool,
    Enum,
    Float,
    FunctionType,
    Int,
    Void,
    decayed,
    promoted,
)
from syscast.frontend.c.values import CValue, Place
from syscast.ir import ops
from syscast.ir.ops import BinaryOp, Predicate
from syscast.ir.types import U8, U64, Const, IntType

if TYPE_CHECKING:
    from syscast.frontend.c.emitter import Emitter
    from syscast.ir.types import IrType, Reg, Value

_FILLED_INLINE = 1024  # bytes; what LLVM makes of one memset with 8-byte stores


def pointer_to(e: Emitter, place: Place) -> Value:
    """The address of a place, a ``ptr<any>``; of a scalar slot, too."""
    if place.slot is not None:
        return e.slot_address(place.slot)
    assert place.ptr is not None
    return e.at(place.ptr, place.offset)


def load(e: Emitter, place: Place) -> CValue:
    """The value of a place: what it holds now, the address where that is a struct or an array."""
    ctype = place.ctype
    if isinstance(ctype, FunctionType) or in_memory(ctype):
        return CValue(decayed(ctype), pointer_to(e, place))
    if isinstance(ctype, Void):
        return CValue(VOID, None)
    if isinstance(ctype, Float):
        e.error(None, f"'{ctype.spelling}': BPF has no floating point numbers")
    return _load_bits(e, place) if place.bits is not None else _load_scalar(e, place)


def _load_scalar(e: Emitter, place: Place) -> CValue:
    ctype = place.ctype
    result = e.reg(ir_type(ctype))
    if place.slot is not None:
        e.emit(ops.SlotLoad(result, place.slot))
    else:
        assert place.ptr is not None
        _load(e, result, place, place.offset)
    if isinstance(ctype, Bool) and not place.own and place.slot is None:
        # Foreign memory may hold any byte.
        return CValue(ctype, e.convert_to(e.compare(Predicate.NE, result, Const(0, U8)), U8))
    return CValue(ctype, result)


def _load(e: Emitter, result: Reg, place: Place, offset: int) -> None:
    assert place.ptr is not None
    op = ops.Load if place.own else ops.AnyLoad
    e.emit(op(result, place.ptr, offset))


def store(e: Emitter, place: Place, value: CValue) -> CValue:
    """Put a value, converted to the place's type, there; gives what the place then holds."""
    ctype = place.ctype
    if isinstance(ctype, Array | FunctionType | Void):
        e.error(None, f"a '{ctype.spelling}' cannot be assigned to")
    value = convert(e, value, ctype)
    if in_memory(ctype):
        copy(e, place, value.made, ctype.size)
        return value
    if place.bits is not None:
        return _store_bits(e, place, value)
    if place.slot is not None:
        e.emit(ops.SlotStore(place.slot, value.made))
    else:
        assert place.ptr is not None
        e.emit(ops.Store(place.ptr, value.made, place.offset))
    return value


def copy(e: Emitter, place: Place, source: Value, size: int, source_offset: int = 0) -> None:
    """Copy bytes from an address to a place in memory."""
    assert place.ptr is not None
    if size:
        e.emit(ops.AnyCopy(place.ptr, source, size, place.offset, source_offset))


def clear(e: Emitter, place: Place, size: int) -> None:
    """Fill memory with zeros."""
    assert place.ptr is not None
    done = 0
    while done < size:
        now = min(size - done, _FILLED_INLINE)
        e.emit(ops.Fill(place.ptr, now, place.offset + done))
        done += now


# ---------------------------------------------------------------- bit fields


def _units(place: Place) -> tuple[tuple[int, int], ...]:
    """Offset and bytes of the loads that hold a bit field; more than one only in packed structs."""
    assert place.bits is not None
    unit, first = place.bits.unit, place.bits.offset
    if unit in {1, 2, 4, 8}:
        return ((first, unit),)
    return tuple((first + number, 1) for number in range(unit))


def _load_unit(e: Emitter, place: Place, offset: int, size: int) -> Value:
    result = e.reg(IntType(8 * size, signed=False))
    _load(e, result, place, place.offset + offset)
    return e.convert_to(result, U64)


def _gathered(e: Emitter, place: Place) -> Value:
    """The bits of a field and those around it, in 64 bits from the start of its first unit."""
    total: Value = Const(0, U64)
    units = _units(place)
    for offset, size in units:
        unit = _load_unit(e, place, offset, size)
        shift = 8 * (offset - units[0][0])
        if not shift:
            total = unit
        elif shift < 64:
            total = _binary(e, BinaryOp.OR, total, _binary(e, BinaryOp.SHL, unit, shift))
    return total


def _load_bits(e: Emitter, place: Place) -> CValue:
    assert place.bits is not None
    start, width = place.bits.shift, place.bits.width
    ctype = place.ctype
    assert isinstance(ctype, Int | Bool | Enum)
    if start + width > 64:
        e.error(None, "a packed bit field that spans nine bytes")
    raised = _binary(e, BinaryOp.SHL, _gathered(e, place), 64 - start - width)
    signed = ctype.signed
    type_ = IntType(64, signed=signed)
    machine = BinaryOp.ASHR if signed else BinaryOp.LSHR
    lowered = _binary(e, machine, e.convert_to(raised, type_), 64 - width)
    result = promoted(ctype, width)
    return CValue(result, e.convert_to(lowered, ir_type(result)))


def _store_bits(e: Emitter, place: Place, value: CValue) -> CValue:
    """Change the bits of a field in its units; gives the field's new value."""
    assert place.bits is not None
    assert place.ptr is not None
    start, width = place.bits.shift, place.bits.width
    ctype = place.ctype
    assert isinstance(ctype, Int | Bool | Enum)
    mask = (1 << width) - 1
    new = _binary(e, BinaryOp.AND, e.convert_to(value.made, U64), mask)
    for offset, size in _units(place):
        shift = start - 8 * (offset - place.bits.offset)
        unit_mask = (1 << 8 * size) - 1
        field = (mask << shift if shift >= 0 else mask >> -shift) & unit_mask
        moved = _binary(e, BinaryOp.SHL if shift >= 0 else BinaryOp.LSHR, new, abs(shift))
        moved = _binary(e, BinaryOp.AND, moved, field)
        old = _binary(e, BinaryOp.AND, _load_unit(e, place, offset, size), unit_mask & ~field)
        both = _binary(e, BinaryOp.OR, old, moved)
        unit = IntType(8 * size, signed=False)
        e.emit(ops.Store(place.ptr, e.convert_to(both, unit), place.offset + offset))
    raised = _binary(e, BinaryOp.SHL, new, 64 - width)
    type_: IrType = IntType(64, signed=ctype.signed)
    machine = BinaryOp.ASHR if ctype.signed else BinaryOp.LSHR
    held = _binary(e, machine, e.convert_to(raised, type_), 64 - width)
    result = promoted(ctype, width)
    return CValue(result, e.convert_to(held, ir_type(result)))


def _binary(e: Emitter, op: BinaryOp, a: Value, b: Value | int) -> Value:
    assert isinstance(a.type, IntType)
    if isinstance(b, int):
        if b == 0 and op in {BinaryOp.SHL, BinaryOp.LSHR, BinaryOp.ASHR}:
            return a
        b = Const(b, a.type)
    result = e.reg(a.type)
    e.emit(ops.Binary(result, op, a, b))
    return result
