"""What a session promises, against calls that this process makes and counts itself."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from processes import (
    FIRST_TOKEN,
    NO_SUCH_PROCESS,
    ask,
    forked,
    in_child,
    in_thread,
    set_comm,
    wait_until,
)

import syscast as sc
from syscast import current, features
from syscast.btf import source
from syscast.events.event import boot_time
from syscast.kernel import bpfinfo

pytestmark = [pytest.mark.kernel, pytest.mark.native]

IN_VM = bool(os.environ.get("SYSCAST_VM"))
ME = os.getpid()


class Asked(sc.Event):
    which: sc.i32
    who: sc.i32
    ret: sc.i64
    comm_then: str


class Parent(sc.Event):
    number: sc.u32


@sc.syscall("getpriority")
def getpriority(which, who, ret):
    return Asked(which=which, who=who, ret=ret, comm_then=current.comm)


@sc.syscall("getppid")
def getppid(ret):
    return Parent(number=ret)


@pytest.fixture(scope="module", autouse=True)
def warm():
    """What stays open for the life of the process is no leak of the first test that opens it."""
    for types in (source.kernel, *(partial(source.module, name) for name in source.modules())):
        types()
    with getpriority.attach(pid=ME), getppid.attach(pid=ME):
        pass


@pytest.fixture(params=["ringbuf", "perf"])
def either_ring(request, monkeypatch):
    """The ring buffer, and what stands in for it on kernels without."""
    if request.param == "perf":
        monkeypatch.setenv("SYSCAST_DISABLE", "ringbuf")
    elif not features.supported("ringbuf"):
        pytest.skip(features.probe("ringbuf").reason)
    return request.param


@pytest.fixture
def comm():
    """This thread's name, given back at the end."""
    before = Path("/proc/thread-self/comm").read_bytes().rstrip(b"\n")
    yield before.decode()
    set_comm(before)


def tokens(number, first=FIRST_TOKEN):
    return list(range(first, first + number))


def whom(events):
    return [event.who for event in events]


# ---------------------------------------------------------------- reading


def test_each_call_gives_one_event_in_order(either_ring):
    with getpriority.attach(pid=ME) as session:
        for token in tokens(100):
            ask(token)
        session.detach()
        events = session.read(0)
        stats = session.stats()
    assert whom(events) == tokens(100)
    assert {(event.which, event.ret) for event in events} == {(0, NO_SUCH_PROCESS)}
    assert stats.problems() == []
    assert (stats["getpriority"].delivered, stats.lost) == (100, 0)
    assert either_ring


def test_the_values_of_a_call_that_succeeds():
    with getpriority.attach(pid=ME) as session:
        nice = os.getpriority(os.PRIO_PROCESS, 0)
        (event,) = session.read(10)
    assert event == Asked(which=0, who=0, ret=20 - nice, comm_then=event.comm)
    match event:
        case Asked(which=0, ret=ret):
            assert ret == 20 - nice
        case _:
            pytest.fail("it does not match its own fields")


def test_reading_waits_no_longer_than_asked():
    with getpriority.attach(pid=ME) as session:
        before = time.monotonic()
        assert session.read(0) == []
        assert time.monotonic() - before < 0.2
        before = time.monotonic()
        assert session.read(0.3) == []
        assert 0.3 <= time.monotonic() - before < 3
        assert list(session.events(timeout=0.1)) == []
        assert list(session.batches(timeout=0.1)) == []


def test_reading_waits_until_something_happens():
    with getpriority.attach(pid=ME) as session:
        timer = threading.Timer(0.2, ask, [FIRST_TOKEN])
        timer.start()
        assert whom(session.read()) == [FIRST_TOKEN]
        timer.join()


def test_the_count_ends_an_iteration_and_the_rest_is_there_for_the_next():
    with getpriority.attach(pid=ME) as session:
        for token in tokens(10):
            ask(token)
        assert whom(session.events(count=3)) == tokens(3)
        for event in session:
            assert event.who == FIRST_TOKEN + 3
            break
        assert session.stats()["getpriority"].delivered == 4
        assert whom(session.read(0)) == tokens(6, FIRST_TOKEN + 4)
        assert list(session.events(count=0)) == []
        assert session.stats()["getpriority"].delivered == 10


def test_a_callback_gets_each_event_and_may_stop():
    seen = []

    def callback(event):
        seen.append(event.who)
        if len(seen) == 5:
            session.stop()

    with getpriority.attach(pid=ME) as session:
        for token in tokens(5):
            ask(token)
        session.run(callback)
        assert session.ended
    assert seen == tokens(5)


