"""What the handlers of state ask of it: its names for messages, its fields, how one adds to it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from syscast.frontend.python.values import (
    ElementValue,
    Lowered,
    PyValue,
)
from syscast.state.cells import Cells
from syscast.state.counter import Counter
from syscast.state.state import State

if TYPE_CHECKING:
    from syscast.frontend.python.context import Lowering
    from syscast.spec.meta import FieldMeta


def hint_of(node: ast.expr) -> str:
    """A name for the state behind an expression."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else "state"


def name_of(state: State) -> str:
    """The name of its class."""
    return type(state).__name__


def with_article(state: State) -> str:
    """The class with its article."""
    name = name_of(state)
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"


def state_of(value: Lowered) -> State | None:
    """The state that a value is."""
    return value.value if isinstance(value, PyValue) and isinstance(value.value, State) else None


def how_to_add(state: State, node: ast.expr) -> str:
    """What to write to add to an aggregation."""
    name = ast.unparse(node)
    keyed = isinstance(state, Cells) and state.keys_shape is not None
    if isinstance(state, Counter):
        return f"write {name}[key] += n" if keyed else f"write {name}.add(n)"
    return f"write {name}[key].add(value)" if keyed else f"write {name}.add(value)"


def need_keys(low: Lowering, node: ast.Subscript, state: Cells[object]) -> None:
    """Reject a key of an aggregation that has none."""
    if state.keys_shape is None:
        raise low.rejection(
            node,
            f"this {name_of(state)} has no keys",
            f"declare {name_of(state)}[u32](), or {how_to_add(state, node.value)}",
        )


def field_of(low: Lowering, node: ast.Attribute, base: ElementValue) -> FieldMeta:
    """The field of a struct in a map that an attribute names."""
    held = base.state
    assert isinstance(held, State)
    for field in held.plan.value.fields:
        if field.name == node.attr:
            return field
    shape = held.plan.value
    known = ", ".join(field.name for field in shape.fields)
    raise low.rejection(node, f"struct {shape} has no field '{node.attr}'", f"it has {known}")
