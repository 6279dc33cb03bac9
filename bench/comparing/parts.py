"""What is measured; each part gives figures of all tracers that can take part."""

# ruff: noqa: S603, T201, TID251 - a benchmark starts programs and prints

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import surroundings

from comparing.figures import Figure
from comparing.running import Printing, Running, Use, is_event, use_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from comparing.tracers import Tracer

CALLS = 1_000_000
SLOW_CALLS = 300_000
"""Of tracers that print: they lose most of a longer flood, too."""
RUNS = 5_000_000
SLOWER = 20
"""By how much less is asked for on an emulated machine."""
SETTLE_S = 0.5
RATES = (10, 1_000, 100_000)
LATENCY_S = 3.0
BURST = 200
BURSTS = 200
PAUSE_S = 0.005
START_RATE = 2_000
LISTEN_PAUSE_US = 200
MEMORY_AFTER_S = 0.5
LESS, MORE = "less", "more"
"""What is better."""
PATTERNS = ("tcp_connect", "vfs_*", "n*")
"""About 1, 100 and 2,000 functions."""


class Sheet:
    """Collects figures: the same quantity of the same tracer again is another round."""

    def __init__(self) -> None:
        self.figures: dict[tuple[str, str, str], Figure] = {}

    def note(  # noqa: PLR0913, PLR0917 - the cells of a row
        self,
        part: str,
        tracer: Tracer,
        better: str,
        quantity: str,
        unit: str,
        value: float,
        name: str = "",
    ) -> None:
        """Add a value; the row has the tracer's name unless another is given."""
        row = name or tracer.name
        less = better == LESS
        made = Figure(part, row, tracer.family, tracer.settings, quantity, unit, less)
        self.figures.setdefault((part, row, quantity), made).values.append(value)

    def all(self) -> list[Figure]:
        """What there is."""
        return list(self.figures.values())


def _slower() -> int:
    return SLOWER if "QEMU" in surroundings.machine() else 1


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# ------------------------------------------------------------ start, memory


def start(tracers: Sequence[Tracer], rounds: int) -> list[Figure]:
    """From nothing to the first line of output, and the memory half a second later."""
    sheet = Sheet()
    part = "start to the first event, and memory of the running tracer"
    chosen = [each for each in tracers if each.form in {"objects", "callbacks", "lines"}]
    with surroundings.Work("getppid", surroundings.cpus()[1]) as work:
        work.order(1 << 40, START_RATE)
        for each in chosen:
            _start_once(each, work.pid)
        for number in range(rounds):
            _say(f"start: round {number + 1} of {rounds}")
            for each in chosen:
                ours = each.family == "syscast"
                name = "syscast, on the command line" if ours else each.name
                seconds, use = _start_once(each, work.pid)
                sheet.note(part, each, LESS, "warm", "ms", seconds * 1e3, name=name)
                if ours:  # nobody else keeps anything between starts
                    with tempfile.TemporaryDirectory(prefix="syscast-cold-") as empty:
                        seconds, _ = _start_once(each, work.pid, XDG_CACHE_HOME=empty)
                sheet.note(part, each, LESS, "cold", "ms", seconds * 1e3, name=name)
                sheet.note(part, each, LESS, "memory", "MiB", use, name=name)
    return sheet.all()


def by_lines(tracer: Tracer, pid: int) -> list[str]:
    """The command that prints, each line at once: a line that waits for others has no latency of its own."""
    command = tracer.printing(pid)
    if tracer.family == "bpftrace":
        command = [
            command[0],
            "-B",
            "line",
            *(word for word in command[1:] if word not in {"-B", "full"}),
        ]
    return command


def _start_once(tracer: Tracer, pid: int, **variables: str) -> tuple[float, float]:
    command = by_lines(tracer, pid)
    with Printing(command, {**tracer.variables(), **variables}) as running:
        seconds = running.first_event()
        until = time.monotonic() + MEMORY_AFTER_S
        os.set_blocking(running.output, False)
        while time.monotonic() < until:
            try:
                os.read(running.output, 1 << 16)
            except BlockingIOError:
                time.sleep(0.01)
        return seconds, use_of(running.pid).resident


