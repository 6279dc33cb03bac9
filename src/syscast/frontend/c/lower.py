"""The way in: a function of a text that is a program of its own, to an IR function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.frontend.c.handlers import HANDLERS
from syscast.frontend.c.inlining import body
from syscast.frontend.c.lowering import Frame, Lowering
from syscast.frontend.c.rejected import Rejected
from syscast.ir.program import Function

if TYPE_CHECKING:
    from collections.abc import Callable

    from pycparser import c_ast

    from syscast.frontend.c.lowering import Unit, UserFunction
    from syscast.frontend.c.types import CType
    from syscast.frontend.c.values import CValue
    from syscast.ir.program import ProgramContext

HANDLERS = Handlers(
    {**OPERANDS, **LITERALS, c_ast.FuncCall: call, Elvis: elvis}, STATEMENTS, branch
)


def lower_function(
    unit: Unit,
    function: UserFunction,
    context: ProgramContext,
    arguments: Callable[[Lowering], list[CValue]],
) -> Function | None:
    """Lower a program function and all that it calls.

    Args:
        unit: The text around it; gets what is found to be wrong.
        function: What to lower.
        context: What the passes must know of the program.
        arguments: Emits what the function's parameters begin with, in order.

    Returns:
        The function; None where something is wrong, which the unit was told.
    """
    low = Lowering(unit, HANDLERS)
    low.node = function.node
    low.builder.start("entry")
    frame = Frame(function, function.ctype.returns)
    try:
        body(low, function, arguments(low), frame)
    except Rejected as rejected:
        if rejected.diagnostic is not None:
            unit.report(rejected.diagnostic)
        return None
    except RecursionError:
        unit.report(low.diagnostic(function.node, f"'{function.name}' is nested too deeply"))
        return None
    return Function(
        function.name,
        low.builder.blocks(),
        low.builder.slots(),
        context=context,
        id=-1,
        probe=function.name,
        filtered=False,
        span=low.span(function.node),
    )


def expression_type(unit: Unit, node: c_ast.Node) -> CType:
    """The type of an expression outside of functions, as ``typeof`` asks for; nothing is evaluated.

    Raises:
        Rejected: It is wrong.
    """
    low = Lowering(unit, HANDLERS)
    return low.type_of(node)
