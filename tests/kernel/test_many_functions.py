"""Events from many functions at once, by kprobe.multi and by a perf event for each."""

from __future__ import annotations

import os
import socket
import sys

import pytest

import syscast as sc
from syscast import features
from syscast.btf import source
from syscast.cli.main import run

pytestmark = [pytest.mark.kernel]


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


@sc.syscall("getp*")
def timed(ret, duration): ...


def traced(capsys, *words):
    code = run(["trace", *words])
    out, err = capsys.readouterr()
    return code, out, err


def test_functions_say_their_names_and_the_rest_runs(form):
    @sc.function("inet_[bcl]*")
    def seen(sock): ...

    with sc.attach(seen, pid=os.getpid()) as session:
        listen(3)
        found = list(session.events(timeout=2))
        assert any(form in line for line in session.describe())
        assert any("has no argument 'sock'" in each.reason for each in session.refused())
    names = [each.function for each in found]
    assert names.count("inet_listen") == 3
    assert names.count("inet_bind") == 3
    assert all(each.probe == each.function and each.sock for each in found)
    assert session.stats().consistent()


def test_functions_and_system_calls_in_one_session(form):
    del form

    @sc.function("inet_l*")
    def seen(sock): ...

    with sc.attach(seen, timed, pid=os.getpid()) as session:
        listen(2)
        os.getpriority(os.PRIO_PROCESS, 0)
        found = list(session.events(timeout=2))
    names = [each.probe for each in found]
    assert names.count("inet_listen") == 2
    assert names.count("getpriority") == 1


def test_calls_of_functions_with_what_they_return(form):
    del form

    class Bound(sc.Event):
        answer: sc.i64
        took: sc.u64

    @sc.call("inet_[bl]*")
    def bound(sock, ret, duration):
        del sock
        return Bound(answer=ret, took=duration)

    with sc.attach(bound, pid=os.getpid()) as session:
        listen(2)
        found = list(session.events(timeout=2))
    listened = [each for each in found if each.probe == "inet_listen"]
    assert [(each.answer, each.took > 0) for each in listened] == [(0, True)] * 2


def test_the_table_of_functions_names_their_arguments(form, capsys):
    del form
    script = "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(7)"
    code, out, _ = traced(capsys, "inet_[bcl]*", "--", sys.executable, "-c", script)
    rows = {line.split("\t")[3]: line.split("\t")[4] for line in out.splitlines()}
    assert code == 0
    assert rows["inet_listen"].startswith("sock=0x")
    assert rows["inet_listen"].endswith(" backlog=7")
    assert "uaddr=0x" in rows["inet_bind"]
