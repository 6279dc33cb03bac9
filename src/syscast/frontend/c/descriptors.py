"""C types as an object's description gives them to Python: complete, and spelled as the text spells them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.frontend.c.types import (
    Array,
    Bool,
    Enum,
    Float,
    FunctionType,
    Int,
    Pointer,
    Record,
    TypeProblem,
    Void,
    bit_field,
)
from syscast.spec.tables import CDesc, CMember

if TYPE_CHECKING:
    from syscast.frontend.c.types import CType, Member

_DEEPEST = 32


def desc(ctype: CType) -> CDesc:
    """Describe a type.

    Raises:
        TypeProblem: It, or something inside of it, is incomplete.
    """
    return _desc(ctype, 0)


def _desc(ctype: CType, depth: int) -> CDesc:
    if depth > _DEEPEST:
        raise TypeProblem(f"'{ctype.spelling}' is nested too deep")
    name = ctype.spelling
    described: CDesc
    match ctype:
        case Void() | FunctionType():
            described = CDesc("void", name, 0)
        case Array():
            element = _desc(ctype.of, depth + 1)
            count = ctype.count or 0
            size = count * ctype.of.size
            described = CDesc("array", name, size, align=ctype.align, element=element, count=count)
        case Record():
            members = tuple(_member(each, ctype.size, depth) for each in ctype.members)
            named = tuple(each for each in members if each is not None)
            described = CDesc(ctype.kind, name, ctype.size, align=ctype.align, members=named)
        case Pointer():
            described = CDesc("pointer", name, ctype.size, align=ctype.align)
        case Int() | Bool() | Float() | Enum():
            described = _scalar(ctype)
    return described


def _scalar(ctype: Int | Bool | Float | Enum) -> CDesc:
    name = ctype.spelling
    match ctype:
        case Int(name=basic):
            kind = "char" if basic == "char" else "int"
            return CDesc(kind, name, ctype.size, signed=ctype.signed, align=ctype.align)
        case Bool():
            return CDesc("bool", name, ctype.size)
        case Float():
            return CDesc("float", name, ctype.size, align=ctype.align)
        case Enum(values=values, size=size, signed=signed):
            labels: dict[int, str] = {}
            for label, value in values.items():
                labels.setdefault(value, label)
            return CDesc("enum", name, size, signed=signed, align=size, labels=labels)


def _member(member: Member, record_size: int, depth: int) -> CMember | None:
    """None for unnamed bits, which are padding."""
    described = _desc(member.type, depth + 1)
    if not member.bit_size:
        return CMember(member.name, described, member.offset)
    if not member.name:
        return None
    unit = 8 * described.size
    offset = member.bit_offset // unit * described.size
    shift = member.bit_offset - 8 * offset
    if shift + member.bit_size > unit or offset + described.size > record_size:
        place = bit_field(member.bit_offset, member.bit_size, record_size)
        offset, shift = place.offset, place.shift
    return CMember(member.name, described, offset, shift, member.bit_size)
