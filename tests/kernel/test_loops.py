"""Loops in programs that a kernel runs: what its verifier accepts, and what they read."""

from __future__ import annotations

import os
import resource
import struct
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "differential"))

import written_kernel
import written_loops
from written import Machine, disagreements, functions_of

from syscast.btf import source
from syscast.btf.types import Enum
from syscast.codegen.child import Child
from syscast.errors import VerifierError

pytestmark = pytest.mark.kernel

INPUTS = [(a, b) for a in (-1, 0, 3, 7, 40, 1 << 40) for b in (0, 1, 8)]
FAR = [each for each in functions_of(written_loops) if each.__name__.startswith("far")]


@pytest.fixture(scope="module")
def child():
    source.kernel()  # stays open, for all tests
    with Child() as started:
        yield started


def has_bpf_loop():
    btf = source.kernel()
    return any(
        each.name == "BPF_FUNC_loop" for each in btf.type(btf.find("bpf_func_id", Enum)).values
    )


def run(function, child, a=0, b=0):
    with Machine([function], child) as machine:
        return machine.run(0, a, b)


@pytest.fixture
def sleepers():
    started = [subprocess.Popen(["sleep", "60"]) for _ in range(3)]
    yield [each.pid for each in started]
    for each in started:
        each.kill()
        each.wait()


def test_entries_of_a_kernel_list(child, sleepers):
    # Without bpf_loop the verifier has to walk through the rounds, which is much with an event in each.
    function = written_kernel.children if has_bpf_loop() else written_kernel.sixteen_children
    events, raised = run(function, child)
    assert not raised
    assert [a for a, _ in events if a in sleepers] == sleepers
    assert events[-1] == (-1, 0)
    assert all(a == b for a, b in events[:-1])


def test_a_list_longer_than_its_limit_is_counted(child, sleepers):
    assert len(sleepers) == 3
    events, raised = run(written_kernel.few_children, child)
    assert events == ()
    assert raised.startswith("LimitError ")


def test_a_long_limit_on_a_list(child, sleepers):
    events, raised = run(written_kernel.first_child, child)
    assert (events[0][0] in sleepers, raised) == (True, "")


def test_structs_of_an_array(child):
    events, _ = run(written_kernel.limits, child)
    soft = [resource.getrlimit(number)[0] & (1 << 64) - 1 for number in range(len(events))]
    assert [a for a, _ in events] == [each >> 1 for each in soft]
    assert len(events) == 16


@pytest.mark.parametrize("name", ["auxiliary", "auxiliary_by_number"])
def test_numbers_of_an_array(child, name):
    events, _ = run(getattr(written_kernel, name), child, 20)
    words = struct.unpack("<20Q", Path("/proc/self/auxv").read_bytes()[:160])
    assert events == tuple((word >> 1, number) for number, word in enumerate(words))


def test_a_search_by_while(child):
    (found,), _ = run(written_kernel.auxiliary_entry, child, 6)  # AT_PAGESZ
    assert found[0] == os.sysconf("SC_PAGESIZE") >> 1


def test_pointers_carried_from_round_to_round(child):
    (found,), raised = run(written_kernel.ancestors, child)
    assert not raised
    pid, depth = os.getpid(), 0
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        depth += 1
    # A process in a namespace of its own has ancestors that it does not see.
    assert found[0] >= depth
    assert found[1] <= 1
    assert run(written_kernel.ancestor_named, child).events == ((-1, 0),)


def test_branches_in_bodies_that_the_verifier_walks(child):
    functions = [written_kernel.inline_branches, written_kernel.inline_extremes]
    assert not disagreements(functions, INPUTS, child)


@pytest.mark.parametrize("function", FAR, ids=lambda each: each.__name__)
def test_far_loops_run_where_the_kernel_can_call_them_back(child, function):
    if has_bpf_loop():
        assert not disagreements([function], INPUTS[::3], child)
    else:
        with pytest.raises(VerifierError, match=r"written_loops\.py"):
            run(function, child)
