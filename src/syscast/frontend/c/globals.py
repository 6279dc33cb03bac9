"""Constants that a text declares outside of functions: their bytes stand in the read-only data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pycparser import c_ast

from syscast.frontend.c import literals
from syscast.frontend.c.conversions import constant_of, is_scalar
from syscast.frontend.c.emitter import ANY
from syscast.frontend.c.names import Entity
from syscast.frontend.c.types import Array, Record, find_member
from syscast.frontend.c.values import Place
from syscast.ir import ops
from syscast.ir.types import Const

if TYPE_CHECKING:
    from syscast.frontend.c.lowering import Lowering
    from syscast.frontend.c.types import CType

_LARGEST = 1 << 20


class Global(Entity):
    """A variable of the file."""

    __slots__ = ("content", "ctype", "name", "node")

    def __init__(self, name: str, ctype: CType, node: c_ast.Decl) -> None:
        self.name: str = name
        self.ctype: CType = ctype
        self.node: c_ast.Decl = node
        self.content: bytes | None = None


def global_place(low: Lowering, entity: Global, node: c_ast.Node) -> Place:
    """The memory of a constant.

    Raises:
        Rejected: It is a variable, which the dialect keeps in tables.
    """
    ctype = entity.ctype
    if isinstance(ctype, Array) and ctype.count is None:
        ctype = entity.ctype = Array(ctype.of, _count(low, entity))
    if low.unevaluated:
        return Place(ctype, ptr=Const(0, ANY), constant=True)
    if "const" not in _qualifiers(entity.node):
        low.error(
            node,
            f"'{entity.name}' is a global variable, which programs cannot have here",
            f"use a table: BPF_ARRAY({entity.name}, {ctype.spelling}, 1)",
        )
    if entity.content is None:
        entity.content = _bytes(low, ctype, entity.node.init)
    address = low.reg(ANY)
    low.emit(ops.TextAddr(address, entity.content))
    return Place(ctype, ptr=address, own=True, constant=True)


def _qualifiers(node: c_ast.Node) -> list[str]:
    """Of the variable itself, or of an array's elements."""
    found: list[str] = list(getattr(node, "quals", None) or ())
    inner = node.type
    while isinstance(inner, c_ast.ArrayDecl):
        inner = inner.type
    return found + list(getattr(inner, "quals", None) or ())


def _count(low: Lowering, entity: Global) -> int:
    init = entity.node.init
    if isinstance(init, c_ast.InitList):
        return len(init.exprs)
    if isinstance(init, c_ast.Constant) and init.type == "string":
        return len(literals.string_bytes(init.value)) + 1
    low.error(entity.node, f"'{entity.name}' has no length")


def _bytes(low: Lowering, ctype: CType, init: c_ast.Node | None) -> bytes:
    """The content that an initialiser gives."""
    if ctype.size > _LARGEST:
        low.error(init, "this is too large")
    made = bytearray(ctype.size)
    if init is not None:
        _fill(low, made, 0, ctype, init)
    return bytes(made)


def _fill(low: Lowering, made: bytearray, at: int, ctype: CType, init: c_ast.Node) -> None:
    if isinstance(ctype, Array) and isinstance(init, c_ast.Constant) and init.type == "string":
        raw = literals.string_bytes(init.value)[: ctype.size]
        made[at : at + len(raw)] = raw
    elif isinstance(ctype, Array) and isinstance(init, c_ast.InitList):
        index = 0
        for each in init.exprs:
            inner = each
            if isinstance(each, c_ast.NamedInitializer):
                index, inner = low.needed_constant(each.name[0], "the index"), each.expr
            if not 0 <= index < (ctype.count or 0):
                low.error(each, "more values than the array has elements")
            _fill(low, made, at + index * ctype.of.size, ctype.of, inner)
            index += 1
    elif isinstance(ctype, Record) and isinstance(init, c_ast.InitList):
        _fill_record(low, made, at, ctype, init)
    elif is_scalar(ctype):
        _fill_scalar(low, made, at, ctype, init)
    else:
        low.error(init, f"this cannot initialise '{ctype.spelling}'")


def _fill_record(
    low: Lowering, made: bytearray, at: int, ctype: Record, init: c_ast.InitList
) -> None:
    named = [each for each in ctype.members if each.name]
    index = 0
    for each in init.exprs:
        inner = each
        name = named[index].name if index < len(named) else ""
        if isinstance(each, c_ast.NamedInitializer):
            name, inner = getattr(each.name[0], "name", ""), each.expr
            index = next((n for n, member in enumerate(named) if member.name == name), index)
        found = find_member(ctype, name) if name else None
        if found is None or found.bit_size:
            low.error(each, f"'{ctype.spelling}' has no such member to initialise here")
        _fill(low, made, at + found.offset, found.type, inner)
        index += 1


def _fill_scalar(low: Lowering, made: bytearray, at: int, ctype: CType, init: c_ast.Node) -> None:
    inner = init.exprs[0] if isinstance(init, c_ast.InitList) and init.exprs else init
    with low.nothing():
        known = constant_of(low.convert(low.expr(inner), ctype))
    if known is None:
        low.error(inner, "this is not known when the text is compiled")
    size = ctype.size
    made[at : at + size] = (known & (1 << 8 * size) - 1).to_bytes(size, "little")
