"""The harness would see a wrong lowering: each planted one is caught within a few hundred probes.

`./dev differential --plants 10000` says how many each takes under other seeds.
"""

from __future__ import annotations

import pytest

from differential.engine import Engine
from differential.grammar import generate
from differential.plants import BATCH, PLANTS, hunt

SEED = 11
LIMIT = 800


@pytest.mark.kernel
@pytest.mark.native
@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_is_caught(plant) -> None:
    found = hunt(plant, SEED, LIMIT)
    assert found.way, f"{plant.name}: not seen by {LIMIT} probes"


@pytest.mark.kernel
@pytest.mark.native
def test_nothing_is_caught_where_nothing_is_planted() -> None:
    with Engine(("host",), 80) as engine:
        for first in range(0, 100, BATCH):
            batch = [generate(SEED, number) for number in range(first, first + BATCH)]
            assert not engine.batch(batch, SEED).mismatches


def test_there_are_enough() -> None:
    assert len(PLANTS) >= 20
    assert len({each.name for each in PLANTS}) == len(PLANTS)
