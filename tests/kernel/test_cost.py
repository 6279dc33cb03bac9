"""The examples cost the verifier what tests/data/cost.tsv says, and no more; see costs.py for how to make it anew."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import costs

from syscast.btf import source

pytestmark = [pytest.mark.kernel, pytest.mark.native]

MARGIN = 1.10
OTHER_KERNEL = 2.0
"""A machine's own kernel is any kernel, and verifiers count differently: between 5.10 and 7 by up to two thirds."""


@pytest.fixture(scope="module", autouse=True)
def types_of_this_kernel():
    """Open for the life of the process; not a leak of the first test that needs it."""
    source.kernel()


@pytest.fixture(scope="module")
def table():
    return {row.key: row for row in costs.read()}


@pytest.mark.parametrize("example", costs.examples())
def test_cost_is_what_the_table_says(example, table, vm_kernel):
    kernel = vm_kernel or "native"
    rows = costs.measure(kernel, example)
    listed = {key for key in table if key[:2] == (kernel, example)}
    if vm_kernel is not None:
        assert {row.key for row in rows} == listed, "make the table anew: tests/kernel/costs.py"
    for row in rows:
        wanted = table.get(row.key)
        if wanted is None:  # of a kind that the table's machine could not load
            continue
        steps = MARGIN if vm_kernel is not None else OTHER_KERNEL
        found = (row.kind, row.program, row.processed, row.length)
        assert row.processed <= wanted.processed * steps, found
        assert row.length <= wanted.length * MARGIN, found
        # Where it became much cheaper, the table would hide the next increase.
        assert row.processed * MARGIN >= wanted.processed / (steps / MARGIN), found
        assert row.length * MARGIN >= wanted.length, found


def test_every_example_is_in_the_table(table):
    for kernel in costs.KERNELS:
        assert {key[1] for key in table if key[0] == kernel} == set(costs.examples()), kernel
