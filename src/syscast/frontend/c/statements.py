"""Statements of C: blocks, branches, loops, switches, jumps, returns, empty assembly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pycparser import c_ast

from syscast.frontend.c.arithmetic import compare
from syscast.frontend.c.conversions import convert, ir_type, is_scalar, number
from syscast.frontend.c.declarations import declaration, declaration_list, type_declaration
from syscast.frontend.c.doubtful import warn_of_conversion
from syscast.frontend.c.lowering import Jumps
from syscast.frontend.c.nodes import Asm, Range
from syscast.frontend.c.types import Bool, Enum, Int, Void, promoted
from syscast.frontend.c.values import CValue
from syscast.ir import ops
from syscast.ir.types import Const

if TYPE_CHECKING:
    from syscast.frontend.c.lowering import Lowering, StatementHandler
    from syscast.frontend.c.types import CType

_CASES = 4096


def compound(low: Lowering, node: c_ast.Node) -> None:
    """``{ ... }``."""
    with low.unit.names.scope():
        for each in node.block_items or ():
            low.statement(each)


def nothing(low: Lowering, node: c_ast.Node) -> None:
    """``;``, and attributes that mean nothing here."""


def if_(low: Lowering, node: c_ast.Node) -> None:
    """``if (c) a; else b;``, with all of its ``else if``, which may be too many to call itself for each."""
    ends: list[str] = []
    arm: c_ast.Node | None = node
    while isinstance(arm, c_ast.If):
        following = None
        with low.reported(arm):
            following = _arm(low, arm, ends)
        arm = following
    if arm is not None:
        low.statement(arm)
    for end in reversed(ends):
        low.start(end)


def _arm(low: Lowering, node: c_ast.Node, ends: list[str]) -> c_ast.Node | None:
    """``if (c) a;``, and the statement that is to be lowered next, behind ``else``."""
    then, end = low.label("if"), low.label("if_end")
    other = low.label("else") if node.iffalse is not None else end
    low.branch_on(node.cond, then, other)
    low.start(then)
    if node.iftrue is not None:
        low.statement(node.iftrue)
    low.jump(end)
    ends.append(end)
    if node.iffalse is not None:
        low.start(other)
    return node.iffalse


# ---------------------------------------------------------------- loops


def pragma(low: Lowering, node: c_ast.Node) -> None:
    """``#pragma unroll`` and its kin before a loop; others mean nothing here."""
    words = node.string
    low.unroll = "unroll" in words and "disable" not in words


def _unroll(low: Lowering) -> bool:
    """Whether the loop that begins here is to be unrolled; not so the loops inside."""
    wanted, low.unroll = low.unroll, False
    return wanted


def while_(low: Lowering, node: c_ast.Node) -> None:
    """``while (c) a;``."""
    unroll = _unroll(low)
    head, body, end = low.label("while"), low.label("while_body"), low.label("while_end")
    low.start(head)
    low.branch_on(node.cond, body, end)
    low.start(body)
    _body(low, node.stmt, Jumps(end, head))
    low.jump(head, unroll=unroll)
    low.start(end)


def do_while(low: Lowering, node: c_ast.Node) -> None:
    """``do a; while (c);``."""
    unroll = _unroll(low)
    body, test, end = low.label("do"), low.label("do_test"), low.label("do_end")
    again = low.label("do_again") if unroll else body
    low.start(body)
    _body(low, node.stmt, Jumps(end, test))
    low.start(test)
    low.branch_on(node.cond, again, end)
    if unroll:
        low.start(again)
        low.jump(body, unroll=True)
    low.start(end)


def for_(low: Lowering, node: c_ast.Node) -> None:
    """``for (a; c; b) d;``."""
    unroll = _unroll(low)
    with low.unit.names.scope():
        if node.init is not None:
            low.statement(node.init)
        head, body = low.label("for"), low.label("for_body")
        after, end = low.label("for_next"), low.label("for_end")
        low.start(head)
        if node.cond is not None:
            low.branch_on(node.cond, body, end)
        low.start(body)
        _body(low, node.stmt, Jumps(end, after))
        low.start(after)
        if node.next is not None:
            low.operand(node.next)
        low.jump(head, unroll=unroll)
        low.start(end)


