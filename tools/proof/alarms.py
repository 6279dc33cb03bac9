"""Program loads under a timer that interrupts a thousand times a second: all must succeed."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack

from proof.probes import by_call
from syscast.errors import SyscastError
from syscast.loader.load import load
from syscast.session.plan import plan

INTERVAL_S = 0.001


def run(loads: int) -> tuple[int, int]:
    """Load and unload so many times.

    Returns:
        How many loads failed, and how many signals came meanwhile.
    """
    spec = plan([by_call.job()])[0].spec
    ticks = 0

    def tick(*_: object) -> None:
        nonlocal ticks
        ticks += 1

    failed = 0
    with ExitStack() as stack:
        before = signal.signal(signal.SIGALRM, tick)
        stack.callback(signal.signal, signal.SIGALRM, before)
        stack.callback(signal.setitimer, signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_REAL, INTERVAL_S, INTERVAL_S)
        for number in range(loads):
            try:
                load(spec).close()
            except SyscastError as error:
                failed += 1
                print(f"load {number}: {error}", flush=True)
            time.sleep(0)
    return failed, ticks
