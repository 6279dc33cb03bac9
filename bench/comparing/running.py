"""One tracer while it runs: started, watched through /proc, ended, asked what it saw."""

# ruff: noqa: S603, TID251 - a benchmark starts programs and prints

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

PATIENCE_S = 240.0


class Use(NamedTuple):
    """What a process has used so far.

    Attributes:
        cpu: Seconds of all its threads.
        wakeups: Times that one of its threads slept and was woken.
        resident: MiB.
    """

    cpu: float
    wakeups: int
    resident: float


def use_of(pid: int) -> Use:
    """Read it from /proc."""
    cpu = 0.0
    wakeups = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the thread has ended
            cpu += int((task / "schedstat").read_text().split()[0]) / 1e9
            status = (task / "status").read_text()
            wakeups += int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    status = Path(f"/proc/{pid}/status").read_text()
    return Use(cpu, wakeups, int(status.partition("VmRSS:")[2].split()[0]) / 1024)


class Running:
    """A consumer that says ``ready`` and, at SIGTERM, what it saw; see ``readers/reader.c``.

    Attributes:
        program: Id of the program that BPF_PROG_TEST_RUN can repeat, 0 without one.
    """

    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline().split()
        if not line or line[0] != "ready":
            self._process.kill()
            raise RuntimeError(f"{command}: {self._process.communicate()[1]}")
        self.program = int(line[1]) if len(line) > 1 else 0
        self.pid = self._process.pid

    def answer(self) -> dict[str, float]:
        """End it and take its words."""
        self._process.send_signal(signal.SIGTERM)
        out, errors = self._process.communicate(timeout=PATIENCE_S)
        if self._process.returncode:
            raise RuntimeError(f"{self._process.args}: {errors}")
        found: dict[str, float] = json.loads(out.splitlines()[-1])
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


class Printing:
    """A tracer that prints a line for each event into a file or a pipe.

    Args:
        into: Where its lines go; None for a pipe.
    """

    def __init__(
        self, command: Sequence[str], environment: dict[str, str], into: Path | None = None
    ) -> None:
        self._file = into.open("wb") if into is not None else None
        self.started = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            stdout=self._file or subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        self.pid = self._process.pid

    @property
    def output(self) -> int:
        """The pipe."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def first_event(self) -> float:
        """Seconds from the start to the first line that is an event."""
        seen = b""
        while True:
            chunk = os.read(self.output, 1 << 16)
            if not chunk:
                raise RuntimeError(f"{self._process.args}: it has ended without an event")
            seen += chunk
            if any(is_event(line) for line in seen.split(b"\n")[:-1]):
                return time.perf_counter() - self.started

    def end(self) -> None:
        """End it and wait."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.end()
        if self._process.stdout is not None:
            self._process.stdout.close()
        if self._file is not None:
            self._file.close()


def is_event(line: bytes) -> bool:
    """Whether a line of any tracer is one: bpftrace also says what it does."""
    return line[:1].isdigit() or line.startswith(b"{")
