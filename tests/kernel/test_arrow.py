"""Sessions as Arrow streams, and the times in them, against calls that this process makes itself."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import threading
import time
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import nanoarrow as na
import pytest

import syscast as sc
from syscast import features
from syscast.btf import source

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = [pytest.mark.kernel, pytest.mark.native]

ME = os.getpid()


class Parent(sc.Event):
    number: sc.u32
    name: str


class Asked(sc.Event):
    who: sc.i32


@sc.syscall("getppid")
def getppid(ret):
    return Parent(number=ret, name=sc.current.comm)


@sc.syscall("getpriority")
def getpriority(who):
    return Asked(who=who)


@pytest.fixture(scope="module", autouse=True)
def warm():
    """What stays open for the life of the process is no leak of the first test that opens it."""
    for types in (source.kernel, *(partial(source.module, name) for name in source.modules())):
        types()
    with getppid.attach(pid=ME):
        pass


def rows(stream: object) -> list[Mapping[str, object]]:
    """All rows as dicts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's datetime has no nanoseconds
        return na.ArrayStream(stream).read_all().to_pylist()


def test_a_session_as_one_table():
    with sc.attach(getppid, getpriority, pid=ME) as session:
        before = time.time_ns()
        for _ in range(500):
            os.getppid()
        os.getpriority(os.PRIO_PROCESS, 0)
        after = time.time_ns()
        found = rows(session.arrow(timeout=0.3, dictionaries=False, raw=True))
        stats = {each.probe: each for each in session.stats().rows}
    parents = [row for row in found if row["event"] == "Parent"]
    (asked,) = (row for row in found if row["event"] == "Asked")
    assert {(row["number"], row["pid"], row["who"]) for row in parents} == {
        (os.getppid(), ME, None)
    }
    assert (asked["number"], asked["who"], asked["probe"]) == (None, 0, "getpriority")
    assert len(parents) == stats["getppid"].delivered == 500
    times = [int(row["time"].timestamp() * 1_000_000) for row in found]
    assert before // 1000 - 1000 <= min(times) <= max(times) <= after // 1000 + 1000


@pytest.mark.skipif(
    not os.environ.get("SYSCAST_VM"), reason="sets the clock: only inside a test VM"
)
@pytest.mark.parametrize("way", ["events", "batches"])
def test_times_before_and_after_the_clock_is_set(way):
    found: list[int] = []

    def read(session):
        if way == "events":
            found.extend(event.time for event in session.events(timeout=3, count=4))
        else:
            for batch in session.batches(timeout=2):
                found.extend(batch.array["time"].tolist())

    with getppid.attach(pid=ME, mode="push") as session:
        reader = threading.Thread(target=read, args=(session,))
        reader.start()
        time.sleep(0.3)
        expected = [ask()]
        for step in (3600, -7200, 3600):  # the last one is where it was
            shown = time.clock_gettime(time.CLOCK_REALTIME)
            time.clock_settime(time.CLOCK_REALTIME, shown + step)
            time.sleep(0.2)
            expected.append(ask())
            time.sleep(0.2)
        reader.join()
    offsets = [(seen - before) / 1e9 for seen, (before, _) in zip(found, expected, strict=True)]
    assert offsets == pytest.approx([0, 0, 0, 0], abs=0.1)


def ask() -> tuple[int, int]:
    """Call what is traced; between which times that was."""
    before = time.time_ns()
    os.getppid()
    return before, time.time_ns()


class Task(sc.Event):
    pid: sc.u32
    tid: sc.u32
    name: sc.Comm


def test_a_table_of_the_kernel_as_a_table():
    if not features.probe("iterator"):
        pytest.skip("the kernel has no iterators")

    @sc.iterator("task")
    def tasks(task):
        return Task(pid=task.tgid, tid=task.pid, name=task.comm)

    with tasks.open(pid=ME) as table:
        found = rows(table.arrow(dictionaries=False))
    mine = [row for row in found if row["tid"] == ME]
    comm = Path("/proc/self/comm").read_text().rstrip("\n")
    assert [(row["pid"], row["name"], row["event"]) for row in mine] == [(ME, comm, "Task")]


@pytest.mark.skipif(
    bool(os.environ.get("SYSCAST_VM")),
    reason="DuckDB takes too long to start in an emulated machine",
)
def test_the_example_that_asks_in_sql(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    path = Path(__file__).parents[2] / "examples/opens_sql.py"
    spec = importlib.util.spec_from_file_location("example_opens_sql", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    (tmp_path / "there").touch()
    names = [os.fsencode(tmp_path / "there"), os.fsencode(tmp_path) + b"/gone\xff"]
    with module.openat.attach(pid=ME) as session:
        for _ in range(7):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    os.close(os.open(name, os.O_RDONLY))
        events = session.arrow(timeout=0.3)  # noqa: F841 - found by its name
        found = duckdb.sql(f"select path, opens, failed from ({module.QUESTION})").fetchall()
    counts = {path: (opens, failed) for path, opens, failed in found}
    assert counts[f"{tmp_path}/there"] == (7, 0)
    assert counts[f"{tmp_path}/gone\\xff"] == (7, 7)
