"""What an op reads and makes, and where it goes: what the checker and passes ask of any op."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from syscast.ir.ops import Branch, FieldInit, Jump, Op
from syscast.ir.types import Const, Reg

if TYPE_CHECKING:
    from collections.abc import Iterator

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
