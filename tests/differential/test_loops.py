"""Loops of the probe language do what CPython's do."""

import pytest
import written_loops
from written import disagreements, functions_of

from syscast.btf import source
from syscast.btf.types import Enum

pytestmark = pytest.mark.kernel

INPUTS = [
    (a, b)
    for a in (-5, -1, 0, 1, 2, 3, 4, 7, 10, 20, 63, 100, 1 << 40)
    for b in (-2, 0, 1, 3, 8, 1000)
]


def test_loops_do_what_pythons_do() -> None:
    functions = functions_of(written_loops)
    btf = source.kernel()
    helpers = btf.type(btf.find("bpf_func_id", Enum)).values
    if not any(each.name == "BPF_FUNC_loop" for each in helpers):
        # A verifier that walks through all rounds gives up on these; see tests/kernel/test_loops.
        functions = [each for each in functions if not each.__name__.startswith("far")]
    wrong = disagreements(functions, INPUTS)
    assert not wrong, "\n".join([f"{len(wrong)} wrong", *wrong[:20]])