def listen(tracers: Sequence[Tracer], rounds: int) -> list[Figure]:
    """As `start`, of what needs the kernel's types: who listens, on which address, in which namespace."""
    from start import Tracer as Started  # noqa: PLC0415 - only here
    from start import tracers as starting  # noqa: PLC0415

    sheet = Sheet()
    part = "start to the first event of listen(2): address, port, backlog, namespace"
    families = {each.family: each for each in reversed(tracers)}
    with surroundings.Work("listen", LISTEN_PAUSE_US) as work:
        jobs = starting(work.pid, kprobes=surroundings.has_kprobes())
        made: list[Started] = next(iter(jobs.values()))
        for each in made:
            each.measure(count=False)
        for number in range(rounds):
            _say(f"listen: round {number + 1} of {rounds}")
            for each in made:
                each.measure()
    for each in made:
        family = families[each.name.partition(",")[0]]
        for wall, cpu, rss in zip(each.wall, each.cpu, each.rss, strict=True):
            sheet.note(part, family, LESS, "first event", "ms", wall * 1e3, name=each.name)
            sheet.note(part, family, LESS, "CPU until then", "ms", cpu * 1e3, name=each.name)
            sheet.note(part, family, LESS, "memory", "MiB", rss, name=each.name)
    return sheet.all()


# ------------------------------------------------------------ floods


def flood(tracers: Sequence[Tracer], rounds: int) -> list[Figure]:
    """One thread, then two, call getppid(2) as fast as they can."""
    sheet = Sheet()
    for threads in (1, 2):
        part = f"flood: getppid by {threads} thread{'s' * (threads > 1)}"
        for number in range(rounds):
            for each in tracers:
                _say(f"{part}: round {number + 1} of {rounds}: {each.name}")
                _flood_once(sheet, part, each, threads)
    return sheet.all()


def _flood_once(sheet: Sheet, part: str, tracer: Tracer, threads: int) -> None:
    calls = (CALLS if tracer.reading else SLOW_CALLS) // _slower()
    with surroundings.Work("getppid", surroundings.cpus()[1], threads) as work:
        if not tracer.reading:
            _note(sheet, part, tracer, calls, _printed(tracer, work, calls))
            return
        with Running(tracer.counting(work.pid, "count"), tracer.variables()) as running:
            load = _load(work, calls, running.pid)
            answer = running.answer()
        _note(sheet, part, tracer, calls, _answered(tracer, calls, load, answer))


class Load(NamedTuple):
    """A flood that was issued.

    Attributes:
        busy: Seconds that it took to issue.
        before: What the tracer had used before it.
        after: And after it.
        delivered: Events that came.
        spread: Seconds from the first to the last one, or to issue them if that took longer.
    """

    busy: float
    before: Use
    after: Use
    delivered: int = 0
    spread: float = 0.0


def _load(work: surroundings.Work, calls: int, pid: int) -> Load:
    time.sleep(0.1)
    before = use_of(pid)
    work.order(calls)
    busy = work.seconds()
    time.sleep(SETTLE_S)
    return Load(busy, before, use_of(pid))


def _answered(tracer: Tracer, calls: int, load: Load, answer: dict[str, float]) -> Load:
    """What a consumer says; syscast's ledger has to add up."""
    delivered = int(answer["delivered"])
    if answer.get("problems") or answer.get("dropped", calls - delivered) != calls - delivered:
        sys.exit(f"{tracer.name}: issued {calls}: {answer}")
    spread = (
        max((answer["last"] - answer["first"]) / 1e9, load.busy) if answer["first"] else load.busy
    )
    return load._replace(delivered=delivered, spread=spread)


def _note(sheet: Sheet, part: str, tracer: Tracer, calls: int, load: Load) -> None:
    millions = max(load.delivered, 1) / 1e6
    cpu = load.after.cpu - load.before.cpu
    wakeups = load.after.wakeups - load.before.wakeups
    sheet.note(part, tracer, MORE, "delivered", "M/s", millions / load.spread)
    sheet.note(part, tracer, MORE, "issued", "M/s", calls / load.busy / 1e6)
    sheet.note(part, tracer, LESS, "lost", "%", 100 * (1 - load.delivered / calls))
    sheet.note(part, tracer, LESS, "CPU per million", "s", cpu / millions)
    sheet.note(part, tracer, LESS, "wake-ups per million", "", wakeups / millions)


