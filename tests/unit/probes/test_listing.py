"""Patterns find functions with code, tracepoints and system calls, each with its signature."""

import pytest

from syscast.btf import source
from syscast.errors import NotSupportedError, UsageError
from syscast.kernel import tracefs
from syscast.probes import listing, registers


@pytest.fixture(autouse=True)
def machine(btf, monkeypatch):
    """The small kernel, without tracefs; ``print`` is inlined everywhere."""

    def events():
        raise NotSupportedError("tracefs: find: it is not mounted")
        yield

    monkeypatch.setattr(source, "kernel", lambda: btf)
    monkeypatch.setattr(source, "modules", list)
    monkeypatch.setattr(registers, "here", lambda: registers.X86_64)
    monkeypatch.setattr(tracefs, "events", events)
    monkeypatch.setattr("syscast.probes.kind.refusal", lambda *_: None)
    monkeypatch.setattr("syscast.probes.syscall._has_code", lambda _: False)
    code = frozenset(name for name in btf.names(listing.Func) if name != "print")
    monkeypatch.setattr(listing, "_with_code", lambda: code)


def found(pattern):
    return [(entry.kind, entry.name) for entry in listing.targets(pattern)]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("inet_*", [("function", "inet_listen")]),
        ("inet_listen", [("function", "inet_listen")]),
        ("function:with_*", [("function", f"with_{n}") for n in ("large", "pair", "small")]),
        ("kprobe:inet*", [("function", "inet_listen")]),
        ("syscall:*at", [("syscall", "openat")]),
        ("syscall:*", [("syscall", n) for n in ("bind", "exit_group", "openat", "uname")]),
        ("raw_tp:sched_s*", [("raw_tracepoint", "sched_switch")]),
        ("tracepoint:*fork", [("raw_tracepoint", "sched_process_fork")]),
        ("print", []),
        ("*nothing*", []),
    ],
)
def test_patterns(pattern, expected):
    assert found(pattern) == expected


def test_tracefs_tells_the_categories(monkeypatch):
    every = [("sched", "sched_switch"), ("syscalls", "sys_enter_openat"), ("net", "netif_rx")]
    monkeypatch.setattr(tracefs, "events", lambda: iter(every))
    assert found("tracepoint:*") == [
        ("tracepoint", "net:netif_rx"),
        ("tracepoint", "sched:sched_switch"),
    ]
    assert found("tracepoint:sched:*") == [("tracepoint", "sched:sched_switch")]


def test_entries_say_how_to_trace_them():
    (entry,) = listing.targets("inet_listen")
    assert entry.target == "function:inet_listen"
    assert entry.signature == "int inet_listen(struct socket *sock, int backlog)"
    (entry,) = listing.targets("syscall:openat")
    assert entry.signature.startswith("long openat(int dfd, const char *filename")


@pytest.mark.parametrize("pattern", ["", "  ", "syscall:"])
def test_an_empty_pattern(pattern):
    with pytest.raises(UsageError, match="it is empty"):
        list(listing.targets(pattern))
