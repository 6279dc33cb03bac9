"""Random probes as text. Each feature of the language is one small function in a table, so that one can be left out by name.

`Writer` has what they need: random choices, the variables in scope with their sorts, and how deep they may still go. A probe is
valid by construction as far as that is cheap; the few that the compiler rejects (a constant that cannot fit) are counted, not run.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

from differential.inputs import Parameter
from differential.palette import CLASSES, NUMBERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

INT, WIDE, BOOL, TEXT = "int", "wide", "bool", "text"
"""Sorts of expressions: I64, U64, truth values, strings."""

_TYPES = tuple(Parameter("", bits, signed) for bits in (8, 16, 32, 64) for signed in (True, False))
TEXT_SHARE = 0.2
"""Of the probes have a string among their parameters."""
_LITERALS = (0, 1, 2, 3, 5, 7, 8, 10, 13, 16, 31, 32, 63, 64, 100, 255, 256, 1000, 65535)
_LARGE = (1 << 31, (1 << 32) - 1, 1 << 32, 1 << 62, (1 << 63) - 1, 3037000500)
_HUGE = (1 << 63, (1 << 63) + 1, (1 << 64) - 1)
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


class Probe(NamedTuple):
    """A generated probe.

    Attributes:
        number: What it was generated from, with the seed.
        text: A module with the function ``probe``.
        parameters: Of the function, one word of the context each.
    """

    number: int
    text: str
    parameters: tuple[Parameter, ...]


class Feature(NamedTuple):
    """One way to go on.

    Attributes:
        sort: Of the expression that it writes, or "" for a statement.
        weight: How often it is taken, against the others of its sort.
    """

    name: str
    sort: str
    weight: int
    write: Callable[[Writer, int], str]


class Stuck(Exception):  # noqa: N818  (control flow: another feature is tried)
    """A feature needs something that is not in scope."""


class Writer:
    """Writes one probe.

    Attributes:
        random: All choices come from here.
        scope: Variables that have a value here, with their sorts.
        lines: What is written so far.
    """

    def __init__(self, choose: random.Random, features: Sequence[Feature]) -> None:
        self.random = choose
        self.scope: dict[str, str] = {}
        self.fixed: set[str] = set()
        self.lines: list[str] = []
        self.helpers: list[str] = []
        self.functions: dict[str, tuple[tuple[str, ...], str, bool]] = {}
        self.features = features
        self.inside = False
        self.indent = 1
        self.loops = 0
        self.names = 0
        self._by_sort: dict[str, list[Feature]] = {}
        for feature in features:
            self._by_sort.setdefault(feature.sort, []).append(feature)

    # ------------------------------------------------------------ choices

    def choose(self, *options: str) -> str:
        """One of several texts."""
        return self.random.choice(options)

    def chance(self, share: float) -> bool:
        """Whether something with this probability happens."""
        return self.random.random() < share

    def fresh(self) -> str:
        """A new name."""
        self.names += 1
        return f"v{self.names}"

    def variable(self, *sorts: str, free: bool = False) -> str:
        """A variable of one of the sorts; ``free``: one that may be assigned."""
        found = [
            name
            for name, sort in self.scope.items()
            if sort in sorts and not (free and name in self.fixed)
        ]
        if not found:
            raise Stuck
        return self.random.choice(found)

    # ------------------------------------------------------------ writing

    def line(self, text: str) -> None:
        """Write one line."""
        self.lines.append("    " * self.indent + text)

    def expr(self, sort: str, depth: int) -> str:
        """An expression of a sort."""
        if depth <= 0:
            return self.leaf(sort)
        return self._one_of(self._by_sort[sort], depth)

    def number(self, depth: int) -> str:
        """An expression of any sort of number."""
        return self.expr(WIDE if self.chance(0.2) else INT, depth)

    def leaf(self, sort: str) -> str:
        """A variable, or a literal."""
        if sort == TEXT:
            return self.variable(TEXT)
        if sort != BOOL and self.chance(0.35):
            return self.literal(sort)
        try:
            return self.variable(sort)
        except Stuck:
            if sort == BOOL:
                return f"({self.variable(INT, WIDE)} {self.choose(*_COMPARISONS)} {self.literal(INT)})"
            if sort == WIDE:
                return f"({self.variable(INT)} | {self.random.choice(_HUGE)})"
            return self.literal(sort)

    def word(self) -> str:
        """A string."""
        return self.choose('"a"', '"ab"', '"nginx"', '"lib"', '"abc"', '"x"', '"python3"')

    def literal(self, sort: str) -> str:
        """A number."""
        if sort == WIDE:
            return str(self.random.choice(_HUGE))
        roll = self.random.random()
        if roll < 0.15:
            return str(self.random.choice(_LARGE))
        number = self.random.choice(_LITERALS)
        return f"-{number}" if roll < 0.3 else str(number)

    def operand(self, sort: str, depth: int) -> str:
        """An expression that is no literal, so that nothing is known when compiling."""
        try:
            return self.variable(sort) if depth <= 0 else self.expr(sort, depth)
        except Stuck:
            return self.leaf(sort)

    def statement(self, depth: int) -> None:
        """Write a statement."""
        self._one_of(self._by_sort[""], depth)

    def deeper(self, depth: int) -> None:
        """Give up a compound statement where nothing deeper is wanted."""
        if depth <= 0:
            raise Stuck

    def block(self, depth: int, count: int) -> None:
        """Write an indented block; what it defines is forgotten behind it."""
        self.indent += 1
        before = dict(self.scope)
        for _ in range(count):
            self.statement(depth)
        if not count:
            self.line("pass")
        self.scope = before
        self.indent -= 1

    def _one_of(self, features: list[Feature], depth: int) -> str:
        weights = [each.weight for each in features]
        for _ in range(20):
            (feature,) = self.random.choices(features, weights)
            kept = len(self.lines), dict(self.scope), self.indent, self.loops, set(self.fixed)
            try:
                return feature.write(self, depth)
            except Stuck:
                del self.lines[kept[0] :]
                _, self.scope, self.indent, self.loops, self.fixed = kept
        raise Stuck

    def event(self, depth: int) -> str:
        """An event written in place."""
        name = self.random.choice(NUMBERS)
        fields = []
        for field in CLASSES[name].schema(0).fields:
            sort = WIDE if field.name == "y" else INT
            if field.kind == "bool":
                sort = self.choose(BOOL, BOOL, INT)
            value = self.operand(sort, self.random.randrange(max(depth, 0) + 1))
            if field.kind == "int" and field.size < 8 and self.chance(0.85):
                value = f"({value}) & {(1 << (field.size * 8 - field.signed)) - 1}"
            elif field.kind == "int" and value.lstrip("-").isdigit():
                value = f"{value} + {self.variable(INT)}"
            fields.append(f"{field.name}={value}")
        if self.chance(0.2):
            inner = ",\n".join("    " * (self.indent + 1) + each for each in fields)
            return f"{name}(\n{inner},\n" + "    " * self.indent + ")"
        return f"{name}({', '.join(fields)})"


# ---------------------------------------------------------------- numbers


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


def _ternary(sort: str) -> Callable[[Writer, int], str]:
    def write(w: Writer, depth: int) -> str:
        one, other = w.expr(sort, depth - 1), w.expr(sort, depth - 2)
        if sort == WIDE and w.chance(0.4):
            other = w.expr(INT, depth - 2)
            if w.chance(0.5):
                one, other = other, one
        return f"({one} if {w.expr(BOOL, depth - 1)} else {other})"

    return write


def _logic(sort: str) -> Callable[[Writer, int], str]:
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


def _walrus(w: Writer, depth: int) -> str:
    if depth < 2:
        raise Stuck
    if w.chance(0.5):
        return f"({w.fresh()} := {w.operand(INT, depth - 1)})"
    name = w.variable(INT, free=True)
    step = w.choose("1", "-1", w.operand(INT, depth - 2))
    return f"({name} := {name} {w.choose('+', '-', '^')} {step})"


def _range_membership(w: Writer, depth: int) -> str:
    ends = [w.expr(INT, depth - 2) for _ in range(w.random.choice((1, 2, 3)))]
    if len(ends) == 3 and w.chance(0.7):
        ends[2] = w.choose("1", "2", "3", "-1", "-2", "7")
    if len(ends) == 3 and ends[2].lstrip("-") == "0":
        raise Stuck
    x = w.operand(w.choose(INT, INT, WIDE), depth - 1)
    return f"({x} {w.choose('in', 'not in')} range({', '.join(ends)}))"


# ---------------------------------------------------------------- truth


def _comparison(w: Writer, depth: int) -> str:
    return f"({w.number(depth - 1)} {w.choose(*_COMPARISONS)} {w.operand(w.choose(INT, INT, WIDE), depth - 2)})"


def _chained(w: Writer, depth: int) -> str:
    text = w.operand(w.choose(INT, INT, WIDE), depth - 1)
    for _ in range(w.random.choice((2, 2, 3))):
        side = w.operand(w.choose(INT, INT, WIDE), depth - 2)
        if w.chance(0.3):
            side = _walrus(w, 2)
        text += f" {w.choose(*_COMPARISONS)} {side}"
    return f"({text})"


def _not(w: Writer, depth: int) -> str:
    return f"(not {w.operand(w.choose(BOOL, INT, WIDE), depth - 1)})"


def _membership(w: Writer, depth: int) -> str:
    choices = sorted({w.literal(INT) for _ in range(w.random.choice((1, 2, 3)))})
    inside = ", ".join(choices) + ("," if len(choices) == 1 else "")
    word = w.choose("in", "in", "not in")
    return f"({w.operand(w.choose(INT, INT, WIDE), depth - 1)} {word} ({inside}))"


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


def _bool_call(w: Writer, depth: int) -> str:
    return f"bool({w.operand(w.choose(INT, WIDE, BOOL), depth - 1)})"


# ---------------------------------------------------------------- statements


def _assign(w: Writer, depth: int) -> str:
    sort = w.random.choices((INT, WIDE, BOOL), (6, 3, 1))[0]
    value = w.expr(sort, depth)
    if sort != BOOL and value.lstrip("-").isdigit() and w.chance(0.7):
        value = w.operand(sort, depth)
    name = w.fresh()
    w.line(f"{name} = {value}")
    w.scope[name] = sort
    return ""


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
    w.line(f"if ({name} := {w.operand(INT, depth)}) {w.choose(*_COMPARISONS)} {w.literal(INT)}:")
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


FEATURES: tuple[Feature, ...] = (
    Feature("int leaf", INT, 3, _leaf(INT)),
    Feature("int binary", INT, 8, _int_binary),
    Feature("int reversed", INT, 2, _int_reversed),
    Feature("int shift", INT, 3, _shift(INT)),
    Feature("small", INT, 7, _small),
    Feature("unary", INT, 2, _unary),
    Feature("int ternary", INT, 2, _ternary(INT)),
    Feature("int logic", INT, 2, _logic(INT)),
    Feature("int extreme", INT, 2, _extreme(INT)),
    Feature("counted bool", INT, 1, _counted_bool),
    Feature("wide leaf", WIDE, 3, _leaf(WIDE)),
    Feature("wide binary", WIDE, 8, _wide_binary),
    Feature("wide shift", WIDE, 3, _shift(WIDE)),
    Feature("wide ternary", WIDE, 2, _ternary(WIDE)),
    Feature("wide logic", WIDE, 2, _logic(WIDE)),
    Feature("wide extreme", WIDE, 2, _extreme(WIDE)),
    Feature("wrap64", WIDE, 3, _wrap64),
    Feature("wrap32", INT, 1, _wrap32),
    Feature("cast", INT, 3, _cast(INT)),
    Feature("u64()", WIDE, 1, _cast(WIDE)),
    Feature("abs", INT, 1, _absolute),
    Feature("power", INT, 1, _power),
    Feature("walrus", INT, 1, _walrus),
    Feature("membership in a range", BOOL, 2, _range_membership),
    Feature("comparison", BOOL, 8, _comparison),
    Feature("chained comparison", BOOL, 3, _chained),
    Feature("not", BOOL, 2, _not),
    Feature("bool logic", BOOL, 3, _logic(BOOL)),
    Feature("bool ternary", BOOL, 1, _ternary(BOOL)),
    Feature("membership", BOOL, 2, _membership),
    Feature("bool()", BOOL, 1, _bool_call),
    Feature("length", INT, 1, _length),
    Feature("text", TEXT, 3, _text_leaf),
    Feature("slice", TEXT, 2, _slice),
    Feature("text compared", BOOL, 4, _compared_text),
    Feature("text tested", BOOL, 4, _text_test),
    Feature("element of text", BOOL, 1, _element),
    Feature("text assigned", "", 3, _assign_text),
    Feature("text sent", "", 3, _emit_text),
    Feature("for", "", 3, _for),
    Feature("while", "", 2, _while),
    Feature("function", "", 2, _function),
    Feature("int call", INT, 2, _call(INT)),
    Feature("wide call", WIDE, 2, _call(WIDE)),
    Feature("bool call", BOOL, 2, _call(BOOL)),
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
"""Everything, in one table; a later feature of the language is a further row."""


def generate(seed: int, number: int, features: Sequence[Feature] = FEATURES) -> Probe:
    """The probe of a number under a seed: the same each time."""
    choose = random.Random(f"{seed}/{number}")  # noqa: S311  (repeatable is the point)
    writer = Writer(choose, features)
    parameters = _parameters(choose)
    for each in parameters:
        writer.scope[each.name] = WIDE if each.bits == 64 and not each.signed else INT
        if each.text:
            writer.scope[each.name] = TEXT
            writer.fixed.add(each.name)
    for _ in range(choose.choice((1, 2, 3, 4, 5, 6))):
        writer.statement(choose.choice((1, 2, 2, 3)))
    writer.line(f"return {writer.event(2)}")
    names = ", ".join(each.name for each in parameters)
    assert writer.indent == 1
    text = "\n".join([*writer.helpers, f"def probe({names}):", *writer.lines, ""])
    return Probe(number, text, parameters)


def _parameters(choose: random.Random) -> tuple[Parameter, ...]:
    types = [Parameter("", 64, signed=True), Parameter("", 64, signed=False)]
    types += choose.choices(_TYPES, k=2)
    if choose.random() < TEXT_SHARE:
        types[3] = Parameter("", 0, signed=False)
    choose.shuffle(types)
    return tuple(each._replace(name=name) for name, each in zip("abcd", types, strict=True))
