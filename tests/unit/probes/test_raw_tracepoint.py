"""Arguments come from the typedef, their names from the functions next to it."""

import pytest

from syscast.errors import TargetError
from syscast.probes.raw_tracepoint import RawTracepoint, tracepoints


def test_typed(btf):
    kind = RawTracepoint()
    target = kind.resolve("sched_switch", btf)
    assert target.signature == (
        "sched_switch(_Bool preempt, struct task_struct *prev, struct task_struct *next)"
    )
    assert [(s.name, s.offset, s.trusted) for s in target.arguments] == [
        ("preempt", 0, False),
        ("prev", 8, True),
        ("next", 16, True),
    ]
    (context,) = kind.contexts(target, role="probe")
    assert (context.section, context.program_type) == ("tp_btf/sched_switch", "tracing")
    assert context.direct_reads


def test_plain(btf):
    kind = RawTracepoint(typed=False)
    (context,) = kind.contexts(kind.resolve("sched_switch", btf), role="probe")
    assert (context.section, context.program_type) == ("raw_tp/sched_switch", "raw_tracepoint")
    assert not context.direct_reads
    assert not any(source.trusted for source in context.arguments)


def test_a_category_is_dropped(btf):
    assert RawTracepoint().resolve("sched:sched_switch", btf).name == "sched_switch"


def test_an_unknown_tracepoint(btf):
    with pytest.raises(TargetError, match="no such tracepoint") as caught:
        RawTracepoint().resolve("sched_swich", btf)
    assert caught.value.near[0] == "sched_switch"


def test_a_tracepoint_is_no_call(btf):
    kind = RawTracepoint()
    with pytest.raises(TargetError, match="a tracepoint is a point, not a call"):
        kind.contexts(kind.resolve("sched_switch", btf), role="call")


def test_all(btf):
    assert set(tracepoints(btf)) == {"sched_switch", "sched_process_fork", "sched_process_free"}