def _body(low: Lowering, node: c_ast.Node | None, jumps: Jumps) -> None:
    low.jumps.append(jumps)
    try:
        if node is not None:
            low.statement(node)
    finally:
        low.jumps.pop()


def break_(low: Lowering, node: c_ast.Node) -> None:
    """``break;``."""
    if not low.jumps:
        low.error(node, "'break' outside of a loop or switch")
    low.jump(low.jumps[-1].leave)


def continue_(low: Lowering, node: c_ast.Node) -> None:
    """``continue;``."""
    for jumps in reversed(low.jumps):
        if jumps.again is not None:
            low.jump(jumps.again)
            return
    low.error(node, "'continue' outside of a loop")


# ---------------------------------------------------------------- switch


def switch(low: Lowering, node: c_ast.Node) -> None:
    """``switch (x) { ... }``: compared case by case, in the order of the text."""
    value = low.expr(node.cond)
    if not isinstance(value.ctype, Int | Bool | Enum) or not is_scalar(value.ctype):
        low.error(node.cond, f"'switch' of a '{value.ctype.spelling}'", "it must be an integer")
    value = convert(low, value, promoted(value.ctype))
    end = low.label("switch_end")
    jumps = Jumps(end)
    default = end
    seen: set[int] = set()
    for case in _cases(node.stmt):
        label = jumps.cases[id(case)] = low.label(
            "default" if isinstance(case, c_ast.Default) else "case"
        )
        if isinstance(case, c_ast.Default):
            if default != end:
                low.error(case, "a second 'default' in one switch")
            default = label
        else:
            _test(low, case, value, label, seen)
    low.jump(default)
    _body(low, node.stmt, jumps)
    low.start(end)


def _cases(node: c_ast.Node) -> list[c_ast.Node]:
    """The cases of a switch, not those of switches inside of it."""
    found: list[c_ast.Node] = []
    work = [node]
    while work:
        each = work.pop()
        if isinstance(each, c_ast.Case | c_ast.Default):
            found.append(each)
        if isinstance(each, c_ast.Switch):
            continue
        children = [child for _, child in each.children()]
        work += reversed(children)
    return found


def _test(low: Lowering, case: c_ast.Case, value: CValue, label: str, seen: set[int]) -> None:
    before, low.node = low.node, case
    more = low.label("case_next")
    if isinstance(case.expr, Range):
        first = _case_value(low, case.expr.first, value.ctype)
        last = _case_value(low, case.expr.last, value.ctype)
        inside = low.label("case_range")
        low.branch(compare(low, ">=", value, number(first, value.ctype)), inside, more)
        low.start(inside)
        low.branch(compare(low, "<=", value, number(last, value.ctype)), label, more)
        span = range(first, min(last + 1, first + _CASES))
    else:
        first = _case_value(low, case.expr, value.ctype)
        low.branch(compare(low, "==", value, number(first, value.ctype)), label, more)
        span = range(first, first + 1)
    low.start(more)
    if not seen.isdisjoint(span):
        low.error(case, f"the case {first} is there twice")
    seen.update(span)
    low.node = before


def _case_value(low: Lowering, node: c_ast.Node, ctype: CType) -> int:
    found = low.needed_constant(node, "a case")
    made = number(found, ctype).made
    assert isinstance(made, Const)
    return made.value


def case(low: Lowering, node: c_ast.Node) -> None:
    """``case x:`` and ``default:`` and what stands behind, up to the next."""
    for jumps in reversed(low.jumps):
        label = jumps.cases.get(id(node))
        if label is not None:
            low.start(label)
            for each in node.stmts or ():
                low.statement(each)
            return
    low.error(node, "a 'case' outside of a switch")


# ---------------------------------------------------------------- goto, return


