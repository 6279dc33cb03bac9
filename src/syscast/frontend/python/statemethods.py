"""Attributes and methods of state in a probe, and structs made for maps."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from syscast.events.fields import MISSING
from syscast.frontend.python import stacks
from syscast.frontend.python.aggregating import add
from syscast.frontend.python.arithmetic import Join
from syscast.frontend.python.eventing import store
from syscast.frontend.python.mapaccess import Access
from syscast.frontend.python.mapvalues import found_at, key_of, put, remove
from syscast.frontend.python.statebytes import (
    is_buffer,
    read_part,
    read_value,
)
from syscast.frontend.python.statenames import (
    field_of,
    hint_of,
    how_to_add,
    name_of,
    state_of,
    with_article,
)
from syscast.frontend.python.values import (
    ElementValue,
    IntValue,
    ItemValue,
    Lowered,
    MethodValue,
    PyValue,
    StructValue,
)
from syscast.ir.ops import Branch as BranchOp
from syscast.ir.types import I64, Const, Value
from syscast.state.cells import Cells
from syscast.state.counter import Counter
from syscast.state.maps import Array, Hash, Var
from syscast.state.shape import shape_of
from syscast.state.stacks import Stacks
from syscast.state.structs import struct_fields

if TYPE_CHECKING:
    from syscast.frontend.python.context import Lowering, MethodHandler
    from syscast.state.state import State
    from syscast.state.structs import Struct


def attribute(low: Lowering, node: ast.Attribute, base: Lowered) -> Lowered:
    """An attribute of a state, or of a struct in a map."""
    if isinstance(base, ElementValue):
        return read_part(low, node, field_of(low, node, base), base.pointer)
    if isinstance(base, ItemValue):
        if node.attr == "add":
            return MethodValue(base, "add")
        held = base.state
        assert isinstance(held, Cells)
        raise low.rejection(
            node, f"a probe can only add to {with_article(held)}", how_to_add(held, node.value)
        )
    state = state_of(base)
    assert state is not None
    if isinstance(state, Var) and node.attr == "value":
        access = Access(low, node, state, hint_of(node.value))
        return read_value(low, node, state, found_at(access, key_of(access, (node, PyValue(0)))))
    if method(base, node.attr) is not None:
        return MethodValue(base, node.attr)
    if isinstance(state, Cells):
        raise low.rejection(
            node, f"a probe can only add to {with_article(state)}", how_to_add(state, node.value)
        )
    known = [name for kind, names in _METHODS.items() if isinstance(state, kind) for name in names]
    raise low.rejection(
        node,
        f"a probe cannot use '{node.attr}' of {with_article(state)}",
        f"it can use {', '.join(known)}" if known else "it can use [...]",
    )


def _arguments(low: Lowering, node: ast.Call, least: int, most: int) -> list[ast.expr]:
    name = ast.unparse(node.func)
    for keyword in node.keywords:
        raise low.rejection(keyword, f"{name}() takes no keyword '{keyword.arg}' in a probe")
    if not least <= len(node.args) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise low.rejection(
            node, f"{name}() takes {wanted} arguments, this gives {len(node.args)}"
        )
    return list(node.args)


def _receiver(node: ast.Call) -> ast.expr:
    assert isinstance(node.func, ast.Attribute)
    return node.func.value


def _add(low: Lowering, node: ast.Call, receiver: Lowered) -> Lowered:
    """``counter.add(n)``, ``hist.add(v)``, ``hist[k].add(v)``, ``top.add(k, n)``."""
    where = _receiver(node)
    if isinstance(receiver, ItemValue):
        held, item = receiver.state, receiver.node
        assert isinstance(held, Cells)
        assert isinstance(item, ast.Subscript)
        given = _arguments(low, node, 0 if isinstance(held, Counter) else 1, 1)
        amount = low.integer(given[0]) if given else IntValue(Const(1, I64), I64)
        add(low, node, held, (item.slice, receiver.key), amount, hint_of(item.value))
        return PyValue(None)
    state = state_of(receiver)
    assert isinstance(state, Cells)
    keyed = state.keys_shape is not None
    if not isinstance(state, Counter):
        if keyed:
            raise low.rejection(node, f"this {name_of(state)} has keys", how_to_add(state, where))
        (given_value,) = _arguments(low, node, 1, 1)
        add(low, node, state, None, low.integer(given_value), hint_of(where))
        return PyValue(None)
    given = _arguments(low, node, int(keyed), 1 + keyed)
    key = (given[0], low.expr(given[0])) if keyed else None
    rest = given[int(keyed) :]
    amount = low.integer(rest[0]) if rest else IntValue(Const(1, I64), I64)
    add(low, node, state, key, amount, hint_of(where))
    return PyValue(None)


def _get(low: Lowering, node: ast.Call, receiver: Lowered) -> Lowered:
    """``m.get(k, d)``."""
    state = state_of(receiver)
    assert state is not None
    given = _arguments(low, node, 1, 2)
    if len(given) == 1:
        raise low.rejection(
            node, "get() without a default would be None for a missing key", "write get(key, 0)"
        )
    _need_plain(low, node, state)
    access = Access(low, node, state, hint_of(_receiver(node)))
    key = (given[0], low.expr(given[0]))
    default = low.known(given[1], low.expr(given[1]))  # evaluated first, as Python does
    found = access.lookup(key_of(access, key))
    missing, there, end = (low.builder.label(hint) for hint in ("missing", "there", "got"))
    access.branch_null(found, missing, there)
    join = Join(low, node)
    low.builder.start(there)
    join.store(node, read_value(low, node, state, found))
    low.jump(end)
    low.builder.start(missing)
    join.store(given[1], default)
    low.jump(end)
    low.builder.start(end)
    return join.load()


def _pop(low: Lowering, node: ast.Call, receiver: Lowered) -> Lowered:
    """``m.pop(k)`` and ``m.pop(k, d)``: of two CPUs that pop one key, one gets it."""
    state = state_of(receiver)
    assert state is not None
    given = _arguments(low, node, 1, 2)
    _need_plain(low, node, state)
    access = Access(low, node, state, hint_of(_receiver(node)))
    wanted = (given[0], low.expr(given[0]))
    default = low.known(given[1], low.expr(given[1])) if len(given) > 1 else None
    key = key_of(access, wanted)
    found = access.lookup(key)
    if default is None:
        access.need(found, "KeyError")
        value = read_value(low, node, state, found)
        remove(access, key)
        return value
    there, taken, missing, end = (
        low.builder.label(hint) for hint in ("there", "taken", "missing", "popped")
    )
    access.branch_null(found, missing, there)
    join = Join(low, node)
    low.builder.start(there)
    value = read_value(low, node, state, found)
    low.add(BranchOp(access.delete(key), missing, taken, span=low.span(node)))
    low.builder.start(taken)
    join.store(node, value)
    low.jump(end)
    low.builder.start(missing)
    join.store(given[1], default)
    low.jump(end)
    low.builder.start(end)
    return join.load()


def _need_plain(low: Lowering, node: ast.Call, state: State) -> None:
    shape = state.plan.value
    if shape.form != "one" or is_buffer(shape.fields[0]):
        raise low.rejection(
            node.func,
            f"{ast.unparse(node.func)}() works for numbers and bools; these values are {shape}",
            "test with `in`, then use [key] and del",
        )


def _set(low: Lowering, node: ast.Call, receiver: Lowered) -> Lowered:
    """``var.set(x)``."""
    state = state_of(receiver)
    assert state is not None
    (given,) = _arguments(low, node, 1, 1)
    put(low, node, state, (node, PyValue(0)), (given, low.expr(given)))
    return PyValue(None)


_METHODS: dict[type, dict[str, MethodHandler]] = {
    Hash: {"get": _get, "pop": _pop},
    Cells: {"add": _add},
    Var: {"set": _set},
    Stacks: {"kernel": stacks.kernel, "user": stacks.user},
}


def method(receiver: Lowered, name: str) -> MethodHandler | None:
    """How a method is called on a state or on one key of an aggregation; None where there is no such."""
    if isinstance(receiver, ItemValue):
        return _add if name == "add" else None
    held = receiver.value if isinstance(receiver, PyValue) else None
    for kind, methods in _METHODS.items():
        if isinstance(held, kind):
            return methods.get(name)
    return None


def construct(low: Lowering, node: ast.Call, cls: type[Struct]) -> Lowered:
    """``SomeStruct(a=..., b=...)``."""
    shape = shape_of(cls, cls.__name__)
    if node.args:
        names = ", ".join(f"{field.name}=..." for field in shape.fields)
        raise low.rejection(
            node.args[0], "a struct's fields are given by name", f"write {cls.__name__}({names})"
        )
    wanted = {field.name: field for field in shape.fields}
    given: dict[str, Value] = {}
    for keyword in node.keywords:
        field = wanted.get(keyword.arg or "")
        if field is None:
            raise low.rejection(
                keyword,
                f"struct {cls.__name__} has no field '{keyword.arg}'",
                f"it has {', '.join(wanted)}",
            )
        given[field.name] = store(low, keyword.value, field, low.expr(keyword.value))
    for each in struct_fields(cls):
        if each.name not in given and each.default is not MISSING:
            given[each.name] = store(low, node, wanted[each.name], PyValue(each.default))
    missing = [name for name in wanted if name not in given]
    if missing:
        raise low.rejection(
            node, f"struct {cls.__name__} lacks {', '.join(missing)}", "give every field a value"
        )
    return StructValue(cls, tuple((name, given[name]) for name in wanted))


def length(low: Lowering, node: ast.expr, state: State) -> Lowered:
    """``len(a)``: an array's is known when compiling."""
    if isinstance(state, Array):
        return PyValue(state.plan.entries)
    raise low.rejection(node, f"a probe cannot count the keys of {with_article(state)}")
