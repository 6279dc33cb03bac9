"""The long runs of `./dev proof`, as long as CI has time for them."""

from __future__ import annotations

import os

import pytest

from proof import alarms, conservation, killed, kills, soak
from syscast.btf import source
from syscast.btf.types import Struct

pytestmark = pytest.mark.kernel

IN_VM = bool(os.environ.get("SYSCAST_VM"))
EVENTS = 500_000 if IN_VM else 10_000_000


@pytest.fixture(scope="module", autouse=True)
def warm():
    """What stays open for the life of the process is no leak of the first test that opens it."""
    source.kernel().find("task_struct", Struct)


def test_every_event_of_a_flood_is_delivered_or_counted(capsys):
    issued, bad = conservation.run_all(EVENTS, len(os.sched_getaffinity(0)))
    said = capsys.readouterr().out
    assert bad == 0, "\n".join(line for line in said.splitlines() if "WRONG" in line)
    assert issued >= EVENTS
    assert (
        IN_VM or "left out" not in said
    )  # socket filters of older kernels cannot call what a probe calls
    assert "16777216, 2 CPUs" in said


@pytest.mark.parametrize("ring", conservation.RINGS)
def test_a_killed_reader_leaves_no_hole_that_is_not_a_drop(tmp_path, ring):
    found = killed.run(ring, 2, 0.15, tmp_path)
    assert found.written > 0
    assert found.unexplained == 0, found
    assert found.remaining == ()
    if ring == conservation.RINGS[0]:
        assert found.dropped > 0  # else this showed nothing


@pytest.mark.skipif(not IN_VM, reason="looks at all of the kernel: only inside a test VM")
def test_kill_9_at_any_moment_leaves_nothing(capsys):
    bad = kills.run(20, longest=4.0, seed=5)
    assert bad == 0, capsys.readouterr().out


def test_loads_succeed_under_a_fast_timer(capsys):
    failed, ticks = alarms.run(100 if IN_VM else 1000)
    assert failed == 0, capsys.readouterr().out
    assert ticks > 50


@pytest.mark.skipif(IN_VM, reason="an emulated machine is too slow for the rate")
def test_a_steady_flow_takes_no_more_and_more_memory():
    found = soak.run(60, 50_000)
    assert found.problems == ()
    assert found.events + found.lost == 60 * 50_000
    assert found.descriptors[0] == found.descriptors[1]
    # MiB an hour, of a minute: one byte an event would be 170. `./dev proof soak` asks for 1 in half an hour.
    assert found.slope < 100