def test_a_callback_that_fails_ends_the_session_with_what_it_was_given():
    seen = []

    def callback(event):
        seen.append(event.who)
        if len(seen) == 2:
            raise LookupError(event.who)

    with getpriority.attach(pid=ME) as session:
        for token in tokens(3):
            ask(token)
        with pytest.raises(LookupError, match=str(FIRST_TOKEN + 1)):
            session.run(callback)
        assert session.ended
        assert session.stats()["getpriority"].ran >= 3
    assert seen == tokens(2)


def test_iterating_asynchronously():
    async def watch(session, seen):
        async for event in session:
            seen.append(event.who)
            if len(seen) == 20:
                return

    async def act():
        for token in tokens(20):
            ask(token)
            await asyncio.sleep(0.005)

    async def both():
        seen = []
        with getpriority.attach(pid=ME) as session:
            await asyncio.wait_for(asyncio.gather(watch(session, seen), act()), 60)
        return seen

    assert asyncio.run(both()) == tokens(20)


def test_stop_ends_an_asynchronous_iteration():
    async def both():
        with getpriority.attach(pid=ME) as session:
            ask(FIRST_TOKEN)
            asyncio.get_running_loop().call_later(0.2, session.stop)
            return [event.who async for event in session]

    assert asyncio.run(asyncio.wait_for(both(), 60)) == [FIRST_TOKEN]


def test_batches_hold_the_same_values_as_events(either_ring):
    with getpriority.attach(pid=ME) as one, getpriority.attach(pid=ME) as other:
        for token in tokens(500):
            ask(token)
        one.detach()
        other.detach()
        events = list(one.events(timeout=0))
        batches = list(other.batches(timeout=0))
    assert whom(events) == tokens(500)
    columns = {name: [] for name in ("which", "who", "ret", "pid", "tid", "cpu", "seq", "time")}
    for batch in batches:
        assert len(batch) == len(batch.array)
        for name, values in columns.items():
            values.extend(batch.array[name].tolist())
    for name in ("which", "who", "ret", "pid", "tid", "cpu", "seq"):
        assert columns[name] == [getattr(event, name) for event in events], name
    # Two programs: each has its own time of the same call, and each session its own clock offset.
    gaps = [abs(a - event.time) for a, event in zip(columns["time"], events, strict=True)]
    assert max(gaps) < 10**9
    again = [event for batch in batches for event in batch]
    assert again == events
    assert either_ring


def test_events_and_batches_of_one_session_in_turn():
    with getpriority.attach(pid=ME) as session:
        ask(FIRST_TOKEN)
        assert whom(session.read(5)) == [FIRST_TOKEN]
        ask(FIRST_TOKEN + 1)
        batch = next(session.batches(timeout=5))
        assert batch.array["who"].tolist() == [FIRST_TOKEN + 1]
        ask(FIRST_TOKEN + 2)
        assert whom(session.read(5)) == [FIRST_TOKEN + 2]
        assert session.stats()["getpriority"].delivered == 3


# ---------------------------------------------------------------- ending


@pytest.mark.parametrize("how", ["read", "events", "batches", "run"])
def test_stop_from_a_thread_ends_a_wait(how):
    with getpriority.attach(pid=ME) as session:
        timer = threading.Timer(0.2, session.stop)
        timer.start()
        before = time.monotonic()
        if how == "run":
            session.run(pytest.fail)
        else:
            assert list(getattr(session, how)()) == []
        assert time.monotonic() - before < 30
        timer.join()
        assert session.ended


def test_stop_from_a_signal_handler_keeps_what_was_there():
    def handler(_number, _frame):
        ask(FIRST_TOKEN + 1)
        session.stop()

    before = signal.signal(signal.SIGALRM, handler)
    try:
        with getpriority.attach(pid=ME) as session:
            ask(FIRST_TOKEN)
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            assert whom(session) == tokens(2)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_other_signals_do_not_end_a_wait():
    seen = []
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
    try:
        with getpriority.attach(pid=ME) as session:
            signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
            timer = threading.Timer(0.5, ask, [FIRST_TOKEN])
            timer.start()
            assert whom(session.read(60)) == [FIRST_TOKEN]
            signal.setitimer(signal.ITIMER_REAL, 0)
            timer.join()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert seen


