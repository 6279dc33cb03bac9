"""What real verifiers refuse, and what is said of it, is what tests/data/refusals.tsv says; see refusals.py."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import refusals

pytestmark = [pytest.mark.kernel, pytest.mark.native]


@pytest.fixture(scope="module")
def table():
    return {(each.case, each.kernel): each for each in refusals.read()}


@pytest.mark.parametrize("name", refusals.CASES)
def test_the_cause_is_what_the_table_says(name, table, vm_kernel):
    made = refusals.row(name, vm_kernel or "native")
    wanted = table[name, made.kernel]
    if vm_kernel is None:  # a machine's own kernel may be any, with other words, or accept more
        known = {each.cause for each in table.values() if each.case == name}
        assert made.cause in known or made.verifier == refusals.TAKEN
        return
    assert made == wanted


def test_no_kernel_says_what_is_not_understood(table):
    for (name, kernel), row in table.items():
        if row.verifier == refusals.TAKEN or not row.verifier:
            continue
        assert row.cause.lower() != row.verifier.lower(), (name, kernel)


def test_every_case_is_known_of_every_kernel(table):
    assert set(table) == {(name, kernel) for name in refusals.CASES for kernel in refusals.KERNELS}
