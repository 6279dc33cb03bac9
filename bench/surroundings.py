"""Where a benchmark runs: its private mounts, its CPUs, the process that it traces, its tables.

bpftrace finds tracepoints in tracefs, and bcc wants kernel headers under /lib/modules. Where a
machine has neither ready, they are mounted in a mount namespace of the benchmark's own, so that
the machine itself stays as it was.
"""

# ruff: noqa: INP001, T201, S603, S606, TID251 - a benchmark starts programs and prints

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).resolve().parent
TRACEFS = Path("/sys/kernel/tracing")
_PRIVATE = "SYSCAST_BENCH_PRIVATE"


def enter() -> None:
    """Run this program again in a mount namespace of its own, with what the peers need.

    Needs root, which tracing needs anyway.
    """
    if os.geteuid():
        sys.exit("the benchmarks trace the kernel, which takes root")
    if os.environ.get(_PRIVATE) or shutil.which("unshare") is None:
        return
    os.environ[_PRIVATE] = "1"
    # What a shell asks for with this would make every warm start a cold one.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    script = """
mount --make-rprivate /
[ -e /sys/kernel/tracing/events ] || mount -t tracefs tracefs /sys/kernel/tracing
[ -e /sys/kernel/debug/tracing ] || mount -t debugfs debugfs /sys/kernel/debug
release=$(uname -r)
if [ ! -e /lib/modules/$release/build ] && [ -d /lib/modules ]; then
    mount -t tmpfs modules /lib/modules && mkdir -p /lib/modules/$release
    for each in /usr/src/linux-headers-*; do
        case $each in
            *-common) ln -sf $each /lib/modules/$release/source ;;
            *) ln -sf $each /lib/modules/$release/build ;;
        esac
    done
fi
exec "$@"
"""
    command = ["unshare", "-m", "sh", "-c", script, "sh", sys.executable, *sys.argv]
    os.execvp(command[0], command)


def has_kprobes() -> bool:
    """Whether kernel functions can be probed here."""
    return Path("/sys/bus/event_source/devices/kprobe").exists()


def has_own_headers() -> bool:
    """Whether bcc can read the structs of this very kernel."""
    build = Path("/lib/modules") / os.uname().release / "build"  # a path, not a version check
    return build.exists() and os.uname().release in str(build.resolve())


def cpus() -> tuple[int, int]:
    """One CPU to read on and one to produce on; the same one on a machine that has one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


class Work:
    """The process that is traced.

    Args:
        name: ``listen`` or ``getppid``.
        arguments: As ``work.c`` takes them.
    """

    def __init__(self, name: str, *arguments: int) -> None:
        command = [*_program(), name, *map(str, arguments)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid
        self._answer()

    def order(self, count: int, rate: int = 0) -> None:
        """Ask for so many calls, as fast as can be or so many a second."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{count} {rate}\n")
        self._process.stdin.flush()

    def seconds(self) -> float:
        """Wait until they are done and say how long they took."""
        return int(self._answer()) / 1e9

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the traced process has ended")
        return line

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.communicate()


class Producer(Work):
    """Runs a loaded program N times by BPF_PROG_TEST_RUN; takes orders as ``work getppid``."""

    def __init__(self, program_id: int, cpu: int) -> None:
        script = str(HERE / "produce.py")
        self._process = subprocess.Popen(
            [sys.executable, script, str(program_id), str(cpu)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        self._answer()


def _program() -> list[str]:
    """The compiled workload, or the one in Python."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return [sys.executable, str(HERE / "work.py")]
    made = Path(tempfile.gettempdir()) / f"syscast-bench-{os.getpid()}-work"
    if not made.exists():
        subprocess.run(
            [compiler, "-O2", "-pthread", "-o", str(made), str(HERE / "work.c")], check=True
        )
        import atexit  # noqa: PLC0415 - only where there is something to remove

        atexit.register(made.unlink)
    return [str(made)]


def median(values: Sequence[float]) -> float:
    """The median; NaN of nothing."""
    return statistics.median(values) if values else float("nan")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for line in (head, ["-" * width for width in widths], *rows):
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        print(f"| {' | '.join(cells)} |")


def machine() -> str:
    """The machine in one line, with what else it was doing."""
    model = "?"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    load = Path("/proc/loadavg").read_text().split()[0]
    return f"{os.cpu_count()} CPUs ({model}), Linux {os.uname().release}, load {load}"
