"""How many events a second reach Python, and how many of those that were issued.

``./dev python bench/flood.py [ROUNDS]``, as root. Two floods:

* ``test run``: a compiled probe of syscast run back to back by BPF_PROG_TEST_RUN, on another CPU
  than the reader. Nothing but the probe is paid for, so this is as fast as one CPU can issue
  events. It needs a kernel that lets a socket filter call the helpers of a probe.
* ``getppid``: a process that does nothing but call getppid(2), traced by syscast, by bpftrace and
  by bcc at the same place.

What was issued is known from the producer. With syscast every event is either delivered or counted
as dropped, and a round in which that does not add up ends the benchmark.
"""

# ruff: noqa: INP001, T201, S603, TID251 - a benchmark starts programs and prints

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np  # noqa: F401 - else the first batch waits for it
import peers
import surroundings
from readers.repeated import filter_session
from surroundings import median

import syscast as sc
import syscast.session.recording
from syscast import u64
from syscast.errors import KernelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.session.session import Session

ROUNDS = 5
TEST_RUNS = {
    "objects": 1_000_000,
    "tuples": 2_000_000,
    "batches": 5_000_000,
    "recorded": 5_000_000,
}
CALLS = {"objects": 1_000_000, "tuples": 1_000_000, "batches": 2_000_000, "recorded": 2_000_000}
PEER_CALLS = 300_000
SLOW = 20
"""By how much less is asked for on a machine that is emulated."""
GETPPID = 110


class Tick(sc.Event):
    """A small event."""

    value: u64


@sc.raw_tracepoint("sys_enter")
def by_tracepoint(regs: object, id: int) -> Tick | None:  # noqa: A002, ARG001 - the kernel's
    """The flood by system call, where there are no kprobes."""
    if id != GETPPID:
        return None
    return Tick(value=id)


@sc.kprobe("__x64_sys_getppid")
def by_kprobe() -> Tick:
    """The flood by system call."""
    return Tick(value=GETPPID)


@dataclass
class Figures:
    """What the rounds of one reader gave.

    Attributes:
        reader: As in the table.
        issued: Events a second that the producer made.
        delivered: Events a second that arrived, from its start to the last one.
        shares: Of the issued.
        wakeups: Times that a ring woke the reader, for each 1,000 events.
    """

    reader: str
    issued: list[float] = field(default_factory=list)
    delivered: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    wakeups: list[float] = field(default_factory=list)

    def add(
        self,
        issued: int,
        busy: float,
        delivered: int,
        elapsed: float,
        wakeups: float = float("nan"),
    ) -> None:
        """Note a round: numbers of events, seconds that the producer and all of it took, wake-ups."""
        self.issued.append(issued / busy)
        self.delivered.append(delivered / elapsed)
        self.shares.append(delivered / issued)
        self.wakeups.append(wakeups / delivered * 1000)


# ------------------------------------------------------------ readers


def objects(session: Session) -> int:
    """``for event in session``."""
    count = 0
    for _ in session:
        count += 1
    return count


def tuples(session: Session) -> int:
    """Lists of plain tuples."""
    return sum(map(len, session.tuples()))


def batches(session: Session) -> int:
    """Numpy arrays."""
    return sum(len(batch.array) for batch in session.batches())


