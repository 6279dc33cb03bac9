"""Variables that hold a tuple, a struct or an event: each of their parts in a slot of its own.

The parts of a tuple are hidden variables, so that they are widened and kept as others are. Those of
structs and events have their fields' types already; text and addresses are copied, since the buffer
they were read into belongs to the expression that made them.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import msgspec

from syscast.frontend.python.context import Local
from syscast.frontend.python.ownership import OWN, fields_of, owned_where
from syscast.frontend.python.values import (
    BoolValue,
    EventValue,
    IntValue,
    Lowered,
    StructValue,
    StrValue,
    TupleValue,
)
from syscast.ir.ops import ByteSwap, Compare, CopyBytes, Predicate, SlotAddr, SlotLoad, SlotStore
from syscast.ir.types import BOOL, I64, U8, U32, U64, Const, IntType, PtrType, Space, Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.frontend.python.context import Lowering
    from syscast.ir.types import Slot
    from syscast.spec.meta import FieldMeta

    Assign = Callable[[Lowering, ast.expr, str, Lowered], None]

_NUMBERS = frozenset({"int", "port", "enum", "pointer"})


def _same(a: Lowered, b: Lowered) -> bool:
    if isinstance(a, TupleValue) and isinstance(b, TupleValue):
        return len(a.items) == len(b.items)
    if isinstance(a, StructValue) and isinstance(b, StructValue):
        return a.cls is b.cls
    return isinstance(a, EventValue) and isinstance(b, EventValue) and a.schema == b.schema


def store_compound(
    low: Lowering,
    node: ast.expr,
    name: str,
    value: TupleValue | StructValue | EventValue,
    assign: Assign,
) -> None:
    """Give a local a value of several parts, those of a tuple by ``assign``."""
    local = low.locals.get(name)
    if local is not None and not _same(local.shape, value):
        raise low.rejection(
            node,
            f"'{name}' holds {low.describe(local.shape)} elsewhere, here {low.describe(value)}",
            "use two variables",
        )
    if local is not None:
        stored = owned_where(low, node, value, {name})  # its parts may change places
        assert isinstance(stored, TupleValue | StructValue | EventValue)
        value = stored
    if isinstance(value, TupleValue):
        _store_tuple(low, node, name, value, assign)
    else:
        _store_fields(low, node, name, value)


def _item_name(name: str, index: int) -> str:
    """Of a hidden variable; no Python name can be it."""
    return f"{name}.{index}"


def _store_tuple(
    low: Lowering, node: ast.expr, name: str, value: TupleValue, assign: Assign
) -> None:
    if not value.items:
        raise low.rejection(node, "an empty tuple holds nothing that a probe could use")
    names = [_item_name(name, index) for index in range(len(value.items))]
    if name in low.kept:
        low.kept |= set(names)
    nodes = node.elts if isinstance(node, ast.Tuple) else [node] * len(names)
    for each, part, item in zip(names, nodes, value.items, strict=True):
        assign(low, part, each, item)
    low.locals[name] = Local(low.locals[names[0]].slot, value)


def _store_fields(
    low: Lowering, node: ast.expr, name: str, value: StructValue | EventValue
) -> None:
    local = low.locals.get(name)
    if local is None:
        kept = name in low.kept
        slots = tuple(
            _slot(low, f"{name}.{field.name}", field, each, kept=kept)
            for field, (_, each) in zip(fields_of(low, value), value.fields, strict=True)
        )
        local = low.locals[name] = Local(slots[0], value, slots)
    span = low.span(node)
    for slot, (_, each) in zip(local.parts, value.fields, strict=True):
        if slot.type is not None:
            low.add(SlotStore(slot, each, span=span))
            continue
        address = low.reg(PtrType(Space.STACK))
        low.add(SlotAddr(address, slot, span=span))
        low.add(CopyBytes(address, each, slot.size, span=span))


def _slot(low: Lowering, name: str, field: FieldMeta, value: Value, *, kept: bool) -> Slot:
    type_ = value.type
    if isinstance(type_, PtrType) and type_.space in OWN:
        return low.builder.slot(name, None, field.size, kept=kept)
    return low.builder.slot(name, type_, 8, kept=kept)


def load_compound(
    low: Lowering, node: ast.Name, local: Local, read: Callable[[Lowering, ast.Name], Lowered]
) -> Lowered:
    """What a local of several parts holds, the items of a tuple by ``read``."""
    shape = local.shape
    if isinstance(shape, TupleValue):
        names = [_item_name(node.id, index) for index in range(len(shape.items))]
        return TupleValue(
            tuple(read(low, ast.copy_location(ast.Name(each, ast.Load()), node)) for each in names)
        )
    assert isinstance(shape, StructValue | EventValue)
    values = [_load(low, node, slot) for slot in local.parts]
    names = [name for name, _ in shape.fields]
    return msgspec.structs.replace(shape, fields=tuple(zip(names, values, strict=True)))


def _load(low: Lowering, node: ast.expr, slot: Slot) -> Value:
    result = low.reg(slot.type or PtrType(Space.STACK))
    op = SlotAddr if slot.type is None else SlotLoad
    low.add(op(result, slot, span=low.span(node)))
    return result


def field(low: Lowering, node: ast.Attribute, value: StructValue | EventValue) -> Lowered:
    """``key.port``: a field of a struct or event that the probe made, as it was given."""
    values = dict(value.fields)
    metas = fields_of(low, value)
    for each in metas:
        if each.name == node.attr:
            return _field(low, node, each, values[each.name])
    raise low.rejection(
        node,
        f"{low.describe(value)} has no field '{node.attr}'",
        f"it has {', '.join(meta.name for meta in metas)}",
    )


def _field(low: Lowering, node: ast.Attribute, meta: FieldMeta, value: Value) -> Lowered:
    type_ = value.type
    span = low.span(node)
    if meta.kind == "str" and isinstance(type_, PtrType):
        return StrValue(value, meta.size)
    if isinstance(type_, IntType) and meta.kind == "bool":
        truth = low.reg(BOOL)
        low.add(Compare(truth, Predicate.NE, value, Const(0, U8), span=span))
        return BoolValue(truth)
    if isinstance(type_, IntType) and meta.kind == "ipv4":
        host = low.reg(U32)
        low.add(ByteSwap(host, value, span=span))
        return IntValue(low.widen(node, host, U32), U32, network=True, name="addr")
    if isinstance(type_, IntType) and meta.kind in _NUMBERS:
        if isinstance(value, Const):
            return IntValue(Const(value.value, U64 if type_ == U64 else I64), type_)
        return IntValue(low.widen(node, value, type_), type_)
    raise low.rejection(
        node,
        f"field '{meta.name}' of kind {meta.kind} cannot be read back in a probe",
        "keep what it was made from in a variable",
    )
