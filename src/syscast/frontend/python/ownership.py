"""Texts are values, as they are in Python, although a variable's text is lowered as its slot's address.

Who reads such an address late, when the variable may have another text already, copies it first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.frontend.python.storing import names_in
from syscast.frontend.python.values import EventValue, StructValue, StrValue, TupleValue
from syscast.ir.ops import CopyBytes
from syscast.ir.types import PtrType, Space
from syscast.state.shape import shape_of

if TYPE_CHECKING:
    import ast

    from syscast.frontend.python.context import Lowering
    from syscast.frontend.python.values import Lowered
    from syscast.ir.types import Value
    from syscast.spec.meta import FieldMeta

OWN = frozenset({Space.STACK, Space.MAP, Space.RECORD})
"""Where the buffers of a program lie."""


def fields_of(low: Lowering, value: StructValue | EventValue) -> tuple[FieldMeta, ...]:
    """The fields of a struct or event, in the order of its values."""
    if isinstance(value, StructValue):
        return shape_of(value.cls, value.cls.__name__).fields
    return low.unit.schema(value.schema).fields


def owned(low: Lowering, node: ast.expr, value: Lowered) -> Lowered:
    """A value whose texts, those of its parts too, are in buffers of their own."""
    if isinstance(value, StrValue):
        return StrValue(_copy(low, node, value.address, value.size), value.size)
    if isinstance(value, TupleValue):
        return TupleValue(tuple(owned(low, node, each) for each in value.items))
    if isinstance(value, StructValue | EventValue):
        fields = tuple(
            (name, _copy(low, node, each, meta.size) if _is_buffer(each) else each)
            for meta, (name, each) in zip(fields_of(low, value), value.fields, strict=True)
        )
        return msgspec.structs.replace(value, fields=fields)
    return value


def owned_where(
    low: Lowering, node: ast.expr, value: Lowered, changing: frozenset[str] | set[str]
) -> Lowered:
    """`owned`, where the expression that gave the value reads a name that is about to change."""
    return owned(low, node, value) if changing & names_in([node]) else value


def _is_buffer(value: Value) -> bool:
    return isinstance(value.type, PtrType) and value.type.space in OWN


def _copy(low: Lowering, node: ast.expr, address: Value, size: int) -> Value:
    _, copy = low.buffer("text", size)
    low.add(CopyBytes(copy, address, size, span=low.span(node)))
    return copy
