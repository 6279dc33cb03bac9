"""How long a probe of twenty lines takes to compile: `probe.py`, from nothing and from the cache.

``./dev python bench/compile.py [ROUNDS]``; needs no root. Each round starts a new process for each
row, in turn: with no cache at all, where the index of the kernel's types is made as well, once for
each kernel; with that index, as every probe is compiled that is new; and with everything cached. `process` is its whole life, interpreter included; `compile` is the part from the
probe object to the object spec that the loader takes, with what must be imported for it; `again`
is the same once more in that process. Python's own start is the floor of the first.
"""

# ruff: noqa: INP001, T201, S603, TID251 - a benchmark starts programs and prints

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from surroundings import machine, median, table

ROUNDS = 15
ONCE = """
import sys, time
sys.path.insert(0, sys.argv[1])
from probe import inet_sock_set_state
from syscast.session.plan import plan
for _ in range(2):
    began = time.perf_counter()
    plan([inet_sock_set_state.job()])
    print((time.perf_counter() - began) * 1e3)
"""
"""The measured process: compiles the probe, once and again, and prints the milliseconds of both."""


@dataclass
class Way:
    """One row of the table; times in milliseconds.

    Attributes:
        lost: What of the cache is removed before each run.
    """

    name: str
    lost: str
    program: list[str]
    process: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    compile: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)

    def measure(self, cache: str) -> None:
        """Run one process."""
        if self.lost:
            shutil.rmtree(Path(cache, self.lost), ignore_errors=True)
        environment = {**os.environ, "XDG_CACHE_HOME": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # it would make each start a first one
        began = time.perf_counter()
        process = subprocess.Popen(self.program, stdout=subprocess.PIPE, env=environment)
        assert process.stdout is not None
        words = process.stdout.read().split()
        _, status, used = os.wait4(process.pid, 0)
        self.process.append((time.perf_counter() - began) * 1e3)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{self.name}: ended with {process.returncode}")
        self.cpu.append((used.ru_utime + used.ru_stime) * 1e3)
        if words:
            self.compile.append(float(words[0]))
            self.again.append(float(words[1]))


def run(rounds: int) -> None:
    """Measure and print."""
    this = [sys.executable, "-c", ONCE, str(Path(__file__).parent)]
    ways = [
        Way("no cache at all", "syscast", this),
        Way("a new probe", "syscast/objects", this),
        Way("from the cache", "", this),
        Way("python alone", "", [sys.executable, "-c", "pass"]),
    ]
    cache = tempfile.mkdtemp(prefix="syscast-bench-")
    for way in ways:
        way.measure(cache)
        for values in (way.process, way.cpu, way.compile, way.again):
            values.clear()
    for _ in range(rounds):
        for way in ways:
            way.measure(cache)
    shutil.rmtree(cache)
    print(f"\n{machine()}; medians of {rounds}, milliseconds, the fastest in brackets\n")
    head = ("", "process", "CPU of it", "compile", "again")
    rows = []
    for way in ways:
        cells = [
            f"{median(values):.0f} ({min(values):.0f})" if values else "-"
            for values in (way.process, way.cpu, way.compile, way.again)
        ]
        rows.append((way.name, *cells))
    table(head, rows)


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
