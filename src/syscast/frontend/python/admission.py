"""Filters on events, lowered into the probe: what they refuse is never sent.

A filter is a Python function of the finished event, and Python must be able to run it instead with
the same outcome. So it may ask here only for what both sides answer alike: numbers, truth, text
compared as a whole or from its start. (Python has text decoded; the kernel has its bytes.)
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from syscast.diagnostics import CompileError
from syscast.events.envelope import KEYS
from syscast.events.event import Event
from syscast.frontend.python.context import Rejected
from syscast.frontend.python.functions import callee_of, inline_with
from syscast.frontend.python.language import Current
from syscast.frontend.python.members import namespace
from syscast.frontend.python.readonly import ReadOnly
from syscast.frontend.python.values import (
    BoolValue,
    EventValue,
    IntValue,
    Lowered,
    PyValue,
    RecordValue,
    StrValue,
)
from syscast.ir.ops import Compare, Guard, Predicate
from syscast.ir.types import BOOL, I64, U8, U64, Const, IntType, PtrType, Reg, Space

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.events.where import Where
    from syscast.frontend.python.context import Handler, Lowering
    from syscast.spec.meta import FieldMeta

_ENVELOPE = {"pid": "pid", "tid": "tid", "comm": "comm", "cpu": "cpu", "cgroup_id": "cgroup_id"}
"""Values of the envelope that the running task gives; its time and number come later."""
_NUMBERS = frozenset({"int", "port", "enum", "pointer"})
_ONLY_CALLS = frozenset({int, bool, min, max, abs})
_ALIKE = frozenset({"startswith"})
"""Methods of text that give the same for bytes and for what is decoded from them."""


class Unfilterable(Exception):  # noqa: N818  (control flow inside the front end, never shown)
    """A filter that Python has to run; the message says why."""


class Admission:
    """The filters of one probe; a `syscast.frontend.python.context.Gate`."""

    def __init__(self, where: Where) -> None:
        self._where = where

    def admit(self, low: Lowering, node: ast.AST, event: EventValue) -> str:
        """See `_admit`."""
        return _admit(low, node, event, self._where)

    def field(self, low: Lowering, node: ast.Attribute, record: RecordValue) -> Lowered | None:
        """See `_field_value`."""
        return _field_value(low, node, record)


def _admit(low: Lowering, node: ast.AST, event: EventValue, where: Where) -> str:
    """Lower the filters; gives the label that stands behind the event, for what they refuse.

    Raises:
        Unfilterable: A filter is outside the language, or what it asks for is.
        CompileError: It asks for a field that the event does not have.
    """
    schema = low.inferred if low.inferred is not None else low.unit.schema(event.schema)
    skip = low.builder.label("refused")
    tables = low.handlers, low.calls, low.methods, low.states
    low.handlers = {
        **low.handlers,
        ast.Compare: _compare(low.handlers[ast.Compare]),
        ast.Subscript: _subscript(low.handlers[ast.Subscript]),
        ast.Attribute: _attribute(low.handlers[ast.Attribute]),
        ast.Constant: _constant(low.handlers[ast.Constant]),
        ast.Name: _constant(low.handlers[ast.Name]),
    }
    low.handlers = {k: v for k, v in low.handlers.items() if k is not ast.JoinedStr}
    low.calls = {id(each): low.calls[id(each)] for each in _ONLY_CALLS if id(each) in low.calls}
    low.methods = {
        key: handler
        for key, handler in low.methods.items()
        if key[0] is not StrValue or key[1] in _ALIKE
    }
    low.states = lambda: ReadOnly(tables[3]())
    low.add(Guard(skip, span=low.span(node)))
    try:
        for function in where.functions:
            _one(low, node, function, RecordValue(event, schema), skip)
    finally:
        low.handlers, low.calls, low.methods, low.states = tables
    low.add(Guard("", span=low.span(node)))
    return skip


def _one(
    low: Lowering,
    node: ast.AST,
    function: Callable[[Event], object],
    record: RecordValue,
    skip: str,
) -> None:
    callee = callee_of(function)
    if callee is None:
        name = getattr(function, "__name__", type(function).__name__)
        raise Unfilterable(f"{name} is no function written in Python")
    findings = len(low.diagnostics)
    name = ast.copy_location(ast.Name("where", ast.Load()), node)
    call = ast.copy_location(ast.Call(name, [], []), node)
    try:
        truth = low.truth(name, inline_with(low, call, callee, record))
    except Rejected as rejected:
        finding = rejected.diagnostic or low.diagnostics[findings]
        raise Unfilterable(f"{finding.span}: {finding.message}") from None
    passes = low.builder.label("wanted")
    low.branch(node, truth, passes, skip)
    low.builder.start(passes)


def _field_value(low: Lowering, node: ast.Attribute, record: RecordValue) -> Lowered | None:
    """A field of the event at hand, as Python would have it; None for a value of the envelope."""
    values = dict(record.event.fields)
    for field in record.schema.fields:
        if field.name == node.attr:
            return _field(low, node, field, values[field.name])
    if node.attr in _ENVELOPE:
        return None
    if node.attr in KEYS or hasattr(Event, node.attr):
        raise low.rejection(node, f"'{node.attr}' of an event is known to its reader only")
    known = ", ".join([*values, *KEYS])
    raise CompileError(
        [
            low.text.diagnostic(
                node, f"event {record.schema.name} has no field '{node.attr}'", f"it has {known}"
            )
        ]
    )


def _field(low: Lowering, node: ast.expr, field: FieldMeta, value: Reg | Const) -> Lowered:
    type_ = value.type
    if field.kind == "str" and isinstance(type_, PtrType) and type_.space is Space.STACK:
        return StrValue(value, field.size)
    if field.kind == "bool":
        if isinstance(value, Const):
            return BoolValue(Const(int(bool(value.value)), BOOL))
        truth = low.reg(BOOL)
        low.add(Compare(truth, Predicate.NE, value, Const(0, U8), span=low.span(node)))
        return BoolValue(truth)
    if field.kind in _NUMBERS and isinstance(type_, IntType):
        if isinstance(value, Const):
            return IntValue(Const(value.value, U64 if type_ == U64 else I64), type_)
        return IntValue(low.widen(node, value, type_), type_)
    raise low.rejection(
        node, f"field '{field.name}' of kind {field.kind} can be compared in Python only"
    )


# ---------------------------------------------------------------- what both sides answer alike


def _compare(handler: Handler) -> Handler:
    def compare(low: Lowering, node: ast.expr) -> Lowered:
        assert isinstance(node, ast.Compare)
        if not any(isinstance(op, ast.In | ast.NotIn) for op in node.ops):
            return handler(low, node)
        if len(node.ops) > 1:
            raise low.rejection(node, "`in` stands among other comparisons")
        sides = [node.left, *node.comparators]
        fresh = [each for each in sides if id(each) not in low.held]
        values = [low.expr(each) for each in sides]
        if isinstance(values[1], StrValue):
            raise low.rejection(node, "Python looks into decoded text, the kernel into bytes")
        low.held |= {id(each): value for each, value in zip(sides, values, strict=True)}
        try:
            return handler(low, node)
        finally:
            for each in fresh:
                low.held.pop(id(each), None)

    return compare


def _check_text(low: Lowering, node: ast.expr, value: Lowered) -> None:
    if isinstance(value, PyValue) and _has_backslash(value.value):
        raise low.rejection(node, "Python writes bytes that are no text with a backslash")


def _has_backslash(held: object) -> bool:
    if isinstance(held, tuple | set | frozenset):
        return any(_has_backslash(each) for each in held)
    return isinstance(held, str) and "\\" in held


def _subscript(handler: Handler) -> Handler:
    def subscript(low: Lowering, node: ast.expr) -> Lowered:
        assert isinstance(node, ast.Subscript)
        if isinstance(low.expr(node.value), StrValue):
            raise low.rejection(node, "Python counts characters, the kernel bytes")
        return handler(low, node)

    return subscript


def _attribute(handler: Handler) -> Handler:
    def attribute(low: Lowering, node: ast.expr) -> Lowered:
        assert isinstance(node, ast.Attribute)
        held = namespace(low, node.value)
        if held is not None and isinstance(held.value, Current):
            raise CompileError(
                [
                    low.text.diagnostic(
                        node,
                        "`current` is whoever runs, and a filter may run in the reader",
                        f"ask the event: e.{node.attr}",
                    )
                ]
            )
        value = handler(low, node)
        _check_text(low, node, value)
        return value

    return attribute


def _constant(handler: Handler) -> Handler:
    def constant(low: Lowering, node: ast.expr) -> Lowered:
        value = handler(low, node)
        _check_text(low, node, value)
        return value

    return constant
