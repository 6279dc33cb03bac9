"""Lowering of enumerators: CO-RE relocated values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf.types import Enum
from syscast.frontend.python.arguments import arguments
from syscast.frontend.python.kernelenums import KernelEnum, enum_id, enum_type, name_of
from syscast.frontend.python.values import IntValue, Lowered, PyValue
from syscast.ir.ops import Convert, Reloc, RelocKind
from syscast.ir.types import I64, U64, Const, IntType

if TYPE_CHECKING:
    import ast

    from syscast.frontend.python.context import Lowering, Rejected


def enum(low: Lowering, node: ast.Call) -> Lowered:
    """``enum("name")``: known when compiling."""
    nodes = arguments(low, node, 0, 1)
    names = [low.expr(each) for each in nodes]
    if not names:
        return PyValue(KernelEnum(""))
    (name,) = names
    if not isinstance(name, PyValue) or not isinstance(name.value, str):
        raise low.rejection(nodes[0], "the enum's name must be a constant string")
    return PyValue(KernelEnum(name.value.removeprefix("enum").strip()))


def enumerator(low: Lowering, node: ast.Attribute, held: KernelEnum) -> Lowered:
    """``enum("name").ENUMERATOR``: what the kernel that loads the probe says it is."""
    name = name_of(held)
    type_id = enum_id(low.btf, name, node.attr)
    if type_id is None:
        raise _unknown(low, node, name)
    found = enum_type(low.btf, type_id)
    natural = IntType(found.size * 8, signed=found.signed)
    kind = U64 if natural == U64 else I64
    if not found.name:
        # CO-RE finds enums by name; one without is taken as it was compiled against.
        value = next(each.value for each in found.values if each.name == node.attr)
        return IntValue(Const(value, kind), natural, enum=type_id)
    number = low.reg(U64)
    span = low.span(node)
    low.add(
        Reloc(number, RelocKind.ENUMVAL_VALUE, type_id=type_id, enumerator=node.attr, span=span)
    )
    if kind == U64:
        return IntValue(number, natural, enum=type_id)
    result = low.reg(I64)
    low.add(Convert(result, number, span=span))
    return IntValue(result, natural, enum=type_id)


def _unknown(low: Lowering, node: ast.Attribute, name: str) -> Rejected:
    from syscast.btf.near import nearest  # noqa: PLC0415  (only messages need it)

    type_id = low.btf.find(name, Enum) if name else None
    if type_id is not None:
        near = nearest(node.attr, [each.name for each in enum_type(low.btf, type_id).values], 3)
        message = f"enum {name} has no enumerator '{node.attr}'"
    else:
        near = low.btf.near(name, Enum) if name else []
        message = (
            f"no enum is called '{name}', and none without a name has an enumerator '{node.attr}'"
            if name
            else f"no enum has an enumerator '{node.attr}'"
        )
    return low.rejection(node, message, f"did you mean {', '.join(near)}?" if near else "")
