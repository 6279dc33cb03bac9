"""Values of hash maps and arrays in a probe: read, written, taken out."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from syscast.frontend.python.eventing import store
from syscast.frontend.python.mapaccess import Access
from syscast.frontend.python.statebytes import (
    is_buffer,
    put_constant,
    put_together,
    read_value,
    take_apart,
)
from syscast.frontend.python.statenames import (
    field_of,
    hint_of,
    how_to_add,
    need_keys,
    state_of,
    with_article,
)
from syscast.frontend.python.values import (
    ElementValue,
    EventValue,
    ItemValue,
    Lowered,
    PyValue,
    StructValue,
)
from syscast.ir.ops import Branch as BranchOp
from syscast.ir.ops import (
    Compare,
    Convert,
    CopyBytes,
    Predicate,
    SlotLoad,
    SlotStore,
    Store,
)
from syscast.ir.types import BOOL, Const, IntType, Value
from syscast.state.cells import Cells
from syscast.state.maps import Array, Hash, Var
from syscast.state.state import State

if TYPE_CHECKING:
    from syscast.frontend.python.context import Lowering


def key_of(access: Access, key: tuple[ast.expr, Lowered]) -> Value:
    """The address of a key."""
    low, (node, value) = access.low, key
    shape = access.state.plan.key
    if isinstance(access.state, Array):
        return access.index(low.integer(node, value).value)
    if isinstance(access.state, Var):
        return access.number(Const(0, IntType(32, signed=False)))
    return put_together(low, node, shape, take_apart(low, node, value, shape, "key"), "key")


def default_of(state: State) -> bytes | None:
    """The bytes of a map's default; None where it has none."""
    if isinstance(state, Hash) and state.default is not None:
        return state.plan.value.encode(state.default)
    return None


def found_at(access: Access, key: Value) -> Value:
    """Pointer to the value under a key; where it is missing, KeyError or the default."""
    default = default_of(access.state)
    found = access.lookup(key)
    if default is None:
        access.need(found, "KeyError" if access.is_hash else "IndexError")
        return found
    return _either(access, found, default)


def _either(access: Access, found: Value, default: bytes) -> Value:
    """Pointer to the value, or to the default's bytes where it is NULL."""
    low = access.low
    place = low.builder.slot("map place", found.type, 8)
    low.add(SlotStore(place, found))
    missing, done = low.builder.label("missing"), low.builder.label("there")
    access.branch_null(found, missing, done)
    low.builder.start(missing)
    other = low.reg(found.type)
    low.add(Convert(other, put_constant(low, access.node, default)))
    low.add(SlotStore(place, other))
    low.jump(done)
    low.builder.start(done)
    result = low.reg(found.type)
    low.add(SlotLoad(result, place))
    return result


def place_of(access: Access, key: Value) -> Value:
    """Pointer to the value under a key, to be changed in place."""
    default = default_of(access.state)
    if access.is_hash and default is not None:
        return access.present(key, default)
    found = access.lookup(key)
    access.need(found, "KeyError" if access.is_hash else "IndexError")
    return found


def owner_of(low: Lowering, node: ast.expr) -> Lowered:
    """What an attribute is about to be written in: ``m[k]`` of ``m[k].a = 1`` has to be in the map."""
    found = struct_at(low, node)
    return low.in_place(node) if found is None else found.place()


class StructAt:
    """``m[k]`` that holds a struct; the key is evaluated, and not looked up yet.

    Attributes:
        defaults: Whether a missing key is put in.
    """

    def __init__(self, access: Access, key: tuple[ast.expr, Lowered]) -> None:
        self._access = access
        self._key = key
        self.defaults: bool = default_of(access.state) is not None

    def place(self) -> ElementValue:
        """Look it up, to be written in: with a default it is put in where it is missing."""
        access = self._access
        return ElementValue(place_of(access, key_of(access, self._key)), access.state)


def struct_at(low: Lowering, node: ast.expr) -> StructAt | None:
    """``m[k]`` about to be written in; None for what is no struct under a key."""
    if not isinstance(node, ast.Subscript):
        return None
    state = state_of(low.expr(node.value))
    if not isinstance(state, Hash | Array) or state.plan.value.cls is None:
        return None
    access = Access(low, node, state, hint_of(node.value))
    return StructAt(access, (node.slice, low.expr(node.slice)))


def refuse_copy(low: Lowering, target: ast.Attribute, base: Lowered, write: str) -> None:
    """Refuse to write in a struct or event of the probe's own.

    Args:
        low: The function.
        target: What is written.
        base: What it is a field of.
        write: What follows the target: ``+= 1``.
    """
    if not isinstance(base, StructValue | EventValue):
        return
    name = ast.unparse(target.value)
    if base.origin and base.origin != name:
        raise low.rejection(
            target,
            f"'{name}' is a copy of {base.origin}; writing in it would not change the map",
            f"write {base.origin}.{target.attr} {write}",
        )
    raise low.rejection(
        target,
        f"'{name}' is {low.describe(base)}, whose fields a probe cannot change",
        "make another with the new values",
    )


