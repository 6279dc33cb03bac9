"""What writes random probes: choices, the variables in scope with their sorts, and how deep to go still."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from differential.palette import CLASSES, NUMBERS

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence


INT, WIDE, BOOL, TEXT = "int", "wide", "bool", "text"
"""Sorts of expressions: I64, U64, truth values, strings."""

_LITERALS = (0, 1, 2, 3, 5, 7, 8, 10, 13, 16, 31, 32, 63, 64, 100, 255, 256, 1000, 65535)
_LARGE = (1 << 31, (1 << 32) - 1, 1 << 32, 1 << 62, (1 << 63) - 1, 3037000500)
_HUGE = (1 << 63, (1 << 63) + 1, (1 << 64) - 1)
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


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
                return (
                    f"({self.variable(INT, WIDE)} {self.choose(*COMPARISONS)} {self.literal(INT)})"
                )
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
