"""What an op reads and makes, and where it goes: what the checker and passes ask of any op."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, cast

import msgspec

from syscast.ir.ops import Branch, FieldInit, Jump, Op
from syscast.ir.types import Const, Reg

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from syscast.ir.types import Value

_HOLD_VALUES = frozenset({"Value", "Value | None", "tuple[Value, ...]", "tuple[FieldInit, ...]"})


def result(op: Op) -> Reg | None:
    """The register that the op makes."""
    made: object = getattr(op, "result", None)
    return made if isinstance(made, Reg) else None


def operands(op: Op) -> Iterator[Value]:
    """Every value that the op reads, in the order of its members."""
    for name in _value_members(type(op)):
        member: object = getattr(op, name)
        if isinstance(member, Reg | Const):
            yield member
        elif isinstance(member, tuple):
            for each in member:
                yield each.value if isinstance(each, FieldInit) else each


def renamed(op: Op, names: Mapping[Reg, Value]) -> Op:
    """The op with other values in place of some registers that it reads."""
    changes: dict[str, object] = {}
    for name in _value_members(type(op)):
        member: object = getattr(op, name)
        if isinstance(member, Reg) and member in names:
            changes[name] = names[member]
        elif isinstance(member, tuple):
            changes[name] = tuple(_renamed(each, names) for each in member)
    return msgspec.structs.replace(op, **changes) if changes else op


def _renamed(each: object, names: Mapping[Reg, Value]) -> object:
    if isinstance(each, FieldInit):
        return FieldInit(each.name, cast("Value", _renamed(each.value, names)))
    return names.get(each, each) if isinstance(each, Reg) else each


def retargeted(op: Op, labels: Mapping[str, str]) -> Op:
    """A terminator that goes elsewhere."""
    match op:
        case Jump():
            return msgspec.structs.replace(op, target=labels.get(op.target, op.target))
        case Branch():
            then, other = (labels.get(each, each) for each in (op.then, op.other))
            return msgspec.structs.replace(op, then=then, other=other)
        case _:
            return op


@cache
def _value_members(kind: type[Op]) -> tuple[str, ...]:
    """Members that hold values, by their annotations; ops are walked often."""
    members = []
    for parent in reversed(kind.__mro__):
        annotations: dict[str, str] = parent.__dict__.get("__annotations__", {})  # noqa: RUF063 - inspect is slow to import
        members += [name for name, type_ in annotations.items() if str(type_) in _HOLD_VALUES]
    return tuple(members)


def targets(op: Op) -> tuple[str, ...]:
    """Labels that a terminator goes to."""
    match op:
        case Jump():
            return (op.target,)
        case Branch():
            return (op.then, op.other)
        case _:
            return ()