def item(low: Lowering, node: ast.Subscript, state: State) -> Lowered:
    """``m[k]``, ``a[i]``, ``hist[k]``."""
    key = (node.slice, low.expr(node.slice))
    if isinstance(state, Cells):
        need_keys(low, node, state)
        return ItemValue(state, key[1], node)
    if isinstance(state, Var):
        raise low.rejection(node, "a Var has no elements", "use .value")
    access = Access(low, node, state, hint_of(node.value))
    return read_value(low, node, state, found_at(access, key_of(access, key)))


def contains(
    low: Lowering, node: ast.expr, state: State, where: ast.expr, key: tuple[ast.expr, Lowered]
) -> Value:
    """``k in m``."""
    if not isinstance(state, Hash):
        raise low.rejection(where, f"`in` asks a Hash for its keys, this is {with_article(state)}")
    access = Access(low, node, state, hint_of(where))
    found = access.lookup(key_of(access, key))
    there = low.reg(BOOL)
    low.add(Compare(there, Predicate.NE, found, Const(0, found.type), span=low.span(node)))
    return there


def assign(low: Lowering, target: ast.expr, value: tuple[ast.expr, Lowered]) -> bool:
    """``m[k] = v``, ``m[k].a = v``, ``var.value = v``; False where the target is no state."""
    if isinstance(target, ast.Subscript):
        state = state_of(low.expr(target.value))
        if state is None:
            return False
        if isinstance(state, Cells):
            raise low.rejection(
                target,
                f"{with_article(state)} can only be added to",
                how_to_add(state, target.value),
            )
        if isinstance(state, Var):
            raise low.rejection(target, "a Var has no elements", "use .value")
        put(low, target, state, (target.slice, low.expr(target.slice)), value)
        return True
    if not isinstance(target, ast.Attribute):
        return False
    base = owner_of(low, target.value)
    refuse_copy(low, target, base, f"= {ast.unparse(value[0])}")
    if isinstance(base, ElementValue):
        field = field_of(low, target, base)
        made = store(low, value[0], field, value[1])
        if is_buffer(field):
            low.add(
                CopyBytes(
                    base.pointer, made, field.size, dst_offset=field.offset, span=low.span(target)
                )
            )
        else:
            low.add(Store(base.pointer, made, field.offset, span=low.span(target)))
        return True
    state = state_of(base)
    if isinstance(state, Var) and target.attr == "value":
        put(low, target, state, (target, PyValue(0)), value)
        return True
    if state is not None:
        raise low.rejection(
            target,
            f"a probe cannot set '{target.attr}' of {with_article(state)}",
            "a Var has .value",
        )
    held: object = getattr(base.value, target.attr, None) if isinstance(base, PyValue) else None
    if isinstance(held, State):
        raise low.rejection(
            target,
            f"'{target.attr}' is {with_article(held)}, which a probe cannot replace",
            f"write {ast.unparse(target)}.value = ..." if isinstance(held, Var) else "",
        )
    return False


def put(
    low: Lowering,
    node: ast.Subscript | ast.Attribute | ast.Call,
    state: State,
    key: tuple[ast.expr, Lowered],
    value: tuple[ast.expr, Lowered],
) -> None:
    """Set a value: of a key, an index, or the only one."""
    shape = state.plan.value
    where = (
        node.func.value
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        else getattr(node, "value", node)
    )
    access = Access(low, node, state, hint_of(where))
    parts = take_apart(low, value[0], value[1], shape, "value")
    address = key_of(access, key)
    access.update(address, put_together(low, node, shape, parts, "value"))


def delete(low: Lowering, target: ast.expr) -> bool:
    """``del m[k]``; False where the target is no state."""
    if not isinstance(target, ast.Subscript):
        return False
    state = state_of(low.expr(target.value))
    if state is None:
        return False
    if not isinstance(state, Hash):
        raise low.rejection(target, f"the elements of {with_article(state)} cannot be deleted")
    access = Access(low, target, state, hint_of(target.value))
    key = key_of(access, (target.slice, low.expr(target.slice)))
    remove(access, key)
    return True


def remove(access: Access, key: Value) -> None:
    """Remove a key, or KeyError."""
    low = access.low
    missing = access.delete(key)
    absent, done = low.builder.label("absent"), low.builder.label("deleted")
    low.add(BranchOp(missing, absent, done, span=low.span(access.node)))
    access.raise_at(absent, "KeyError")
    low.builder.start(done)
