"""Calls of Python functions: the callee is lowered in place of the call, with locals of its own.

A parameter that the callee never assigns is the argument itself, so that constants stay constants
and pointers keep what is known of them. The kernel has no stack to speak of, and its verifier
forgets at a call what it knows of pointers; hence no calls in the object, and no recursion.
"""

from __future__ import annotations

import ast
import functools
from types import FunctionType, MethodType
from typing import TYPE_CHECKING

import msgspec

from syscast.diagnostics import CompileError
from syscast.frontend.python.assignment import assign
from syscast.frontend.python.binding import Arguments, bind
from syscast.frontend.python.context import Frame, Rejected, Scope
from syscast.frontend.python.members import captured, namespace
from syscast.frontend.python.returns import OnlyReturn, Returned
from syscast.frontend.python.source import FunctionSource, read_function
from syscast.frontend.python.statements import run
from syscast.frontend.python.values import IntValue, Lowered, PyValue

if TYPE_CHECKING:
    from syscast.frontend.python.context import Lowering, Returns, Sink

MAX_CALLS = 10_000
"""Calls lowered in place in one probe; where functions call functions twice, they multiply."""
MAX_DEPTH = 32
"""Calls inside calls; each takes some of Python's own stack here."""

_CO_GENERATOR = 0x20
_CO_COROUTINE = 0x80
_CO_ASYNC_GENERATOR = 0x200
_OWN = "syscast"
_WITH_PROBES = ["cli"]
"""The room whose modules have probes of their own."""


class Callee:
    """A Python function to be lowered in place, and the arguments it has already."""

    def __init__(
        self,
        function: FunctionType,
        first: tuple[object, ...] = (),
        keywords: tuple[tuple[str, object], ...] = (),
    ) -> None:
        self.function = function
        self.first = first
        self.keywords = keywords


def callee_of(value: object) -> Callee | None:
    """The function behind something callable; None for classes, builtins and syscast's own."""
    value = getattr(value, "__probed__", value)  # a decorated probe is called as its function
    if isinstance(value, FunctionType):
        room = str(value.__module__).split(".")
        own = room[0] == _OWN and room[1:2] != _WITH_PROBES
        return None if own else Callee(value)
    if isinstance(value, MethodType):
        inner = callee_of(value.__func__)
        return Callee(inner.function, (value.__self__, *inner.first)) if inner else None
    if isinstance(value, functools.partial):
        wrapped: object = value.func
        inner = callee_of(wrapped)
        if inner is None:
            return None
        keywords = {**dict(inner.keywords), **value.keywords}
        return Callee(inner.function, (*inner.first, *value.args), tuple(keywords.items()))
    if isinstance(value, type):
        return None
    method: object = getattr(type(value), "__call__", None)  # noqa: B004  (the function is wanted)
    return Callee(method, (value,)) if isinstance(method, FunctionType) else None


def inline(low: Lowering, node: ast.Call, callee: Callee) -> Lowered:
    """Lower a callee in place of its call; gives what it returns."""
    sink = low.sink
    source = _source(low, node, callee.function)
    _check_chain(low, node, source)
    return _inlined(low, node, source, _bound(low, node, callee, source), sink)


def inline_with(low: Lowering, node: ast.Call, callee: Callee, argument: Lowered) -> Lowered:
    """`inline`, with one more argument that no expression gives; the call itself has none."""
    source = _source(low, node, callee.function)
    _check_chain(low, node, source)
    given = _bound(low, node, callee, source, argument)
    return _inlined(low, node, source, given, None)


def _inlined(
    low: Lowering,
    node: ast.Call,
    source: FunctionSource,
    given: dict[str, Lowered],
    sink: Sink | None,
) -> Lowered:
    low.inlined += 1
    if sink is not None and sink.node is node:
        sink.taken = True
        _lower_inside(low, node, source, given, sink.returns)
        return PyValue(None)  # nobody looks at it
    if source.only_return:
        only = OnlyReturn()
        _lower_inside(low, node, source, given, only)
        return only.value
    several = Returned(low, source.name)
    _lower_inside(low, node, source, given, several)
    low.builder.start(several.end)
    return several.load(low, node)


def _lower_inside(
    low: Lowering,
    node: ast.Call,
    source: FunctionSource,
    given: dict[str, Lowered],
    returns: Returns,
) -> None:
    """Lower the callee in a scope of its own."""
    findings = len(low.diagnostics)
    scope = Scope(source.text, source, returns)
    scope.prefix = f"({low.context.section} call {low.inlined}) "
    scope.stored = source.assigned
    before = low.enter(scope)
    stack = low.stack
    low.stack = (*stack, Frame(source.code, source.name, before.text.span(node)))
    try:
        _body(low, source, given, returns)
    finally:
        low.stack = stack
        low.enter(before)
    if len(low.diagnostics) > findings:
        if low.builder.terminated:  # the rest of the expression is looked at all the same
            low.builder.start(low.builder.label("rejected"))
        raise Rejected(None)


