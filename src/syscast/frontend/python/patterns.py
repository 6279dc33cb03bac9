"""``match`` on constants: numbers, strings, None, members of enums, alternatives, guards.

The subject is evaluated once. Text that lies in the kernel is read once, as far as the longest
constant needs.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from syscast.btf.types import Array
from syscast.frontend.python.assignment import assign, items_of
from syscast.frontend.python.conditions import branch_on
from syscast.frontend.python.eventing import as_text
from syscast.frontend.python.ownership import owned
from syscast.frontend.python.storing import names_in, stored_names
from syscast.frontend.python.values import (
    BoolValue,
    PlaceValue,
    PtrValue,
    PyValue,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from syscast.frontend.python.context import Flow, Lowering
    from syscast.frontend.python.values import Lowered

_MAX_TEXT = 4096
_CONSTANTS = "write constants, `|` between them, `_`, or a name with `if`"


def match(
    low: Lowering, node: ast.Match, run: Callable[[Lowering, Sequence[ast.stmt]], bool]
) -> bool:
    """Lower a whole match statement, cases by ``run``; says whether control gets past it."""
    subject = _subject(low, node)
    end = low.builder.label("matched")
    paths: list[Flow] = []
    open_ended = True
    for case in node.cases:
        body, following = low.builder.label("case"), low.builder.label("no_case")
        missed = _Misses(following)
        _test(low, case.pattern, node.subject, subject, missed)
        for place, name, value in missed.captures:
            assign(low, place, name, value)
        if case.guard is not None:
            yes, no = branch_on(low, case.guard, body, following)
            missed.flows.append(no)
            low.resume(yes)
        else:
            low.jump(body)
        low.builder.start(body)
        if run(low, case.body):
            low.jump(end)
            paths.append(low.flow())
        if not missed.flows:
            open_ended = False  # nothing gets past an irrefutable case
            break
        low.builder.start(following)
        low.resume(*missed.flows)
    if open_ended:
        low.jump(end)
        paths.append(low.flow())
    if not paths:
        return False
    low.resume(*paths)
    low.builder.start(end)
    return True


class _Misses:
    """Where a pattern that does not match goes, what is known there, and what it captures."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.flows: list[Flow] = []
        # Names are bound once all of the pattern has matched, and before the guard.
        self.captures: list[tuple[ast.expr, str, Lowered]] = []


def _test(
    low: Lowering, pattern: ast.pattern, node: ast.expr, value: Lowered, missed: _Misses
) -> None:
    """Leave to ``missed`` unless the pattern matches; else go on in the open block."""
    match pattern:
        case ast.MatchAs(pattern=inner, name=name):
            if inner is not None:
                _test(low, inner, node, value, missed)
            if name is not None:
                place = ast.copy_location(ast.Name(name), pattern)
                missed.captures.append((place, name, value))
        case ast.MatchValue():
            _equal(low, pattern.value, ast.Eq(), node, value, missed)
        case ast.MatchSingleton():
            _singleton(low, pattern, node, value, missed)
        case ast.MatchOr():
            _alternatives(low, pattern, node, value, missed)
        case ast.MatchSequence():
            _elements(low, pattern, node, value, missed)
        case _:
            raise low.rejection(pattern, *_OUTSIDE[type(pattern)])


_OUTSIDE = {
    ast.MatchClass: (
        "a class pattern needs Python's type checks; a probe's values have none at run time",
        _CONSTANTS,
    ),
    ast.MatchMapping: ("a mapping pattern needs a dict, and a probe has none", _CONSTANTS),
    ast.MatchStar: ("`*` gathers a list, and a probe has no heap", "name each element"),
}


def _equal(
    low: Lowering,
    wanted: ast.expr,
    op: ast.cmpop,
    node: ast.expr,
    value: Lowered,
    missed: _Misses,
) -> None:
    """Go on where the subject equals a constant."""
    if isinstance(value, PyValue) and isinstance(value.value, str | bytes):
        raise low.rejection(node, "the subject is a constant, so one case is always taken")
    hit = low.builder.label("match")
    test = ast.copy_location(ast.Compare(node, [op], [wanted]), wanted)
    low.held[id(node)] = value
    try:
        yes, no = branch_on(low, test, hit, missed.label)
    finally:
        low.held.pop(id(node), None)
    missed.flows.append(no)
    low.builder.start(hit)
    low.resume(yes)


