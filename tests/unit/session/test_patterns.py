"""What probes on patterns read, and which of them share a program."""

from __future__ import annotations

import pytest

from syscast.cli.expressions import parse
from syscast.errors import TargetError, UsageError
from syscast.link.many import reason
from syscast.probes import many
from syscast.probes.kind import NOBODY
from syscast.session import patterns
from syscast.session.naming import named
from syscast.session.plan import Job, plan


def closed(sk, ret): ...


def expressions(*texts, condition=None):
    return parse(texts, condition)


@pytest.mark.parametrize(
    ("body", "used"),
    [
        (expressions(), None),
        (expressions("sk.skc_dport", "size + u32(len)"), {"sk", "size", "len"}),
        (expressions("max(a, 3)", "user_str(name)", "current.pid"), {"a", "name"}),
        (expressions(condition="size > 3"), {"size"}),
        (expressions(condition="current.pid == 3"), None),
        (closed, {"sk", "ret"}),
        (lambda: ..., set()),
    ],
)
def test_the_names_that_stand_for_arguments(body, used):
    found = patterns._used(body)
    assert found == (None if used is None else frozenset(used))


def test_a_method_s_object_is_no_argument():
    class Held:
        def probe(self, size): ...

    assert patterns._used(Held().probe) == {"size"}


def test_calls_of_one_pattern_share_programs_and_say_their_names():
    jobs = [Job("syscall:*priority*", "probe", expressions("which", "ret"))]
    made, refused = patterns.expand(jobs, NOBODY)
    assert [each.name for each in made] == ["syscall:*priority*"]
    assert {each.name for each in refused} >= {"sched_get_priority_max", "sched_get_priority_min"}
    (planned,) = plan(made)
    fields = {each.name: each for each in planned.spec.meta.schemas[0].fields}
    assert list(fields) == ["function", "which", "ret"]
    assert fields["function"].labels[140] == "getpriority"
    assert named(planned.spec, made[0].known) == planned.spec


def test_forms_of_one_pattern_have_one_class_of_events():
    jobs = [Job("syscall:open*", "probe", expressions("filename", "ret"))]
    made, _ = patterns.expand(jobs, NOBODY)
    assert [each.name for each in made] == ["syscall:open* (1)", "syscall:open* (2)"]
    (planned,) = plan(made)
    assert [each.name for each in planned.spec.meta.schemas] == ["syscall:open*"]


def test_nothing_with_the_argument():
    with pytest.raises(
        TargetError, match=r"none of the \d+ that match will do, .*no argument 'x'"
    ):
        patterns.expand([Job("syscall:get*", "probe", expressions("x"))], NOBODY)


def test_what_is_no_probe():
    with pytest.raises(UsageError, match="no function written in Python"):
        patterns.expand([Job("syscall:get*", "probe", 3)], NOBODY)


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("f 'x': attach: no way", "no way"),
        (
            "f 'x': load: refused (all are held: a module forbids it)",
            "refused (all are held: a module forbids it)",
        ),
        (
            "f 'x': load: refused (a: b) (say function:x here)",
            "refused (a: b) (say function:x here)",
        ),
        ("plain", "plain"),
    ],
)
def test_reasons_keep_their_parentheses_whole(message, cause):
    assert reason(message) == cause


def test_a_kernel_without_kprobes_is_said_to_have_none(monkeypatch):
    why = "kprobe 'bpf_fentry_test1': open: the kernel has no kprobe events (no /sys/x: built without)"
    monkeypatch.setattr("syscast.probes.many.refusal", lambda *_: why)
    said = many.ManyFunctions((), "vfs_*").unavailable()
    assert said == "the kernel has no kprobe events (no /sys/x: built without)"
