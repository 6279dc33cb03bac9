"""What the words of the dialect share while one text is lowered: its tables, and what goes through them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from syscast.frontend.c.emitter import ANY
from syscast.frontend.c.types import UNSIGNED_LONG, Array, Pointer, Void, decayed
from syscast.frontend.c.values import CValue
from syscast.ir import ops

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pycparser import c_ast

    from syscast.frontend.c.lowering import Lowering
    from syscast.frontend.c.surroundings import Surroundings
    from syscast.frontend.c.tables import Table
    from syscast.frontend.c.types import CType
    from syscast.ir.types import Value


@dataclass(slots=True)
class Dialect:
    """State of one text.

    Attributes:
        struct: The struct that a tag means.
        tables: By name, in the order of the text.
        events: By table, the type that was first sent through it.
    """

    surroundings: Surroundings
    struct: Callable[[str], CType]
    tables: dict[str, Table] = field(default_factory=dict)
    events: dict[str, CType] = field(default_factory=dict)

    def sends(self, low: Lowering, table: Table, node: c_ast.Node) -> None:
        """Note what the expression of a pointer that is sent through a table points to."""
        if low.unevaluated or table.name in self.events:
            return
        pointed = pointee(low, node)
        if pointed is not None:
            self.events[table.name] = pointed


def pointee(low: Lowering, node: c_ast.Node) -> CType | None:
    """What a pointer's expression points to, casts to ``void *`` looked through; None for nothing known."""
    while True:
        ctype = decayed(low.type_of(node))
        if isinstance(ctype, Pointer) and not isinstance(ctype.to, Void):
            return ctype.to.of if isinstance(ctype.to, Array) else ctype.to
        inner = getattr(node, "expr", None)
        if inner is None:
            return None
        node = inner


def arguments(call: c_ast.FuncCall) -> list[c_ast.Node]:
    """The expressions that a call passes."""
    return [] if call.args is None else list(call.args.exprs)


def counted(
    low: Lowering, call: c_ast.FuncCall, name: str, usage: str, counts: Sequence[int]
) -> list[c_ast.Node]:
    """The arguments of a call, if they are as many as it takes.

    Args:
        low: The lowering.
        call: The call.
        name: Of what is called.
        usage: How it is called: ``&key, &value``.
        counts: How many it may take.
    """
    found = arguments(call)
    if len(found) not in counts:
        wanted = " or ".join(str(each) for each in counts)
        low.error(
            call,
            f"'{name}' takes {wanted} argument{'' if wanted == '1' else 's'}, not {len(found)}",
            f"{name}({usage})",
        )
    return found


def map_address(low: Lowering, name: str) -> Value:
    """The handle of a map, for helpers."""
    result = low.reg(ANY)
    low.emit(ops.MapAddr(result, name))
    return result


def context(low: Lowering) -> Value:
    """The program's context, whatever it is called."""
    result = low.reg(ANY)
    low.emit(ops.CtxAddr(result))
    return result


def number(low: Lowering, node: c_ast.Node) -> Value:
    """The value of an expression as a number for a helper: 64 bits, its sign kept; a pointer's address."""
    before, low.node = low.node, node
    try:
        return low.convert(low.expr(node), UNSIGNED_LONG).made
    finally:
        low.node = before


def pointer(low: Lowering, node: c_ast.Node, what: str) -> Value:
    """The value of an expression that must be a pointer."""
    return low.pointer_value(node, what).made


def scratch(low: Lowering, value: Value, ctype: CType, name: str) -> Value:
    """The address of fresh memory that holds a scalar."""
    place = low.buffer(ctype, name)
    low.store(place, CValue(ctype, value))
    return low.pointer(place)
