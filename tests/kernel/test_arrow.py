"""Sessions as Arrow streams, and the times in them, against calls that this process makes itself."""

from __future__ import annotations

import os
import threading
import time
import warnings
from functools import partial
from typing import TYPE_CHECKING

import nanoarrow as na
import pytest

import syscast as sc
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


@pytest.mark.skipif(not os.environ.get("SYSCAST_VM"), reason="sets the machine's clock")
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
