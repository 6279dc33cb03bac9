"""Random loops, which all end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from differential.writer import BOOL, INT, Feature, Stuck

if TYPE_CHECKING:
    from differential.writer import Writer


def _for(w: Writer, depth: int) -> str:
    """``for``: over ranges that end by themselves, and over a few numbers."""
    w.deeper(depth)
    if w.loops >= 2:
        raise Stuck
    name = w.fresh()
    roll = w.random.random()
    small = w.random.choice((1, 3, 7)) if not w.loops else w.random.choice((1, 3))
    if roll < 0.3:
        items = f"range({w.choose('0', '1', '2', '3', '5')})"
    elif roll < 0.45:
        items = f"range({w.choose('5', '4', '-1')}, {w.choose('0', '-2', '2')}, {w.choose('-1', '-2', '-3', '1')})"
    elif roll < 0.7:
        items = f"range({w.operand(INT, depth - 1)} & {small})"
    elif roll < 0.8:
        one, other = w.operand(INT, 0), w.operand(INT, 0)
        items = f"range({one} & 3, {other} & {small}, {w.choose('1', '2', '-1')})"
    elif roll < 0.9:
        items = f"bounded(range({w.operand(INT, depth - 1)}), limit={w.choose('1', '2', '5')})"
    else:
        items = f"({', '.join(w.literal(INT) for _ in range(w.random.choice((2, 3))))})"
    w.line(f"for {name} in {items}:")
    _round(w, depth, {name: INT}, fixed=False)
    return ""


def _round(w: Writer, depth: int, names: dict[str, str], *, fixed: bool, last: str = "") -> None:
    """The body of a loop, and its ``else``."""
    before = dict(w.scope), set(w.fixed)
    w.scope |= names
    if fixed:
        w.fixed |= set(names)
    w.loops += 1
    w.block(depth - 1, w.random.choice((1, 1, 2)))
    w.indent += 1
    if last:
        w.line(last)
    if w.chance(0.3):
        try:
            condition = w.expr(BOOL, 1)
            w.line(f"if {condition}:")
            w.line(f"    {w.choose('break', 'continue', 'break')}")
        except Stuck:
            w.line("pass")
    w.indent -= 1
    w.loops -= 1
    w.scope, w.fixed = before
    if w.chance(0.25):
        w.line("else:")
        w.block(depth - 1, 1)


def _while(w: Writer, depth: int) -> str:
    w.deeper(depth)
    if w.loops >= 2:
        raise Stuck
    if w.chance(0.4):
        name = w.variable(INT, free=True)
        w.line(
            f"while bounded({name} {w.choose('<', '>', '!=')} {w.literal(INT)}, limit={w.choose('1', '3', '5')}):"
        )
        _round(
            w,
            depth,
            {},
            fixed=False,
            last=f"{name} {w.choose('+=', '-=', '>>=', '//=')} {w.choose('1', '3', '7')}",
        )
        return ""
    name, mask = w.fresh(), w.random.choice((3, 7))
    w.line(f"{name} = {w.operand(INT, depth - 1)} & {mask}")
    w.scope[name] = INT
    step = w.random.choice((1, 2, 3))
    form = w.random.randrange(5)
    if form == 0:
        w.line(f"while {name} > {w.choose('0', '-3', '1')}:")
        last = f"{name} -= {step}"
    elif form == 1:
        w.line(f"while {name} <= {w.choose('5', '8', '0')}:")
        last = f"{name} += {step}"
    elif form == 2:
        w.line(f"while {name}:")
        last = f"{name} {w.choose('>>= 1', '//= 2', '>>= 2')}"
    elif form == 3:
        w.line(f"while {w.leaf(BOOL)} and {name} < 9:")
        last = f"{name} = {name} + {step}"
    else:
        w.line(f"while {name} != 0:")
        last = f"{name} &= {name} - 1"
    _round(w, depth, {name: INT}, fixed=True, last=last)
    return ""


LOOPS: tuple[Feature, ...] = (
    Feature("for", "", 3, _for),
    Feature("while", "", 2, _while),
)
