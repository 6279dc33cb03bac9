"""Arguments of functions in user space: words of registers that annotations give a type.

Nothing tells what a function of a program takes. Unannotated, an argument is the number in its register. As the
caller leaves the upper half of a register undefined for a C ``int``, ``count: i32`` takes the lower half.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from syscast.btf.types import Struct
from syscast.events.machineints import MachineInt
from syscast.frontend.python.values import IntValue, Lowered, PtrValue, PyValue
from syscast.ir.ops import Argument
from syscast.ir.program import ArgFrom
from syscast.ir.types import IntType, PtrType, Space

if TYPE_CHECKING:
    from syscast.frontend.python.context import Lowering
    from syscast.frontend.python.parameter import Parameter
    from syscast.ir.program import ArgumentSource
    from syscast.ir.types import Reg

_HINT = "i8 to i64, u8 to u64, int, str for a char *, or a struct for a pointer to it"


def begin(low: Lowering, parameter: Parameter, source: ArgumentSource) -> Lowered | None:
    """Read an argument as its annotation says; None where there is none."""
    annotation = parameter.annotation
    if annotation is None or source.where is ArgFrom.NOWHERE:
        return None
    meant = _meaning(low, annotation)
    if isinstance(meant, type) and issubclass(meant, MachineInt):
        return _number(low, parameter, source, IntType(meant.bits, signed=meant.signed))
    if meant is int:
        return _number(low, parameter, source, IntType(8 * source.size, signed=source.signed))
    if meant is str:
        return PtrValue(_pointer(low, parameter, 0), 0, Space.USER, text=True)
    if isinstance(meant, str):
        struct = low.btf.find(meant, Struct)
        if struct is not None:
            return PtrValue(_pointer(low, parameter, struct), struct, Space.USER)
    raise low.rejection(
        annotation,
        f"argument '{parameter.name}' of {low.context.target} cannot be {ast.unparse(annotation)}",
        f"say what the register holds: {_HINT}",
    )


def _meaning(low: Lowering, annotation: ast.expr) -> object:
    """A class, or the name of a struct."""
    match annotation:
        case ast.Constant(value=str() as text):
            return _meaning(low, ast.copy_location(ast.Name(text.strip()), annotation))
        case ast.BinOp(left=left, op=ast.BitOr()):
            return _meaning(low, left)  # sockaddr | None
        case ast.Name(id=name):
            found, value = low.outer.outer(name) if low.outer else (False, None)
            return value if found else name
        case ast.Attribute():
            found_value = low.expr(annotation)
            return found_value.value if isinstance(found_value, PyValue) else None
        case _:
            return None


def _number(
    low: Lowering, parameter: Parameter, source: ArgumentSource, natural: IntType
) -> Lowered:
    node = parameter.node
    if natural.bits > 8 * source.size:
        natural = IntType(8 * source.size, signed=source.signed)
    value = low.reg(natural)
    low.add(Argument(value, parameter.index, span=low.span(node)))
    anchor = (
        node if isinstance(node, ast.expr) else ast.copy_location(ast.Name(parameter.name), node)
    )
    return IntValue(low.widen(anchor, value, natural), natural, name=source.name)


def _pointer(low: Lowering, parameter: Parameter, pointee: int) -> Reg:
    pointer = low.reg(PtrType(Space.USER, pointee))
    low.add(Argument(pointer, parameter.index, span=low.span(parameter.node)))
    return pointer
