"""Random functions above the probe, and their calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from differential.writer import BOOL, INT, WIDE, Feature, Stuck, Writer

if TYPE_CHECKING:
    from collections.abc import Callable


def _function(w: Writer, depth: int) -> str:
    """A function above the probe, which goes into the table of those that can be called."""
    w.deeper(depth)
    if len(w.functions) >= 3 or w.indent > 1 or w.inside:
        raise Stuck
    inner = Writer(w.random, w.features)
    inner.functions, inner.inside = dict(w.functions), True
    names = "xyz"[: w.random.choice((1, 2, 3))]
    sorts = [w.choose(INT, INT, WIDE, BOOL) for _ in names]
    inner.scope = dict(zip(names, sorts, strict=True))
    result = w.choose(INT, INT, WIDE, BOOL)
    for _ in range(w.random.choice((0, 1, 2))):
        inner.statement(1)
    if w.chance(0.5):
        inner.line(f"if {inner.expr(BOOL, 1)}:")
        inner.line(f"    return {inner.operand(result, 1)}")
    inner.line(f"return {inner.operand(result, 2)}")
    name = f"f{len(w.functions)}"
    given = list(names)
    if sorts[-1] == INT and w.chance(0.4):
        given[-1] += f"={w.literal(INT)}"
    w.helpers.append("\n".join([f"def {name}({', '.join(given)}):", *inner.lines, "", ""]))
    w.functions[name] = (tuple(sorts), result, "=" in given[-1])
    kept = w.fresh()
    w.line(f"{kept} = {_call_of(w, name, depth)}")
    w.scope[kept] = result
    return ""


def _call_of(w: Writer, name: str, depth: int) -> str:
    sorts, _, optional = w.functions[name]
    values = [w.operand(sort, depth - 1) for sort in sorts]
    if optional and w.chance(0.4):
        values.pop()
    elif w.chance(0.2):
        values[-1] = f"{'xyz'[len(values) - 1]}={values[-1]}"
    return f"{name}({', '.join(values)})"


def _call(sort: str) -> Callable[[Writer, int], str]:
    def write(w: Writer, depth: int) -> str:
        names = [name for name, each in w.functions.items() if each[1] == sort]
        if not names or depth < 1:
            raise Stuck
        return _call_of(w, w.random.choice(names), depth)

    return write


FUNCTIONS: tuple[Feature, ...] = (
    Feature("function", "", 2, _function),
    Feature("int call", INT, 2, _call(INT)),
    Feature("wide call", WIDE, 2, _call(WIDE)),
    Feature("bool call", BOOL, 2, _call(BOOL)),
)
