"""Samples: events and rates by name, and what a program sees of a sample."""

from __future__ import annotations

import pytest

from syscast.errors import TargetError
from syscast.probes import registers
from syscast.probes.kind import Whom
from syscast.probes.perf_event import Sample, Samples, read


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("profile", "99hz", Sample(1, 0, 0, 99)),
        ("profile", "99Hz", Sample(1, 0, 0, 99)),
        ("profile", "10ms", Sample(1, 0, 10_000_000, 0)),
        ("interval", "1s", Sample(1, 0, 1_000_000_000, 0, everywhere=False)),
        ("interval", "4hz", Sample(1, 0, 250_000_000, 0, everywhere=False)),
        ("software", "cpu-clock", Sample(1, 0, 0, 99)),
        ("software", "task-clock:1ms", Sample(1, 1, 1_000_000, 0)),
        ("software", "page-faults", Sample(1, 2, 1, 0)),
        ("software", "context-switches:100", Sample(1, 3, 100, 0)),
        ("hardware", "cycles", Sample(0, 0, 1_000_000, 0)),
        ("hardware", "cache-misses:49hz", Sample(0, 3, 0, 49)),
    ],
)
def test_events_and_rates(kind, name, expected):
    assert read(kind, name) == expected


@pytest.mark.parametrize(
    ("kind", "name", "near"),
    [
        ("profile", "hz", []),
        ("profile", "0hz", []),
        ("profile", "99", []),
        ("interval", "-1s", []),
        ("software", "page-fault", ["page-faults"]),
        ("software", "page-faults:1s", []),
        ("hardware", "cycle:1", ["cycles"]),
        ("hardware", "cycles:", None),
        ("hardware", "cycles:1e6", []),
    ],
)
def test_what_is_none(kind, name, near):
    if near is None:
        assert read(kind, name).period == 1_000_000
        return
    with pytest.raises(TargetError, match=f"{kind} '{name}'") as caught:
        read(kind, name)
    assert list(caught.value.near)[:1] == near


def test_a_sample_has_where_it_was_how_much_and_where_to():
    kind = Samples("profile", machine=registers.X86_64)
    (context,) = kind.contexts(kind.resolve("99hz", None), role="probe")
    assert [(each.name, each.offset) for each in context.arguments] == [
        ("ip", 128),
        ("period", 168),
        ("addr", 176),
    ]
    assert (context.program_type, context.section) == ("perf_event", "perf_event/profile:99hz")
    arm = Samples("hardware", machine=registers.AARCH64).resolve("cycles", None)
    assert [each.offset for each in arm.arguments] == [256, 272, 280]


def test_a_sample_is_no_call():
    kind = Samples("profile", machine=registers.X86_64, whom=Whom(1, only=True))
    with pytest.raises(TargetError, match="a sample is a point in time"):
        kind.contexts(kind.resolve("99hz", None), role="call")
