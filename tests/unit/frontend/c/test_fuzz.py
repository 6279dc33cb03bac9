"""Random texts: the preprocessor and the parser take or refuse each, in words, within bounds. `./dev fuzz-c` runs more of them."""

from __future__ import annotations

import os
import time
from random import Random

import pytest

from fuzzc.check import Wrong, check
from fuzzc.texts import GOOD, text

TEXTS = 300
FOUND = (964830587,)
"""Seeds of texts that once were neither taken nor refused."""
CI_SECONDS = 60


@pytest.mark.parametrize("good", GOOD)
def test_the_texts_that_are_mutated_are_good(good: str) -> None:
    assert check(good)


@pytest.mark.parametrize("seed", FOUND)
def test_texts_that_once_fell_through(seed: int) -> None:
    check(text(Random(seed)))


def test_random_texts() -> None:
    in_ci = bool(os.environ.get("CI"))
    seed = time.time_ns() % 1_000_000_000 if in_ci else 0
    end = time.monotonic() + CI_SECONDS
    count = 0
    while count < TEXTS or (in_ci and time.monotonic() < end):
        made = text(Random(seed + count))
        try:
            check(made)
        except Wrong as wrong:
            pytest.fail(f"seed {seed + count}: {wrong}\n{made!r}")
        count += 1