def recorded(session: Session) -> int:
    """Into a file in memory, so that no disk is measured."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        return session.record(f"{directory}/flood.arrows")


READERS: dict[str, Callable[[Session], int]] = {
    "objects": objects,
    "tuples": tuples,
    "batches": batches,
    "recorded": recorded,
}


def flood(session: Session, form: str, work: surroundings.Work, count: int) -> tuple[float, ...]:
    """Order a flood and read it.

    Returns:
        Seconds that the producer was busy, events delivered, seconds until the last one, wake-ups.
    """
    busy: list[float] = []

    def wait() -> None:
        busy.append(work.seconds())
        session.stop()  # ends the reader once the ring is empty

    waiter = threading.Thread(target=wait)
    waiter.start()
    start = time.perf_counter()
    work.order(count)
    delivered = READERS[form](session)
    elapsed = time.perf_counter() - start
    waiter.join()
    session.detach()
    stats = session.stats()
    assert stats.delivery is not None
    row = stats.rows[-1]
    problems = row.problems()
    if row.tried != count or row.delivered != delivered or row.dropped + delivered != count:
        problems.append(f"issued {count}, delivered {delivered}: {row}")
    if problems:
        sys.exit("\n".join(problems))
    return busy[0], delivered, elapsed, stats.delivery.wakeups


# ------------------------------------------------------------ floods


def test_run(reading: int, producing: int, rounds: int, slower: int) -> list[Figures]:
    """Flood by BPF_PROG_TEST_RUN."""
    found = [Figures(form) for form in READERS]
    for _ in range(rounds):
        for figures in found:
            os.sched_setaffinity(0, {reading})
            session, program = filter_session({})
            with session, surroundings.Producer(program, producing) as work:
                count = TEST_RUNS[figures.reader] // slower
                figures.add(count, *flood(session, figures.reader, work, count))
    return found


def getppid(
    reading: int, producing: int, rounds: int, slower: int, *, kprobes: bool
) -> list[Figures]:
    """Flood by system calls, and show it to all tracers in turn."""
    probe = by_kprobe if kprobes else by_tracepoint
    program = peers.KPROBE_FLOOD if kprobes else peers.TRACEPOINT_FLOOD
    job = "getppid-kprobe" if kprobes else "getppid-tracepoint"
    found = {form: Figures(f"syscast, {form}") for form in READERS}
    others: dict[str, Figures] = {}
    for _ in range(rounds):
        os.sched_setaffinity(0, {reading})
        for form, figures in found.items():
            with (
                surroundings.Work("getppid", producing) as work,
                sc.attach(probe, pid=work.pid) as session,
            ):
                count = CALLS[form] // slower
                figures.add(count, *flood(session, form, work, count))
        for name, reader in (("bpftrace, lines of text", trace), ("bcc, objects", bcc)):
            with surroundings.Work("getppid", producing) as work:
                command = (
                    peers.bpftrace(program, work.pid)
                    if reader is trace
                    else peers.bcc(job, work.pid)
                )
                if command:
                    count = PEER_CALLS // slower
                    figures = others.setdefault(name, Figures(name))
                    figures.add(count, *reader(command, work, count))
    return [*found.values(), *others.values()]


def trace(command: list[str], work: surroundings.Work, count: int) -> tuple[float, ...]:
    """Count the lines of bpftrace; returns as `flood`."""
    environment = {**os.environ, "BPFTRACE_PERF_RB_PAGES": str(peers.RING_PAGES // 2)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        assert process.stdout is not None
        _until_attached(process, work)
        start = last = time.perf_counter()
        work.order(count)
        busy: list[float] = []

        def wait() -> None:
            busy.append(work.seconds())
            time.sleep(1.0)  # bpftrace polls its rings, and has no word for "that was all"
            process.terminate()

        waiter = threading.Thread(target=wait)
        waiter.start()
        delivered = 0
        while chunk := os.read(process.stdout.fileno(), 1 << 20):
            last = time.perf_counter()
            delivered += chunk.count(b"\n") - chunk.count(b"Lost ")
        waiter.join()
    return busy[0], delivered, last - start


def _until_attached(process: subprocess.Popen[bytes], work: surroundings.Work) -> None:
    """Call one by one until the first line comes, then read what else there is."""
    assert process.stdout is not None
    fd = process.stdout.fileno()
    os.set_blocking(fd, False)
    seen = b""
    while b"\n" not in seen.replace(b"Attaching 1 probe...\n", b""):
        work.order(1)
        work.seconds()
        time.sleep(0.01)
        try:
            seen += os.read(fd, 1 << 16)
        except BlockingIOError:
            continue
    time.sleep(0.5)
    with contextlib.suppress(BlockingIOError):
        os.read(fd, 1 << 20)
    os.set_blocking(fd, True)


def bcc(command: list[str], work: surroundings.Work, count: int) -> tuple[float, ...]:
    """Have bcc count; returns as `flood`."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        work.order(count)
        busy = work.seconds()
        process.terminate()
        delivered, elapsed = process.stdout.readline().split()
    return busy, int(delivered), max(float(elapsed), busy)


# ------------------------------------------------------------ the report


def show(title: str, found: list[Figures]) -> None:
    """Print a table; ratios are to the first reader, round by round."""
    rows = []
    for each in found:
        ratios = [a / b for a, b in zip(each.delivered, found[0].delivered, strict=True)]
        whole = sum(share == 1 for share in each.shares)
        rows.append(
            (
                each.reader,
                f"{median(each.delivered) / 1e6:.2f} M/s",
                f"{max(each.delivered) / 1e6:.2f} M/s",
                f"{median(ratios):.2f}",
                f"{median(each.issued) / 1e6:.2f} M/s",
                f"{median(each.shares):.1%}",
                f"{whole} of {len(each.shares)}",
                f"{median(each.wakeups):.3f}",
            )
        )
    print(f"\n{title}\n")
    head = (
        "reader",
        "delivered",
        "fastest",
        "ratio",
        "issued",
        "share",
        "rounds without loss",
        "wake-ups a 1,000",
    )
    surroundings.table(head, rows)


def main(rounds: int) -> None:
    """Measure everything."""
    kprobes = surroundings.has_kprobes()
    reading, producing = surroundings.cpus()
    slower = SLOW if "QEMU" in surroundings.machine() else 1
    title = surroundings.machine()
    try:
        filled = test_run(reading, producing, rounds, slower)
    except KernelError as error:
        print(f"test run: left out: {error}")
        filled = []
    called = getppid(reading, producing, rounds, slower, kprobes=kprobes)
    print(f"\n{title}; medians of {rounds}; ring of {peers.RING_PAGES * 4 >> 10} MiB")
    if filled:
        show("test run: a probe back to back on one CPU", filled)
    show("getppid: one process, one event a call", called)


if __name__ == "__main__":
    surroundings.enter()
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
