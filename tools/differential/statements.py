"""Random statements other than loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from differential.writer import BOOL, COMPARISONS, INT, WIDE, Feature, Stuck

if TYPE_CHECKING:
    from differential.writer import Writer


def _assign(w: Writer, depth: int) -> str:
    sort = w.random.choices((INT, WIDE, BOOL), (6, 3, 1))[0]
    value = w.expr(sort, depth)
    if sort != BOOL and value.lstrip("-").isdigit() and w.chance(0.7):
        value = w.operand(sort, depth)
    name = w.fresh()
    w.line(f"{name} = {value}")
    w.scope[name] = sort
    return ""


def _several(w: Writer, depth: int) -> str:
    """``v1, v2 = a, b``, or two variables from one value."""
    one, other = w.fresh(), w.fresh()
    if w.chance(0.3):
        w.line(f"{one} = {other} = {w.operand(INT, depth)}")
    elif w.chance(0.2):
        w.line(f"{one}, {other} = divmod({w.operand(INT, depth)}, {w.operand(INT, depth - 1)})")
    elif w.chance(0.4):
        first, second = w.variable(INT, free=True), w.variable(INT, free=True)
        if first == second:
            raise Stuck
        w.line(f"{first}, {second} = {w.operand(INT, depth)}, {first}")
        return ""
    else:
        w.line(f"{one}, {other} = {w.operand(INT, depth)}, {w.operand(INT, depth - 1)}")
    w.scope[one] = w.scope[other] = INT
    return ""


def _kept(w: Writer, depth: int) -> str:
    """A walrus whose variable is used behind it."""
    w.deeper(depth)
    name = w.fresh()
    w.line(f"if ({name} := {w.operand(INT, depth)}) {w.choose(*COMPARISONS)} {w.literal(INT)}:")
    w.scope[name] = INT
    w.block(depth - 1, 1)
    return ""


def _assert(w: Writer, depth: int) -> str:
    if w.chance(0.6):
        raise Stuck
    note = w.choose("", "", ', "text"')
    limit = f"{w.choose('!=', '<', '>=')} {w.choose('7', '100', '-9')}"
    w.line(f"assert {w.operand(INT, depth - 1)} {limit}{note}")
    return ""


def _match(w: Writer, depth: int) -> str:
    w.deeper(depth)
    w.line(f"match {w.operand(w.choose(INT, INT, WIDE), depth)}:")
    w.indent += 1
    for _ in range(w.random.choice((1, 2, 3))):
        options = sorted({w.literal(INT) for _ in range(w.random.choice((1, 1, 2)))})
        guard = f" if {w.expr(BOOL, depth - 1)}" if w.chance(0.25) else ""
        w.line(f"case {' | '.join(options)}{guard}:")
        w.block(depth - 1, 1)
    if w.chance(0.5):
        w.line("case _:")
        w.block(depth - 1, 1)
    w.indent -= 1
    return ""


def _reassign(w: Writer, depth: int) -> str:
    name = w.variable(INT, WIDE, BOOL, free=True)
    sort = w.scope[name]
    if sort == WIDE and w.chance(0.3):
        sort = INT
    w.line(f"{name} = {w.expr(sort, depth)}")
    return ""


def _augmented(w: Writer, depth: int) -> str:
    name = w.variable(INT, WIDE, free=True)
    sort = w.scope[name]
    op = w.choose("+", "-", "&", "|", "^", "//", "%", "*", ">>", "<<")
    if op in {"<<", ">>"}:
        value = str(w.random.choice((0, 1, 2, 7, 31, 63, 64)))
    else:
        value = w.expr(w.choose(sort, INT), depth - 1)
    w.line(f"{name} {op}= {value}")
    return ""


def _if(w: Writer, depth: int) -> str:
    w.deeper(depth)
    w.line(f"if {w.expr(w.choose(BOOL, BOOL, BOOL, INT), depth)}:")
    w.block(depth - 1, w.random.choice((1, 1, 2)))
    for _ in range(w.random.choice((0, 0, 0, 1))):
        w.line(f"elif {w.expr(BOOL, depth - 1)}:")
        w.block(depth - 1, w.random.choice((1, 2)))
    if w.chance(0.6):
        w.line("else:")
        w.block(depth - 1, w.random.choice((1, 1, 2)))
    return ""


def _if_any_truth(w: Writer, depth: int) -> str:
    """``and``/``or`` of all sorts, where only the truth counts."""
    w.deeper(depth)
    parts = [
        w.operand(w.choose(INT, WIDE, BOOL), depth - 1) for _ in range(w.random.choice((2, 3)))
    ]
    word = w.choose(" and ", " or ")
    w.line(f"if {word.join(parts)}:")
    w.block(depth - 1, 1)
    return ""


def _emit(w: Writer, depth: int) -> str:
    if w.loops and w.chance(0.7):
        raise Stuck
    w.line(f"emit({w.event(depth - 1)})")
    return ""


def _leave(w: Writer, depth: int) -> str:
    if w.indent < 2 or w.inside:
        raise Stuck
    w.line(w.choose("return None", "return", f"return {w.event(max(depth - 1, 0))}"))
    w.line("pass")  # what stands behind must be right all the same
    return ""


STATEMENTS: tuple[Feature, ...] = (
    Feature("assignment", "", 8, _assign),
    Feature("several targets", "", 2, _several),
    Feature("walrus kept", "", 1, _kept),
    Feature("assert", "", 1, _assert),
    Feature("match", "", 1, _match),
    Feature("reassignment", "", 4, _reassign),
    Feature("augmented assignment", "", 4, _augmented),
    Feature("if", "", 5, _if),
    Feature("if of any truth", "", 2, _if_any_truth),
    Feature("emit", "", 2, _emit),
    Feature("return", "", 1, _leave),
)
