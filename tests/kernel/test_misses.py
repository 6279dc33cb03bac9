"""Hits that the kernel really leaves out: counted, told and summed where it counts them, else unknown."""

from __future__ import annotations

import os
from contextlib import suppress

import pytest

import syscast as sc
from syscast import features
from syscast.btf import source

pytestmark = [pytest.mark.kernel]

CALLS = 300


@pytest.fixture(scope="module", autouse=True)
def types_of_this_kernel():
    """Open for the life of the process; not a leak of the first test that needs it."""
    return [source.kernel(), *map(source.module, source.modules())]


class Hit(sc.Event):
    value: sc.u64


@sc.syscall("getpriority")
def getpriority(who):
    return Hit(value=who)


@sc.fentry("bpf_get_current_comm")
def by_fentry():
    return Hit(value=1)


@sc.fentry("inet_listen")
def elsewhere():
    return Hit(value=1)


@sc.kprobe("bpf_get_current_comm")
def by_kprobe():
    return Hit(value=1)


def misses(probe):
    """Hits of a probe on what every probe calls, itself too: those the kernel has to leave out.

    Returns:
        Items of the stream, the ledger, and the probe's row.
    """
    with sc.attach(getpriority, probe, pid=os.getpid()) as session:
        for _ in range(CALLS):
            with suppress(OSError):
                os.getpriority(os.PRIO_PROCESS, 1 << 22)
        items = list(session.stream(timeout=0))
        session.detach()
        items += session.stream(timeout=0)
        stats = session.stats()
    return items, stats, stats["bpf_get_current_comm"]


def test_hits_within_the_probe_itself_are_missed_and_counted():
    if not features.supported("fentry"):
        pytest.skip("this kernel has no fentry")
    if not features.supported("prog_missed"):
        # Such a kernel would run the probe within itself, for ever.
        with sc.attach(elsewhere, pid=os.getpid()) as session:
            assert session.stats()["inet_listen"].missed is None
            assert "missed unknown" in session.stats().summary()
        return
    items, stats, row = misses(by_fentry)
    lost = [each for each in items if isinstance(each, sc.Lost)]
    assert row.missed >= CALLS
    assert {each.cause for each in lost} == {"missed"}
    assert {each.probe for each in lost} == {"bpf_get_current_comm"}
    assert all(each.start <= each.end and each.cpu == -1 for each in lost)
    assert sum(each.count for each in lost) == stats.lost == stats.total.missed
    assert len(items) - len(lost) == stats.total.delivered
    assert f"missed {row.missed}" in str(stats)
    assert stats.disagreements() == []


def test_misses_that_the_kernel_does_not_count_are_unknown():
    if not features.supported("kprobe"):
        pytest.skip("this kernel has no kprobe")
    items, stats, row = misses(by_kprobe)
    lost = [each for each in items if isinstance(each, sc.Lost)]
    assert row.ran >= CALLS
    if row.missed is None:
        assert lost == []
        assert "missed unknown" in stats.summary() or "missed at least " in stats.summary()
        assert "unknown" in str(stats)
        assert stats.to_dict()["complete"] is False
    else:
        assert row.missed >= CALLS
        assert sum(each.count for each in lost) == stats.lost
