"""Generated probes: CPython, this machine's native code and the kernel give the same events, exceptions and lines.

`./dev differential --cases N` runs as many as one likes; here are the same few each time, with the compiler's own checks on.
"""

from __future__ import annotations

import pytest

from differential.engine import Engine, Tally
from differential.grammar import FEATURES, Probe, generate
from differential.inputs import Parameter
from differential.integers import I64, U64
from differential.kinds import Kind
from differential.reference import Outcome, Raised, Reference
from differential.shrink import shrink
from syscast.ir.ops import BinaryOp
from syscast.passes import shifts

SEED = 20_000
PROBES, BATCH, ROWS = 160, 20, 120
WORDS = (Parameter("a", 64, signed=True), Parameter("b", 64, signed=False))


@pytest.mark.kernel
@pytest.mark.native
def test_all_three_agree() -> None:
    total = Tally()
    with Engine(rows=ROWS) as engine:
        for first in range(0, PROBES, BATCH):
            batch = [generate(SEED, number) for number in range(first, first + BATCH)]
            total.add(engine.batch(batch, SEED))
        assert not total.mismatches, str(shrink(engine, total.mismatches[0]))
    # It would prove nothing if most runs ended early, or most probes were refused.
    assert total.cases > PROBES * ROWS * 0.95
    assert total.endings["sent"] > 0.4 * total.cases
    assert total.endings.keys() >= {"OverflowError", "ZeroDivisionError", "ValueError", "silent"}
    assert all("does not fit" in message for message in total.rejected), total.rejected


@pytest.mark.kernel
@pytest.mark.native
@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_every_feature_is_written_by_some_probe(feature) -> None:
    rest = [each for each in FEATURES if each is not feature]
    assert any(generate(SEED, n) != generate(SEED, n, rest) for n in range(100))


def run(text: str, *arguments: int) -> Outcome:
    reference = Reference(text, "<text>", {}, {"a": Kind.I64, "b": Kind.U64})
    return reference.run([I64(arguments[0]), U64(arguments[1])])


def raised(text: str, *arguments: int) -> Raised | None:
    return run(f"def probe(a, b):\n{text}", *arguments).raised


@pytest.mark.parametrize(
    ("body", "a", "b", "line"),
    [
        (" x = a + 1", (1 << 63) - 1, 0, 2),
        (" x = a\n x = b", -1, 0, 2),  # x is given a u64 elsewhere, so it is one
        (" x = a if a else b", -1, 0, 2),
        (" if a:\n  x = b - 1", 1, 0, 3),
        (" x = (a +\n  (b *\n  b))", 1, 1 << 63, 3),
        (" x = -b", 0, (1 << 63) + 1, 2),
    ],
)
def test_the_reference_raises_what_does_not_fit(body: str, a: int, b: int, line: int) -> None:
    assert raised(body, a, b) == Raised("OverflowError", line)


@pytest.mark.parametrize(
    ("body", "a", "b"),
    [
        (" x = a and b", -1, 5),  # the answer is b: that a fits no u64 does not matter
        (" x = wrap64(a + b)", -1, 0),
        (" x = -b", 0, 1 << 63),
        (" x = (a < b) + (b < a)", 1, 2),
    ],
)
def test_the_reference_raises_nothing_else(body: str, a: int, b: int) -> None:
    assert raised(body, a, b) is None


@pytest.mark.kernel
@pytest.mark.native
def test_a_failure_is_made_small(monkeypatch) -> None:
    monkeypatch.setitem(shifts._BITS, shifts.CheckedOp.XOR, BinaryOp.OR)
    text = """\
def probe(a, b):
    x = a & 3
    if b > 7:
        y = (x ^ a) + 5
        emit(Lone(v=y))
    else:
        y = 2
    return Wide(x=x, y=b, z=y)
"""
    with Engine(ways=("host",)) as engine:
        tally = engine.run([(Probe(0, text, WORDS), [(5, 9)])])
        (found,) = tally.mismatches
        small = shrink(engine, found)
    assert "^" in small.probe.text
    assert len(small.probe.text.splitlines()) <= 4
