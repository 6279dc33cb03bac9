"""kill -9 at random moments of a tracer's life: whatever it had in the kernel is gone a second later."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time

from syscast.kernel.bpfinfo import ids

KINDS = ("program", "map", "link")
GRACE_S = 1.0
COMMANDS = (
    ("trace", "raw_tracepoint:sys_enter", "id"),
    ("trace", "syscall:openat"),
    ("count", "syscall:getppid"),
    ("listen",),
)
_WORK = ("sh", "-c", "while :; do : </dev/null; done")


def present() -> dict[str, set[int]]:
    """Ids of everything in the kernel."""
    return {kind: set(ids(kind)) for kind in KINDS}


def left(before: dict[str, set[int]]) -> dict[str, set[int]]:
    """What came since and is still there after the grace period."""
    until = time.monotonic() + GRACE_S
    while True:
        found = {kind: now - before[kind] for kind, now in present().items()}
        if not any(found.values()) or time.monotonic() >= until:
            return {kind: new for kind, new in found.items() if new}
        time.sleep(0.02)


def kill_once(command: tuple[str, ...], delay: float) -> dict[str, set[int]]:
    """Start a tracer with a command of its own, kill it after a time, and look.

    Returns:
        Ids that were left, by kind.
    """
    before = present()
    words = [sys.executable, "-m", "syscast", *command, "--", *_WORK]
    process = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    time.sleep(delay)
    process.kill()
    process.wait()
    found = left(before)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # the traced command, which nobody ends now
    return found


def run(rounds: int, longest: float, seed: int) -> int:
    """Kill so many times; gives how often something was left."""
    chosen = random.Random(seed)  # noqa: S311 - moments to kill at
    bad = 0
    for number in range(rounds):
        command = COMMANDS[number % len(COMMANDS)]
        delay = chosen.uniform(0, longest)
        found = kill_once(command, delay)
        if found:
            bad += 1
            print(f"{' '.join(command)} killed after {delay:.3f} s: left {found}", flush=True)
        if not (number + 1) % 50:
            print(f"{number + 1} kills, {bad} with leftovers", flush=True)
    return bad
