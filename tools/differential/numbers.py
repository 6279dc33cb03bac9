"""Random expressions that are numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from differential.writer import BOOL, INT, WIDE, Feature, Stuck

if TYPE_CHECKING:
    from collections.abc import Callable

    from differential.writer import Writer


def _leaf(sort: str) -> Callable[[Writer, int], str]:
    return lambda w, _: w.leaf(sort)


def _parenthesised(w: Writer, left: str, op: str, right: str) -> str:
    gap = "\n" + "    " * (w.indent + 2) if w.chance(0.04) else " "
    return f"({left} {op}{gap}{right})"


def _int_binary(w: Writer, depth: int) -> str:
    op = w.choose("+", "-", "&", "|", "^", "//", "%", "+", "-", "&", "*")
    return _parenthesised(w, w.operand(INT, depth - 1), op, w.expr(INT, depth - 2))


def _int_reversed(w: Writer, depth: int) -> str:
    op = w.choose("+", "-", "*", "//", "%", "&", "|", "^")
    return _parenthesised(w, w.literal(INT), op, w.operand(INT, depth - 1))


def _wide_binary(w: Writer, depth: int) -> str:
    op = w.choose("+", "-", "&", "|", "^", "//", "%", "&", "*")
    left, right = w.operand(WIDE, depth - 1), w.expr(w.choose(WIDE, INT), depth - 2)
    if w.chance(0.3) and not right.lstrip("-").isdigit():
        left, right = right, left
    return _parenthesised(w, left, op, right)


def _shift(sort: str) -> Callable[[Writer, int], str]:
    def write(w: Writer, depth: int) -> str:
        roll = w.random.random()
        if roll < 0.5:
            count = str(w.random.choice((0, 1, 2, 5, 31, 32, 63, 64, 65)))
        elif roll < 0.8:
            count = f"({w.operand(INT, depth - 2)} & {w.random.choice((7, 63, 127))})"
        else:
            count = w.operand(w.choose(INT, INT, WIDE), depth - 2)
        value = w.operand(sort, depth - 1)
        if w.chance(0.4):
            value = f"({value} & 15)" if w.chance(0.5) else f"({value} % 3)"
        return _parenthesised(w, value, w.choose("<<", ">>", ">>"), count)

    return write


def _small(w: Writer, depth: int) -> str:
    """Numbers that stay small, so that runs get on."""
    roll = w.random.random()
    inner = w.operand(INT, depth - 1)
    if roll < 0.5:
        return f"({inner} & {w.random.choice((1, 7, 15, 255, 1023))})"
    if roll < 0.8:
        return f"({inner} % {w.random.choice((2, 3, 7, 10, 100))})"
    return f"({inner} >> {w.random.choice((8, 16, 32, 48, 60))})"


def _unary(w: Writer, depth: int) -> str:
    inner = w.operand(w.choose(INT, INT, INT, WIDE), depth - 1)
    return f"({w.choose('-', '-', '~', '+' if inner in w.scope and w.scope[inner] == INT else '-')}{inner})"


def ternary(sort: str) -> Callable[[Writer, int], str]:
    """``a if t else b`` of a sort."""

    def write(w: Writer, depth: int) -> str:
        one, other = w.expr(sort, depth - 1), w.expr(sort, depth - 2)
        if sort == WIDE and w.chance(0.4):
            other = w.expr(INT, depth - 2)
            if w.chance(0.5):
                one, other = other, one
        return f"({one} if {w.expr(BOOL, depth - 1)} else {other})"

    return write


def logic(sort: str) -> Callable[[Writer, int], str]:
    """``and`` or ``or`` of a sort."""

    def write(w: Writer, depth: int) -> str:
        word = w.choose("and", "or")
        parts = [w.operand(sort, depth - 1) for _ in range(w.random.choice((2, 2, 2, 3)))]
        if sort == WIDE and w.chance(0.4):
            parts[0] = w.operand(INT, depth - 1)
        return "(" + f" {word} ".join(parts) + ")"

    return write


def _extreme(sort: str) -> Callable[[Writer, int], str]:
    def write(w: Writer, depth: int) -> str:
        parts = [w.operand(sort, depth - 1)]
        sorts = [w.choose(sort, INT) for _ in range(w.random.choice((1, 1, 2)))]
        parts += [w.expr(each, depth - 2) for each in sorts]
        w.random.shuffle(parts)
        return f"{w.choose('min', 'max')}({', '.join(parts)})"

    return write


def _counted_bool(w: Writer, depth: int) -> str:
    inner = w.expr(BOOL, depth - 1)
    if w.chance(0.5):
        return f"int({inner})"
    return f"({w.operand(INT, depth - 2)} {w.choose('+', '-', '*', '^')} {inner})"


def _modular(w: Writer, depth: int) -> str:
    """What may stand inside ``wrap64``."""
    roll = w.random.random()
    if depth <= 0 or roll < 0.2:
        return w.operand(w.choose(INT, WIDE), depth - 1)
    if roll < 0.3:
        return f"({w.choose('-', '~')}{_modular(w, depth - 1)})"
    if roll < 0.4:
        small = f"({w.operand(INT, 0)} & 31)"
        count = w.choose("0", "3", "32", "63", "64", w.operand(INT, 0), small)
        return f"({_modular(w, depth - 1)} << {count})"
    op = w.choose("+", "-", "*", "*", "&", "|", "^")
    return f"({_modular(w, depth - 1)} {op} {_modular(w, depth - 2)})"


def _wrap64(w: Writer, depth: int) -> str:
    return f"wrap64({_modular(w, depth)})"


def _wrap32(w: Writer, depth: int) -> str:
    return f"wrap32({_modular(w, depth)})"


def _cast(sort: str) -> Callable[[Writer, int], str]:
    def write(w: Writer, depth: int) -> str:
        inner = w.operand(w.choose(sort, INT, WIDE), depth - 1)
        if inner.lstrip("-").isdigit():
            raise Stuck
        if sort == WIDE:
            return f"u64({inner})"
        bits = w.choose("8", "16", "32", "64")
        name = w.choose("i", "u") + bits if bits != "64" else "i64"
        if bits != "64" and w.chance(0.6):
            inner = f"({inner} & {w.random.choice((127, 255, 65535))})"
        return f"{name}({inner})"

    return write


def _absolute(w: Writer, depth: int) -> str:
    return f"abs({w.operand(INT, depth - 1)})"


def _power(w: Writer, depth: int) -> str:
    base = f"({w.operand(INT, depth - 1)} & {w.choose('3', '15', '-1')})"
    return f"({base} ** {w.choose('0', '1', '2', '3', '5')})"


def walrus(w: Writer, depth: int) -> str:
    """``(v := ...)`` of a new variable, or of one that it changes."""
    if depth < 2:
        raise Stuck
    if w.chance(0.5):
        return f"({w.fresh()} := {w.operand(INT, depth - 1)})"
    name = w.variable(INT, free=True)
    step = w.choose("1", "-1", w.operand(INT, depth - 2))
    return f"({name} := {name} {w.choose('+', '-', '^')} {step})"


NUMBERS: tuple[Feature, ...] = (
    Feature("int leaf", INT, 3, _leaf(INT)),
    Feature("int binary", INT, 8, _int_binary),
    Feature("int reversed", INT, 2, _int_reversed),
    Feature("int shift", INT, 3, _shift(INT)),
    Feature("small", INT, 7, _small),
    Feature("unary", INT, 2, _unary),
    Feature("int ternary", INT, 2, ternary(INT)),
    Feature("int logic", INT, 2, logic(INT)),
    Feature("int extreme", INT, 2, _extreme(INT)),
    Feature("counted bool", INT, 1, _counted_bool),
    Feature("wide leaf", WIDE, 3, _leaf(WIDE)),
    Feature("wide binary", WIDE, 8, _wide_binary),
    Feature("wide shift", WIDE, 3, _shift(WIDE)),
    Feature("wide ternary", WIDE, 2, ternary(WIDE)),
    Feature("wide logic", WIDE, 2, logic(WIDE)),
    Feature("wide extreme", WIDE, 2, _extreme(WIDE)),
    Feature("wrap64", WIDE, 3, _wrap64),
    Feature("wrap32", INT, 1, _wrap32),
    Feature("cast", INT, 3, _cast(INT)),
    Feature("u64()", WIDE, 1, _cast(WIDE)),
    Feature("abs", INT, 1, _absolute),
    Feature("power", INT, 1, _power),
    Feature("walrus", INT, 1, walrus),
)
