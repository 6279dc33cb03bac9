"""What `./dev differential` found once, made small: each was answered wrongly, or not at all."""

from __future__ import annotations

import pytest

from differential.engine import Engine
from differential.grammar import Probe
from differential.inputs import Parameter

pytestmark = [pytest.mark.kernel, pytest.mark.native]

PARAMETERS = (Parameter("a", 64, signed=True), Parameter("b", 64, signed=False))
MIN, MAX, TOP = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1
ENDS = [(a, b) for a in (MIN, -1, 0, 1, 5, MAX) for b in (0, 1, MAX, MAX + 1, MAX + 2, TOP)]

FOUND = {
    "a u64 could not be negated": "    return Wide(x=-b, y=b, z=0 + a)",
    "a u64 could not be inverted": "    return Wide(x=~b, y=b, z=0 + a)",
    "an operand of `and` had to fit although another decided": """\
    x = a and b
    return Lone(v=x & 1023)""",
    "an operand of `or` had to fit although another decided": """\
    x = b or a
    return Lone(v=x & 1023)""",
    "a constant range of negative numbers only": """\
    x = 0
    for i in range(-1, -4, -1):
        x = x * 3 + i
    for i in range(-5, 1, 9):
        x -= i
    return Lone(v=x + (a & 1))""",
    "LLVM compared a number of rounds as if it had no sign": """\
    n = 0
    for i in bounded(range(a), limit=4):
        n += 2
    return Lone(v=n)""",
    "a loop that every path leaves at once": """\
    v = a & 7
    while v < 9:
        return Lone(v=v)
    return Lone(v=100)""",
    "a field was fitted before the next was computed": """\
    return Narrow(
        a=a,
        b=1 // a,
        c=7,
        d=True,
        e=0)""",
}

FOUND_IN_TEXT = {
    "a place in a short string was computed by `or`": """\
    return Flag(f=user_str(t, 8)[-1] == "b")""",
}


@pytest.mark.parametrize("body", FOUND_IN_TEXT.values(), ids=FOUND_IN_TEXT.keys())
def test_is_right_now_with_text(body: str) -> None:
    probe = Probe(
        0, f"def probe(a, t):\n{body}\n", (PARAMETERS[0], Parameter("t", 0, signed=False))
    )
    rows = [(1, text) for text in ("", "b", "ab", "abcdefg", "abcdefgh")]
    with Engine() as engine:
        tally = engine.run([(probe, rows)])
    assert not tally.mismatches, str(tally.mismatches[0])


@pytest.mark.parametrize("body", FOUND.values(), ids=FOUND.keys())
def test_is_right_now(body: str) -> None:
    probe = Probe(0, f"def probe(a, b):\n{body}\n", PARAMETERS)
    with Engine() as engine:
        tally = engine.run([(probe, ENDS)])
    assert not tally.mismatches, str(tally.mismatches[0])
    assert tally.cases == len(ENDS)