def label(low: Lowering, node: c_ast.Node) -> None:
    """``name: statement``."""
    frame = low.frames[-1]
    if node.name in frame.met:
        low.error(node, f"the label '{node.name}' is there twice")
    frame.met.add(node.name)
    low.start(_label_of(low, node.name))
    if node.stmt is not None:
        low.statement(node.stmt)


def goto(low: Lowering, node: c_ast.Node) -> None:
    """``goto name;``."""
    low.frames[-1].gotos.append((node.name, node))
    low.jump(_label_of(low, node.name))


def _label_of(low: Lowering, name: str) -> str:
    labels = low.frames[-1].labels
    if name not in labels:
        labels[name] = low.label(f"label_{name}")
    return labels[name]


def return_(low: Lowering, node: c_ast.Node) -> None:
    """``return;`` and ``return x;``."""
    frame = low.frames[-1]
    if node.expr is None:
        if not isinstance(frame.returns, Void):
            low.error(
                node, f"'{frame.function.name}' returns a '{frame.returns.spelling}': return what?"
            )
        low.return_(None)
        return
    value = low.expr(node.expr)
    if isinstance(frame.returns, Void) and not isinstance(value.ctype, Void):
        low.error(node, f"'{frame.function.name}' is void, and here it returns something")
    warn_of_conversion(low, node.expr, value, frame.returns)
    low.return_(value)


# ---------------------------------------------------------------- others


def assembly(low: Lowering, node: c_ast.Node) -> None:
    """Empty inline assembly, by which texts keep the compiler from concluding something of a value."""
    if node.template.strip():
        low.error(
            node,
            "inline assembly with instructions",
            "only empty assembly is understood, as a barrier",
        )
    for operand in node.outputs:
        place = low.lvalue(operand.expr)
        if not is_scalar(place.ctype):
            low.error(operand, f"a '{place.ctype.spelling}' in a register")
        source = _tied(low, node, operand)
        value = low.rvalue(place) if source is None else convert(low, source, place.ctype)
        result = low.reg(ir_type(value.ctype))
        low.emit(ops.Opaque(result, value.made))
        low.store(place, CValue(value.ctype, result))
    for operand in node.inputs:
        low.operand(operand.expr)


def _tied(low: Lowering, node: c_ast.Node, output: c_ast.Node) -> CValue | None:
    """The input that goes into an output's register: ``"0"(i)`` for the first."""
    number_ = str(list(node.outputs).index(output))
    for operand in node.inputs:
        if operand.constraint.strip() in {number_, f"[{output.name}]"}:
            return low.expr(operand.expr)
    return None


def static_assert(low: Lowering, node: c_ast.Node) -> None:
    """``_Static_assert(c, "text")``."""
    if not low.needed_constant(node.cond, "what is asserted"):
        said = node.message.value if node.message is not None else ""
        low.error(node, f"the assertion does not hold{f': {said}' if said else ''}")


def attributed(low: Lowering, node: c_ast.Node) -> None:
    """A statement with C23 attributes."""
    low.statement(node.stmt)


STATEMENTS: dict[type, StatementHandler] = {
    c_ast.Compound: compound,
    c_ast.Decl: declaration,
    c_ast.DeclList: declaration_list,
    c_ast.Typedef: type_declaration,
    c_ast.If: if_,
    c_ast.While: while_,
    c_ast.DoWhile: do_while,
    c_ast.For: for_,
    c_ast.Switch: switch,
    c_ast.Case: case,
    c_ast.Default: case,
    c_ast.Break: break_,
    c_ast.Continue: continue_,
    c_ast.Label: label,
    c_ast.Goto: goto,
    c_ast.Return: return_,
    c_ast.EmptyStatement: nothing,
    c_ast.Pragma: pragma,
    c_ast.StaticAssert: static_assert,
    c_ast.AttributedStatement: attributed,
    c_ast.AttributeDeclaration: nothing,
    Asm: assembly,
}
"""What lowers each class of statement; any other node is an expression."""
