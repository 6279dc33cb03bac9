"""Nothing is lost silently: what was issued is delivered or counted, to the last event.

Two witnesses: the number of calls that the test made, and the sequence numbers in the events that arrived.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from processes import FIRST_TOKEN, LIBC, ask, forked

import syscast as sc
from syscast import current, features
from syscast.btf import source
from syscast.probes import registers, syscall_table

pytestmark = [pytest.mark.kernel, pytest.mark.native]

IN_VM = bool(os.environ.get("SYSCAST_VM"))
ME = os.getpid()
HERE = Path(__file__)
FLOOD = 20_000 if IN_VM else 50_000
SMALL_RING = 4096
GETPRIORITY = syscall_table.find("getpriority", registers.here().machine).number


class Seen(sc.Event):
    token: sc.i64


@sc.syscall("getpriority")
def getpriority(who):
    return Seen(token=who)


@sc.raw_tracepoint("sys_enter")
def sys_enter(_regs, number):
    if number != GETPRIORITY:
        return None
    return Seen(token=number)


@pytest.fixture(scope="module", autouse=True)
def warm():
    """What stays open for the life of the process is no leak of the first test that opens it."""
    for types in (source.kernel, *(partial(source.module, name) for name in source.modules())):
        types()
    with sc.attach(getpriority, sys_enter, pid=ME, follow=True):
        pass


@pytest.fixture(params=["ringbuf", "perf"])
def either_ring(request, monkeypatch):
    """The ring buffer, and what stands in for it on kernels without."""
    if request.param == "perf":
        monkeypatch.setenv("SYSCAST_DISABLE", "ringbuf")
    elif not features.supported("ringbuf"):
        pytest.skip(features.probe("ringbuf").reason)
    return request.param


def drained(session):
    """Detach, and take everything that is left."""
    session.detach()
    events = []
    while found := session.read(0):
        events += found
    return events


def gaps(events):
    """Missing sequence numbers below the highest that came, by probe: counted from the events alone."""
    by_stream = {}
    for event in events:
        by_stream.setdefault((event.probe, event.cpu), []).append(event.seq)
    missing = Counter()
    for (probe, _), numbers in by_stream.items():
        assert numbers == sorted(set(numbers)), "sequence numbers of a processor only grow"
        missing[probe] += numbers[-1] + 1 - len(numbers)
    return missing


def check(row, issued, events):
    """Every equation of one probe's row."""
    assert row.ran == row.filtered + row.raised + row.tried, row
    assert row.tried == issued - (row.missed or 0), row
    assert row.read == row.delivered == len(events), row
    assert row.tried == row.delivered + row.dropped, row
    assert row.gaps == row.dropped, row
    assert row.lost == issued - len(events), row
    assert (row.discarded, row.decode_errors) == (0, 0), row


