"""Pointers seen as others: ``cast`` and ``container_of``."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from syscast.btf.layout import find_member, near_members
from syscast.btf.render import type_name
from syscast.btf.types import Enum, Int, Struct, Typedef
from syscast.frontend.python.arguments import arguments
from syscast.frontend.python.members import address_of
from syscast.frontend.python.values import IntValue, Lowered, PlaceValue, PtrValue, PyValue
from syscast.ir.ops import Binary, BinaryOp, Convert, FieldRef, Offset, Reloc, RelocKind
from syscast.ir.types import U64, Const, PtrType, Space

if TYPE_CHECKING:
    import ast

    from syscast.frontend.python.context import Lowering

_QUALIFIERS = frozenset({"const", "volatile", "struct", "union", "enum"})
_SPELLINGS = {
    "i8": "s8",
    "i16": "s16",
    "i32": "s32",
    "i64": "s64",
    "short": "short int",
    "long": "long int",
    "long long": "long long int",
    "unsigned": "unsigned int",
    "unsigned short": "short unsigned int",
    "unsigned long": "long unsigned int",
    "unsigned long long": "long long unsigned int",
}
"""Names of C and of this language as BTF spells them."""


def cast(low: Lowering, node: ast.Call) -> Lowered:
    """``cast("struct T", p)``, ``cast("u32 *", p)``: the same address, another type."""
    type_node, pointer_node = arguments(low, node, 2, 2)
    named = low.expr(type_node)
    if _is_enum(named):
        return low.integer(pointer_node)
    pointee = _pointee(low, type_node, named)
    value = _pointer(low, pointer_node)
    space = value.space if isinstance(value, PtrValue) else _space(low)
    result = low.reg(PtrType(space, pointee))
    low.add(Convert(result, value.value, span=low.span(node)))
    return PtrValue(result, pointee, space)


def _space(low: Lowering) -> Space:
    """Where a number points: into the memory of what is traced."""
    return Space.USER if low.context.user else Space.KERNEL


def _is_enum(named: Lowered) -> bool:
    return (
        isinstance(named, PyValue)
        and isinstance(named.value, type)
        and issubclass(named.value, IntEnum)
    )


def _pointer(low: Lowering, node: ast.expr) -> PtrValue | IntValue:
    value = low.known(node, low.expr(node))
    if isinstance(value, PlaceValue):
        value = PtrValue(address_of(low, node, value), value.type_id, value.space)
    if not isinstance(value, PtrValue | IntValue):
        raise low.rejection(
            node,
            f"a pointer is needed, this is {low.describe(value)}",
            "cast() takes a pointer, or a number that is an address",
        )
    return value


def _pointee(low: Lowering, node: ast.expr, named: Lowered) -> int:
    """The BTF id of what the result points to."""
    if not isinstance(named, PyValue) or not isinstance(named.value, str):
        raise low.rejection(
            node,
            "the type must be a constant string, such as 'struct sock'",
            'cast("struct NAME", pointer), or a name imported from syscast.kernel',
        )
    text = str(named.value)
    stars = text.count("*")
    words = text.replace("*", " ").split()
    name = " ".join(each for each in words if each not in _QUALIFIERS)
    if stars > 1:
        raise low.rejection(
            node,
            "a cast to a pointer to pointers is not part of the probe language",
            'read it as a number and cast that: cast("struct T", cast("u64 *", p)[0])',
        )
    if name == "void" and stars:
        return 0
    struct = low.btf.find(name, Struct)
    if struct is not None:
        return struct
    number = _number_type(low, name)
    if number is None:
        near = low.btf.near(name, Struct)
        raise low.rejection(
            node, f"no such struct: '{name}'", f"did you mean {', '.join(near)}?" if near else ""
        )
    if stars or isinstance(low.btf.type(low.btf.resolve(number)), Struct):
        return number
    raise low.rejection(
        node,
        f"'{text}' is a number, and cast() gives pointers",
        f'cast("{text} *", pointer)[0] reads one; i32(x) and the like check a number\'s range',
    )


def _number_type(low: Lowering, name: str) -> int | None:
    """A number's type, or a typedef, by its name in C."""
    for spelling in (name, _SPELLINGS.get(name, "")):
        for kind in (Typedef, Int, Enum):
            found = low.btf.find(spelling, kind) if spelling else None
            if found is not None:
                held = low.btf.type(low.btf.resolve(found))
                return found if isinstance(held, Int | Enum | Struct) else None
    return None


def container_of(low: Lowering, node: ast.Call) -> Lowered:
    """``container_of(p, "struct T", "member")``: the struct whose member p points to."""
    pointer_node, type_node, member_node = arguments(low, node, 3, 3)
    struct = _pointee(low, type_node, low.expr(type_node))
    member = low.expr(member_node)
    if not isinstance(member, PyValue) or not isinstance(member.value, str):
        raise low.rejection(member_node, "the member must be a constant string")
    field = field_of(low, member_node, struct, member.value)
    value = _pointer(low, pointer_node)
    if isinstance(value, PtrValue) and value.pointee:
        have, want = low.btf.resolve(value.pointee), low.btf.resolve(field.type_id)
        if have != want and not _same_shape(low, have, want):
            raise low.rejection(
                pointer_node,
                f"this points to {type_name(low.btf, have)}, and member '{field.name}' has type "
                f"{type_name(low.btf, want)}",
            )
    space = value.space if isinstance(value, PtrValue) else Space.KERNEL
    span = low.span(node)
    offset, back, address = low.reg(U64), low.reg(U64), low.reg(PtrType(space))
    low.add(Convert(address, value.value, span=span))
    low.add(Reloc(offset, RelocKind.FIELD_BYTE_OFFSET, field=field, span=span))
    low.add(Binary(back, BinaryOp.SUB, Const(0, U64), offset, span=span))
    result = low.reg(PtrType(space, struct))
    low.add(Offset(result, address, back, span=span))
    return PtrValue(result, struct, space)


def _same_shape(low: Lowering, a: int, b: int) -> bool:
    """Two types of one name: BTF of a module may repeat the kernel's."""
    first, second = low.btf.type(a), low.btf.type(b)
    name = getattr(first, "name", "")
    return type(first) is type(second) and bool(name) and name == getattr(second, "name", "")


def field_of(low: Lowering, node: ast.expr, struct: int, name: str) -> FieldRef:
    """A member by its dotted name, relative to the struct."""
    root = low.btf.resolve(struct)
    at, bits = root, 0
    access: tuple[int, ...] = ()
    found = None
    for part in name.split("."):
        held = low.btf.type(low.btf.resolve(at))
        found = find_member(low.btf, at, part) if isinstance(held, Struct) else None
        if found is None:
            near = near_members(low.btf, at, part) if isinstance(held, Struct) else []
            raise low.rejection(
                node,
                f"{type_name(low.btf, low.btf.resolve(at))} has no member '{part}'",
                f"did you mean {', '.join(near)}?" if near else "",
            )
        access, bits, at = (*access, *found.access), bits + found.bit_offset, found.type_id
    assert found is not None
    if found.bitfield_size:
        raise low.rejection(node, f"'{name}' is a bit field, and has no address")
    return FieldRef(root, access, at, bits, 0, name)
