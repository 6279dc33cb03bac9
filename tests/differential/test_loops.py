"""Loops of the probe language do what CPython's do."""

import pytest
import written_loops
from written import disagreements, functions_of

pytestmark = pytest.mark.kernel

INPUTS = [
    (a, b)
    for a in (-5, -1, 0, 1, 2, 3, 4, 7, 10, 20, 63, 100, 1 << 40)
    for b in (-2, 0, 1, 3, 8, 1000)
]


def test_loops_do_what_pythons_do() -> None:
    wrong = disagreements(functions_of(written_loops), INPUTS)
    assert not wrong, "\n".join([f"{len(wrong)} wrong", *wrong[:20]])