def test_closing_twice_and_reading_after_it():
    session = getpriority.attach(pid=ME)
    ask(FIRST_TOKEN)
    assert len(session.read(5)) == 1
    session.close()
    session.close()
    assert session.ended
    with pytest.raises(sc.UsageError, match="session: read: it is closed"):
        session.read(0)
    assert list(session) == []
    assert list(session.batches()) == []
    ask(FIRST_TOKEN)
    assert session.stats()["getpriority"].delivered == 1
    assert "1 event delivered, 0 lost" in session.stats().summary()


def test_an_exception_in_the_block_closes_the_session():
    with pytest.raises(KeyError), getpriority.attach(pid=ME) as session:
        raise KeyError
    assert session.ended


def test_detaching_ends_what_is_seen_and_leaves_what_was():
    with getpriority.attach(pid=ME) as session:
        ask(FIRST_TOKEN)
        session.detach()
        ask(FIRST_TOKEN + 1)
        assert whom(session.read(0)) == [FIRST_TOKEN]
        assert session.stats().problems() == []
        session.detach()


def test_what_cannot_attach_leaves_nothing(tmp_path):
    """The guard of conftest counts descriptors, programs and links."""

    @sc.raw_tracepoint("sched_process_forkk")
    def near():
        return None

    @sc.syscall("getppid")
    def wrong():
        return Parent(number=no_such_name)  # noqa: F821

    with pytest.raises(sc.TargetError, match="sched_process_fork"):
        sc.attach(getpriority, near, pid=ME)
    with pytest.raises(sc.CompileError, match="no_such_name"):
        sc.attach(getpriority, wrong, pid=ME)
    with pytest.raises(sc.UsageError, match="command not found"):
        getpriority.attach(command=["no-such-command-here"])
    with pytest.raises(sc.UsageError, match="cgroup"):
        getpriority.attach(pid=ME, cgroup=str(tmp_path / "none"))
    with pytest.raises(sc.SyscastError, match="cgroup"):
        getpriority.attach(pid=ME, cgroup=str(tmp_path))
    with pytest.raises(sc.UsageError, match="netns"):
        getpriority.attach(pid=ME, netns="no-such-namespace")


# ---------------------------------------------------------------- several


def test_two_sessions_see_the_same_and_end_apart():
    with getpriority.attach(pid=ME) as one:
        with getpriority.attach(pid=ME) as other:
            for token in tokens(10):
                ask(token)
            assert whom(one.read(5)) == whom(other.read(5)) == tokens(10)
        ask(FIRST_TOKEN)
        assert whom(one.read(5)) == [FIRST_TOKEN]


def test_several_probes_share_one_stream_in_time_order():
    with sc.attach(getpriority, getppid, pid=ME) as session:
        for token in tokens(50):
            ask(token)
            os.getppid()
        session.detach()
        events = session.read(0)
        stats = session.stats()
    assert [type(event) for event in events] == [Asked, Parent] * 50
    assert {event.number for event in events if isinstance(event, Parent)} == {os.getppid()}
    assert [event.probe for event in events[:2]] == ["getpriority", "getppid"]
    assert events == sorted(events, key=boot_time)
    assert (stats["getpriority"].delivered, stats["getppid"].delivered) == (50, 50)


