"""Calls: of functions of the text, whose body is lowered in place of the call; of builtins; of tables' methods.

The kernel's verifier forgets at a call what it knows of pointers, and a call takes five arguments
at most; hence no calls in the object, and no recursion. Every copy has slots and labels of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pycparser import c_ast

from syscast.frontend.c.conversions import convert, ir_type, is_scalar
from syscast.frontend.c.lowering import Frame, Local
from syscast.frontend.c.naming import name_of, near
from syscast.frontend.c.nodes import Asm
from syscast.frontend.c.types import VOID, Float, Void, decayed
from syscast.frontend.c.values import CValue, Operand
from syscast.ir.types import Const

if TYPE_CHECKING:
    from syscast.frontend.c.lowering import Lowering, UserFunction
from syscast.frontend.c.types import CType, Parameter

MAX_DEPTH = 40
"""Calls inside of calls; each takes some of Python's own stack here."""


def call(low: Lowering, node: c_ast.Node) -> Operand:
    """``f(...)`` and ``table.method(...)``."""
    what = node.name
    if isinstance(what, c_ast.StructRef) and isinstance(what.name, c_ast.ID):
        table = low.unit.tables.get(what.name.name)
        if table is not None and not is_local(low, what.name.name):
            return low.unit.methods(low, table, what.field.name, node)
        name_of(low, what.name)  # refuses a table that nobody declared
    if not isinstance(what, c_ast.ID):
        low.error(
            node, "a call through a pointer", "a program of BPF can only call functions by name"
        )
    name: str = what.name
    if is_local(low, name):
        low.error(node, f"'{name}' is a variable, not a function")
    function = low.unit.functions.get(name)
    if function is not None:
        return inlined(low, node, function)
    handler = low.unit.builtins.get(name)
    if handler is not None:
        return handler(low, node)
    if low.unit.names.lookup(name) is not None:
        low.error(node, f"'{name}' is not a function")
    known = {*low.unit.functions, *low.unit.builtins}
    low.error(node, f"the function '{name}' is not known here", near(name, known))


def is_local(low: Lowering, name: str) -> bool:
    """Whether a name is a variable of the function."""
    return isinstance(low.unit.names.declared(name), Local)


def arguments(node: c_ast.Node) -> list[c_ast.Node]:
    """The arguments of a call."""
    return list(node.args.exprs) if node.args is not None else []


def wants(
    low: Lowering, node: c_ast.Node, least: int, most: int | None = None
) -> list[c_ast.Node]:
    """The arguments of a call of a builtin, their number checked; ``most`` is ``least`` by default."""
    most = least if most is None else most
    given = arguments(node)
    if not least <= len(given) <= most:
        range_ = str(least) if least == most else f"{least} to {most}"
        name = node.name.name if isinstance(node.name, c_ast.ID) else node.name.field.name
        low.error(
            node, f"'{name}' takes {range_} argument{'s' * (range_ != '1')}, {len(given)} given"
        )
    return given


def inlined(low: Lowering, node: c_ast.Node, function: UserFunction) -> CValue:
    """Lower a function's body here; gives what it returns."""
    _check_chain(low, node, function)
    values = _bound(low, node, function)
    returns = function.ctype.returns
    if isinstance(returns, Float):
        low.error(node, f"'{function.name}' returns a '{returns.spelling}'", "BPF has no floats")
    result = None
    if not isinstance(returns, Void):
        result = low.local(returns, f"{function.name}_result")
    end = low.label(f"{function.name}_end")
    body(low, function, values, Frame(function, returns, end=end, result=result))
    low.start(end)
    if result is None:
        return CValue(VOID, None)
    return low.rvalue(result)


def _check_chain(low: Lowering, node: c_ast.Node, function: UserFunction) -> None:
    if any(frame.function.name == function.name for frame in low.frames):
        low.error(
            node,
            f"'{function.name}' calls itself",
            "the kernel has no stack for recursion; write a loop",
        )
    if len(low.frames) >= MAX_DEPTH:
        low.error(node, f"calls are nested more than {MAX_DEPTH} deep")


