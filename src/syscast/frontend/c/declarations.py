"""Declarations inside of functions, and literals of structs: every local gets room of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pycparser import c_ast

from syscast.frontend.c import initialisers
from syscast.frontend.c.conversions import constant_of, in_memory, number
from syscast.frontend.c.doubtful import warn_of_conversion
from syscast.frontend.c.nodes import AutoType, StmtExpr
from syscast.frontend.c.rejected import Rejected
from syscast.frontend.c.types import (
    VOID,
    Array,
    Float,
    FunctionType,
    TypeProblem,
    Void,
    decayed,
)
from syscast.frontend.c.values import CValue, Operand, Place

if TYPE_CHECKING:
    from syscast.frontend.c.lowering import Lowering, OperandHandler
    from syscast.frontend.c.types import CType

CLEARED = 256
"""Bytes up to which a local without an initialiser is zero: the verifier refuses to pass on what is not."""
LARGEST = 1 << 15


def declaration(low: Lowering, node: c_ast.Node) -> None:
    """One declarator: ``struct data_t data = {}``."""
    if not node.name:
        low.unit.declare(low, node)
        return
    if isinstance(node.type, c_ast.FuncDecl):
        return  # a prototype: nothing is looked up by it
    before = low.unit.names.declared(node.name)
    try:
        _check_storage(low, node)
        _variable(low, node)
    except (Rejected, TypeProblem):
        if low.unit.names.declared(node.name) is before:  # uses of it are no findings of their own
            low.declare(node.name, None)
        raise


def _check_storage(low: Lowering, node: c_ast.Node) -> None:
    storage = node.storage or ()
    if "static" in storage and "const" not in (node.quals or ()):
        low.error(
            node,
            f"'{node.name}' is static",
            "a program keeps nothing from run to run but what is in a table: BPF_ARRAY(name, type, 1)",
        )
    if "extern" in storage:
        low.error(node, f"'{node.name}' is extern", "a program of BPF is linked with nothing")


def _variable(low: Lowering, node: c_ast.Node) -> None:
    name: str = node.name
    plan = initialisers.Plan(low)
    if _is_auto(node):
        if node.init is None:
            low.error(node, f"'{name}' gets its type from an initialiser, and has none")
        ctype = decayed(low.type_of(node.init))
    else:
        ctype = low.unit.ctype(low, node)
    _check_type(low, node, ctype)
    if not initialisers.is_aggregate(ctype):
        _scalar(low, node, ctype)
        return
    if node.init is not None and isinstance(ctype, Array) and ctype.count is None:
        ctype = plan.whole(ctype, node.init)  # only to learn its length
    place = _room(low, node, ctype)
    low.declare(name, place)
    if node.init is None:
        if ctype.size <= CLEARED:
            low.clear(place)
        return
    plan = initialisers.Plan(low)
    plan.whole(ctype, node.init)
    initialisers.fill(low, place, plan.leaves)


def _is_const(node: c_ast.Node) -> bool:
    """Whether the variable itself is const, not what it points to."""
    return "const" in (getattr(node.type, "quals", None) or ())


def _is_auto(node: c_ast.Node) -> bool:
    return isinstance(getattr(node.type, "type", None), AutoType | c_ast.InferredType)


def _check_type(low: Lowering, node: c_ast.Node, ctype: CType) -> None:
    if isinstance(ctype, Void | FunctionType):
        low.error(node, f"'{node.name}' cannot be a '{ctype.spelling}'")
    if isinstance(ctype, Float):
        hint = "BPF has no floating point numbers: compute with integers"
        low.error(node, f"'{node.name}' is a '{ctype.spelling}'", hint)
    if isinstance(ctype, Array) and ctype.count is None and node.init is None:
        low.error(node, f"the array '{node.name}' has no length")


def _scalar(low: Lowering, node: c_ast.Node, ctype: CType) -> None:
    if in_memory(ctype):
        place = _room(low, node, ctype)
    else:
        frame = low.frames[-1]
        place = low.local(ctype, node.name, addressed=node.name in frame.addressed)
    low.declare(node.name, place)
    init = node.init
    if isinstance(init, c_ast.InitList):
        items = list(init.exprs or ())
        if len(items) > 1:
            low.error(items[1], f"too many values for a '{ctype.spelling}'")
        init = items[0] if items else None
    value = number(0) if init is None else low.expr(init)
    if init is not None:
        warn_of_conversion(low, init, value, ctype)
    value = low.convert(value, ctype)
    low.store(place, value)
    if _is_const(node):
        low.declare(node.name, replace(place, constant=True))
    frame = low.frames[-1]
    if init is not None and node.name not in frame.addressed | frame.assigned:
        _never_changed(low, node.name, place, value)


def _never_changed(low: Lowering, name: str, place: Place, value: CValue) -> None:
    """What stays known of a local that keeps its first value: a number, or that it is a string."""
    if constant_of(value) is not None:
        low.declare(name, value)
    elif place.slot is not None and (text := low.text_at(value.made)) is not None:
        low.held_texts[place.slot.id] = text


def _room(low: Lowering, node: c_ast.Node, ctype: CType) -> Place:
    if ctype.size > LARGEST:
        low.error(
            node,
            f"'{node.name}' has {ctype.size} bytes",
            "a program has 512 bytes of stack; keep it in a table: BPF_PERCPU_ARRAY(name, type, 1)",
        )
    return low.buffer(ctype, node.name)


def declaration_list(low: Lowering, node: c_ast.Node) -> None:
    """``int i = 0, j = 1`` in a for."""
    for each in node.decls:
        low.statement(each)


def type_declaration(low: Lowering, node: c_ast.Node) -> None:
    """A typedef inside of a function."""
    low.unit.declare(low, node)


def compound_literal(low: Lowering, node: c_ast.Node) -> Operand:
    """``(struct s){...}``: a fresh place."""
    ctype = low.ctype(node.type)
    plan = initialisers.Plan(low)
    ctype = plan.whole(ctype, node.init)
    place = low.buffer(ctype, "literal")
    initialisers.fill(low, place, plan.leaves)
    return place


def statement_expression(low: Lowering, node: c_ast.Node) -> Operand:
    """GNU's ``({ ...; x; })``: the value of the last statement, if that is an expression."""
    items = list(node.body.block_items or ())
    last = items[-1] if items else None
    valued = last is not None and type(last) not in low.handlers.statements
    with low.unit.names.scope():
        for each in items[:-1] if valued else items:
            low.statement(each)
        if not valued:
            return CValue(VOID, None)
        return low.expr(last)


LITERALS: dict[type, OperandHandler] = {
    c_ast.CompoundLiteral: compound_literal,
    StmtExpr: statement_expression,
}
"""What lowers expressions that make places or run statements."""
