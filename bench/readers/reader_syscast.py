"""A consumer on syscast, as the comparison runs it.

``reader_syscast.py PID objects|tuples|batches count|latency [OPTION=VALUE]...``; PID 0 loads a program for BPF_PROG_TEST_RUN. The
options go to ``attach``. See ``reader.c`` for what it prints.
"""

# ruff: noqa: INP001, T201 - a script that talks over pipes

from __future__ import annotations

import json
import signal
import sys
import time
from typing import TYPE_CHECKING

import syscast as sc
from syscast import u32

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syscast.session.session import Session


class Call(sc.Event):
    """One getppid(2); the rest of the record is what every event has."""

    value: u32


@sc.tracepoint("syscalls:sys_enter_getppid")
def by_call() -> Call:
    """Of the traced process."""
    return Call(value=110)


def objects(session: Session) -> Iterator[int]:
    """Objects, one by one."""
    for event in session:
        if event.value:  # type: ignore[attr-defined]  # a consumer looks at its events
            yield 1


def tuples(session: Session) -> Iterator[int]:
    """Lists of plain tuples."""
    for block in session.tuples():
        yield len(block)


def batches(session: Session) -> Iterator[int]:
    """Numpy arrays."""
    for batch in session.batches():
        yield len(batch.array)


def waits_of_objects(session: Session) -> Iterator[list[int]]:
    """How long each event took until it stood in Python."""
    clock = time.time_ns
    for event in session:
        envelope = event.envelope
        if envelope is not None:
            yield [clock() - envelope.time]


def waits_of_tuples(session: Session) -> Iterator[list[int]]:
    """As `waits_of_objects`."""
    for block in session.tuples():
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        yield [now - raw[0] for raw in block]


def waits_of_batches(session: Session) -> Iterator[list[int]]:
    """As `waits_of_objects`."""
    for batch in session.batches():
        now = time.time_ns()
        yield (now - batch.array["time"].astype("i8")).tolist()


COUNTING: dict[str, Callable[[Session], Iterator[int]]] = {
    "objects": objects,
    "tuples": tuples,
    "batches": batches,
}
TIMING: dict[str, Callable[[Session], Iterator[list[int]]]] = {
    "objects": waits_of_objects,
    "tuples": waits_of_tuples,
    "batches": waits_of_batches,
}


def main() -> None:
    """Trace until SIGTERM."""
    pid, form, what = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    options = dict(each.split("=", 1) for each in sys.argv[4:])
    if pid:
        session = sc.attach(by_call, pid=pid, **options)  # type: ignore[arg-type]
        program = ""
    else:
        from repeated import filter_session  # noqa: PLC0415 - test runs only

        session, program = filter_session(options)
    signal.signal(signal.SIGTERM, lambda *_: session.stop())
    count = 0
    waits: list[int] = []
    first = last = 0
    with session:
        if form == "batches":
            import numpy  # noqa: F401, ICN001, PLC0415 - else the first batch waits for it
        print("ready", program, flush=True)
        if what == "latency":
            for found in TIMING[form](session):
                waits += found
            count = len(waits)
        else:
            for number in COUNTING[form](session):
                count += number
                if form != "objects":
                    last = time.monotonic_ns()
                    first = first or last
        last = last or time.monotonic_ns()
        session.detach()
        ledger = session.stats()
    waits.sort()
    answer = {"delivered": count, "first": first, "last": last, "p50": 0, "p99": 0}
    if waits:
        answer |= {"p50": waits[len(waits) // 2], "p99": waits[len(waits) * 99 // 100]}
    total = ledger.total
    answer |= {"tried": total.tried, "dropped": total.dropped, "problems": ledger.problems()}
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
