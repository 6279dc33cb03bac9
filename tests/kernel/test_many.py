"""One program on many targets: who was called how often, and what could not be attached to."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from many_counter import counted

import syscast as sc
from syscast import features
from syscast.btf import source
from syscast.errors import TargetError
from syscast.link.many import Refused
from syscast.probes import matching
from syscast.symbols import kallsyms, traceable

pytestmark = [pytest.mark.kernel]
IN_VM = bool(os.environ.get("SYSCAST_VM"))


@pytest.fixture(scope="module", autouse=True)
def types_of_this_kernel():
    """Open for the life of the process; not a leak of the first test that needs it."""
    return [source.kernel(), *map(source.module, source.modules())]


@pytest.fixture(params=["best", "perf"])
def form(request, monkeypatch):
    """kprobe.multi where the kernel has it; and a perf event for each function."""
    if not features.supported("kprobe"):
        pytest.skip("this kernel has no kprobe")
    if request.param == "perf":
        monkeypatch.setenv("SYSCAST_DISABLE", "kprobe_multi")
    elif not features.supported("kprobe_multi"):
        pytest.skip("this kernel has no kprobe.multi")
    return "kprobe.multi" if features.supported("kprobe_multi") else "kprobe"


def listen(times):
    for _ in range(times):
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen(1)


@pytest.mark.native
@pytest.mark.parametrize("pattern", ["syscall:*", "syscall:getp*", "syscall:get[pr]*"])
def test_system_calls_are_told_apart(pattern):
    with counted(pattern) as hits:
        for _ in range(7):
            os.getppid()
        for _ in range(4):
            os.getpriority(os.PRIO_PROCESS, 0)
        Path.cwd()
        found = hits.read()
    assert (found["getppid"], found["getpriority"]) == (7, 4)
    assert ("getcwd" in found) == (pattern == "syscall:*")


@pytest.mark.native
def test_system_calls_by_an_argument_of_theirs():
    with counted("syscall:g*", {"which"}) as hits:
        os.getpriority(os.PRIO_PROCESS, 0)
        os.getppid()
        assert hits.read() == {"getpriority": 1}
    assert Refused("getppid", "it has no argument 'which'") in hits.skipped


def test_functions_are_told_apart(form):
    with counted("inet_*") as hits:
        listen(5)
        found = hits.read()
        assert form in hits.links[0].describe()
    assert found["inet_listen"] == 5
    assert found["inet_bind"] == 5
    assert found["inet_create"] >= 5
    assert all(name.startswith("inet_") for name in found)


def test_functions_with_an_argument_in_several_places(form):
    del form
    with counted("inet_*", {"backlog"}) as hits:
        listen(3)
        assert hits.read()["inet_listen"] == 3
    assert Refused("inet_bind", "it has no argument 'backlog'") in hits.skipped


def test_what_cannot_be_probed_is_left_out_and_the_rest_runs(form, monkeypatch):
    """As on a machine without tracefs and debugfs, where only the kernel itself can tell."""
    del form
    monkeypatch.setattr(traceable, "functions", lambda: None)
    monkeypatch.setattr(traceable, "blacklist", lambda: None)
    with counted("*listen*") as hits:
        listen(2)
        assert hits.read()["inet_listen"] == 2
    with (
        counted("notrace*") if kallsyms.kernel().matching("notrace[^\\s]*") else counted("vfs_r*")
    ):
        pass


def test_a_pattern_that_means_nothing_gets_near_ones():
    with pytest.raises(TargetError, match=r"nothing matches \(did you mean tcp_\*"):
        matching.match("tpc_*")


def test_hundreds_of_functions_in_reasonable_time(form, record_property, capsys):
    with counted("tcp_*") as hits:
        how = hits.links[0].describe()
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen(1)
            with socket.create_connection(server.getsockname()):
                pass
        found = hits.read()
        leaving = time.monotonic()
    left = time.monotonic() - leaving
    words = f"{how}: {hits.seconds:.2f} s to attach, {left:.2f} s to detach"
    record_property("seconds", words)
    with capsys.disabled():
        sys.stdout.write(f"\n{words}, {len(found)} called\n")
    assert form in how
    assert found["tcp_v4_connect"] == 1


def test_events_of_hundreds_of_functions(form, record_property, capsys):
    @sc.function("tcp_*")
    def called(): ...

    started = time.monotonic()
    with sc.attach(called, pid=os.getpid()) as session:
        attached = time.monotonic() - started
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen(1)
            with socket.create_connection(server.getsockname()):
                pass
        names = {each.function for each in session.events(timeout=2)}
        leaving = time.monotonic()
    words = f"{form}: {attached:.2f} s to attach, {time.monotonic() - leaving:.2f} s to detach"
    record_property("seconds", words)
    with capsys.disabled():
        sys.stdout.write(f"\n{words}, {len(names)} called\n")
    assert {"tcp_v4_connect", "tcp_close"} <= names
