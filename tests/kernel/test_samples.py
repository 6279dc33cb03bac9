"""Samples of this process and of a child of the test's own: at the rate asked for, and of nobody else."""

from __future__ import annotations

import json
import mmap
import os
import subprocess
import sys
import threading
import time

import pytest

import syscast as sc
from syscast import Counter, current
from syscast.btf import source
from syscast.errors import KernelError, TargetError

pytestmark = [pytest.mark.kernel, pytest.mark.native]

SPIN = "while True: pass"


class Seen(sc.Event):
    pid: sc.u32
    ip: sc.u64
    period: sc.u64


@pytest.fixture(scope="module", autouse=True)
def types_of_this_kernel():
    """Open for the life of the process; not a leak of the first test that needs it."""
    return source.kernel()


def spin(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


@sc.profile("199hz")
def profiled(ip, period):
    return Seen(pid=current.pid, ip=ip, period=period)


def test_a_profile_of_this_process():
    with profiled.attach(pid=os.getpid()) as events:
        spin(0.3)
        found = list(events.read(0.5))
        assert events.describe() == [f"profile:199hz on process {os.getpid()}"]
    assert 15 <= len(found) <= 120  # 60 at a quiet time
    assert {each.pid for each in found} == {os.getpid()}
    assert all(each.ip and each.period for each in found)


def test_all_threads_are_sampled_also_those_that_start_later():
    hits = Counter[int](max_entries=100)

    @sc.profile("5ms")
    def probe():
        hits[current.tid] += 1

    go = threading.Event()
    seen = []

    def work():
        seen.append(threading.get_native_id())
        go.wait()
        spin(0.15)

    early = threading.Thread(target=work)
    early.start()
    with probe.attach(pid=os.getpid()):
        late = threading.Thread(target=work)
        late.start()
        go.set()
        early.join()
        late.join()
        spin(0.1)
    counts = hits.to_dict()
    assert {*seen, os.getpid()} <= set(counts)
    assert all(counts[tid] >= 5 for tid in seen)


def test_events_that_the_kernel_counts():
    hits = Counter[int](max_entries=1)

    @sc.software("page-faults:1")
    def faulted():
        hits[0] += 1

    with faulted.attach(pid=os.getpid()), mmap.mmap(-1, 4096 * 400) as memory:
        for at in range(0, len(memory), 4096):
            memory[at] = 1
    assert hits.to_dict()[0] >= 100


def test_an_interval_comes_at_its_time():
    @sc.interval("20ms")
    def tick(period):
        return Seen(pid=current.pid, ip=0, period=period)

    with tick.attach(pid=os.getpid()) as events:
        spin(0.3)
        found = list(events.read(0.5))
    assert 5 <= len(found) <= 20


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        (
            "profile",
            "often",
            r"profile 'often': read the rate 'often': not of the form 99hz or 10ms",
        ),
        ("profile", "99", r"not of the form 99hz"),
        ("software", "page-fault:1", r"software 'page-fault:1': look up: no such event"),
        ("software", "page-faults:1s", r"read the rate '1s': not of the form 1000"),
    ],
)
def test_what_is_no_event_is_named(kind, name, message):
    with pytest.raises(TargetError, match=message):
        getattr(sc, kind)(name)(lambda: None).attach(pid=os.getpid())


def test_a_machine_without_the_counter_says_so():
    @sc.hardware("cycles:1000000")
    def probe():
        return Seen(pid=current.pid, ip=0, period=0)

    try:
        with probe.attach(pid=os.getpid()) as events:
            spin(0.2)
            assert list(events.read(0.5))
    except KernelError as error:
        assert "no such counter" in str(error)  # noqa: PT017


def syscast(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "syscast", *arguments],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def test_the_command_line_counts_samples_of_a_process():
    worker = subprocess.Popen([sys.executable, "-c", SPIN])
    try:
        done = syscast(
            "count", "profile:199hz", "by", "comm,pid", "--json",
            "--pid", str(worker.pid), "--duration", "1s",
        )  # fmt: skip
        traced = syscast(
            "trace", "profile:99hz", "ip", "--json", "--pid", str(worker.pid), "--count", "3"
        )
    finally:
        worker.kill()
        worker.wait()
    (table,) = [json.loads(line) for line in done.stdout.splitlines()]
    (row,) = table["counts"]
    assert row["by"]["pid"] == worker.pid
    assert row["count"] >= 20
    events = [json.loads(line) for line in traced.stdout.splitlines()]
    assert len([each for each in events if each.get("pid") == worker.pid]) == 3
    assert syscast("list", "software:faults", "--names").stdout.split() == [
        "software:page-faults", "software:minor-faults", "software:major-faults",
        "software:alignment-faults", "software:emulation-faults",
    ]  # fmt: skip
    assert "period  unsigned long" in syscast("show", "profile:99hz").stdout
