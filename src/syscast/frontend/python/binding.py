"""Arguments to parameters by Python's rules; what does not fit is said in Python's words."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import msgspec

from syscast.frontend.python.values import Lowered, PyValue

if TYPE_CHECKING:
    from types import FunctionType

    from syscast.frontend.python.context import Lowering, Rejected
    from syscast.frontend.python.source import FunctionSource


class Arguments(msgspec.Struct, frozen=True):
    """What a call gives, each with the node to blame."""

    positional: list[tuple[ast.AST, Lowered]]
    keywords: dict[str, tuple[ast.AST, Lowered]]


def bind(
    low: Lowering,
    node: ast.Call,
    function: FunctionType,
    source: FunctionSource,
    given: Arguments,
) -> dict[str, Lowered]:
    """Match a call's arguments to a function's parameters; defaults are what Python keeps of them."""
    spec = source.node.args
    _check_stars(low, node, function, spec)
    name = f"{function.__qualname__}()"
    only = [arg.arg for arg in spec.posonlyargs]
    places = [*only, *(arg.arg for arg in spec.args)]
    labels = [arg.arg for arg in spec.kwonlyargs]
    bound = {place: value for place, (_, value) in zip(places, given.positional, strict=False)}
    wrong_kind = [label for label in given.keywords if label in only]
    for label, (at, value) in given.keywords.items():
        if label in wrong_kind:
            continue
        if label not in places and label not in labels:
            raise low.rejection(
                at,
                f"{name} got an unexpected keyword argument '{label}'",
                f"its parameters: {', '.join([*places, *labels]) or 'none'}",
            )
        if label in bound:
            raise low.rejection(at, f"{name} got multiple values for argument '{label}'")
        bound[label] = value
    if wrong_kind:
        raise low.rejection(
            given.keywords[wrong_kind[0]][0],
            f"{name} got some positional-only arguments passed as keyword arguments: "
            f"'{', '.join(wrong_kind)}'",
        )
    if len(given.positional) > len(places):
        raise _too_many(low, function, given, places)
    defaults = dict(zip(reversed(places), reversed(function.__defaults__ or ()), strict=False))
    defaults.update(function.__kwdefaults__ or {})
    _check_missing(
        low, node, name, [p for p in places if p not in bound and p not in defaults], "positional"
    )
    _check_missing(
        low,
        node,
        name,
        [p for p in labels if p not in bound and p not in defaults],
        "keyword-only",
    )
    for label in [*places, *labels]:
        if label not in bound:
            bound[label] = PyValue(defaults[label])
    return bound


def _check_stars(
    low: Lowering, node: ast.Call, function: FunctionType, spec: ast.arguments
) -> None:
    for extra, star in ((spec.vararg, "*"), (spec.kwarg, "**")):
        if extra is not None:
            raise low.rejection(
                node,
                f"{function.__qualname__}() takes {star}{extra.arg}, which a probe cannot call",
                "give it parameters with names"
                + (
                    ", or call what the decorator wraps"
                    if hasattr(function, "__wrapped__")
                    else ""
                ),
            )


def _too_many(
    low: Lowering,
    function: FunctionType,
    given: Arguments,
    places: list[str],
) -> Rejected:
    """As ``too_many_positional()`` in CPython's ceval says it."""
    most, count = len(places), len(given.positional)
    least = most - len(function.__defaults__ or ())
    takes = f"from {least} to {most}" if least < most else str(most)
    plural = "" if most == 1 and least == most else "s"
    verb = "was" if count == 1 else "were"
    return low.rejection(
        given.positional[most][0],
        f"{function.__qualname__}() takes {takes} positional argument{plural} but {count} {verb} given",
        f"its parameters: {', '.join(places) or 'none'}",
    )


def _check_missing(
    low: Lowering, node: ast.Call, name: str, missing: list[str], sort: str
) -> None:
    """As ``format_missing()`` in CPython's ceval says it."""
    if not missing:
        return
    quoted = [f"'{label}'" for label in missing]
    if len(quoted) == 1:
        listed = quoted[0]
    elif len(quoted) == 2:
        listed = " and ".join(quoted)
    else:
        listed = f"{', '.join(quoted[:-1])}, and {quoted[-1]}"
    plural = "" if len(quoted) == 1 else "s"
    raise low.rejection(
        node, f"{name} missing {len(quoted)} required {sort} argument{plural}: {listed}"
    )