def _singleton(
    low: Lowering, pattern: ast.MatchSingleton, node: ast.expr, value: Lowered, missed: _Misses
) -> None:
    if isinstance(pattern.value, bool):
        value = low.known(node, value)
        if not isinstance(value, BoolValue):
            raise low.rejection(
                pattern, f"{low.describe(value)} is never {pattern.value}", "write a number"
            )
        hit = low.builder.label("match")
        ways = (hit, missed.label) if pattern.value else (missed.label, hit)
        low.branch(pattern, value.value, *ways)
        missed.flows.append(low.flow())
        low.builder.start(hit)
        return
    if not isinstance(value, PtrValue):
        raise low.rejection(
            pattern, f"{low.describe(value)} is never None", "only pointers can be None"
        )
    none = ast.copy_location(ast.Constant(None), pattern)
    _equal(low, none, ast.Is(), node, value, missed)


def _alternatives(
    low: Lowering, pattern: ast.MatchOr, node: ast.expr, value: Lowered, missed: _Misses
) -> None:
    for each in ast.walk(pattern):
        if isinstance(each, ast.MatchAs) and each.name is not None:
            raise low.rejection(
                each,
                "alternatives cannot capture a name in a probe",
                "name the whole: (A | B) as x",
            )
    hit = low.builder.label("match")
    flows: list[Flow] = []
    for alternative in pattern.patterns[:-1]:
        following = low.builder.label("or")
        other = _Misses(following)
        _test(low, alternative, node, value, other)
        flows.append(low.flow())
        low.jump(hit)
        low.builder.start(following)
        low.resume(*other.flows)
    _test(low, pattern.patterns[-1], node, value, missed)
    low.jump(hit)
    low.builder.start(hit)
    low.resume(*flows, low.flow())


def _elements(
    low: Lowering, pattern: ast.MatchSequence, node: ast.expr, value: Lowered, missed: _Misses
) -> None:
    items = items_of(value)
    if items is None or not isinstance(node, ast.Tuple):
        raise low.rejection(
            pattern,
            f"a sequence pattern takes a tuple apart, this is {low.describe(value)}",
            "match (a, b): with the tuple written in place; or " + _CONSTANTS,
        )
    if len(items) != len(pattern.patterns):
        raise low.rejection(pattern, f"{len(pattern.patterns)} patterns for {len(items)} values")
    for each, part, item in zip(pattern.patterns, node.elts, items, strict=True):
        _test(low, each, part, item, missed)


# ---------------------------------------------------------------- the subject


def _subject(low: Lowering, node: ast.Match) -> Lowered:
    value = low.expr(node.subject)
    if isinstance(value, PlaceValue | PtrValue):
        longest = max((len(each) for each in _texts(low, node)), default=-1)
        return _text(low, node.subject, value, longest) if longest >= 0 else value
    rewritten = any(isinstance(each, ast.NamedExpr) for each in ast.walk(node))
    captured = stored_names(case.pattern for case in node.cases)
    if rewritten or captured & names_in([node.subject]):
        value = owned(low, node.subject, value)
    return low.known(node.subject, value)


def _text(low: Lowering, node: ast.expr, value: PlaceValue | PtrValue, longest: int) -> Lowered:
    size = min(longest + 2, _MAX_TEXT)  # one more than is equal, and the NUL
    if isinstance(value, PlaceValue):
        kind = low.btf.type(low.btf.resolve(value.type_id))
        size = min(size, kind.count + 1) if isinstance(kind, Array) and kind.count else size
    elif value.array:
        size = min(size, value.array + 1)
    return as_text(low, node, value, size) or value


def _texts(low: Lowering, node: ast.Match) -> Iterator[bytes]:
    """The strings that the patterns compare with."""
    for case in node.cases:
        for each in ast.walk(case.pattern):
            if isinstance(each, ast.MatchValue):
                value = low.expr(each.value)
                if isinstance(value, PyValue) and isinstance(value.value, str):
                    yield value.value.encode(errors="surrogateescape")
                elif isinstance(value, PyValue) and isinstance(value.value, bytes):
                    yield value.value
