"""Statements of a probe, each a handler in one table: assignment, if, return, emit and the rest."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from syscast.diagnostics import CompileError
from syscast.frontend.python import language
from syscast.frontend.python.arithmetic import combine
from syscast.frontend.python.assignment import assign, assign_to, target_name
from syscast.frontend.python.conditions import branch_on
from syscast.frontend.python.context import Rejected
from syscast.frontend.python.loops import for_loop, leave, while_loop
from syscast.frontend.python.outside import instead
from syscast.frontend.python.ownership import owned_where
from syscast.frontend.python.patterns import match
from syscast.frontend.python.returns import Sent, Unused
from syscast.frontend.python.settled import settled
from syscast.frontend.python.storing import names_in, stored_names
from syscast.frontend.python.values import PyValue
from syscast.ir.ops import Finish, Raise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syscast.frontend.python.context import Flow, Lowering
    from syscast.frontend.python.values import Lowered


MAX_OPS = 30_000
"""Operations in a probe; some of them become many instructions, and a branch reaches over 32767."""


def run(low: Lowering, statements: Sequence[ast.stmt]) -> bool:
    """Lower statements in order; says whether control gets past them.

    A rejected statement is reported and given up; the ones behind it are still looked at.
    """
    goes_on = True
    for statement in statements:
        if not goes_on:
            # Unreachable, yet no statement is dropped unseen: it must be right all the same.
            low.builder.start(low.builder.label("unreachable"))
            low.assigned |= set(low.locals)
        if low.builder.size > MAX_OPS:
            finding = low.text.diagnostic(
                statement,
                f"the probe grows too large: {low.builder.size} operations so far",
                "the kernel takes no such program; do the rest in Python, on the events",
            )
            raise CompileError([finding])
        decided = isinstance(statement, ast.If) and settled(low, statement.test) is not None
        try:
            handler = _STATEMENTS.get(type(statement))
            if handler is None:
                raise low.rejection(statement, *_outside(statement))
            continues = handler(low, statement)
        except Rejected as rejected:
            if rejected.diagnostic is not None:
                low.diagnostics.append(rejected.diagnostic)
            low.poisoned |= stored_names([statement])
            continues = True
            if low.builder.terminated:
                low.builder.start(low.builder.label("rejected"))
        if not goes_on and continues and not low.builder.terminated:
            low.add(Finish(span=low.span(statement)))
        if decided and not continues:
            return False  # as the arguments of this call are, nothing behind it ever runs
        goes_on = goes_on and continues
    return goes_on


def _assign(low: Lowering, statement: ast.stmt) -> bool:
    assert isinstance(statement, ast.Assign)
    value = low.expr(statement.value)
    if len(statement.targets) > 1:
        value = owned_where(low, statement.value, value, names_in(statement.targets))
    for target in statement.targets:
        assign_to(low, target, statement.value, value)
    return True


def _annotated(low: Lowering, statement: ast.stmt) -> bool:
    assert isinstance(statement, ast.AnnAssign)
    if statement.value is None:
        raise low.rejection(
            statement,
            "a declaration without a value means nothing in a probe",
            "give it its first value here: x: int = 0",
        )
    assign_to(low, statement.target, statement.value, low.expr(statement.value))
    return True


def _augmented(low: Lowering, statement: ast.stmt) -> bool:
    assert isinstance(statement, ast.AugAssign)
    if low.states().augment(low, statement):
        return True
    name = target_name(low, statement.target)
    load = ast.copy_location(ast.Name(name, ast.Load()), statement.target)
    before = low.expr(load)
    after = combine(
        low, statement, statement.op, (load, before), (statement.value, low.expr(statement.value))
    )
    assign(low, load, name, after)
    return True


def _if(low: Lowering, statement: ast.stmt) -> bool:
    """``if`` with all its ``elif``s: a chain of hundreds is no deep nesting."""
    assert isinstance(statement, ast.If)
    end = low.builder.label("end")
    paths: list[Flow] = []
    first = statement
    while True:
        verdict = settled(low, statement.test)
        if verdict is not None:
            rest = statement.body if verdict else statement.orelse
            if not verdict and len(rest) == 1 and isinstance(rest[0], ast.If):
                statement = first = rest[0]
                continue
            _branch(low, rest, end, paths)
            break
        then, other = low.builder.label("then"), low.builder.label("else")
        try:
            flow, missed = branch_on(low, statement.test, then, other)
        except Rejected as rejected:
            if statement is first:
                raise
            low.diagnostics += [rejected.diagnostic] if rejected.diagnostic is not None else []
            paths.append(low.flow())
            low.jump(end)
            break
        low.builder.start(then)
        low.resume(flow)
        _branch(low, statement.body, end, paths)
        low.builder.start(other)
        low.resume(missed)
        if len(statement.orelse) == 1 and isinstance(statement.orelse[0], ast.If):
            statement = statement.orelse[0]
            continue
        _branch(low, statement.orelse, end, paths)
        break
    if not paths:
        return False
    low.resume(*paths)
    low.builder.start(end)
    return True


def _branch(low: Lowering, body: Sequence[ast.stmt], end: str, paths: list[Flow]) -> None:
    """One branch of several; where control gets past it, what is known there joins ``paths``."""
    if run(low, body):
        paths.append(low.flow())
        low.jump(end)


def _assert(low: Lowering, statement: ast.stmt) -> bool:
    assert isinstance(statement, ast.Assert)
    if statement.msg is not None and not isinstance(statement.msg, ast.Constant):
        raise low.rejection(
            statement.msg,
            "the message of an assert is a constant in a probe",
            "the failed line is counted as an AssertionError; send an event to tell more",
        )
    holds, fails = low.builder.label("holds"), low.builder.label("fails")
    flow, _ = branch_on(low, statement.test, holds, fails)
    low.builder.start(fails)
    low.add(Raise(low.site(statement, "AssertionError"), span=low.span(statement)))
    low.builder.start(holds)
    low.resume(flow)
    return True


def _delete(low: Lowering, statement: ast.stmt) -> bool:
    assert isinstance(statement, ast.Delete)
    for target in statement.targets:
        if not isinstance(target, ast.Name):
            if low.states().delete(low, target):
                continue
            raise low.rejection(
                target, "del takes plain variables in a probe", "a probe cannot change the kernel"
            )
        low.expr(
            ast.copy_location(ast.Name(target.id, ast.Load()), target)
        )  # it must have a value
        low.assigned.discard(target.id)
        low.ranges.pop(target.id, None)
    return True


def _match(low: Lowering, statement: ast.stmt) -> bool:
    assert isinstance(statement, ast.Match)
    return match(low, statement, run)


def _for(low: Lowering, statement: ast.stmt) -> bool:
    assert isinstance(statement, ast.For)
    return for_loop(low, statement, run)


def _while(low: Lowering, statement: ast.stmt) -> bool:
    assert isinstance(statement, ast.While)
    return while_loop(low, statement, run)


def _return(low: Lowering, statement: ast.stmt) -> bool:
    assert isinstance(statement, ast.Return)
    _finish(low, statement, statement.value)
    return False


def _finish(low: Lowering, statement: ast.stmt, value: ast.expr | None) -> None:
    returns = low.returns
    assert returns is not None
    if isinstance(value, ast.IfExp) and not returns.direct:
        verdict = settled(low, value.test)
        if verdict is not None:
            _finish(low, statement, value.body if verdict else value.orelse)
            return
        then, other = low.builder.label("then"), low.builder.label("else")
        flows = branch_on(low, value.test, then, other)
        for label, part, flow in zip(
            (then, other), (value.body, value.orelse), flows, strict=True
        ):
            low.builder.start(label)
            low.resume(flow)
            _finish(low, statement, part)
        return
    lowered: Lowered | None = PyValue(None)
    if value is not None:
        lowered = low.expr(value) if returns.direct else low.expr_into(value, returns)
    if lowered is not None:
        returns.give(low, value or statement, lowered)


def _expression(low: Lowering, statement: ast.stmt) -> bool:
    assert isinstance(statement, ast.Expr)
    node = statement.value
    if isinstance(node, ast.Constant) and isinstance(node.value, str | type(...)):
        return True  # a docstring, or `...`
    if isinstance(node, ast.Call):
        function = low.expr(node.func)
        if isinstance(function, PyValue) and function.value is language.emit:
            _emit(low, node)
            return True
    unused = Unused(low)
    value = low.expr_into(node, unused)
    if value is None:
        low.builder.start(unused.end)
    else:
        unused.drop(low, node, value)
    return True


def _emit(low: Lowering, node: ast.Call) -> None:
    if len(node.args) != 1 or node.keywords:
        raise low.rejection(node, "emit() takes one event", "emit(SomeEvent(...))")
    sent = Sent(low)
    event = low.expr_into(node.args[0], sent)
    if event is None:
        low.builder.start(sent.end)
    else:
        sent.send(low, node.args[0], event)


def _pass(low: Lowering, statement: ast.stmt) -> bool:
    del low, statement
    return True


def _outside(statement: ast.stmt) -> tuple[str, str]:
    name = type(statement).__name__
    message, hint = _OUTSIDE.get(name, (f"{name.lower()} is not part of the probe language", ""))
    return message, instead(statement) or hint


_OUTSIDE = {
    "Try": (
        "try is not part of the probe language",
        "an exception ends this run of the probe and is counted",
    ),
    "TryStar": (
        "try is not part of the probe language",
        "an exception ends this run of the probe and is counted",
    ),
    "With": ("with is not part of the probe language", ""),
    "FunctionDef": (
        "a function inside a probe is not part of the probe language",
        "define it outside",
    ),
    "ClassDef": ("a class inside a probe is not part of the probe language", "declare it outside"),
    "Global": ("a probe cannot change Python's globals", "send an event instead"),
    "Nonlocal": ("a probe cannot change an outer variable", "send an event instead"),
    "Import": ("a probe cannot import", "import outside the probe"),
    "ImportFrom": ("a probe cannot import", "import outside the probe"),
    "Raise": ("raise is not part of the probe language", "return None to send no event"),
}

_STATEMENTS: dict[type[ast.stmt], Callable[[Lowering, ast.stmt], bool]] = {
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.If: _if,
    ast.Assert: _assert,
    ast.Delete: _delete,
    ast.Match: _match,
    ast.For: _for,
    ast.While: _while,
    ast.Break: leave,
    ast.Continue: leave,
    ast.Return: _return,
    ast.Expr: _expression,
    ast.Pass: _pass,
}
