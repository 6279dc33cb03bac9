"""From nothing to the first event, and the memory of a running tracer: syscast, bpftrace, bcc.

``./dev python bench/start.py [ROUNDS]``, as root. A process calls listen(2) without end; each
tracer is started for that process alone, and the clock stops at its first line of output. Rounds
go through all tracers in turn, so that a slow moment of the machine hits all of them. CPU time is
the tracer's own, up to that moment; memory is taken half a second later.

cold: nothing compiled before, as at the very first start. warm: every later start.
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

import peers
import surroundings
from surroundings import median

ROUNDS = 9
PAUSE_US = 200
MEMORY_AFTER_S = 0.5
LIMIT_S = 120.0


@dataclass
class Tracer:
    """One way to trace, and what was measured of it.

    Attributes:
        name: As in the table.
        command: What to start.
        cold: Start with empty caches each time.
        wall: Seconds to the first event.
        cpu: Seconds of CPU until then.
        rss: MiB of memory that are resident.
    """

    name: str
    command: list[str]
    cold: bool = False
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    rss: list[float] = field(default_factory=list)

    def measure(self, *, count: bool = True) -> None:
        """Start it once; ``count`` tells whether the figures are kept."""
        environment = dict(os.environ)
        cache = tempfile.mkdtemp(prefix="syscast-bench-") if self.cold else None
        if cache:
            environment["XDG_CACHE_HOME"] = cache
        before = time.perf_counter()
        with subprocess.Popen(
            self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        ) as process:
            try:
                _first_event(process)
                wall = time.perf_counter() - before
                cpu = _cpu(process.pid)
                time.sleep(MEMORY_AFTER_S)
                rss = _resident(process.pid)
            finally:
                process.kill()
                process.communicate()
                if cache:
                    shutil.rmtree(cache)
        if count:
            self.wall.append(wall)
            self.cpu.append(cpu)
            self.rss.append(rss)


def _first_event(process: subprocess.Popen[bytes]) -> None:
    """Wait for a line that is an event."""
    assert process.stdout is not None
    assert process.stderr is not None
    for line in process.stdout:
        if line.strip() and not line.startswith(b"Attaching"):
            return
    raise RuntimeError(process.stderr.read().decode(errors="replace"))


def _cpu(pid: int) -> float:
    """CPU seconds of a process, its threads and the children it waited for."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = (int(ticks[13]) + int(ticks[14])) / os.sysconf("SC_CLK_TCK")
    try:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        own = sum(int((each / "schedstat").read_text().split()[0]) for each in tasks) / 1e9
    except OSError:
        own = (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")
    return own + children


def _resident(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the tracer has ended")


def tracers(pid: int, *, kprobes: bool) -> dict[str, list[Tracer]]:
    """What is compared, by job; the first of each is syscast's warm start."""
    syscast = [sys.executable, "-m", "syscast"]
    script = Path(sys.executable).with_name("syscast")
    if script.exists():
        syscast = [str(script)]
    only = ["--json", "--pid", str(pid)]
    listen = [*syscast, "listen", *only]
    target = "kprobe:inet_listen" if kprobes else "syscall:listen"
    plain = [*syscast, "trace", target, "backlog", *only]
    jobs = {
        "listen: address, port, backlog, namespace": [
            Tracer("syscast, warm", listen),
            Tracer("syscast, cold", listen, cold=True),
        ],
        "one argument of one call": [
            Tracer("syscast, warm", plain),
            Tracer("syscast, cold", plain, cold=True),
        ],
    }
    walk = peers.KPROBE_WALK if kprobes else peers.TRACEPOINT_WALK
    one = peers.KPROBE_PLAIN if kprobes else peers.TRACEPOINT_PLAIN
    # Without the headers of this very kernel bcc cannot follow pointers.
    bcc_walk = "listen-walk" if kprobes and surroundings.has_own_headers() else ""
    bcc_one = "listen-kprobe" if kprobes else "listen-tracepoint"
    for made, program, job in zip(jobs.values(), (walk, one), (bcc_walk, bcc_one), strict=True):
        for name, command in (
            ("bpftrace", peers.bpftrace(program, pid)),
            ("bcc", peers.bcc(job, pid) if job else None),
        ):
            if command:
                made.append(Tracer(name, command))
    return jobs


def run(rounds: int) -> None:
    """Measure everything and print a table per job."""
    kprobes = surroundings.has_kprobes()
    with surroundings.Work("listen", PAUSE_US) as work:
        jobs = tracers(work.pid, kprobes=kprobes)
        for made in jobs.values():
            for each in made:
                each.measure(count=False)
        for _ in range(rounds):
            for made in jobs.values():
                for each in made:
                    each.measure()
    floor = Tracer(
        "python itself", [sys.executable, "-c", "print(1, flush=True); import time; time.sleep(9)"]
    )
    for _ in range(rounds):
        floor.measure()
    print(f"\n{surroundings.machine()}; medians of {rounds}")
    for job, made in jobs.items():
        print(f"\n{job}\n")
        first = made[0]
        rows = []
        for each in [*made, floor]:
            ratios = [theirs / ours for theirs, ours in zip(each.wall, first.wall, strict=True)]
            rows.append(
                (
                    each.name,
                    f"{median(each.wall) * 1e3:.0f} ms",
                    f"{min(each.wall) * 1e3:.0f} ms",
                    f"{median(ratios):.2f}",
                    f"{median(each.cpu) * 1e3:.0f} ms",
                    f"{median(each.rss):.0f} MiB",
                )
            )
        head = ("tracer", "first event", "fastest", "ratio", "CPU until then", "memory")
        surroundings.table(head, rows)


if __name__ == "__main__":
    surroundings.enter()
    run(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
