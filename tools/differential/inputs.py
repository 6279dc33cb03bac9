"""Inputs of a probe, weighted to where things break: zero, the ends of every type, and the numbers in the probe's text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import random


class Parameter(NamedTuple):
    """One parameter of a probe, and so one word of its context.

    Attributes:
        bits: Of an integer; 0 for a pointer to text in user memory.
    """

    name: str
    bits: int
    signed: bool

    @property
    def text(self) -> bool:
        """Whether it is text."""
        return self.bits == 0

    @property
    def low(self) -> int:
        """The least value."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """The greatest value."""
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1

    @property
    def annotation(self) -> str:
        """As the type's name."""
        if self.text:
            return "str"
        return f"{'i' if self.signed else 'u'}{self.bits}"


_SMALL = (0, 0, 1, 1, -1, 2, 3, 4, 5, 7, 8, 10, -2, -7, 12, 15, 16, 31, 33)
_SHIFTS = (0, 1, 31, 32, 62, 63, 64, 65, 127, 1000)
_NEAR = tuple(
    sign * (1 << power) + delta
    for power in (7, 8, 15, 16, 31, 32, 53, 62, 63, 64)
    for sign in (1, -1)
    for delta in (-1, 0, 1)
)
_ROOTS = (3037000499, 3037000500, -3037000500, 4294967296, 6442450941)
_TEXTS = (
    "",
    "a",
    "ab",
    "nginx",
    "python3",
    "/usr/lib",
    "x" * 14,
    "y" * 15,
    "z" * 16,
    "abcabcabd" * 4,
)
_QUOTED = re.compile(r'"([^"]*)"')
_NUMBER = re.compile(r"(?<![\w.])\d+")


def numbers_in(text: str) -> list[int]:
    """Numbers of a text and their neighbours."""
    found = {int(each) for each in _NUMBER.findall(text)}
    return sorted({n + d for n in found for d in (-1, 0, 1)} | {-n for n in found})


def texts_in(text: str) -> list[str]:
    """Strings of a text, and such as differ in one place."""
    found = []
    for each in _QUOTED.findall(text):
        found += [each, each[:-1], each + "q", "q" + each, each[1:], each[:-1] + "?", each * 2]
    return [each for each in found if len(each) < 200]


Row = tuple[int | str, ...]


def make(
    choose: random.Random, parameters: tuple[Parameter, ...], text: str, count: int
) -> list[Row]:
    """Rows of values for the parameters, each inside its type."""
    own = numbers_in(text)
    words = [*_TEXTS, *texts_in(text)]
    pools = (_SMALL, _SHIFTS, _NEAR, own or _SMALL, _ROOTS)
    weights = (40, 10, 25, 15, 3, 7)
    rows: list[Row] = []
    for _ in range(count):
        row: list[int | str] = []
        for parameter, pool in zip(
            parameters,
            choose.choices((*pools, ()), weights, k=len(parameters)),
            strict=True,
        ):
            row.append(choose.choice(words) if parameter.text else _one(choose, parameter, pool))
        rows.append(tuple(row))
    return rows


def _one(choose: random.Random, parameter: Parameter, pool: tuple[int, ...] | list[int]) -> int:
    if pool:
        for _ in range(4):
            value = choose.choice(pool)
            if parameter.low <= value <= parameter.high:
                return value
    ends = (parameter.low, parameter.low + 1, parameter.high, parameter.high - 1)
    return choose.choice((*ends, choose.randint(parameter.low, parameter.high)))
