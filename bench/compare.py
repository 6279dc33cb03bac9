"""syscast beside bcc, bpftrace and a C program on libbpf, in one run on one machine.

``./dev python bench/compare.py [--rounds N] [--only PART,...] [--json FILE] [--plot FILE]``, as root. Parts: start, listen,
flood, repeat, latency, added, attach. Every tracer does the same: one record with time, cgroup, process, thread, CPU, comm
and a number for each getppid(2) of one process, at the tracepoint of that call, the process filtered in the kernel. The
tracers take turns within each round; tracer and traced process have a CPU each. README.md says how each figure is taken.
"""

# ruff: noqa: INP001, T201 - a benchmark prints

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import surroundings
from comparing import parts, report
from comparing.tracers import Workshop, all_tracers

ROUNDS = 5


def main(argv: list[str]) -> int:
    """Measure what is asked for and show it."""
    form = argparse.ArgumentParser(prog="compare.py", description=__doc__.splitlines()[0])
    form.add_argument("--rounds", type=int, default=ROUNDS)
    form.add_argument("--only", default=",".join(parts.PARTS), help="parts, separated by commas")
    form.add_argument("--json", metavar="FILE", help="write every single figure")
    form.add_argument("--plot", metavar="FILE", help="draw the ratios (needs matplotlib)")
    options = form.parse_args(argv)
    unknown = set(options.only.split(",")) - set(parts.PARTS)
    if unknown or options.rounds < 1:
        form.error(f"there are the parts {', '.join(parts.PARTS)}, and one round at least")
    if options.plot and not report.can_plot():
        form.error("a plot needs matplotlib (.venv/bin/python -m pip install matplotlib)")
    os.sched_setaffinity(0, {surroundings.cpus()[0]})
    machine = surroundings.machine()
    with Workshop() as workshop:
        tracers = all_tracers(workshop)
        figures = [
            figure
            for name in parts.PARTS
            if name in options.only.split(",")
            for figure in parts.PARTS[name](tracers, options.rounds)
        ]
    print(f"\n{machine}; medians of {options.rounds} rounds\n")
    report.show(figures)
    if options.json:
        text = json.dumps(report.raw(machine, options.rounds, figures), indent=1)
        Path(options.json).write_text(text + "\n")
    if options.plot:
        report.plot(figures, options.plot, machine)
    return 0


if __name__ == "__main__":
    surroundings.enter()
    sys.exit(main(sys.argv[1:]))
