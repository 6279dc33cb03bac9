"""Proves that a ``while`` ends: a variable moves towards a known end on every path.

Two sorts are seen. A variable is compared with an end that the loop does not change, and each round
adds a constant to it (``i += 1``); or it is not negative and each round makes it shorter
(``n >>= 1``, ``n //= 10``, ``n &= n - 1``) until it is 0.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from syscast.frontend.python.arguments import python_int
from syscast.frontend.python.storing import stored_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from syscast.frontend.python.context import Lowering
    from syscast.ir.intervals import Interval

_SWAPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
    ast.NotEq: ast.NotEq,
}


def provable_rounds(low: Lowering, node: ast.While) -> int | None:
    """How many rounds a loop has at most; None where nothing shows it."""
    test = node.test
    conditions = (
        test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else [test]
    )
    if stored_names(conditions):
        return None
    found = [rounds for each in conditions for rounds in _rounds(low, each, node)]
    return min(found, default=None)


def _rounds(low: Lowering, condition: ast.expr, loop: ast.While) -> Iterator[int]:
    """Rounds that one condition allows."""
    if isinstance(condition, ast.Name):
        zero = ast.Constant(0)
        condition = ast.Compare(condition, [ast.NotEq()], [zero])
    if not (isinstance(condition, ast.Compare) and len(condition.ops) == 1):
        return
    sides = condition.left, condition.comparators[0]
    op = type(condition.ops[0])
    for (a, b), kind in ((sides, op), (sides[::-1], _SWAPPED.get(op))):
        if kind is None or not isinstance(a, ast.Name) or a.id not in low.ranges:
            continue
        end = _end(low, b, loop)
        if end is not None:
            counted = _counted(low, a.id, kind, end, loop)
            rounds = counted if counted is not None else _shrinking(low, a.id, kind, end, loop)
            if rounds is not None:
                yield rounds


def _end(low: Lowering, node: ast.expr, loop: ast.While) -> Interval | None:
    """Where the end that a variable is compared with lies."""
    if isinstance(node, ast.Name) and node.id in low.ranges:
        return None if node.id in stored_names(loop.body) else low.ranges[node.id]
    known = _constant(low, node)
    return None if known is None else (known, known)


def _constant(low: Lowering, node: ast.expr) -> int | None:
    """An integer known when compiling; asking adds no op."""
    match node:
        case ast.Constant():
            return python_int(low.expr(node))
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            known = _constant(low, inner)
            return None if known is None else -known
        case ast.Name():
            local = node.id in low.locals or node.id in low.stored
            return None if local else python_int(low.expr(node))
        case ast.Attribute(value=ast.Name(id=base)) if base not in low.locals:
            return None if base in low.stored else python_int(low.expr(node))
        case _:
            return None


# ---------------------------------------------------------------- counting


def _counted(
    low: Lowering, name: str, op: type[ast.cmpop], end: Interval, loop: ast.While
) -> int | None:
    steps: list[int] = []

    def is_step(statement: ast.stmt) -> bool:
        step = _step(low, statement, name)
        if step is not None:
            steps.append(step)
        return bool(step)

    if not _on_every_path(loop.body, is_step) or not _only(loop.body, name, is_step):
        return None
    if not steps:
        return 1  # every path leaves the loop in its first round
    low_end, high_end = low.ranges[name]
    up = all(step > 0 for step in steps)
    if not up and not all(step < 0 for step in steps):
        return None
    size = min(abs(step) for step in steps)
    distance = end[1] - low_end if up else high_end - end[0]
    if op in ((ast.LtE,) if up else (ast.GtE,)):
        distance += 1
    elif op is ast.NotEq:
        # It must hit the end: steps of one from the right side.
        meets = set(map(abs, steps)) == {1} and (high_end <= end[0] if up else low_end >= end[1])
        if not meets or len(steps) != 2:  # each statement is seen twice
            return None
    elif op not in ((ast.Lt,) if up else (ast.Gt,)):
        return None
    return max(0, -(-distance // size))


def _step(low: Lowering, statement: ast.stmt, name: str) -> int | None:
    """What ``i += 2``, ``i -= 2`` or ``i = i + 2`` adds."""
    match statement:
        case ast.AugAssign(target=ast.Name(id=target), op=op, value=value) if target == name:
            pass
        case ast.Assign(
            targets=[ast.Name(id=target)],
            value=ast.BinOp(left=ast.Name(id=source), op=op, right=value),
        ) if target == source == name:
            pass
        case _:
            return None
    known = _constant(low, value)
    if known is None or not isinstance(op, ast.Add | ast.Sub):
        return None
    return known if isinstance(op, ast.Add) else -known


# ---------------------------------------------------------------- shrinking


def _shrinking(
    low: Lowering, name: str, op: type[ast.cmpop], end: Interval, loop: ast.While
) -> int | None:
    lowest, highest = low.ranges[name]
    until_zero = (op in {ast.NotEq, ast.Gt} and end == (0, 0)) or (op is ast.GtE and end == (1, 1))
    if not until_zero or lowest < 0:
        return None

    def is_step(statement: ast.stmt) -> bool:
        return _shortens(low, statement, name)

    if not _on_every_path(loop.body, is_step) or not _only(loop.body, name, is_step):
        return None
    return highest.bit_length()


def _shortens(low: Lowering, statement: ast.stmt, name: str) -> bool:
    """Whether a statement takes at least one bit from a number that is not negative."""
    match statement:
        case ast.AugAssign(target=ast.Name(id=target), op=op, value=value) if target == name:
            pass
        case ast.Assign(
            targets=[ast.Name(id=target)],
            value=ast.BinOp(left=ast.Name(id=source), op=op, right=value),
        ) if target == source == name:
            pass
        case _:
            return False
    if isinstance(op, ast.BitAnd):
        match value:
            case ast.BinOp(left=ast.Name(id=source), op=ast.Sub(), right=ast.Constant(value=1)):
                return source == name
            case _:
                return False
    known = _constant(low, value)
    if known is None:
        return False
    return (isinstance(op, ast.RShift) and known >= 1) or (
        isinstance(op, ast.FloorDiv) and known >= 2
    )


# ---------------------------------------------------------------- paths


def _only(body: Sequence[ast.stmt], name: str, is_step: Callable[[ast.stmt], bool]) -> bool:
    """Whether steps are all that changes a variable."""
    for statement in body:
        if is_step(statement):
            continue
        inner = list(ast.iter_child_nodes(statement))
        if not any(isinstance(each, ast.stmt | ast.match_case) for each in inner):
            if name in stored_names([statement]):
                return False
            continue
        blocks = [each for each in inner if isinstance(each, ast.stmt)]
        for case in (each for each in inner if isinstance(each, ast.match_case)):
            blocks += case.body
            if name in stored_names([case.pattern, *([case.guard] if case.guard else [])]):
                return False
        rest = [each for each in inner if not isinstance(each, ast.stmt | ast.match_case)]
        if name in stored_names(rest) or not _only(blocks, name, is_step):
            return False
    return True


def _on_every_path(body: Sequence[ast.stmt], is_step: Callable[[ast.stmt], bool]) -> bool:
    """Whether each way through a body to its end or to a ``continue`` has a step."""
    try:
        return _walk(body, is_step, done=False)
    except _MissedError:
        return False


class _MissedError(Exception):
    """A ``continue`` that no step stands before."""


def _walk(body: Sequence[ast.stmt], is_step: Callable[[ast.stmt], bool], *, done: bool) -> bool:
    for statement in body:
        match statement:
            case ast.Continue():
                if not done:
                    raise _MissedError
                return True
            case ast.Break() | ast.Return():
                return True
            case ast.If():
                then = _walk(statement.body, is_step, done=done)
                done = _walk(statement.orelse, is_step, done=done) and then
            case ast.Match():
                ends = [_walk(case.body, is_step, done=done) for case in statement.cases]
                done = done or (all(ends) and _takes_all(statement.cases[-1]))
            case ast.For() | ast.While():
                # Its own `continue` and steps are not ours; one in its `else` is, if it is reached.
                _walk(statement.orelse, is_step, done=done)
            case _:
                done = done or is_step(statement)
    return done


def _takes_all(case: ast.match_case) -> bool:
    return isinstance(case.pattern, ast.MatchAs) and not (case.pattern.pattern or case.guard)