def _printed(tracer: Tracer, work: surroundings.Work, calls: int) -> Load:
    """A flood of a tracer that prints, into a file in memory."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="syscast-lines-") as file:
        path = Path(file.name)
        with Printing(tracer.printing(work.pid), tracer.variables(), path) as running:
            _until_attached()
            load = _load(work, calls, running.pid)
            size = -1
            while size != path.stat().st_size:
                size = path.stat().st_size
                time.sleep(SETTLE_S)
            load = load._replace(after=use_of(running.pid))
        delivered = sum(is_event(line) for line in path.read_bytes().split(b"\n"))
    return load._replace(delivered=delivered, spread=load.busy)


def _until_attached() -> None:
    """Wait as long as a slow start takes: bpftrace does not say when it has attached."""
    time.sleep(2.0 * (5 if _slower() > 1 else 1))


def repeat(tracers: Sequence[Tracer], rounds: int) -> list[Figure]:
    """A program run back to back by BPF_PROG_TEST_RUN on one CPU: nothing but the program is paid for."""
    sheet = Sheet()
    part = "flood: the program alone, by BPF_PROG_TEST_RUN"
    cpu = surroundings.cpus()[1]
    runs = RUNS // _slower()
    able = [each for each in tracers if each.reading]
    for number in range(rounds):
        for each in list(able):
            _say(f"repeat: round {number + 1} of {rounds}: {each.name}")
            try:
                running = Running(each.counting(0, "count"), each.variables())
            except RuntimeError as error:
                _say(f"{each.name}: left out: {str(error)[-300:]}")
                able.remove(each)
                continue
            with running, surroundings.Producer(running.program, cpu) as work:
                load = _load(work, runs, running.pid)
                answer = running.answer()
            _note(sheet, part, each, runs, _answered(each, runs, load, answer))
    return sheet.all()


# ------------------------------------------------------------ latency, added time


def latency(tracers: Sequence[Tracer], rounds: int) -> list[Figure]:
    """From the record's time in the kernel to the consumer's hands, at three rates."""
    sheet = Sheet()
    for rate in RATES:
        part = f"latency at {rate:,} events a second"
        count = max(20, int(rate * LATENCY_S))
        for number in range(rounds):
            for each in tracers:
                _say(f"latency: {rate}: round {number + 1} of {rounds}: {each.name}")
                with surroundings.Work("getppid", surroundings.cpus()[1]) as work:
                    if each.reading:
                        p50, p99, cpu = _latency_once(each, work, count, rate)
                    else:
                        p50, p99, cpu = _latency_of_lines(each, work, count, rate)
                sheet.note(part, each, LESS, "p50", "us", p50 / 1e3)
                sheet.note(part, each, LESS, "p99", "us", p99 / 1e3)
                sheet.note(part, each, LESS, "CPU of one core", "%", 100 * cpu)
    return sheet.all()


def _latency_once(
    tracer: Tracer, work: surroundings.Work, count: int, rate: int
) -> tuple[float, float, float]:
    with Running(tracer.counting(work.pid, "latency"), tracer.variables()) as running:
        time.sleep(0.3)
        before = use_of(running.pid)
        work.order(count, rate)
        seconds = work.seconds()
        after = use_of(running.pid)
        time.sleep(SETTLE_S)
        answer = running.answer()
    return answer["p50"], answer["p99"], (after.cpu - before.cpu) / seconds


def _latency_of_lines(
    tracer: Tracer, work: surroundings.Work, count: int, rate: int
) -> tuple[float, float, float]:
    """The pipe is read on the other CPU, at once; bpftrace's time is the monotonic clock."""
    waits: list[int] = []
    with Printing(by_lines(tracer, work.pid), tracer.variables()) as running:
        _until_attached()

        def read() -> None:
            rest = b""
            while chunk := os.read(running.output, 1 << 18):
                now = time.monotonic_ns()
                *whole, rest = (rest + chunk).split(b"\n")
                waits.extend(now - int(line.split()[0]) for line in whole if is_event(line))

        thread = threading.Thread(target=read)
        thread.start()
        before = use_of(running.pid)
        work.order(count, rate)
        seconds = work.seconds()
        after = use_of(running.pid)
        time.sleep(SETTLE_S)
        running.end()
        thread.join()
    waits.sort()
    if not waits:
        return float("nan"), float("nan"), float("nan")
    return (
        waits[len(waits) // 2],
        waits[len(waits) * 99 // 100],
        (after.cpu - before.cpu) / seconds,
    )


def added(tracers: Sequence[Tracer], rounds: int) -> list[Figure]:
    """What a traced call takes longer, in bursts that no ring is too small for."""
    sheet = Sheet()
    part = "added to each traced call"
    chosen = [each for each in tracers if each.form not in {"tuples", "batches"}]
    for number in range(rounds):
        for each in chosen:
            _say(f"added: round {number + 1} of {rounds}: {each.name}")
            with surroundings.Work("getppid", surroundings.cpus()[1]) as work:
                bare = _burst(work)
                command = each.counting(work.pid, "count") or each.printing(work.pid)
                if each.reading:
                    with Running(command, each.variables()):
                        traced = _burst(work)
                else:
                    with Printing(command, each.variables(), Path(os.devnull)):
                        _until_attached()
                        traced = _burst(work)
            sheet.note(part, each, LESS, "added", "ns", traced - bare)
    return sheet.all()


def _burst(work: surroundings.Work) -> float:
    """The median time of a call, in ns."""
    values = []
    for _ in range(BURSTS):
        work.order(BURST)
        values.append(work.seconds() / BURST * 1e9)
        time.sleep(PAUSE_S)
    return surroundings.median(values)


# ------------------------------------------------------------ attaching


def attach(tracers: Sequence[Tracer], rounds: int) -> list[Figure]:
    """Start, attach to many functions, count, detach, end: the whole life, beside that with one function."""
    if not surroundings.has_kprobes():
        _say(
            "attach: left out: this kernel has no kprobes (run it in a virtual machine, see README.md)"
        )
        return []
    sheet = Sheet()
    families = {each.family: each for each in reversed(tracers)}
    for pattern in PATTERNS:
        part = f"attach to {pattern} ({_matching(pattern)} functions), count, detach: the whole process"
        for number in range(rounds):
            for family, command in _counters(pattern).items():
                if family not in families:
                    continue
                _say(f"attach: {pattern}: round {number + 1} of {rounds}: {family}")
                begin = time.perf_counter()
                done = subprocess.run(command, check=False, capture_output=True, timeout=900)
                seconds = time.perf_counter() - begin
                if done.returncode:
                    _say(f"{family}: {done.stderr.decode()[-300:]}")
                    continue
                sheet.note(part, families[family], LESS, "time", "s", seconds, name=family)
    return sheet.all()


def _counters(pattern: str) -> dict[str, list[str]]:
    found = {"syscast": [sys.executable, "-m", "syscast", "count", pattern, "--", "true"]}
    if path := shutil.which("bpftrace"):
        found["bpftrace"] = [
            path,
            "-e",
            f"kprobe:{pattern} {{ @[func] = count(); }}",
            "-c",
            "/bin/true",
        ]
    if path := shutil.which("funccount-bpfcc"):
        found["bcc"] = [path, "-d", "1", pattern]
    return found


def _matching(pattern: str) -> int:
    import fnmatch  # noqa: PLC0415 - only here

    names = Path("/sys/kernel/tracing/available_filter_functions").read_text().splitlines()
    return len(fnmatch.filter((name.split()[0] for name in names), pattern))


PARTS: dict[str, Callable[[Sequence[Tracer], int], Iterable[Figure]]] = {
    "start": start,
    "listen": listen,
    "flood": flood,
    "repeat": repeat,
    "latency": latency,
    "added": added,
    "attach": attach,
}
