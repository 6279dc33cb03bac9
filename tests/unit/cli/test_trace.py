import click
import pytest

from syscast.cli import trace
from syscast.errors import TargetError, UsageError
from syscast.probes import registry


@pytest.mark.parametrize(
    ("words", "options", "targets", "texts"),
    [
        (["inet_listen"], [], ["inet_listen"], []),
        (["inet_listen", "backlog"], [], ["inet_listen"], ["backlog"]),
        (["vfs_read,vfs_write", "ret"], [], ["vfs_read", "vfs_write"], ["ret"]),
        (
            ["sched:sched_switch", "syscall:openat", "prev"],
            [],
            ["sched:sched_switch", "syscall:openat"],
            ["prev"],
        ),
        (["f", "x", "fexit:g"], [], ["f", "fexit:g"], ["x"]),
        (["ret"], ["vfs_read", "vfs_write"], ["vfs_read", "vfs_write"], ["ret"]),
        (["f", "a.b as c", "c[0]", "'a:b'"], [], ["f"], ["a.b as c", "c[0]", "'a:b'"]),
        (["f", "kprobe:nf_tables:nft_do_chain"], [], ["f", "kprobe:nf_tables:nft_do_chain"], []),
        (["f", "f:g", "f:g"], [], ["f", "f:g"], []),
    ],
)
def test_targets_are_told_from_expressions(words, options, targets, texts):
    assert trace.split(words, options) == (targets, texts)


@pytest.mark.parametrize("words", [[], ["a.b + 1"], ["f(x)"], [","], ["f,"], ["x > 1"]])
def test_without_a_target_it_says_so(words):
    with pytest.raises(click.UsageError, match="target"):
        trace.split(words, [])


class _Argument:
    def __init__(self, name):
        self.name = name


class _Choice:
    """What the registry answers, for a kind and its arguments."""

    def __init__(self, kind, arguments=(), *, returns=True):
        self.kind = self.target = self
        self.name = kind
        self.arguments = [_Argument(name) for name in arguments]
        self.returns_at_all = returns


@pytest.mark.parametrize(
    ("target", "choice", "texts", "role"),
    [
        ("vfs_read", _Choice("fentry"), ["count"], "probe"),
        ("vfs_read", _Choice("fentry"), ["count", "ret"], "call"),
        ("vfs_read", _Choice("kprobe"), ["duration"], "call"),
        ("odd", _Choice("kprobe", ["ret"]), ["ret"], "probe"),
        ("function:vfs_read", _Choice("fentry"), ["ret"], "call"),
        ("fexit:vfs_read", _Choice("fexit"), ["ret"], "probe"),
        ("fexit:vfs_read", _Choice("fexit"), ["ret", "duration"], "call"),
        ("kretprobe:vfs_read", _Choice("kretprobe"), ["ret"], "probe"),
        ("kretprobe:vfs_read", _Choice("kretprobe"), ["count", "ret"], "call"),
        ("syscall:openat", _Choice("syscall"), [], "call"),
        ("openat", _Choice("syscall"), ["filename"], "call"),
        ("syscall:exit_group", _Choice("syscall", returns=False), [], "probe"),
        ("sched:sched_switch", _Choice("tracepoint"), [], "probe"),
        ("raw_syscalls:sys_exit", _Choice("raw_tracepoint", ["regs", "ret"]), ["ret"], "probe"),
    ],
)
def test_a_target_is_seen_at_its_exit_where_that_is_asked(
    monkeypatch, target, choice, texts, role
):
    monkeypatch.setattr(registry, "choose", lambda _, **_more: choice)
    (job,) = trace.jobs_of([target], texts, None)
    assert (job.target, job.role) == (target, role)


@pytest.mark.parametrize(
    ("target", "choice", "hint"),
    [
        ("kprobe:vfs_read", _Choice("kprobe"), "fexit:"),
        ("fentry:vfs_read", _Choice("fentry"), "fexit:"),
        ("sched:sched_switch", _Choice("tracepoint"), "no exit"),
        ("sched_switch", _Choice("raw_tracepoint"), "no exit"),
    ],
)
def test_what_only_the_exit_knows_is_refused_elsewhere(monkeypatch, target, choice, hint):
    monkeypatch.setattr(registry, "choose", lambda _, **_more: choice)
    with pytest.raises(UsageError, match=f"at the exit only.*{hint}"):
        trace.jobs_of([target], [], "ret < 0")


def test_a_target_that_does_not_exist_has_near_matches():
    with pytest.raises(TargetError, match=r"opnat.*did you mean.*openat"):
        trace.jobs_of(["syscall:opnat"], [], None)
