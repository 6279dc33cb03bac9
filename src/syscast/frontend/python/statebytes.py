"""Keys and values of maps: from lowered values into buffers, and back from a map's memory."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import msgspec

from syscast.events.event import Event
from syscast.frontend.python.eventing import store
from syscast.frontend.python.values import (
    BoolValue,
    ElementValue,
    EventValue,
    IntValue,
    Lowered,
    StructValue,
    StrValue,
    TupleValue,
)
from syscast.ir.ops import ByteSwap, Convert, CopyBytes, Fill, Load, SlotAddr, Store
from syscast.ir.types import BOOL, U8, U32, U64, Const, IntType, PtrType, Space, Value
from syscast.state.state import State

if TYPE_CHECKING:
    from syscast.frontend.python.context import Lowering
    from syscast.spec.meta import FieldMeta
    from syscast.state.shape import Shape

_BUFFERS = frozenset({"str", "bytes", "ipv6", "ip"})


def take_apart(
    low: Lowering, node: ast.expr, value: Lowered, shape: Shape, what: str
) -> list[Value]:
    """Each part of a key or value in its field's type, or as the address of a buffer.

    Args:
        low: The function.
        node: The expression.
        value: What it gave.
        shape: The layout it has to have.
        what: ``key`` or ``value``, for messages.
    """
    if shape.cls is not None:
        return _fields(low, node, value, shape, what)
    if shape.form == "one":
        field = msgspec.structs.replace(shape.fields[0], name=what)
        return [store(low, node, field, value)]
    if not isinstance(value, TupleValue) or len(value.items) != len(shape.fields):
        raise low.rejection(
            node,
            f"the {what} is a {shape}, this is {low.describe(value)}"
            + (f" of {len(value.items)}" if isinstance(value, TupleValue) else ""),
        )
    nodes: list[ast.expr] = getattr(node, "elts", None) or [node] * len(value.items)
    return [
        store(low, each, msgspec.structs.replace(field, name=what), item)
        for each, field, item in zip(nodes, shape.fields, value.items, strict=True)
    ]


def _fields(low: Lowering, node: ast.expr, value: Lowered, shape: Shape, what: str) -> list[Value]:
    assert shape.cls is not None
    name = shape.cls.__name__
    if isinstance(value, StructValue) and value.cls is shape.cls:
        return [each for _, each in value.fields]
    if isinstance(value, EventValue) and low.unit.class_of(value.schema) is shape.cls:
        return [each for _, each in value.fields]
    raise low.rejection(
        node,
        f"the {what} is a {name}, this is {low.describe(value)}",
        f"write {name}({', '.join(f'{field.name}=...' for field in shape.fields)})",
    )


def room(low: Lowering, name: str, size: int) -> Value:
    """The address of a buffer that all accesses of this size share, one after another."""
    slot = low.rooms.get((name, size))
    if slot is None:
        slot = low.rooms[name, size] = low.builder.slot(name, None, size)
    address = low.reg(PtrType(Space.STACK))
    low.add(SlotAddr(address, slot))
    return address


def put_together(
    low: Lowering, node: ast.AST, shape: Shape, parts: list[Value], what: str
) -> Value:
    """A buffer with the parts at their places and zeros between them."""
    span = low.span(node)
    address = room(low, f"map {what}", shape.size)
    if sum(field.size for field in shape.fields) != shape.size:
        low.add(Fill(address, shape.size, span=span))
    for field, value in zip(shape.fields, parts, strict=True):
        if field.kind in _BUFFERS:
            low.add(CopyBytes(address, value, field.size, dst_offset=field.offset, span=span))
        else:
            low.add(Store(address, value, field.offset, span=span))
    return address


def put_constant(low: Lowering, node: ast.AST, data: bytes) -> Value:
    """A buffer that holds constant bytes."""
    span = low.span(node)
    address = room(low, "map value", len(data))
    low.add(Fill(address, len(data), span=span))
    for offset, byte in enumerate(data):
        if byte:
            low.add(Store(address, Const(byte, U8), offset, span=span))
    return address


def read_value(low: Lowering, node: ast.expr, state: State, pointer: Value) -> Lowered:
    """A map's value as the language sees it; a struct stays where it is until it is copied."""
    shape = state.plan.value
    if shape.cls is not None:
        return ElementValue(pointer, state)
    parts = [read_part(low, node, field, pointer) for field in shape.fields]
    return parts[0] if shape.form == "one" else TupleValue(tuple(parts))


def copied(low: Lowering, node: ast.expr, value: ElementValue) -> StructValue | EventValue:
    """A struct in a map as a value of its own; the map may change, the struct does not."""
    state = value.state
    assert isinstance(state, State)
    shape = state.plan.value
    assert shape.cls is not None
    fields = tuple(
        (field.name, _copy_part(low, node, field, value.pointer)) for field in shape.fields
    )
    origin = ast.unparse(node)
    if issubclass(shape.cls, Event):
        return EventValue(low.unit.schema_of(shape.cls).id, fields, origin)
    return StructValue(shape.cls, fields, origin)


def _copy_part(low: Lowering, node: ast.expr, field: FieldMeta, pointer: Value) -> Value:
    """One field as `store` gives it, of those that cannot be read back too."""
    span = low.span(node)
    if field.kind in _BUFFERS:
        _, address = low.buffer(field.name, field.size)
        low.add(CopyBytes(address, pointer, field.size, src_offset=field.offset, span=span))
        return address
    loaded = low.reg(IntType(field.size * 8, signed=field.signed))
    low.add(Load(loaded, pointer, field.offset, span=span))
    return loaded


def read_part(low: Lowering, node: ast.expr, field: FieldMeta, pointer: Value) -> Lowered:
    """One field of a map's value."""
    span = low.span(node)
    if field.kind == "str":
        _, address = low.buffer("text", field.size)
        low.add(CopyBytes(address, pointer, field.size, src_offset=field.offset, span=span))
        return StrValue(address, field.size)
    if field.kind in _BUFFERS:
        raise low.rejection(
            node,
            f"a value of kind {field.kind} cannot be read in a probe",
            "read it in Python, or keep it as IPv4 or a number",
        )
    natural = IntType(field.size * 8, signed=field.signed)
    if field.kind == "ipv4":
        network, host = low.reg(U32), low.reg(U32)
        low.add(Load(network, pointer, field.offset, span=span))
        low.add(ByteSwap(host, network, span=span))
        return IntValue(low.widen(node, host, U32), U32, network=True, name="addr")
    loaded = low.reg(natural)
    low.add(Load(loaded, pointer, field.offset, span=span))
    if field.kind == "bool":
        truth = low.reg(BOOL)
        low.add(Convert(truth, loaded, span=span))
        return BoolValue(truth)
    return IntValue(low.widen(node, loaded, natural), natural)


def is_buffer(field: FieldMeta) -> bool:
    """Whether a field's value is the address of a buffer."""
    return field.kind in _BUFFERS


def as_u64(low: Lowering, node: ast.AST, value: Value) -> Value:
    """The bits of a 64-bit integer as U64."""
    if isinstance(value, Const):
        return Const(value.value % (1 << 64), U64)
    if value.type == U64:
        return value
    result = low.reg(U64)
    low.add(Convert(result, value, span=low.span(node)))
    return result
