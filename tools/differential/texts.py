"""Random strings, and what is done with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from differential.writer import BOOL, INT, TEXT, Feature

if TYPE_CHECKING:
    from differential.writer import Writer


def _compared_text(w: Writer, depth: int) -> str:
    side = f"{w.choose('==', '!=')} {w.word()}"
    if w.chance(0.3):
        side = f"{w.choose('in', 'not in')} ({w.word()}, {w.word()})"
    return f"({w.expr(TEXT, depth - 1)} {side})"


def _text_test(w: Writer, depth: int) -> str:
    text = w.expr(TEXT, depth - 1)
    if w.chance(0.3):
        return f"({w.word()} in {text})"
    if w.chance(0.1):
        return f"bool({_read(w)})"  # of a pointer, the truth would be that it is not NULL
    return f"{text}.{w.choose('startswith', 'endswith')}({w.word()})"


def _length(w: Writer, depth: int) -> str:
    return f"len({w.expr(TEXT, depth - 1)})"


def _text_leaf(w: Writer, depth: int) -> str:
    del depth
    return w.variable(TEXT) if w.chance(0.5) else _read(w)


def _read(w: Writer) -> str:
    """A string with a capacity; a parameter is a pointer, of which no place can be taken before it is read."""
    name = w.variable(TEXT)
    if name.startswith("v"):
        return name
    return f"user_str({name}, {w.choose('8', '16', '24', '64')})"


def _slice(w: Writer, depth: int) -> str:
    text = _read(w)
    if w.chance(0.5):
        ends = [w.choose("", "0", "1", "3"), w.choose("", "2", "5", "20")]
    else:
        ends = [w.choose("", "-3", "-1", w.leaf(INT)), w.choose("", "-1", "4", w.leaf(INT))]
    del depth
    return f"{text}[{':'.join(ends)}]"


def _element(w: Writer, depth: int) -> str:
    del depth
    index = w.choose("0", "2", "-1", "-4", w.leaf(INT))
    return f'({_read(w)}[{index}] == {w.word()[:2]}")'


def _assign_text(w: Writer, depth: int) -> str:
    name = w.fresh()
    w.line(f"{name} = {w.expr(TEXT, depth)}")
    w.scope[name] = TEXT
    w.fixed.add(name)
    return ""


def _emit_text(w: Writer, depth: int) -> str:
    number = f"{w.operand(INT, depth - 1)} & 1023"
    w.line(f"emit(Text(t={w.expr(TEXT, depth)}, n={number}))")
    return ""


TEXTS: tuple[Feature, ...] = (
    Feature("length", INT, 1, _length),
    Feature("text", TEXT, 3, _text_leaf),
    Feature("slice", TEXT, 2, _slice),
    Feature("text compared", BOOL, 4, _compared_text),
    Feature("text tested", BOOL, 4, _text_test),
    Feature("element of text", BOOL, 1, _element),
    Feature("text assigned", "", 3, _assign_text),
    Feature("text sent", "", 3, _emit_text),
)
