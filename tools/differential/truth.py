"""Random expressions that are true or false."""

from __future__ import annotations

from typing import TYPE_CHECKING

from differential.numbers import logic, ternary, walrus
from differential.writer import BOOL, COMPARISONS, INT, WIDE, Feature, Stuck

if TYPE_CHECKING:
    from differential.writer import Writer


def _range_membership(w: Writer, depth: int) -> str:
    ends = [w.expr(INT, depth - 2) for _ in range(w.random.choice((1, 2, 3)))]
    if len(ends) == 3 and w.chance(0.7):
        ends[2] = w.choose("1", "2", "3", "-1", "-2", "7")
    if len(ends) == 3 and ends[2].lstrip("-") == "0":
        raise Stuck
    x = w.operand(w.choose(INT, INT, WIDE), depth - 1)
    return f"({x} {w.choose('in', 'not in')} range({', '.join(ends)}))"


def _comparison(w: Writer, depth: int) -> str:
    return f"({w.number(depth - 1)} {w.choose(*COMPARISONS)} {w.operand(w.choose(INT, INT, WIDE), depth - 2)})"


def _chained(w: Writer, depth: int) -> str:
    text = w.operand(w.choose(INT, INT, WIDE), depth - 1)
    for _ in range(w.random.choice((2, 2, 3))):
        side = w.operand(w.choose(INT, INT, WIDE), depth - 2)
        if w.chance(0.3):
            side = walrus(w, 2)
        text += f" {w.choose(*COMPARISONS)} {side}"
    return f"({text})"


def _not(w: Writer, depth: int) -> str:
    return f"(not {w.operand(w.choose(BOOL, INT, WIDE), depth - 1)})"


def _membership(w: Writer, depth: int) -> str:
    choices = sorted({w.literal(INT) for _ in range(w.random.choice((1, 2, 3)))})
    inside = ", ".join(choices) + ("," if len(choices) == 1 else "")
    word = w.choose("in", "in", "not in")
    return f"({w.operand(w.choose(INT, INT, WIDE), depth - 1)} {word} ({inside}))"


def _bool_call(w: Writer, depth: int) -> str:
    return f"bool({w.operand(w.choose(INT, WIDE, BOOL), depth - 1)})"


TRUTH: tuple[Feature, ...] = (
    Feature("membership in a range", BOOL, 2, _range_membership),
    Feature("comparison", BOOL, 8, _comparison),
    Feature("chained comparison", BOOL, 3, _chained),
    Feature("not", BOOL, 2, _not),
    Feature("bool logic", BOOL, 3, logic(BOOL)),
    Feature("bool ternary", BOOL, 1, ternary(BOOL)),
    Feature("membership", BOOL, 2, _membership),
    Feature("bool()", BOOL, 1, _bool_call),
)
