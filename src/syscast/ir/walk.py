"""What an op reads and makes, and the same op over other registers: what passes ask of any op."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from syscast.ir.ops import Branch, FieldInit, Jump, Op
from syscast.ir.types import Const, Reg, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OpT = TypeVar("OpT", bound=Op)


def result(op: Op) -> Reg | None:
    """The register that the op makes."""
    made: object = getattr(op, "result", None)
    return made if isinstance(made, Reg) else None


def operands(op: Op) -> Iterator[Value]:
    """Every value that the op reads, in the order of its members."""
    for name in op.__struct_fields__:
        if name == "result":
            continue
        member: object = getattr(op, name)
        if isinstance(member, Reg | Const):
            yield member
        elif isinstance(member, tuple):
            for each in member:
                if isinstance(each, Reg | Const):
                    yield each
                elif isinstance(each, FieldInit):
                    yield each.value


def targets(op: Op) -> tuple[str, ...]:
    """Labels that a terminator goes to."""
    match op:
        case Jump():
            return (op.target,)
        case Branch():
            return (op.then, op.other)
        case _:
            return ()


def replace_operands(op: OpT, change: Callable[[Value], Value]) -> OpT:
    """The op with every value it reads changed; the op itself where nothing changes."""
    changed: dict[str, object] = {}
    for name in op.__struct_fields__:
        if name == "result":
            continue
        member: object = getattr(op, name)
        new = _changed(member, change)
        if new is not member:
            changed[name] = new
    return msgspec.structs.replace(op, **changed) if changed else op


def _changed(member: object, change: Callable[[Value], Value]) -> object:
    if isinstance(member, Reg | Const):
        return change(member)
    if isinstance(member, FieldInit):
        value = change(member.value)
        return member if value is member.value else FieldInit(member.name, value)
    if isinstance(member, tuple):
        new = tuple(_changed(each, change) for each in member)
        return new if any(a is not b for a, b in zip(new, member, strict=True)) else member
    return member
