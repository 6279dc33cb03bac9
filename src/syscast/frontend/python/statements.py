"""Statements of a probe: assignment, if/else, return, emit."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from syscast.frontend.python import language
from syscast.frontend.python.arithmetic import as_kind, combine
from syscast.frontend.python.context import Local, Rejected
from syscast.frontend.python.eventing import send
from syscast.frontend.python.values import (
    BoolValue,
    EventValue,
    IntValue,
    Lowered,
    MethodValue,
    PlaceValue,
    PtrValue,
    PyValue,
    StrValue,
    TupleValue,
)
from syscast.ir.ops import Convert, CopyBytes, Finish, SlotAddr, SlotStore
from syscast.ir.types import U64, PtrType, Space, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syscast.frontend.python.context import Lowering


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
        try:
            handler = _STATEMENTS.get(type(statement))
            if handler is None:
                raise low.rejection(statement, *_outside(statement))
            continues = handler(low, statement)
        except Rejected as rejected:
            if rejected.diagnostic is not None:
                low.diagnostics.append(rejected.diagnostic)
            low.poisoned |= _targets(statement)
            continues = True
            if low.builder.terminated:
                low.builder.start(low.builder.label("rejected"))
        if not goes_on and continues and not low.builder.terminated:
            low.add(Finish(span=low.span(statement)))
        goes_on = goes_on and continues
    return goes_on


def _targets(statement: ast.stmt) -> set[str]:
    return {
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def assign(low: Lowering, node: ast.expr, name: str, value: Lowered) -> None:
    """Give a local a value."""
    value = low.known(node, value)
    if isinstance(value, EventValue):
        raise low.rejection(
            node, "an event cannot be kept in a variable", "return it or emit() it in place"
        )
    if isinstance(value, PyValue | TupleValue | MethodValue):
        raise low.rejection(
            node,
            f"'{name}' would hold {low.describe(value)}; a local holds an integer, a bool, a pointer or a string",
        )
    if isinstance(value, StrValue):
        _assign_text(low, node, name, value)
    else:
        _assign_scalar(low, node, name, value)
    low.assigned.add(name)
    low.poisoned.discard(name)


def _assign_text(low: Lowering, node: ast.expr, name: str, value: StrValue) -> None:
    local = low.locals.get(name)
    if local is None:
        slot = low.builder.slot(name, None, value.size, kept=name in low.kept)
        local = low.locals[name] = Local(slot, value)
    if not isinstance(local.shape, StrValue) or local.shape.size != value.size:
        raise low.rejection(
            node,
            f"'{name}' holds {low.describe(local.shape)} elsewhere, here {low.describe(value)}",
        )
    address = low.reg(PtrType(Space.STACK))
    low.add(SlotAddr(address, local.slot))
    low.add(CopyBytes(address, value.address, value.size, span=low.span(node)))


def _scalar(value: IntValue | BoolValue | PtrValue | PlaceValue) -> Value:
    return value.base if isinstance(value, PlaceValue) else value.value


def _assign_scalar(
    low: Lowering, node: ast.expr, name: str, value: IntValue | BoolValue | PtrValue | PlaceValue
) -> None:
    local = low.locals.get(name)
    if local is None:
        type_ = U64 if name in low.wide and isinstance(value, IntValue) else _scalar(value).type
        kept = name in low.kept
        if kept and isinstance(type_, PtrType):
            # A map keeps the bits of a pointer, not what the verifier knows of it.
            type_ = PtrType(type_.space, type_.pointee)
        size = 1 if isinstance(value, BoolValue) else 8
        slot = low.builder.slot(name, type_, size, kept=kept)
        local = low.locals[name] = Local(slot, value)
    elif isinstance(local.shape, IntValue) and isinstance(value, BoolValue):
        value = low.integer(node, value)
    if not _same_shape(local.shape, value):
        raise low.rejection(
            node,
            f"'{name}' holds {low.describe(local.shape)} elsewhere, here {low.describe(value)}",
            "use two variables",
        )
    stored = _scalar(value)
    slot_type = local.slot.type
    assert slot_type is not None
    if stored.type != slot_type:
        if isinstance(value, IntValue):
            if stored.type == U64:
                low.wide.add(name)
            stored = as_kind(low, node, stored, slot_type == U64)
        else:
            viewed = low.reg(slot_type)
            low.add(Convert(viewed, stored, span=low.span(node)))
            stored = viewed
    low.add(SlotStore(local.slot, stored, span=low.span(node)))


def _same_shape(a: Lowered, b: Lowered) -> bool:
    if isinstance(a, PtrValue) and isinstance(b, PtrValue):
        return a.pointee == b.pointee and a.space == b.space
    if isinstance(a, PlaceValue) and isinstance(b, PlaceValue):
        return (a.root, a.path, a.space) == (b.root, b.path, b.space)
    return type(a) is type(b)


def _assign(low: Lowering, statement: ast.stmt) -> bool:
    assert isinstance(statement, ast.Assign)
    if len(statement.targets) != 1:
        raise low.rejection(
            statement, "a chained assignment is not part of the probe language", "write two lines"
        )
    assign(low, statement.value, _target(low, statement.targets[0]), low.expr(statement.value))
    return True


def _target(low: Lowering, node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute | ast.Subscript):
        raise low.rejection(node, "a probe cannot write to kernel memory")
    raise low.rejection(
        node, "only a plain variable can be assigned here", "write one assignment per variable"
    )


def _annotated(low: Lowering, statement: ast.stmt) -> bool:
    assert isinstance(statement, ast.AnnAssign)
    if statement.value is None:
        raise low.rejection(statement, "a declaration without a value means nothing in a probe")
    assign(low, statement.value, _target(low, statement.target), low.expr(statement.value))
    return True


def _augmented(low: Lowering, statement: ast.stmt) -> bool:
    assert isinstance(statement, ast.AugAssign)
    name = _target(low, statement.target)
    load = ast.copy_location(ast.Name(name, ast.Load()), statement.target)
    before = low.expr(load)
    after = combine(
        low, statement, statement.op, (load, before), (statement.value, low.expr(statement.value))
    )
    assign(low, load, name, after)
    return True


def _if(low: Lowering, statement: ast.stmt) -> bool:
    assert isinstance(statement, ast.If)
    then, other, end = (low.builder.label(hint) for hint in ("then", "else", "end"))
    low.branch(statement.test, low.truth(statement.test), then, other)
    before = set(low.assigned)
    paths: list[set[str]] = []
    for label, body in ((then, statement.body), (other, statement.orelse)):
        low.builder.start(label)
        low.assigned = set(before)
        if run(low, body):
            low.jump(end)
            paths.append(low.assigned)
    if not paths:
        low.assigned = before
        return False
    low.assigned = set.intersection(*paths)
    low.builder.start(end)
    return True


def _return(low: Lowering, statement: ast.stmt) -> bool:
    assert isinstance(statement, ast.Return)
    _finish(low, statement, statement.value)
    return False


def _finish(low: Lowering, statement: ast.stmt, value: ast.expr | None) -> None:
    if isinstance(value, ast.IfExp):
        then, other = low.builder.label("then"), low.builder.label("else")
        low.branch(value.test, low.truth(value.test), then, other)
        for label, part in ((then, value.body), (other, value.orelse)):
            low.builder.start(label)
            _finish(low, statement, part)
        return
    if value is not None:
        lowered = low.expr(value)
        if isinstance(lowered, EventValue):
            send(low, value, lowered)
        elif not (isinstance(lowered, PyValue) and lowered.value is None):
            raise low.rejection(
                value,
                f"a probe returns an event or None, this is {low.describe(lowered)}",
                "return SomeEvent(...)",
            )
    low.add(Finish(span=low.span(statement)))


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
    value = low.expr(node)
    if isinstance(value, EventValue):
        raise low.rejection(node, "this event goes nowhere", "return it, or emit() it")
    return True


def _emit(low: Lowering, node: ast.Call) -> None:
    if len(node.args) != 1 or node.keywords:
        raise low.rejection(node, "emit() takes one event", "emit(SomeEvent(...))")
    event = low.expr(node.args[0])
    if not isinstance(event, EventValue):
        raise low.rejection(node.args[0], f"emit() takes an event, this is {low.describe(event)}")
    send(low, node, event)


def _pass(low: Lowering, statement: ast.stmt) -> bool:
    del low, statement
    return True


def _outside(statement: ast.stmt) -> tuple[str, str]:
    name = type(statement).__name__
    return _OUTSIDE.get(name, (f"{name.lower()} is not part of the probe language", ""))


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
    "For": ("for is not part of the probe language", ""),
    "While": ("while is not part of the probe language", ""),
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
    "Delete": ("del is not part of the probe language", ""),
    "Assert": ("assert is not part of the probe language", "write: if not ...: return None"),
    "Match": ("match is not part of the probe language", "use if/elif"),
}

_STATEMENTS: dict[type[ast.stmt], Callable[[Lowering, ast.stmt], bool]] = {
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.If: _if,
    ast.Return: _return,
    ast.Expr: _expression,
    ast.Pass: _pass,
}
