"""A steady flow for a long time: memory and descriptors must not grow."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import syscast as sc
from proof.probes import by_call
from proof.producers import Callers

WARM_UP = 0.2
"""Share of the time that is not looked at."""


@dataclass(frozen=True)
class Outcome:
    """What a soak showed.

    Attributes:
        events: Delivered.
        lost: By the ledger.
        slope: Growth of resident memory after the warm-up, MiB an hour, by least squares.
        descriptors: The least and the most that were open after the warm-up.
        problems: Of the ledger.
    """

    events: int
    lost: int
    slope: float
    descriptors: tuple[int, int]
    problems: tuple[str, ...]


def resident() -> float:
    """MiB of this process."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def slope(points: list[tuple[float, float]]) -> float:
    """The least squares' slope."""
    middle = sum(x for x, _ in points) / len(points)
    height = sum(y for _, y in points) / len(points)
    spread = sum((x - middle) ** 2 for x, _ in points)
    return sum((x - middle) * (y - height) for x, y in points) / spread if spread else 0.0


def run(seconds: float, rate: int, form: str = "objects") -> Outcome:
    """Read a flow.

    Args:
        seconds: How long.
        rate: Events a second.
        form: ``objects``, ``tuples`` or ``batches``.
    """
    points: list[tuple[float, float]] = []
    descriptors: list[int] = []
    producers = Callers([max(os.sched_getaffinity(0))], rate)
    events = 0
    begin = time.monotonic()
    try:
        with sc.attach(by_call, pid=producers.pid, follow=True) as session:

            def wait() -> None:
                producers.finish()
                session.stop()

            producers.start(int(seconds * rate))
            threading.Thread(target=wait, daemon=True).start()
            rounds = {"objects": session, "tuples": session.tuples(), "batches": session.batches()}
            following = 0.0
            for each in rounds[form]:
                events += 1 if form == "objects" else len(each)  # type: ignore[arg-type]
                if form == "objects" and events & 1023:
                    continue
                now = time.monotonic() - begin
                if now < following:
                    continue
                following = now + max(0.05, seconds / 1000)
                if now > seconds * WARM_UP:
                    points.append((now / 3600, resident()))
                    descriptors.append(sum(1 for _ in Path("/proc/self/fd").iterdir()))
            session.detach()
            ledger = session.stats()
    finally:
        producers.close()
    seen = (min(descriptors, default=0), max(descriptors, default=0))
    return Outcome(events, ledger.lost, slope(points), seen, tuple(ledger.problems()))