@contextlib.contextmanager
def on_one_cpu():
    """So that the last event of all shows the gap before it."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


# ---------------------------------------------------------------- losses


def test_a_flood_into_a_small_ring_that_nobody_reads(either_ring):
    with (
        on_one_cpu(),
        sc.attach(getpriority, sys_enter, pid=ME, ring_size=SMALL_RING) as session,
    ):
        for token in range(FIRST_TOKEN, FIRST_TOKEN + FLOOD):
            ask(token)
        events = []
        while found := session.read(0):
            events += found
        ask(FIRST_TOKEN + FLOOD)
        events += drained(session)
        stats = session.stats()
    assert stats.problems() == []
    assert stats.lost > FLOOD
    total = 0
    for probe in ("getpriority", "sys_enter"):
        mine = [event for event in events if event.probe == probe]
        assert 0 < len(mine) < FLOOD / 2
        check(stats[probe], FLOOD + 1, mine)
        # The last call came through: all that is missing is missing before it.
        assert gaps(mine)[probe] == stats[probe].dropped
        assert mine[-1].seq == FLOOD
        total += stats[probe].dropped
    tokens = [event.token for event in events if event.probe == "getpriority"]
    assert tokens[-1] == FIRST_TOKEN + FLOOD
    assert tokens == sorted(set(tokens))
    assert (
        f"{len(events)} events delivered, {total:,} lost (ring full {total:,}, " in stats.summary()
    )
    assert either_ring


@pytest.mark.parametrize("how", ["events", "batches"])
def test_a_flood_from_all_processors_while_somebody_reads(either_ring, how):
    cpus = sorted(os.sched_getaffinity(0))
    each = FLOOD // 2

    def flood(cpu, start):
        os.close(writing)
        os.sched_setaffinity(0, {cpu})
        os.read(start, 1)
        for token in range(FIRST_TOKEN, FIRST_TOKEN + each):
            ask(token)

    start, writing = os.pipe()
    with sc.attach(getpriority, pid=ME, follow=True, ring_size=SMALL_RING) as session:
        # Actors of this session's own: who is followed has to be born after it.
        pids = [forked(partial(flood, cpu, start)) for cpu in cpus]
        os.close(writing)
        os.close(start)
        waiter = threading.Thread(
            target=lambda: ([os.waitpid(p, 0) for p in pids], session.stop())
        )
        waiter.start()
        seen = Counter()
        if how == "events":
            for event in session:
                seen[event.pid, event.token] += 1
        else:
            for batch in session.batches():
                array = batch.array
                seen.update(zip(array["pid"].tolist(), array["token"].tolist(), strict=True))
        waiter.join()
        session.detach()
        assert session.read(0) == []
        stats = session.stats()
    assert stats.problems() == []
    assert set(seen.values()) == {1}
    assert {pid for pid, _ in seen} <= set(pids)
    row = stats["getpriority"]
    assert row.tried == each * len(cpus)
    assert row.delivered == len(seen)
    assert row.delivered + row.dropped == row.tried
    assert row.gaps == row.dropped
    assert either_ring


def kinds():
    """Probes of every kind on one call, listen(2) of a socket that listens already."""

    def function(_sock, backlog):
        return Seen(token=backlog)

    def whole(_sock, backlog):
        ret = yield
        return Seen(token=backlog + ret)

    def listen(backlog):
        return Seen(token=backlog)

    def record(*, backlog):
        return Seen(token=backlog)

    found = {"syscall": sc.syscall("listen")(listen)}
    if features.supported("kprobe") or features.supported("kprobe_multi"):
        found["kprobe"] = sc.kprobe("inet_listen")(function)
    if features.supported("fentry"):
        found["fentry"] = sc.fentry("inet_listen")(function)
    if features.supported("fexit"):
        found["fexit"] = sc.fexit("inet_listen")(function)
        found["call"] = sc.call("inet_listen")(whole)
    if features.supported("tracepoint"):
        found["tracepoint"] = sc.tracepoint("syscalls:sys_enter_listen")(record)
    return found


@pytest.mark.parametrize("kind", ["syscall", "kprobe", "fentry", "fexit", "call", "tracepoint"])
def test_a_flood_of_each_kind(kind, monkeypatch):
    probe = kinds().get(kind)
    if probe is None:
        pytest.skip(f"this kernel has no {kind}")
    forms = ["", "kprobe_multi"] if kind == "kprobe" else [""]
    for disabled in forms:
        if disabled and not features.supported("kprobe"):
            continue
        monkeypatch.setenv("SYSCAST_DISABLE", disabled)
        flood_of(probe)


def flood_of(probe):
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        on_one_cpu(),
        probe.attach(pid=ME, ring_size=SMALL_RING) as session,
    ):
        number = server.fileno()
        for token in range(FLOOD):
            LIBC.listen(number, token % 100)
        events = []
        while found := session.read(0):
            events += found
        LIBC.listen(number, 77)
        events += drained(session)
        stats = session.stats()
    assert stats.problems() == []
    row = stats[probe.name]
    check(row, FLOOD + 1, events)
    assert row.dropped > FLOOD / 2
    assert gaps(events)[probe.name] == row.dropped
    assert events[-1].token == 77
    assert events[-1].seq == FLOOD - (row.missed or 0)


def test_losses_on_the_command_line(tmp_path):
    """Nobody reads the pipe for a while: the ring fills up, and the exit code says so."""
    calls = 150_000
    done = tmp_path / "done"
    program = (
        "import ctypes, pathlib\n"
        "call = ctypes.CDLL(None).getpriority\n"
        f"for n in range({calls}): call(0, {FIRST_TOKEN} + n)\n"
        f"pathlib.Path({str(done)!r}).touch()\n"
    )
    words = ["trace", "--json", "--fail-on-loss", "syscall:getpriority", "who", "ret"]
    errors = tmp_path / "errors"
    with (
        errors.open("w") as error,
        subprocess.Popen(
            [sys.executable, "-m", "syscast", *words, "--", sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            stderr=error,
            text=True,
        ) as process,
    ):
        first = process.stdout.readline()
        process.send_signal(signal.SIGSTOP)
        while not done.exists():
            assert process.poll() is None
            threading.Event().wait(0.05)
        process.send_signal(signal.SIGCONT)
        out = process.stdout.read()
    err = errors.read_text()
    rows = [json.loads(line) for line in (first + out).splitlines()]
    summary = re.search(
        r"([\d,]+) events delivered, ([\d,]+) lost \(ring full ([\d,]+), missed", err
    )
    assert summary, err
    delivered, lost, full = (int(each.replace(",", "")) for each in summary.groups())
    losses = [row for row in rows if row["event"] == "Lost"]
    rows = [row for row in rows if row["event"] != "Lost"]
    assert delivered == len(rows)
    assert lost == full == calls - len(rows) > 0
    assert lost == sum(row["count"] for row in losses)
    assert {(row["cause"], row["probe"]) for row in losses} == {("ring full", "getpriority")}
    assert process.returncode == 3
    tokens = [row["who"] for row in rows]
    assert tokens == sorted(set(tokens))
    assert {row["ret"] for row in rows} == {-3}


# ---------------------------------------------------------------- filtered and raised


def line_of(marker):
    """The line of this file that carries a comment, counted from 1."""
    (number,) = (
        number
        for number, line in enumerate(HERE.read_text().splitlines(), 1)
        if line.endswith(f"# {marker}")
    )
    return number


def sites(stats):
    """Where probes raised: (exception, line, count)."""
    found = []
    for each in stats.sites:
        if each.count:
            assert each.site.file.endswith("tests/kernel/test_ledger.py")
            found.append((each.site.exception, each.site.line, each.count))
    return sorted(found)


def python_says(probe, token):
    """What the function answers when plain Python runs it: an event, None, or exception and line."""
    try:
        return probe(token)
    except (ArithmeticError, ValueError) as error:
        lines = [
            line
            for frame, line in traceback.walk_tb(error.__traceback__)
            if frame.f_code.co_name == probe.__name__
        ]
        return type(error).__name__, lines[-1]


def test_filtered_and_raised_are_counted_as_python_would():
    @sc.syscall("getpriority")
    def picky(who):
        number = who - FIRST_TOKEN
        if number < 10:
            return None
        if number < 20:
            return Seen(token=1000 // (number - 15))  # division
        if number < 30:
            return Seen(token=((number - 18) << 60) + number)
        return Seen(token=1 << (number - 33))

    with picky.attach(pid=ME) as session:
        for _ in range(3):
            for number in range(40):
                ask(FIRST_TOKEN + number)
        events = drained(session)
        stats = session.stats()
    said = [python_says(picky, FIRST_TOKEN + number) for number in range(40)]
    wanted = [each for each in said if isinstance(each, Seen)]
    raised = Counter(each for each in said if isinstance(each, tuple))
    assert len(raised) == 3
    assert events == wanted * 3
    assert sites(stats) == sorted((*place, 3 * count) for place, count in raised.items())
    row = stats["getpriority"]
    assert row.filtered == 3 * said.count(None) == 30
    assert row.raised == 3 * raised.total()
    assert row.tried == row.delivered == len(events)
    assert stats.problems() == []
    assert stats.lost == 0
    # Runs that send nothing take no sequence numbers.
    assert gaps(events)["getpriority"] == 0
    text = "\n".join(stats.details())
    assert f"test_ledger.py:{line_of('division')}:" in text
    assert "ZeroDivisionError 3 times: return Seen(token=1000 // (number - 15))" in text


def test_reading_through_null_is_counted():
    @sc.syscall("getpriority")
    def through_null(who):
        if who == FIRST_TOKEN:
            return Seen(token=0)
        blocks = current.task.bio_list  # NULL outside of block I/O
        if blocks is not None:
            return Seen(token=1)
        head = current.task.bio_list.head  # null
        return Seen(token=2 if head is None else 3)

    with through_null.attach(pid=ME) as session:
        for number in range(8):
            ask(FIRST_TOKEN + number)
        events = drained(session)
        stats = session.stats()
    assert [event.token for event in events] == [0]
    assert sites(stats) == [("MemoryError", line_of("null"), 7)]
    assert stats["getpriority"].raised == 7


def test_a_call_with_a_bad_pointer_is_an_event_all_the_same():
    """Of a system call, what it was given is shown; a string that is nowhere is empty."""

    class Accessed(sc.Event):
        path: str
        ret: sc.i64

    @sc.syscall("access")
    def access(filename, ret):
        return Accessed(path=filename, ret=ret)

    with access.attach(pid=ME) as session:
        LIBC.access(ctypes.c_void_p(0x10), 0)
        LIBC.access(b"/some/path", 0)
        LIBC.access(ctypes.c_void_p(0), 0)
        events = drained(session)
        stats = session.stats()
    assert [(event.path, event.ret) for event in events] == [
        ("", -errno.EFAULT),
        ("/some/path", -errno.ENOENT),
        ("", -errno.EFAULT),
    ]
    assert sites(stats) == []


def test_both_ends_of_a_call_may_raise():
    @sc.call("syscall:getpriority")
    def both(who):
        number = who - FIRST_TOKEN
        before = 100 // number  # before
        ret = yield
        return Seen(token=before // (number + ret))  # after

    with both.attach(pid=ME) as session:
        for number in range(6):
            ask(FIRST_TOKEN + number)
        events = drained(session)
        stats = session.stats()
    # The call answers -ESRCH, which is -3.
    assert [event.token for event in events] == [100 // n // (n - 3) for n in (1, 2, 4, 5)]
    assert sites(stats) == sorted(
        [
            ("ZeroDivisionError", line_of("before"), 1),
            ("ZeroDivisionError", line_of("after"), 1),
        ]
    )
    assert stats[both.name].raised == 2
    assert stats[both.name].delivered == 4
    assert stats.problems() == []


def test_several_events_of_one_run_are_all_counted():
    @sc.syscall("getpriority")
    def several(who):
        number = who - FIRST_TOKEN
        if number > 0:
            sc.emit(Seen(token=0))
        if number > 1:
            sc.emit(Seen(token=1))
        if number > 2:
            sc.emit(Seen(token=2))

    with several.attach(pid=ME) as session:
        for number in range(5):
            ask(FIRST_TOKEN + number)
        events = drained(session)
        stats = session.stats()
    assert [event.token for event in events] == [0, 0, 1, 0, 1, 2, 0, 1, 2]
    row = stats["getpriority"]
    assert (row.ran, row.filtered, row.tried, row.delivered) == (5, 1, 9, 9)
    assert stats.problems() == []


def test_two_sessions_have_ledgers_of_their_own():
    with getpriority.attach(pid=ME) as one, getpriority.attach(pid=ME, uid=4321) as other:
        for number in range(10):
            ask(FIRST_TOKEN + number)
        assert len(drained(one)) == 10
        assert drained(other) == []
        assert one.stats()["getpriority"].ran == 10
        assert other.stats()["getpriority"].ran == 0
        assert [row.filtered for row in other.stats() if row.role == "entry"] == [10]


def test_a_live_ledger_holds_at_any_moment():
    """While events come in and wait, the equations hold but for what is in the ring."""
    with getpriority.attach(pid=ME) as session:
        for number in range(100):
            ask(FIRST_TOKEN + number)
            stats = session.stats()
            assert stats.problems(drained=False) == []
            assert stats["getpriority"].left == number + 1 - stats["getpriority"].read
            if number % 10 == 9:
                assert len(session.read(5)) == 10
