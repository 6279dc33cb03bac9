"""Random probes as text. Each feature of the language is one small function in a table, so that one can be left out by name.

`writer.Writer` has what they need. A probe is valid by construction as far as that is cheap; the few that the compiler
rejects (a constant that cannot fit) are counted, not run.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

from differential.functions import FUNCTIONS
from differential.inputs import Parameter
from differential.loops import LOOPS
from differential.numbers import NUMBERS
from differential.statements import STATEMENTS
from differential.texts import TEXTS
from differential.truth import TRUTH
from differential.writer import INT, TEXT, WIDE, Feature, Writer

if TYPE_CHECKING:
    from collections.abc import Sequence


_TYPES = tuple(Parameter("", bits, signed) for bits in (8, 16, 32, 64) for signed in (True, False))
TEXT_SHARE = 0.2
"""Of the probes have a string among their parameters."""

FEATURES: tuple[Feature, ...] = (
    *NUMBERS,
    *TRUTH,
    *TEXTS,
    *LOOPS,
    *FUNCTIONS,
    *STATEMENTS,
)
"""Everything, in one table. Its order is part of what a seed means."""


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
