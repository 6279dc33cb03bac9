"""What real verifiers refuse, and what is said of it, is what tests/data/refusals.tsv says; see refusals.py."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import refusals

from syscast.btf import source
from syscast.btf.types import Enum
from syscast.cli.main import run

pytestmark = [pytest.mark.kernel, pytest.mark.native]


@pytest.fixture(scope="module", autouse=True)
def types_of_this_kernel():
    """Open for the life of the process; not a leak of the first test that needs it."""
    source.kernel()


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


TOO_MUCH = """\
import syscast as sc

class E(sc.Event):
    n: sc.u64

@sc.raw_tracepoint
def sys_enter(*, id: int) -> E:
    total = 0
    for i in range(120):
        for j in range(120):
            for k in range(120):
                total = total ^ (id + k)
    return E(n=total)
"""


def test_a_python_loop_that_is_too_much_is_named_with_its_cure(tmp_path, capfd):
    types = source.kernel()
    helpers = types.type(types.find("bpf_func_id", Enum))
    if any(each.name == "BPF_FUNC_loop" for each in helpers.values):
        pytest.skip("this kernel calls the bodies of long loops: its verifier walks none")
    path = tmp_path / "probe.py"
    path.write_text(TOO_MUCH)
    assert run(["run", str(path), "--", "true"]) == 1
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "syscast: program 'sys_enter_0': load: refused by the verifier"
    # Which of its limits a verifier reaches first, instructions or branches, is up to its version.
    place, _, said = lines[1].partition(": error: ")
    assert said.startswith(("it is too much for the verifier", "it has too many branches"))
    assert place.startswith(f"{path}:")
    assert place.split(":")[1] in {"11", "12"}
    assert lines[2].strip().startswith(("11 | ", "12 | "))
    assert "^" in lines[3]
    assert lines[4].startswith("      = hint: lower the l")
    assert lines[5].startswith("      = note: the verifier: ")
    assert lines[-1] == "syscast: -v shows the verifier's whole log"


def test_no_kernel_says_what_is_not_understood(table):
    for (name, kernel), row in table.items():
        if row.verifier == refusals.TAKEN or not row.verifier:
            continue
        assert row.cause.lower() != row.verifier.lower(), (name, kernel)


def test_every_case_is_known_of_every_kernel(table):
    assert set(table) == {(name, kernel) for name in refusals.CASES for kernel in refusals.KERNELS}