def test_events_of_several_processors_come_in_time_order(either_ring):
    """Two threads on two processors; Python runs one at a time, and changes often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)

    def work(cpu):
        os.sched_setaffinity(0, {cpu})
        for token in tokens(1000, FIRST_TOKEN + cpu * 1000):
            ask(token)

    cpus = sorted(os.sched_getaffinity(0))[:2]
    try:
        with getpriority.attach(pid=ME, ring_size=1 << 20) as session:
            threads = [threading.Thread(target=work, args=[cpu]) for cpu in cpus]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            session.detach()
            events = session.read(0)
            lost = session.stats().lost
    finally:
        sys.setswitchinterval(before)
    assert lost == 0
    assert len(events) == 1000 * len(cpus)
    assert {event.cpu for event in events} == set(cpus)
    times = [event.time for event in events]
    assert times == sorted(times)
    assert either_ring


# ---------------------------------------------------------------- the envelope


def test_the_time_is_the_wall_clock():
    with getpriority.attach(pid=ME) as session:
        before = time.time_ns()
        ask(FIRST_TOKEN)
        after = time.time_ns()
        (event,) = session.read(5)
    # The kernel slews and steps the wall clock against the boot clock: a millisecond of grace.
    assert before - 10**6 <= event.time <= after + 10**6


def test_the_envelope_says_who_and_where(comm):
    cpu = min(os.sched_getaffinity(0))
    allowed = os.sched_getaffinity(0)
    with getpriority.attach(pid=ME) as session:
        os.sched_setaffinity(0, {cpu})
        try:
            ask(FIRST_TOKEN)
        finally:
            os.sched_setaffinity(0, allowed)

        def named():
            set_comm(b"a thread")
            ask(FIRST_TOKEN + 1)

        tid = in_thread(named)
        first, second = session.read(5)
    assert (first.pid, first.tid, first.comm, first.cpu) == (ME, ME, comm, cpu)
    assert (second.pid, second.tid, second.comm) == (ME, tid, "a thread")
    assert (first.probe, first.seq) == ("getpriority", 0)
    assert first.envelope.pid == ME
    assert (second.comm_then, first.comm_then) == ("a thread", comm)


@pytest.mark.skipif(not IN_VM, reason="makes cgroups: only inside a test VM")
def test_the_cgroup_is_the_directory_s_inode(tmp_path):
    del tmp_path
    group = Path("/sys/fs/cgroup/syscast-session")
    group.mkdir()

    def act():
        (group / "cgroup.procs").write_text(str(os.getpid()))
        ask(FIRST_TOKEN)

    try:
        with getpriority.attach(pid=ME, follow=True) as session:
            pid = in_child(act)
            (event,) = session.read(5)
        assert (event.pid, event.cgroup_id) == (pid, group.stat().st_ino)
    finally:
        wait_until(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


HOSTILE = [
    (b"\x1b[31mred", "\x1b[31mred", "\\x1b[31mred"),
    (b"a\nb\tc\rd", "a\nb\tc\rd", "a\\x0ab\\x09c\\x0dd"),
    (b"\xff\xfe bad", "\\xff\\xfe bad", "\\xff\\xfe bad"),
    ("é\u202eab".encode(), "é\u202eab", "é\\u202eab"),
    (b'"}\\,{"', '"}\\,{"', '"}\\,{"'),
    (b"fifteen bytes!!", "fifteen bytes!!", "fifteen bytes!!"),
    (b"", "", ""),
]


@pytest.mark.parametrize(("raw", "text", "shown"), HOSTILE)
def test_names_of_any_bytes(raw, text, shown, comm):
    with getpriority.attach(pid=ME) as session:
        set_comm(raw)
        ask(FIRST_TOKEN)
        set_comm(comm.encode())
        (event,) = session.read(5)
    assert event.comm == event.comm_then == text
    assert event.to_dict()["comm"] == text
    parsed = json.loads(event.to_json())
    assert (parsed["comm"], parsed["comm_then"]) == (text, text)
    assert "\n" not in event.to_json()
    line = str(event)
    assert f" {shown}[{ME}] getpriority: " in line
    assert line.isprintable()


# ---------------------------------------------------------------- forks


def test_a_forked_child_can_neither_read_nor_disturb():
    with getpriority.attach(pid=ME) as session:
        ask(FIRST_TOKEN)

        def child():
            with pytest.raises(sc.UsageError, match="belongs to process"):
                session.read(0)
            session.close()

        in_child(child)
        ask(FIRST_TOKEN + 1)
        assert whom(session.read(5)) == tokens(2)
        ask(FIRST_TOKEN + 2)
        assert whom(session.read(5)) == [FIRST_TOKEN + 2]


def test_a_forked_child_leaves_the_command_alone():
    with getpriority.attach(command=["sleep", "600"]) as session:
        in_child(session.close)
        assert session.command.poll() is None
    assert session.command.poll() == -signal.SIGTERM


def test_a_child_that_lives_on_keeps_nothing_attached():
    """Its copies of the descriptors would keep the links, and so the programs on every call."""
    reading, writing = os.pipe()
    session = getpriority.attach(pid=ME)
    links = {
        bpfinfo.link_info(link._fds[0]).id
        for part in session._parts
        for link in part.links.values()
    }
    pid = forked(lambda: (os.close(writing), os.read(reading, 1)))
    try:
        ask(FIRST_TOKEN)
        assert whom(session.read(5)) == [FIRST_TOKEN]
        session.close()
        wait_until(lambda: not links & set(bpfinfo.ids("link")), 5)
    finally:
        session.close()
        os.close(writing)
        os.close(reading)
        os.waitpid(pid, 0)