def _body(
    low: Lowering, source: FunctionSource, given: dict[str, Lowered], returns: Returns
) -> None:
    """Lower the callee's statements; low is in its scope."""
    definition = source.node
    for label, value in given.items():
        if label in source.assigned and isinstance(value, PyValue) and value.value is None:
            low.constants[label] = value  # until it is assigned
        elif label in source.assigned:
            anchor = ast.copy_location(ast.Name(label, ast.Load()), _parameter(definition, label))
            assign(low, anchor, label, value)
        else:
            low.bound[label] = value
            if isinstance(value, IntValue):
                low.ranges[label] = value.interval
    findings = len(low.diagnostics)
    goes_on = run(low, definition.body)
    if goes_on and not returns.direct and len(low.diagnostics) == findings:
        returns.give(low, definition.body[-1], PyValue(None))


def _parameter(definition: ast.FunctionDef, label: str) -> ast.arg:
    spec = definition.args
    return next(
        arg for arg in [*spec.posonlyargs, *spec.args, *spec.kwonlyargs] if arg.arg == label
    )


def _source(low: Lowering, node: ast.Call, function: FunctionType) -> FunctionSource:
    flags = function.__code__.co_flags
    name = function.__name__
    if flags & (_CO_GENERATOR | _CO_COROUTINE | _CO_ASYNC_GENERATOR):
        kind = "a generator" if flags & _CO_GENERATOR else "a coroutine"
        raise low.rejection(
            node.func,
            f"{name}() is {kind}, and a probe cannot call one",
            "call a plain function; only a probe itself can yield",
        )
    source = low.unit.functions.get(function)
    if source is None:
        try:
            source = read_function(function, "function")
        except CompileError as error:
            raise Rejected(
                msgspec.structs.replace(
                    error.diagnostics[0],
                    notes=(*error.diagnostics[0].notes, f"called from {low.span(node)}"),
                )
            ) from None
        low.unit.functions[function] = source
        low.unit.source(source.text)
    return source


def _check_chain(low: Lowering, node: ast.Call, source: FunctionSource) -> None:
    """Refuse recursion, and what would grow without end."""
    chain = [(frame.code, frame.name) for frame in low.stack]
    if low.probe is not None:
        chain.insert(0, (low.probe.code, low.probe.name))
    codes = [code for code, _ in chain]
    if source.code in codes:
        names = [name for _, name in chain[codes.index(source.code) :]]
        path = " calls ".join(f"{name}()" for name in [*names, source.name])
        raise low.rejection(
            node,
            f"recursion: {path}",
            "a probe has no stack for that; use a loop with a limit",
        )
    if len(low.stack) >= MAX_DEPTH:
        raise low.rejection(
            node, f"calls are nested {MAX_DEPTH} deep here", "call fewer functions"
        )
    if low.inlined >= MAX_CALLS:
        raise low.rejection(
            node,
            f"the probe grows too large: {low.inlined} calls so far",
            "each call of a function is a copy of it; call fewer, or smaller ones",
        )


def _bound(
    low: Lowering,
    node: ast.Call,
    callee: Callee,
    source: FunctionSource,
    *more: Lowered,
) -> dict[str, Lowered]:
    """The arguments by parameter, evaluated in the order written, then defaults."""
    positional: list[tuple[ast.AST, Lowered]] = [(node, PyValue(each)) for each in callee.first]
    keywords: dict[str, tuple[ast.AST, Lowered]] = {
        label: (node, PyValue(each)) for label, each in callee.keywords
    }
    positional += [(node, each) for each in more]
    for argument in node.args:
        if isinstance(argument, ast.Starred):
            raise low.rejection(argument, "`*` is not part of the probe language")
        positional.append((argument, _argument(low, argument)))
    for keyword in node.keywords:
        if keyword.arg is None:
            raise low.rejection(
                keyword.value, "`**` is not part of the probe language", "name each argument"
            )
        keywords[keyword.arg] = (keyword, _argument(low, keyword.value))
    return bind(low, node, callee.function, source, Arguments(positional, keywords))


def _argument(low: Lowering, node: ast.expr) -> Lowered:
    """An argument; a Python object of a class of the user's may be one, for its attributes."""
    held = namespace(low, node)
    if held is None:
        return low.expr(node)
    try:
        return captured(low, node, held.value)
    except Rejected:
        return held