def _bound(low: Lowering, node: c_ast.Node, function: UserFunction) -> list[CValue]:
    given = arguments(node)
    wanted = function.ctype.parameters
    if wanted is None:
        wanted = ()
    if len(given) != len(wanted) and not (function.ctype.variadic and len(given) > len(wanted)):
        names = ", ".join(each.name or each.type.spelling for each in wanted)
        low.error(
            node,
            f"'{function.name}' takes {len(wanted)} argument{'s' * (len(wanted) != 1)},"
            f" {len(given)} given",
            f"it is {function.name}({names})",
        )
    values = []
    for argument, parameter in zip(given, wanted, strict=False):
        value = low.expr(argument)
        before, low.node = low.node, argument
        values.append(convert(low, value, decayed(parameter.type)))
        low.node = before
    for argument in given[len(wanted) :]:
        low.expr(argument)
    return values


def body(low: Lowering, function: UserFunction, values: list[CValue], frame: Frame) -> None:
    """Lower a function's body with given arguments, up to where it returns or ends."""
    key = id(function.node)
    if key not in low.changed:
        low.changed[key] = names_changed(function.node)
    frame.addressed, frame.assigned = low.changed[key]
    jumps, low.jumps = low.jumps, []
    before = low.node
    low.frames.append(frame)
    try:
        with low.unit.names.function():
            for parameter, value in zip(function.ctype.parameters or (), values, strict=True):
                _take(low, parameter, value)
            low.statement(function.node.body)
            _check_labels(low, frame)
        if not low.builder.terminated:
            low.node = function.node
            _fall_off(low, frame)
    except RecursionError:
        if len(low.frames) > 1:
            raise
        low.error(function.node, f"'{function.name}' is nested too deeply")
    finally:
        low.frames.pop()
        low.jumps = jumps
        low.node = before


def _fall_off(low: Lowering, frame: Frame) -> None:
    """The end of a body without a return: C leaves the value open, here it is 0."""
    if is_scalar(frame.returns):
        low.return_(low.convert(CValue(frame.returns, _zero(frame.returns)), frame.returns))
    else:
        low.return_(None)


def _zero(ctype: CType) -> Const:
    return Const(0, ir_type(ctype))


def _take(low: Lowering, parameter: Parameter, value: CValue) -> None:
    """Make a parameter a local; one that is never changed stays the value that it is."""
    frame = low.frames[-1]
    name = parameter.name
    if not name:
        return
    changed = name in frame.addressed or name in frame.assigned
    if not changed and is_scalar(value.ctype):
        low.declare(name, value)
        return
    place = low.local(value.ctype, name, addressed=name in frame.addressed)
    low.store(place, value)
    low.declare(name, place)


def _check_labels(low: Lowering, frame: Frame) -> None:
    for label, node in frame.gotos:
        if label not in frame.met:
            low.unit.report(
                low.diagnostic(node, f"there is no label '{label}' in '{frame.function.name}'")
            )


def names_changed(node: c_ast.Node) -> tuple[frozenset[str], frozenset[str]]:
    """Names in a function of which the address is taken, and names that are assigned to."""
    addressed: set[str] = set()
    assigned: set[str] = set()
    work = [node]
    while work:
        each = work.pop()
        if isinstance(each, c_ast.UnaryOp):
            if each.op == "&":
                addressed.add(_root(each.expr))
            elif each.op in {"++", "--", "p++", "p--"}:
                assigned.add(_root(each.expr))
        elif isinstance(each, c_ast.Assignment):
            assigned.add(_root(each.lvalue))
        elif isinstance(each, Asm):
            assigned.update(_root(operand.expr) for operand in each.outputs)
        work += [child for _, child in each.children()]
    return frozenset(addressed), frozenset(assigned)


def _root(node: c_ast.Node) -> str:
    """The name at the start of an expression such as ``a.b[i]``."""
    while isinstance(node, c_ast.StructRef | c_ast.ArrayRef | c_ast.UnaryOp | c_ast.Cast):
        node = node.expr if isinstance(node, c_ast.UnaryOp | c_ast.Cast) else node.name
    return node.name if isinstance(node, c_ast.ID) else ""
