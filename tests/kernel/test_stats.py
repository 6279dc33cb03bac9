"""``syscast stats``: other processes' sessions as they count themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from contextlib import contextmanager

import pytest

import syscast as sc
from syscast.btf import source
from syscast.errors import KernelError
from syscast.kernel import bpfinfo, bpfmaps
from syscast.probes import registers, syscall_table
from syscast.session import announcing, others

pytestmark = [pytest.mark.kernel, pytest.mark.native]

ME = os.getpid()
IN_VM = bool(os.environ.get("SYSCAST_VM"))
SESSION = textwrap.dedent(
    """
    import os, sys, time, warnings
    import syscast as sc
    warnings.simplefilter("ignore")
    class Tick(sc.Event):
        value: sc.u64
    @sc.raw_tracepoint("sys_enter")
    def tick(regs, number):
        if number != {number}: return None
        return Tick(value=number)
    with sc.attach(tick, pid=os.getpid(), ring_size=4096) as session:
        os.getpriority(os.PRIO_PROCESS, 0)
        for line in sys.stdin:
            for _ in range(int(line)): os.getpriority(os.PRIO_PROCESS, 0)
            print("done", flush=True)
    """
)


class Hit(sc.Event):
    value: sc.u64


@sc.syscall("getpriority")
def getpriority(who):
    return Hit(value=who)


@pytest.fixture(scope="module", autouse=True)
def warm():
    """What stays open for the life of the process is no leak of the first test that opens it."""
    source.kernel()
    with sc.attach(getpriority, pid=ME):
        pass


@contextmanager
def running(directory):
    """A session of another process, and a function that makes it count."""
    script = directory / "watcher.py"
    number = syscall_table.find("getpriority", registers.here().machine).number
    script.write_text(SESSION.format(number=number))
    with subprocess.Popen(
        [sys.executable, script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def work(calls):
            process.stdin.write(f"{calls}\n")
            process.stdin.flush()
            assert process.stdout.readline() == "done\n"

        try:
            work(1)
            yield process.pid, work
        finally:
            process.stdin.close()
            process.wait(30)


def syscast(*words):
    done = subprocess.run(
        [sys.executable, "-m", "syscast", "stats", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_session_of_another_process_is_shown_as_it_counts(tmp_path):
    with running(tmp_path) as (pid, work):
        work(1000)
        (told,) = json.loads(
            syscast("--once", "--json", "--interval", "200ms", "--pid", str(pid))
        )["sessions"]
        assert (told["pid"], told["command"], told["more"]) == (pid, "watcher.py", 0)
        (probe,) = told["probes"]
        assert probe["probe"] == "sys_enter"
        assert 1002 - probe["lost"] == pytest.approx(4096 / 80, abs=20)
        assert told["ring_fill"] is None or told["ring_fill"] > 0.9
        before = others.look(pid)[0].probes[0]
        work(500)
        after = others.look(pid)[0].probes[0]
        assert after.lost - before.lost == 500
        assert after.ran - before.ran >= 500
        table = syscast("--once", "--interval", "100ms", "--pid", str(pid)).splitlines()
        assert table[0].split() == [
            "PID", "COMMAND", "PROBE", "HITS/S", "EVENTS/S", "LOST", "MISSED", "RING", "NS/HIT", "CPU",
        ]  # fmt: skip
        assert table[1].split()[:3] == [str(pid), "watcher.py", "sys_enter"]
        assert f"{after.lost:,}" in table[1]
    assert others.look(pid) == []
    assert (
        syscast("--once", "--interval", "10ms", "--pid", str(pid)) == "no syscast session runs\n"
    )


def test_a_killed_session_leaves_nothing_to_see(tmp_path):
    with running(tmp_path) as (pid, _):
        (found,) = others.look(pid)
        os.kill(pid, 9)
    deadline = time.monotonic() + 5
    while others.look(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found.id not in set(bpfinfo.ids("map"))


def test_ones_own_sessions_in_their_order():
    with sc.attach(getpriority, pid=ME) as first, sc.attach(getpriority, pid=ME) as second:
        os.getpriority(os.PRIO_PROCESS, 0)
        found = others.look(ME)
        assert [each.probes[0].probe for each in found] == ["getpriority"] * 2
        assert [each.probes[0].ran for each in found] == [1, 1]
        assert first.stats().total.ran == second.stats().total.ran == 1
        assert found[0].told.parts[0].ledger != found[1].told.parts[0].ledger
        assert found[0].probes[0].missed == first.stats().total.missed
    assert others.look(ME) == []


def test_telling_costs_a_session_little():
    with sc.attach(getpriority, pid=ME) as session:
        times = []
        for _ in range(20):
            start = time.perf_counter()
            told = announcing.announce(session._parts)
            times.append(time.perf_counter() - start)
            told.close()
    # 70 us on a machine that has nothing else to do; ten times as long in emulation.
    assert min(times) < (0.02 if IN_VM else 0.0005)


def test_a_session_whose_kernel_refuses_the_map_runs_all_the_same(monkeypatch):
    def create(attr):
        if attr.name == announcing.NAME:
            raise KernelError("map '.syscast': create: no space left on device", 28)
        return whole(attr)

    whole = bpfmaps.map_create
    monkeypatch.setattr(bpfmaps, "map_create", create)
    with sc.attach(getpriority, pid=ME) as session:
        os.getpriority(os.PRIO_PROCESS, 0)
        assert len(session.read(1)) == 1
        assert others.look(ME) == []


def test_stats_stop_at_a_signal():
    with subprocess.Popen(
        [sys.executable, "-m", "syscast", "stats", "--pid", str(ME), "--interval", "100ms"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "no syscast session runs\n"
        process.send_signal(2)
        process.stdout.read()
        assert process.wait(30) == 0
