"""Statements of the probe language do what CPython does."""

import pytest
import written_statements
from written import disagreements, functions_of

pytestmark = pytest.mark.kernel

INPUTS = [
    (a, b)
    for a in (-5, -1, 0, 1, 2, 3, 4, 7, 10, 63, 64, 100, 1 << 40)
    for b in (-2, 0, 1, 3, 8, 1000)
]


def test_statements_do_what_pythons_do() -> None:
    wrong = disagreements(functions_of(written_statements), INPUTS)
    assert not wrong, "\n".join([f"{len(wrong)} wrong", *wrong[:20]])
