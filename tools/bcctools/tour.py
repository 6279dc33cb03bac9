"""One tool from start to end: setup, the tool, a workload, an interrupt, and what came of it.

A tool is ready when it has had BPF programs, and their number has not changed for a moment: /proc shows its file descriptors.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bcctools.screen import Screen, plain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from bcctools.rows import Row

START = 240.0  # seconds until a tool is attached; LLVM in an emulated machine takes its time
SETTLE = 1.5
ROUNDS = 4
SILENT_START = 12.0  # for tools that load no program


@dataclass(frozen=True, slots=True)
class Result:
    """How far a tool came.

    Attributes:
        compiles: The C text was compiled; None where it was not tried.
        loads: Its programs were taken by the verifier.
        attaches: It came to wait for events.
        right: The output has what the row expects.
        ready: Seconds until it was attached.
        memory: KiB that it had resident at most, when it was attached.
        why: What went wrong, or "".
    """

    tool: str
    compiles: bool
    loads: bool
    attaches: bool
    right: bool
    ready: float
    memory: int
    why: str
    output: str


def path_of(tool: str) -> str:
    """Where Debian keeps a tool; those that others call have no suffix."""
    for name in (f"{tool}-bpfcc", tool):
        found = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin")
        if found:
            return found
    raise FileNotFoundError(f"tool '{tool}': not installed (the package is bpfcc-tools)")


def command(row: Row, which: str, pid: int) -> list[str]:
    """The command of a tool under the drop-in or under the real bcc."""
    script = [path_of(row.tool), *(each.replace("{pid}", str(pid)) for each in row.args)]
    if which == "bcc":
        return ["/usr/bin/python3", "-u", *script]
    return [sys.executable, "-u", "-m", "syscast", "bcc", *script]


def run(row: Row, which: str = "dropin", directory: str = "/tmp/tour") -> Result:  # noqa: S108
    """Run one tool."""
    os.makedirs(directory, exist_ok=True)  # noqa: PTH103
    shell(row.setup)
    victim = subprocess.Popen(["/bin/bash", "-c", row.victim]) if row.victim else None
    if victim is not None:
        time.sleep(1.0)
    out = Path(directory) / f"{row.tool}.{which}.out"
    try:
        with out.open("wb") as sink:
            return _run(row, command(row, which, victim.pid if victim else 0), sink, out)
    finally:
        if victim is not None:
            victim.kill()
            victim.wait()
        end_server()


def _run(row: Row, words: Sequence[str], sink: BinaryIO, out: Path) -> Result:
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "TERM": "dumb"}
    if row.expect and os.environ.get("REAL_BCC"):
        environment.pop("PYTHONPATH", None)
    screen = None
    if row.tty:
        environment["TERM"] = "vt100"
        screen = Screen(sink)
    tool = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL if screen is None else screen.tool_side,
        stdout=sink if screen is None else screen.tool_side,
        stderr=subprocess.STDOUT,
        env=environment,
    )
    began = time.monotonic()
    ready = wait_ready(tool)
    took = time.monotonic() - began
    memory = memory_of(tool.pid)
    for _ in range(ROUNDS):
        if row.work:
            shell(row.work)
        time.sleep(1.5)
        if row.found(_text(out)) or tool.poll() is not None:
            break
    if tool.poll() is None and "distribution" not in row.expect:
        time.sleep(0.5)
    ended = end(tool)
    if screen is not None:
        screen.close()
    return _judge(row, _text(out), ready=ready, took=took, memory=memory, ended=ended)


def _judge(row: Row, text: str, *, ready: bool, took: float, memory: int, ended: bool) -> Result:
    right = row.found(text)
    compiles = "Failed to compile BPF" not in text
    loads = compiles and not re.search(
        r"Failed to load BPF program|refused by the verifier|Permission denied$", text
    )
    trace = "Traceback (most recent call last)" in text and "KeyboardInterrupt" not in text
    attaches = loads and (ready or right) and not trace
    why = ""
    if not right or trace:
        lines = [each for each in text.strip().splitlines() if each.strip()]
        why = lines[-1][:200] if lines else "no output"
        if not ended:
            why = f"did not end after an interrupt; {why}"
    return Result(
        row.tool, compiles, loads, attaches, right and not trace and ended, took, memory, why, text
    )


def _programs(pid: int) -> int:
    count = 0
    with contextlib.suppress(OSError):
        for each in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                target = os.readlink(each)  # noqa: PTH115
                count += "bpf" in target or "perf_event" in target
    return count


def wait_ready(tool: subprocess.Popen[bytes]) -> bool:
    """Wait until a tool holds BPF programs and takes no more; False where it ended or never did."""
    began = changed = time.monotonic()
    last = 0
    while time.monotonic() - began < START:
        if tool.poll() is not None:
            return False
        count = _programs(tool.pid)
        if count != last:
            last, changed = count, time.monotonic()
        if last and time.monotonic() - changed > SETTLE:
            return True
        if not last and time.monotonic() - began > START - 1:
            return False
        time.sleep(0.2)
    return last > 0


def memory_of(pid: int) -> int:
    """KiB of a process that are resident."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0


def end(tool: subprocess.Popen[bytes]) -> bool:
    """Interrupt a tool as Ctrl-C does; False where it had to be killed."""
    for number, patience in ((signal.SIGINT, 15.0), (signal.SIGINT, 10.0), (signal.SIGKILL, 10.0)):
        if tool.poll() is None:
            tool.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                tool.wait(patience)
        if tool.poll() is not None:
            return number != signal.SIGKILL
    return False


def shell(text: str) -> None:
    """Run commands whose output and end do not matter."""
    if text:
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(
                ["/bin/bash", "-c", text],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=60,
            )


def end_server() -> None:
    """End the server that a row's setup left its number of."""
    note = Path("/tmp/server")  # noqa: S108
    with contextlib.suppress(OSError, ValueError):
        os.kill(int(note.read_text()), signal.SIGTERM)
        note.unlink()


def _text(path: Path) -> str:
    return plain(path.read_bytes().decode(errors="replace"))
