"""Which types C takes for one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.frontend.c.types import Array, Enum, FunctionType, Int, Pointer

if TYPE_CHECKING:
    from syscast.frontend.c.types import CType


def compatible(left: CType, right: CType) -> bool:
    """Whether C takes two types for one, as pointers to them may be mixed.

    An enum goes with its integer, an array without a length with one that has it.
    """
    if left == right:
        return True
    match left, right:
        case Pointer(to=one), Pointer(to=other):
            return compatible(one, other)
        case Array(of=one, count=count), Array(of=other, count=another):
            return (count is None or another is None or count == another) and compatible(
                one, other
            )
        case (Enum(), Int()) | (Int(), Enum()) | (Enum(), Enum()):
            return _as_int(left) == _as_int(right)
        case FunctionType(), FunctionType():
            return _compatible_functions(left, right)
        case _:
            return False


def _as_int(ctype: CType) -> CType:
    return ctype.underlying if isinstance(ctype, Enum) else ctype


def _compatible_functions(left: FunctionType, right: FunctionType) -> bool:
    if not compatible(left.returns, right.returns):
        return False
    if left.parameters is None or right.parameters is None:
        return True
    return (
        left.variadic == right.variadic
        and len(left.parameters) == len(right.parameters)
        and all(
            compatible(one.type, other.type)
            for one, other in zip(left.parameters, right.parameters, strict=True)
        )
    )
