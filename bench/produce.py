"""Runs a BPF program again and again by BPF_PROG_TEST_RUN, as a flood that costs no system calls.

``produce.py PROGRAM_ID CPU``: for each line ``N`` on stdin, N runs, then the ns they took.
"""

# ruff: noqa: INP001, T201 - a script that talks over pipes

from __future__ import annotations

import os
import sys
import time

from syscast.kernel.bpfinfo import by_id
from syscast.kernel.bpfprogs import prog_test_run

PACKET = bytes(64)


def main() -> None:
    """Take orders."""
    os.sched_setaffinity(0, {int(sys.argv[2])})
    with by_id("program", int(sys.argv[1])) as program:
        print("ready", flush=True)
        for line in sys.stdin:
            start = time.perf_counter_ns()
            prog_test_run(program, data_in=PACKET, repeat=int(line.split()[0]))
            print(time.perf_counter_ns() - start, flush=True)


if __name__ == "__main__":
    main()
