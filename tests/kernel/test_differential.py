"""The proof that the language is exact, in small, on this kernel; `./dev differential --vm` and `./dev acceptance --vm` run it in large.

On this machine tests/differential runs more of it.
"""

from __future__ import annotations

import pytest

from differential import acceptance
from differential.engine import Engine, Tally
from differential.grammar import generate

pytestmark = [pytest.mark.kernel, pytest.mark.native]

SEED = 511
PROBES, BATCH, ROWS = 20, 10, 60
ACCEPTED = 18


def test_the_kernel_answers_as_python_does() -> None:
    total = Tally()
    with Engine(("kernel",), ROWS) as engine:
        for first in range(0, PROBES, BATCH):
            batch = [generate(SEED, number) for number in range(first, first + BATCH)]
            total.add(engine.batch(batch, SEED))
    assert not total.mismatches, str(total.mismatches[0])
    assert total.cases > PROBES * ROWS * 0.8


def test_the_verifier_takes_what_the_compiler_takes() -> None:
    loaded, rejected, found = acceptance.check(SEED, range(ACCEPTED))
    assert not found, f"{found[0].target}\n{found[0].text}\n{found[0].error}"
    assert loaded > rejected
