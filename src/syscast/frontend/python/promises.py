"""What a probe's return annotation promises, held against what the probe returns.

Annotations are optional. One that is there must be true, or it misleads its reader and the type
checker: a probe returns an event or None, and a generator says so as ``Generator[None, int, Event]``.
"""

from __future__ import annotations

import ast
import typing
from typing import TYPE_CHECKING

from syscast.events.event import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syscast.diagnostics import Diagnostic
    from syscast.frontend.python.source import FunctionSource

_GENERATORS = frozenset({"Generator", "Iterator", "Iterable"})
_PLAIN = (int, str, bool, float, bytes, list, tuple, dict, set, complex)


def broken_promises(source: FunctionSource) -> list[Diagnostic]:
    """Findings about a probe's return annotation; none where there is none, or it is not understood."""
    annotation = source.node.returns
    if annotation is None:
        return []
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return _hold(source, annotation, _parsed(annotation))
    return _hold(source, annotation, annotation)


def _parsed(annotation: ast.Constant) -> ast.expr | None:
    try:
        return ast.parse(str(annotation.value), mode="eval").body
    except SyntaxError:
        return None


def _hold(source: FunctionSource, at: ast.expr, annotation: ast.expr | None) -> list[Diagnostic]:
    if annotation is None:
        return []
    returned = _generated(annotation)
    if source.is_generator and returned is None and _is_return_type(source, annotation):
        written = ast.unparse(annotation)
        return [
            source.text.diagnostic(
                at,
                f"a function with a `yield` is a generator, not {written}",
                f"annotate it as Generator[None, int, {written}]: int is what `yield` gives",
            )
        ]
    if not source.is_generator and returned is not None:
        written = ast.unparse(returned)
        return [
            source.text.diagnostic(
                at,
                "this is annotated as a generator, and it has no `yield`",
                f"annotate it as {written}, or write `ret = yield` where the kernel function runs",
            )
        ]
    wanted = list(_alternatives(source, annotation if returned is None else returned))
    for value in wanted:
        if value in _PLAIN:
            name = getattr(value, "__name__", "")
            return [
                source.text.diagnostic(
                    at,
                    f"a probe returns an event or None, not {name}",
                    "declare a class: class Name(sc.Event), and annotate `-> Name | None`",
                )
            ]
    if not all(value is None or _is_event(value) for value in wanted):
        return []
    return list(_other_events(source, at, [value for value in wanted if value is not None]))


def _other_events(
    source: FunctionSource, at: ast.expr, wanted: list[object]
) -> Iterator[Diagnostic]:
    """Events returned whose class the annotation does not name."""
    for node in _returns(source.node):
        if not isinstance(node.value, ast.Call):
            continue
        made = _resolve(source, node.value.func)
        if _is_event(made) and not any(_derives(made, each) for each in wanted):
            name = ast.unparse(node.value.func)
            names = " | ".join(getattr(each, "__name__", "") for each in wanted) or "None"
            yield source.text.diagnostic(
                node.value,
                f"this returns {name}, and the probe is annotated to return {names}",
                f"annotate it as `-> {' | '.join([*([names] if wanted else []), name])}` "
                f"(line {at.lineno}), or not at all",
            )


def _returns(function: ast.FunctionDef) -> Iterator[ast.Return]:
    for node in ast.walk(function):
        if isinstance(node, ast.Return):
            yield node


def _generated(annotation: ast.expr) -> ast.expr | None:
    """The last argument of ``Generator[...]``; None for another annotation."""
    if not isinstance(annotation, ast.Subscript):
        return None
    name = annotation.value
    called = name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", "")
    if called not in _GENERATORS:
        return None
    inner = annotation.slice
    return inner.elts[-1] if isinstance(inner, ast.Tuple) and inner.elts else inner


def _is_return_type(source: FunctionSource, annotation: ast.expr) -> bool:
    """Whether it is understood, and names what a probe returns."""
    return all(
        value is None or _is_event(value) or value in _PLAIN
        for value in _alternatives(source, annotation)
    )


_UNKNOWN = object()


def _alternatives(source: FunctionSource, annotation: ast.expr) -> Iterator[object]:
    """What stands between the ``|``: classes, None, or ``_UNKNOWN``."""
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        yield from _alternatives(source, annotation.left)
        yield from _alternatives(source, annotation.right)
    elif isinstance(annotation, ast.Subscript):
        outer = _resolve(source, annotation.value)
        if outer in {typing.Optional, typing.Union}:
            inner = annotation.slice
            for each in inner.elts if isinstance(inner, ast.Tuple) else [inner]:
                yield from _alternatives(source, each)
            if outer is typing.Optional:
                yield None
        else:
            yield outer if outer in _PLAIN else _UNKNOWN
    else:
        yield _resolve(source, annotation)


def _resolve(source: FunctionSource, node: ast.expr) -> object:
    """The Python object that a dotted name stands for, or ``_UNKNOWN``."""
    if isinstance(node, ast.Constant) and node.value is None:
        return None
    if isinstance(node, ast.Name):
        found, value = source.outer(node.id)
        return value if found else _UNKNOWN
    if isinstance(node, ast.Attribute):
        base = _resolve(source, node.value)
        return _UNKNOWN if base is _UNKNOWN else getattr(base, node.attr, _UNKNOWN)
    return _UNKNOWN


def _is_event(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Event)


def _derives(made: object, wanted: object) -> bool:
    return isinstance(made, type) and isinstance(wanted, type) and issubclass(made, wanted)
