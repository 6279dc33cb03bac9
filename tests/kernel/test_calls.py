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

pytestmark = pytest.mark.kernel

MARK = 77
"""A read of so many bytes is a test's own."""
NO_TRAMPOLINES = "fentry,fexit,fsession,kprobe_multi,kprobe_session"
"""What to take for absent, so that a call is a kprobe and a kretprobe with a perf event each."""


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


# ---------------------------------------------------------------- one task in two calls


class Attributes(sc.Event):
    inode: u64
    again: u64
    even: bool
    name: str
    comm: str
    ns: u64
    outer: u64
    ret: i32


def inode_of(path):
    return path.dentry.d_inode.i_ino


@sc.call("vfs_getattr")
def vfs_getattr(path):
    start = now()
    inode = inode_of(path)
    even = inode % 2 == 0
    dentry = path.dentry
    place = dentry.d_name
    name = sc.kernel_str(place.name, 32)
    if name == "ignored":
        return None
    ret = yield
    if ret != 0 and inode == 0:
        return None
    return Attributes(
        inode=inode,
        again=dentry.d_inode.i_ino,
        even=even,
        name=name,
        comm=current.comm,
        ns=now() - start,
        outer=start,
        ret=ret,
    )


@pytest.fixture
def overlay():
    """A file on an overlay of one tmpfs: stat() of it asks both file systems for it."""
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
    nested = overlay / "both" / "nested"
    below = overlay / "lower" / "nested"
    with vfs_getattr.attach(pid=os.getpid()) as session:
        for _ in range(3):
            nested.stat()
        (overlay / "both" / "ignored").stat()
        session.stop()
        found = [event for event in session if event.name in {"nested", "ignored"}]
        session.detach()
        row = session.stats()["vfs_getattr"]
    assert [event.name for event in found] == ["nested"] * 6
    pairs = list(zip(found[::2], found[1::2], strict=True))
    for inner, outer in pairs:
        assert inner.inode == inner.again == below.stat().st_ino
        assert outer.inode == outer.again == nested.stat().st_ino
        assert inner.inode != outer.inode
        assert (inner.even, outer.even) == (inner.inode % 2 == 0, outer.inode % 2 == 0)
        assert outer.outer < inner.outer
        assert outer.ns > inner.ns
        assert (inner.ret, outer.ret) == (0, 0)
        assert inner.comm == Path("/proc/self/comm").read_text().strip()
    assert (row.unreturned, row.ended, row.raised) == (0, 0, 0)


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
        ledger = session.stats()
        kept = list(session._parts[0].loaded.maps["calls"].items())
    for pair in pipes:
        for end in pair:
            os.close(end)
    entry = next(row for row in ledger if row.role == "entry")
    watched = found.count(1)
    assert 0 < watched < THREADS
    assert found.count(2) == THREADS
    assert entry.unreturned == THREADS - watched
    assert ledger.total.missed >= entry.unreturned
    assert ledger.lost >= entry.unreturned
    assert kept == []


def wait_for_readers(count):
    """Until so many threads of this process sleep in a read of a pipe."""
    for _ in range(1000):
        waiting = 0
        for task in Path("/proc/self/task").iterdir():
            with contextlib.suppress(OSError):
                waiting += "pipe" in (task / "wchan").read_text()
        if waiting >= count:
            return
        threading.Event().wait(0.02)
    raise AssertionError(f"{waiting} of {count} threads wait")


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
