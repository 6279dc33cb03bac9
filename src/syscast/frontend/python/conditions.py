"""Conditions as control flow: which way a branch goes, and what is known behind it.

``if n > 64: return`` leaves an ``n`` of at most 64; ``a and (b := x.y)`` gives ``b`` a value only where it
was evaluated.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from syscast.frontend.python.values import IntValue
from syscast.ir.intervals import narrowed
from syscast.ir.ops import Predicate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syscast.frontend.python.context import Flow, Lowering
    from syscast.frontend.python.values import Lowered

_PREDICATES: Mapping[type[ast.cmpop], Predicate] = {
    ast.Eq: Predicate.EQ,
    ast.NotEq: Predicate.NE,
    ast.Lt: Predicate.SLT,
    ast.LtE: Predicate.SLE,
    ast.Gt: Predicate.SGT,
    ast.GtE: Predicate.SGE,
}


def branch_on(low: Lowering, node: ast.expr, then: str, other: str) -> tuple[Flow, Flow]:
    """End the block with a branch on an expression's truth.

    Returns:
        What is known of the variables at ``then`` and at ``other``.
    """
    match node:
        case ast.BoolOp():
            return _several(low, node, then, other)
        case ast.UnaryOp(op=ast.Not()):
            false, true = branch_on(low, node.operand, other, then)
            return true, false
        case ast.Compare() if all(type(op) in _PREDICATES for op in node.ops):
            return _chain(low, node, then, other)
        case _:
            low.branch(node, low.truth(node), then, other)
            return low.flow(), low.flow()


def _several(low: Lowering, node: ast.BoolOp, then: str, other: str) -> tuple[Flow, Flow]:
    stops = isinstance(node.op, ast.Or)
    decided: list[Flow] = []
    for operand in node.values[:-1]:
        more = low.builder.label("more")
        if stops:
            early, on = branch_on(low, operand, then, more)
        else:
            on, early = branch_on(low, operand, more, other)
        decided.append(early)
        low.builder.start(more)
        low.resume(on)
    true, false = branch_on(low, node.values[-1], then, other)
    low.resume(true if stops else false, *decided)
    met = low.flow()
    return (met, false) if stops else (true, met)


def _chain(low: Lowering, node: ast.Compare, then: str, other: str) -> tuple[Flow, Flow]:
    """``a < b < c``: each operand is evaluated once, and none after the answer is known."""
    sides = [node.left, *node.comparators]
    values = [low.expr(node.left)]
    decided: list[Flow] = []
    for position, op in enumerate(node.ops):
        values.append(low.expr(sides[position + 1]))
        last = position == len(node.ops) - 1
        one = ast.copy_location(ast.Compare(sides[position], [op], [sides[position + 1]]), node)
        target = then if last else low.builder.label("compare")
        true, false = _comparison(low, one, values[position:], (target, other))
        decided.append(false)
        if not last:
            low.builder.start(target)
        low.resume(true)
    true = low.flow()
    low.resume(*decided)
    return true, low.flow()


def _comparison(
    low: Lowering, node: ast.Compare, values: Sequence[Lowered], ends: tuple[str, str]
) -> tuple[Flow, Flow]:
    """One comparison of values that were lowered already."""
    sides = (node.left, node.comparators[0])
    predicate = _PREDICATES[type(node.ops[0])]
    low.held |= {id(side): value for side, value in zip(sides, values, strict=True)}
    try:
        truth = low.truth(node)
    finally:
        for side in sides:
            low.held.pop(id(side), None)
    low.branch(node, truth, *ends)
    known = [low.known(side, value) for side, value in zip(sides, values, strict=True)]
    flows = low.flow(), low.flow()
    a, b = known
    if isinstance(a, IntValue) and isinstance(b, IntValue):
        for flow, holds in zip(flows, (True, False), strict=True):
            pair = narrowed(predicate, a.interval, b.interval, holds=holds)
            for side, interval in zip(sides, pair, strict=True):
                name = _name(side)
                if name in flow.ranges:
                    flow.ranges[name] = interval
    return flows


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.NamedExpr):
        return node.target.id
    return node.id if isinstance(node, ast.Name) else ""
