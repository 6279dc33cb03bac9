"""``x[i]`` and ``x[a:b]``: of strings, tuples, arrays and pointers."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from syscast.frontend.python import members, strings
from syscast.frontend.python.arguments import python_int
from syscast.frontend.python.values import Lowered, PlaceValue, PyValue, StrValue, TupleValue

if TYPE_CHECKING:
    from syscast.frontend.python.context import Lowering


def subscript(low: Lowering, node: ast.expr) -> Lowered:
    """An element, or a slice of text."""
    assert isinstance(node, ast.Subscript)
    base = low.expr(node.value)
    if isinstance(base, PlaceValue | StrValue) and strings.is_text(low, base):
        text = strings.text_of(low, node.value, base)
        take = strings.slice_of if isinstance(node.slice, ast.Slice) else strings.element
        return take(low, node, text)
    if isinstance(base, TupleValue):
        return _item(low, node, base)
    if isinstance(base, PyValue) and isinstance(base.value, tuple | str | range):
        return _constant(low, node, base.value)
    if isinstance(node.slice, ast.Slice):
        raise low.rejection(
            node,
            f"{low.describe(base)} cannot be sliced",
            "a string can: read it with kernel_str(pointer) or user_str(pointer)",
        )
    return members.subscript(low, node, base)


def _index(low: Lowering, node: ast.Subscript) -> int:
    known = python_int(low.expr(node.slice))
    if known is None:
        raise low.rejection(node.slice, "the index of a tuple must be a constant in a probe")
    return known


def _item(low: Lowering, node: ast.Subscript, base: TupleValue) -> Lowered:
    if isinstance(node.slice, ast.Slice):
        raise low.rejection(node, "a tuple cannot be sliced in a probe")
    index = _index(low, node)
    if not -len(base.items) <= index < len(base.items):
        raise low.rejection(node.slice, f"index {index} is outside a tuple of {len(base.items)}")
    return base.items[index]


def _constant(
    low: Lowering, node: ast.Subscript, held: tuple[object, ...] | str | range
) -> Lowered:
    part = node.slice
    if isinstance(part, ast.Slice):
        ends = [
            None if each is None else python_int(low.expr(each))
            for each in (part.lower, part.upper, part.step)
        ]
        if any(
            each is not None and end is None
            for each, end in zip((part.lower, part.upper, part.step), ends, strict=True)
        ):
            raise low.rejection(part, "the slice of a constant needs constant ends in a probe")
        return PyValue(held[slice(*ends)])
    index = _index(low, node)
    if not -len(held) <= index < len(held):
        raise low.rejection(node.slice, f"this always raises IndexError: {index}")
    return PyValue(held[index])
