"""Calls as generators: what is kept across the yield, nested calls, exits that never come."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

import syscast as sc
from syscast import current, features, i32, i64, now, u32, u64
from syscast.btf import source

pytestmark = pytest.mark.kernel

MARK = 77
"""A read of so many bytes is a test's own."""
NO_TRAMPOLINES = "fentry,fexit,fsession,kprobe_multi,kprobe_session"
"""What to take for absent, so that a call is a kprobe and a kretprobe with a perf event each."""


@pytest.fixture(scope="module", autouse=True)
def types_of_this_kernel():
    """Open for the life of the process; not a leak of the first test that needs it."""
    return source.kernel()


def needs_functions():
    answer = features.probe("kprobe")
    if not answer:
        pytest.skip(answer.reason)


@pytest.fixture(params=["best", "kprobe"])
def form(request, monkeypatch):
    """Trampolines where the kernel has them, and the oldest form."""
    needs_functions()
    if request.param == "kprobe":
        monkeypatch.setenv("SYSCAST_DISABLE", NO_TRAMPOLINES)
    return request.param


# ---------------------------------------------------------------- what is kept


class Kept(sc.Event):
    who: i32
    doubled: i64
    total: i64
    odd: bool
    sort: str
    comm: str
    task_pid: i32
    parent_comm: str
    ret: i64
    ns: u64


def sort_of(number):
    if number < 3:
        return "few"
    return "many"


@sc.call("syscall:getpgid")
def getpgid(pid):
    if pid == 99:
        return Kept(
            who=pid,
            doubled=0,
            total=0,
            odd=False,
            sort="none",
            comm="",
            task_pid=0,
            parent_comm="",
            ret=-1,
            ns=0,
        )
    if pid == 98:
        return None
    start, doubled = now(), pid * 2
    odd = bool(pid & 1)
    sort = sort_of(pid)
    comm = current.comm
    task = current.task
    parent = task.real_parent
    total = 0
    for n in range(5):
        if n == 3:
            break
        total += n * pid
    ret = yield
    match ret:
        case -3:
            total = -1
        case _:
            total += len(comm) * 0 + 1
    if odd and sort == "none":
        return None
    return Kept(
        who=pid,
        doubled=doubled,
        total=total,
        odd=odd,
        sort=sort,
        comm=comm,
        task_pid=task.tgid,
        parent_comm=parent.comm,
        ret=ret,
        ns=now() - start,
    )


def test_values_of_all_sorts_are_kept_across_the_yield():
    me, parent = os.getpid(), os.getppid()
    numbers = (0, me, 1, 98, 99, 2_000_000_000)
    with getpgid.attach(pid=me) as session:
        for number in numbers:
            with contextlib.suppress(OSError):
                os.getpgid(number)
        session.stop()
        found = {event.who: event for event in session}
        session.detach()
        kept = session._parts[0].loaded.maps["calls"]
        assert list(kept.items()) == []
        (entry, _) = session.stats().rows
    assert set(found) == set(numbers) - {98}
    assert (found[99].ret, found[99].sort) == (-1, "none")
    comm = Path("/proc/self/comm").read_text().strip()
    for number in set(found) - {99}:
        event = found[number]
        missing = number == 2_000_000_000
        assert event.ret == (-3 if missing else os.getpgid(number))
        assert event.total == (-1 if missing else number * 3 + 1)
        assert event.doubled == number * 2
        assert event.odd == bool(number & 1)
        assert event.sort == ("few" if number < 3 else "many")
        assert event.comm == comm
        assert event.task_pid == me
        assert event.parent_comm == Path(f"/proc/{parent}/comm").read_text().strip()
        assert 0 < event.ns < 10**9
    assert (entry.role, entry.filtered, entry.unreturned) == ("entry", 1, 0)


# ---------------------------------------------------------------- one task in two calls


class Opened(sc.Event):
    file: u64
    again: u64
    name: str
    comm: str
    start: u64
    ns: u64
    ret: i32


def name_of(path):
    return sc.kernel_str(path.dentry.d_name.name, 32)


@sc.call("do_dentry_open")
def do_dentry_open(f):
    start = now()
    number = int(f)
    path = f.f_path
    name = name_of(path)
    if name == "ignored":
        return None
    ret = yield
    if ret != 0 and f.f_inode is None:
        return None
    return Opened(
        file=number,
        again=int(f),
        name=name_of(path) if name == "nested" else name,
        comm=current.comm,
        start=start,
        ns=now() - start,
        ret=ret,
    )


@pytest.fixture
def overlay():
    """A file on an overlay of a tmpfs: opening it opens the file below it."""
    with tempfile.TemporaryDirectory() as below:
        base = Path(below)
        mounted = []
        try:
            subprocess.run(["mount", "-t", "tmpfs", "none", below], check=True)
            mounted.append(below)
            for name in ("lower", "upper", "work", "both"):
                (base / name).mkdir()
            (base / "lower" / "nested").write_text("x")
            (base / "lower" / "ignored").write_text("x")
            options = f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work"
            done = subprocess.run(
                ["mount", "-t", "overlay", "-o", options, "none", base / "both"],
                check=False,
                capture_output=True,
                text=True,
            )
            if done.returncode:
                pytest.skip(f"this kernel has no overlay file system: {done.stderr.strip()}")
            mounted.append(str(base / "both"))
            yield base
        finally:
            for each in reversed(mounted):
                subprocess.run(["umount", each], check=True)


