"""Floods of a known number of events: each is delivered, or counted as lost by two witnesses."""

from __future__ import annotations

import itertools
import os
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import syscast as sc
from proof import killed
from proof.probes import by_call, repeated_session
from proof.producers import Callers, Repeaters
from syscast.errors import SyscastError
from syscast.session.delivery import Delivery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syscast.session.session import Session

RINGS = (4096, 65536, 1 << 20, 16 << 20)
READERS = ("batches", "tuples", "objects", "slow", "stalled")
SOURCES = ("calls", "runs")
_SLOW_S = 0.002
_STALL_S = 0.3


@dataclass(frozen=True)
class Scenario:
    """One flood.

    Attributes:
        source: ``calls`` (getppid at a raw tracepoint) or ``runs`` (BPF_PROG_TEST_RUN).
        reader: One of `READERS`.
        ring: Bytes.
        cpus: How many CPUs issue.
        options: More of `syscast.attach`.
    """

    source: str
    reader: str
    ring: int
    cpus: int
    options: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        extra = "".join(f" {name}={value}" for name, value in self.options)
        return f"{self.source}, {self.reader}, ring {self.ring}, {self.cpus} CPUs{extra}"


@dataclass(frozen=True)
class Outcome:
    """What became of a flood.

    Attributes:
        issued: Events that were made.
        delivered: Events that the reader got.
        dropped: Events that the kernel's counters say found the ring full.
        gaps: Sequence numbers that never came.
        unexplained: Lines that say what does not add up; none if all does.
        seconds: Of all of it.
    """

    issued: int
    delivered: int
    dropped: int
    gaps: int
    unexplained: tuple[str, ...]
    seconds: float


def scenarios(cpus: int) -> Iterator[Scenario]:
    """All combinations for a machine with so many CPUs."""
    for source, ring, reader, count in itertools.product(
        SOURCES, RINGS, READERS, range(1, min(cpus, 3) + 1)
    ):
        yield Scenario(source, reader, ring, count)
    for rings in ("per-cpu", "auto"):
        for reader in ("batches", "objects"):
            yield Scenario("calls", reader, 1 << 20, min(cpus, 2), (("rings", rings),))
    for mode in ("push", "poll"):
        yield Scenario("calls", "batches", 1 << 20, min(cpus, 2), (("mode", mode),))


def read(session: Session, reader: str) -> int:
    """Read a session to its end, and count."""
    if reader == "batches":
        return sum(map(len, session.batches()))
    if reader == "tuples":
        return sum(map(len, session.tuples()))
    if reader == "stalled":
        time.sleep(_STALL_S)
    count = 0
    for _ in session:
        count += 1
        if reader == "slow" and not count % 4096:
            time.sleep(_SLOW_S)
    return count


def run(scenario: Scenario, events: int) -> Outcome:
    """Flood once."""
    begin = time.monotonic()
    cpus = sorted(os.sched_getaffinity(0), reverse=True)[: scenario.cpus]
    delivery = {"ring_size": scenario.ring, **dict(scenario.options)}
    with ExitStack() as stack:
        if scenario.source == "runs":
            session, program = repeated_session(Delivery(**delivery))  # type: ignore[arg-type]  # as the user's words
            stack.enter_context(session)
            producers: Repeaters | Callers = Repeaters(cpus, program)
            stack.callback(producers.close)
        else:
            producers = Callers(cpus)
            stack.callback(producers.close)
            session = sc.attach(by_call, pid=producers.pid, follow=True, **delivery)  # type: ignore[arg-type]
            stack.enter_context(session)

        def wait() -> None:
            producers.finish()
            session.stop()

        waiter = threading.Thread(target=wait)
        producers.start(events)
        waiter.start()
        delivered = read(session, scenario.reader)
        waiter.join()
        session.detach()
        ledger = session.stats()
    total = ledger.total
    wrong = list(ledger.problems())
    if scenario.source == "calls":
        expected = {"events issued": (total.ran - total.filtered - total.raised, events)}
    else:
        expected = {"events issued": (total.ran, events)}
    expected["delivered, by the ledger"] = (total.delivered, delivered)
    expected["delivered + dropped"] = (delivered + total.dropped, events)
    expected["sequence gaps"] = (total.gaps, total.dropped)
    wrong += [
        f"{what}: {has}, not {wanted}" for what, (has, wanted) in expected.items() if has != wanted
    ]
    seconds = time.monotonic() - begin
    return Outcome(events, delivered, total.dropped, total.gaps, tuple(wrong), seconds)


def run_all(events: int, cpus: int) -> tuple[int, int]:
    """Share out a number of events over all scenarios; prints a line for each.

    Returns:
        How many events were issued, and how many scenarios have something unexplained.
    """
    todo = list(scenarios(cpus))
    if why := _why_no_runs():
        print(f"runs: left out: {why}", flush=True)
        todo = [each for each in todo if each.source != "runs"]
    share = -(-events // len(todo))
    issued = bad = 0
    for scenario in todo:
        found = run(scenario, share)
        issued += found.issued
        bad += bool(found.unexplained)
        print(
            f"{scenario}: {found.issued} issued, {found.delivered} delivered, {found.dropped} dropped, "
            f"{found.gaps} gaps, {found.seconds:.1f} s"
            + "".join(f"\n    WRONG {line}" for line in found.unexplained),
            flush=True,
        )
    return issued, bad


def _why_no_runs() -> str:
    """Why this kernel cannot repeat a probe; empty where it can."""
    try:
        session, _ = repeated_session(Delivery())
    except SyscastError as error:
        return str(error)
    session.close()
    return ""


def kill_all(rounds: int) -> int:
    """Kill a reader so many times in the middle of a flood; prints a line for each, gives how many went wrong."""
    bad = 0
    with tempfile.TemporaryDirectory(prefix="syscast-proof-") as name:
        for number in range(rounds):
            ring = RINGS[number % len(RINGS)]
            found = killed.run(ring, 1 + number % 2, 0.02 + 0.05 * (number % 7), Path(name))
            bad += bool(found.unexplained or found.remaining)
            print(f"killed, ring {ring}: {found}", flush=True)
    return bad
