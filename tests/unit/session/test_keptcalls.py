"""Whose kept state is taken, and whose is left alone."""

from __future__ import annotations

import os
import shutil
from struct import pack

import pytest

from syscast.session.keptcalls import APART_S, KeptCalls, Tasks

ENTRIES = (4, 6)
"""Program ids of the entries of pairs 0 and 1."""


class Map:
    """A map in memory."""

    def __init__(self):
        self.content = {}

    def items(self):
        return self.content.items()

    def delete(self, key):
        return self.content.pop(key, None) is not None

    def keep(self, process, thread=None, *, pair=0, frame=0x1000):
        """State as an entry program writes it: two locals, the thread in the last word."""
        task = 0xFFFF888000000000 + (thread or process)
        key = pack("<QQQ", task, frame, process << 32 | pair)
        self.content[key] = pack("<QQII", 1, 2, process if thread is None else thread, 0)
        return key


class Proc:
    """A directory like /proc."""

    def __init__(self, path):
        self.path = path
        (path / "self" / "ns").mkdir(parents=True)
        (path / "self" / "ns" / "pid").touch()
        self.namespace = (path / "self" / "ns" / "pid").stat().st_ino
        self.add(1)

    def add(self, process, *threads):
        for thread in (process, *threads):
            (self.path / str(process) / "task" / str(thread)).mkdir(parents=True)

    def remove(self, process, thread=None):
        path = self.path / str(process)
        shutil.rmtree(path if thread is None else path / "task" / str(thread))

    def tasks(self):
        return Tasks(str(self.path), self.namespace)


class Clock:
    """A clock that the test moves."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def kept():
    return Map()


@pytest.fixture
def proc(tmp_path):
    return Proc(tmp_path / "proc")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def calls(kept, proc, clock):
    return KeptCalls(kept, ENTRIES, proc.tasks(), clock)


def look_for(calls, clock, seconds):
    """Sweep as often as a reader of statistics might."""
    for _ in range(int(seconds * 10)):
        calls.sweep()
        clock.now += 0.1


def test_a_process_is_gone_after_two_looks_apart(calls, kept, proc, clock):
    proc.add(50)
    lives, gone = kept.keep(50, pair=0), kept.keep(60, pair=1)
    calls.sweep()
    calls.sweep()  # at once: the same look
    clock.now += APART_S / 2
    calls.sweep()
    assert list(kept.content) == [lives, gone]
    assert not calls.ended
    clock.now += APART_S / 2
    calls.sweep()
    assert list(kept.content) == [lives]
    assert calls.ended == {6: 1}


def test_a_thread_is_gone_after_two_looks_apart(calls, kept, proc, clock):
    proc.add(50, 51, 52)
    lives, gone = kept.keep(50, 51), kept.keep(50, 52)
    proc.remove(50, 52)
    calls.sweep()
    assert list(kept.content) == [lives, gone]
    clock.now += APART_S
    calls.sweep()
    assert list(kept.content) == [lives]
    assert calls.ended == {4: 1}


def test_what_comes_back_between_two_looks_was_not_gone(calls, kept, proc, clock):
    kept.keep(50)
    calls.sweep()
    clock.now += APART_S
    proc.add(50)
    calls.sweep()
    clock.now += APART_S
    proc.remove(50)
    calls.sweep()  # a first look again
    assert len(kept.content) == 1
    assert not calls.ended
    clock.now += APART_S
    calls.sweep()
    assert not kept.content
    assert calls.ended == {4: 1}


def test_calls_on_idle_cpus_are_never_taken(calls, kept, clock):
    kept.keep(0)
    look_for(calls, clock, 5)
    calls.sweep(detached=True)
    assert len(kept.content) == 1
    assert not calls.ended


def test_one_look_is_enough_once_no_exit_can_come(calls, kept, proc):
    proc.add(50)
    lives = kept.keep(50)
    kept.keep(60)
    calls.sweep(detached=True)
    assert list(kept.content) == [lives]
    assert calls.ended == {4: 1}


def test_an_exit_that_comes_first_is_not_counted(calls, kept, clock, monkeypatch):
    kept.keep(60)
    calls.sweep()
    clock.now += APART_S
    monkeypatch.setattr(kept, "delete", lambda _key: False)
    calls.sweep()
    assert not calls.ended


def in_another_pid_namespace(proc):
    proc.namespace += 1


def under_a_proc_of_another_pid_namespace(proc):
    shutil.rmtree(proc.path / "self")


def under_hidepid(proc):
    proc.remove(1)


def without_proc(proc):
    shutil.rmtree(proc.path)


@pytest.mark.parametrize(
    "happens",
    [
        in_another_pid_namespace,
        under_a_proc_of_another_pid_namespace,
        under_hidepid,
        without_proc,
    ],
)
def test_nothing_is_taken_where_proc_does_not_show_all(kept, proc, clock, happens):
    kept.keep(60)
    kept.keep(70, 71, pair=1)
    happens(proc)
    calls = KeptCalls(kept, ENTRIES, proc.tasks(), clock)
    look_for(calls, clock, 5)
    calls.sweep(detached=True)
    assert len(kept.content) == 2
    assert not calls.ended


def test_looks_from_before_proc_hid_something_are_still_looks(calls, kept, proc, clock):
    kept.keep(60)
    calls.sweep()
    proc.remove(1)
    clock.now += APART_S
    calls.sweep()
    assert len(kept.content) == 1
    proc.add(1)
    calls.sweep()
    assert not kept.content


def test_what_may_not_be_looked_at_is_there(proc, monkeypatch):
    """With hidepid=1, the directories of other users' processes."""

    def refuse(path):
        raise PermissionError(path)

    tasks = proc.tasks()
    assert not tasks.has(60, 60)
    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", refuse)
        found = tasks.has(60, 60)
    assert found


def test_this_process_is_in_the_real_proc():
    assert Tasks().has(os.getpid(), os.getpid())
    assert not Tasks().has(os.getpid(), 1 << 30)
