"""Assignment: to plain variables, to several at once, in the middle of an expression."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import msgspec

from syscast.frontend.python.arithmetic import as_kind
from syscast.frontend.python.capacities import capacity, fill
from syscast.frontend.python.compound import store_compound
from syscast.frontend.python.context import Local
from syscast.frontend.python.ownership import owned_where
from syscast.frontend.python.storing import names_in
from syscast.frontend.python.strings import text_of
from syscast.frontend.python.values import (
    BoolValue,
    ElementValue,
    EventValue,
    IntValue,
    ItemValue,
    Lowered,
    MethodValue,
    PlaceValue,
    PtrValue,
    PyValue,
    RecordValue,
    StructValue,
    StrValue,
    TupleValue,
)
from syscast.ir.ops import Convert, SlotStore
from syscast.ir.types import U64, PtrType, Value

if TYPE_CHECKING:
    from syscast.frontend.python.context import Lowering


_NOT_KEPT = PyValue | MethodValue | ItemValue | RecordValue | ElementValue
_Scalar = IntValue | BoolValue | PtrValue | PlaceValue


def assign(low: Lowering, node: ast.expr, name: str, value: Lowered) -> None:
    """Give a local a value."""
    value = low.known(node, value)
    if isinstance(value, PyValue) and isinstance(value.value, str):
        value = text_of(low, node, value)
    if isinstance(value, _NOT_KEPT):
        raise low.rejection(
            node,
            f"'{name}' would hold {low.describe(value)}; a local holds an integer, a bool, a pointer, a string, or a tuple, struct or event of them",
            "keep a number, a pointer or a string in it",
        )
    if isinstance(value, StrValue):
        _assign_text(low, node, name, value)
    elif isinstance(value, TupleValue | StructValue | EventValue):
        store_compound(low, node, name, value, assign)
    else:
        _assign_scalar(low, node, name, value)
    low.assigned.add(name)
    low.poisoned.discard(name)
    low.constants.pop(name, None)
    low.ranges.pop(name, None)
    if isinstance(value, IntValue):
        low.ranges[name] = value.interval


def _assign_text(low: Lowering, node: ast.expr, name: str, value: StrValue) -> None:
    local = low.locals.get(name)
    key = low.prefix + name
    if local is None:
        size = capacity(low, key, value.size)
        slot = low.builder.slot(name, None, size, kept=name in low.kept)
        local = low.locals[name] = Local(slot, StrValue(value.address, size))
    if not isinstance(local.shape, StrValue):
        raise low.rejection(
            node,
            f"'{name}' holds {low.describe(local.shape)} elsewhere, here {low.describe(value)}",
            "use two variables",
        )
    fill(low, node, key, local.slot, value)


def _scalar(value: _Scalar) -> Value:
    return value.base if isinstance(value, PlaceValue) else value.value


def _assign_scalar(low: Lowering, node: ast.expr, name: str, value: _Scalar) -> None:
    local = low.locals.get(name)
    if local is None:
        wide = low.prefix + name in low.wide and isinstance(value, IntValue)
        type_ = U64 if wide else _scalar(value).type
        kept = name in low.kept
        if kept and isinstance(type_, PtrType):
            # A map keeps the bits of a pointer, not what the verifier knows of it.
            type_ = PtrType(type_.space, type_.pointee)
        size = 1 if isinstance(value, BoolValue) else 8
        slot = low.builder.slot(name, type_, size, kept=kept)
        local = low.locals[name] = Local(slot, value)
    elif isinstance(local.shape, IntValue) and isinstance(value, BoolValue):
        value = msgspec.structs.replace(low.integer(node, value), mixed=True)
    if not _same_shape(local.shape, value):
        raise low.rejection(
            node,
            f"'{name}' holds {low.describe(local.shape)} elsewhere, here {low.describe(value)}",
            "use two variables",
        )
    if isinstance(value, IntValue) and value.mixed:
        low.wide.add(f"{low.prefix}{name} mixed")
    stored = _scalar(value)
    slot_type = local.slot.type
    assert slot_type is not None
    if stored.type != slot_type:
        if isinstance(value, IntValue):
            if stored.type == U64:
                low.wide.add(low.prefix + name)
            stored = as_kind(low, node, stored, slot_type == U64)
        else:
            viewed = low.reg(slot_type)
            low.add(Convert(viewed, stored, span=low.span(node)))
            stored = viewed
    low.add(SlotStore(local.slot, stored, span=low.span(node)))


def _same_shape(a: Lowered, b: Lowered) -> bool:
    if isinstance(a, PtrValue) and isinstance(b, PtrValue):
        return a.pointee == b.pointee and a.space == b.space
    if isinstance(a, PlaceValue) and isinstance(b, PlaceValue):
        return (a.root, a.path, a.space) == (b.root, b.path, b.space)
    return type(a) is type(b)


# ---------------------------------------------------------------- targets


def assign_to(low: Lowering, target: ast.expr, node: ast.expr, value: Lowered) -> None:
    """Give what stands left of ``=`` a value that was lowered already, from ``node``."""
    if isinstance(target, ast.Tuple | ast.List):
        _unpack(low, target, node, value)
    elif isinstance(target, ast.Name) or not low.states().assign(low, target, (node, value)):
        assign(low, node, target_name(low, target), value)


def target_name(low: Lowering, node: ast.expr) -> str:
    """The plain variable that a target is."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute | ast.Subscript):
        raise low.rejection(
            node,
            "a probe cannot write to kernel memory",
            "a probe looks on; keep what you compute in a variable of its own",
        )
    raise low.rejection(
        node, "only a plain variable can be assigned here", "write one assignment per variable"
    )


def _unpack(low: Lowering, target: ast.Tuple | ast.List, node: ast.expr, value: Lowered) -> None:
    for each in target.elts:
        if isinstance(each, ast.Starred):
            raise low.rejection(
                each, "`*` gathers a list, and a probe has no heap", "name each variable"
            )
    items = items_of(value)
    if items is None:
        raise low.rejection(
            node,
            f"{low.describe(value)} cannot be unpacked",
            "a tuple written in place can: a, b = x.first, x.second",
        )
    if len(items) != len(target.elts):
        raise low.rejection(target, f"{len(target.elts)} variables for {len(items)} values", "")
    nodes = node.elts if isinstance(node, ast.Tuple | ast.List) else [node] * len(items)
    names = names_in([target])
    # Strings of variables are read in place: one that is about to change is copied first.
    values = [owned_where(low, part, item, names) for part, item in zip(nodes, items, strict=True)]
    for each, part, item in zip(target.elts, nodes, values, strict=True):
        assign_to(low, each, part, item)


def items_of(value: Lowered) -> tuple[Lowered, ...] | None:
    """The elements of a tuple, written in place or captured; None for anything else."""
    if isinstance(value, TupleValue):
        return value.items
    if isinstance(value, PyValue) and isinstance(value.value, tuple):
        return tuple(PyValue(each) for each in value.value)
    return None


def walrus(low: Lowering, node: ast.expr) -> Lowered:
    """``(n := value)``."""
    assert isinstance(node, ast.NamedExpr)
    value = low.known(node.value, low.expr(node.value))
    assign(low, node.value, node.target.id, value)
    return value
