"""What the benchmarks trace, for machines without a C compiler; see ``work.c``."""

# ruff: noqa: INP001, T201 - a script that talks over pipes

from __future__ import annotations

import os
import socket
import sys
import time


def listen_for_ever(pause: float) -> None:
    """Call listen(2) again and again, with a pause in seconds after each call."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        print("ready", flush=True)
        while True:
            server.listen(5)
            time.sleep(pause)


def getppid_on_demand(cpu: int) -> None:
    """For each line with a number, and perhaps a rate: so many getppid(2), then the ns it took."""
    os.sched_setaffinity(0, {cpu})
    print("ready", flush=True)
    call = os.getppid
    for line in sys.stdin:
        start = time.perf_counter_ns()
        count, rate = (*map(int, line.split()), 0)[:2]
        for number in range(count):
            while rate and time.perf_counter_ns() < start + number * 1_000_000_000 // rate:
                time.sleep(0)
            call()
        print(time.perf_counter_ns() - start, flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "listen":
        listen_for_ever(int(sys.argv[2]) / 1e6)
    else:
        getppid_on_demand(int(sys.argv[2]))