def test_a_call_inside_the_same_call_of_one_task(form, overlay):
    del form
    with do_dentry_open.attach(pid=os.getpid()) as session:
        for _ in range(3):
            (overlay / "both" / "nested").read_text()
        (overlay / "both" / "ignored").read_text()
        session.stop()
        found = [event for event in session if event.name in {"nested", "ignored"}]
        session.detach()
        row = session.stats()["do_dentry_open"]
        kept = list(session._parts[0].loaded.maps["calls"].items())
    assert [event.name for event in found] == ["nested"] * 6
    found.sort(key=lambda event: event.start)
    for outer, inner in zip(found[::2], found[1::2], strict=True):
        assert outer.file == outer.again != inner.file == inner.again
        assert outer.ns > inner.ns
        assert outer.start + outer.ns > inner.start + inner.ns
        assert (inner.ret, outer.ret) == (0, 0)
        assert inner.comm == outer.comm == Path("/proc/self/comm").read_text().strip()
    assert (row.unreturned, row.ended, row.raised) == (0, 0, 0)
    assert kept == []


# ---------------------------------------------------------------- exits that never come


class Read(sc.Event):
    count: u64
    ret: i64


@sc.call("vfs_read")
def vfs_read(file, buf, count):  # noqa: ARG001  (by position)
    if count != MARK:
        return None
    ret = yield
    return Read(count=count, ret=ret)


THREADS = 60


def test_a_missed_return_is_counted_and_its_state_is_taken_back(monkeypatch):
    """More calls at a time than a kretprobe watches: max(10, 2 * CPUs)."""
    needs_functions()
    monkeypatch.setenv("SYSCAST_DISABLE", NO_TRAMPOLINES)
    pipes = [os.pipe() for _ in range(THREADS)]
    turns = [threading.Semaphore(0) for _ in range(THREADS)]

    def work(number):
        os.read(pipes[number][0], MARK)  # all at once
        turns[number].acquire()
        os.read(pipes[number][0], MARK)  # one after the other

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    with vfs_read.attach(pid=os.getpid()) as session:
        assert "kretprobe on vfs_read" in session.describe()
        for thread in threads:
            thread.start()
        wait_for_readers(THREADS)
        for _, write in pipes:
            os.write(write, b"1")
        for number, (_, write) in enumerate(pipes):
            os.write(write, b"22")
            turns[number].release()
            threads[number].join()
        session.stop()
        found = [event.ret for event in session]
        session.detach()
        session.stats()  # a thread that was joined may be in /proc for a moment more
        ledger = session.stats()
        kept = list(session._parts[0].loaded.maps["calls"].items())
    for pair in pipes:
        for end in pair:
            os.close(end)
    entry = next(row for row in ledger if row.role == "entry")
    watched = found.count(1)
    assert 0 < watched < THREADS
    assert found.count(2) == THREADS
    # A kernel that moves stacks at random shows only half of them to the next call of the task.
    assert entry.unreturned + entry.ended == THREADS - watched
    assert entry.unreturned > 0
    assert ledger.total.missed >= entry.unreturned
    assert ledger.lost >= entry.unreturned
    assert kept == []


def wait_for_readers(count):
    """Until so many threads of this process sleep, and go on sleeping: they wait for their pipes."""
    calm = 0
    for _ in range(600):
        sleeping = 0
        for task in Path("/proc/self/task").iterdir():
            with contextlib.suppress(OSError):
                sleeping += (task / "stat").read_text().rpartition(")")[2].split()[0] == "S"
        calm = calm + 1 if sleeping >= count else 0
        if calm >= 20:
            return
        threading.Event().wait(0.05)
    raise AssertionError(f"{sleeping} of {count} threads sleep")


class Ending(sc.Event):
    pid: u32
    code: i64


@sc.call("do_exit")
def do_exit(code):
    status = code
    yield
    return Ending(pid=current.pid, code=status)


def test_the_state_of_tasks_that_ended_inside_a_call_is_taken_back(monkeypatch):
    """do_exit() never returns."""
    needs_functions()
    monkeypatch.setenv("SYSCAST_DISABLE", NO_TRAMPOLINES)
    script = "import os\nfor _ in range(20):\n if not os.fork(): os._exit(3)\n os.wait()"
    with do_exit.attach(command=[sys.executable, "-c", script]) as session:
        assert list(session) == []
        kept = session._parts[0].loaded.maps["calls"]
        session.detach()
        row = session.stats()["do_exit"]
        assert row.ended + row.unreturned == 21
        assert row.ended
        assert list(kept.items()) == []
