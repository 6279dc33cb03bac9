"""What the serial console of a VM tells: kernel trouble found in its lines. Pure; fed with bytes as they come."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Kernel text (kernel/panic.c, arch/x86/kernel/dumpstack.c, lib/bug.c, kernel/rcu/tree_stall.h, kernel/watchdog.c, kernel/hung_task.c,
# lib/debugobjects.c, mm/slub.c, kernel/locking/lockdep.c). Order matters: the first that fits names the trouble.
PATTERNS = (
    ("panic", re.compile(r"Kernel panic - not syncing")),
    (
        "oops",
        re.compile(
            r"\bOops:|general protection fault|unable to handle (kernel|page fault)|kernel NULL pointer dereference|kernel BUG at|double fault|stack guard page was hit"
        ),
    ),
    (
        "lockup",
        re.compile(
            r"(soft|hard) lockup|LOCKUP|blocked for more than \d+ seconds|rcu:? INFO: .*stall|rcu_.*detected.*stalls"
        ),
    ),
    (
        "bug",
        re.compile(
            r"\bBUG: |possible recursive locking|circular locking dependency|ODEBUG: |KASAN:|UBSAN:"
        ),
    ),
    ("warning", re.compile(r"\bWARNING: (CPU: \d+ PID: \d+|.*\bat )")),
    ("init", re.compile(r"syscast-init: .*")),
)
FATAL = frozenset({"panic", "oops", "lockup", "init"})
TIMESTAMP = re.compile(r"^(?:<\d+>)?\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ?")
# Said by kernels under emulation, without meaning for what is tested.
HARMLESS = (re.compile(r"WARNING: .*(unstable|tsc|TSC)"),)


@dataclass(frozen=True, slots=True)
class Trouble:
    """One sign of kernel trouble.

    Attributes:
        kind: panic, oops, lockup, bug, warning or init.
        line: the line that shows it, without its time stamp.
    """

    kind: str
    line: str

    @property
    def fatal(self) -> bool:
        """Whether the VM cannot be used after it."""
        return self.kind in FATAL


def classify(line: str) -> Trouble | None:
    """The trouble that one console or dmesg line reports, if any."""
    text = TIMESTAMP.sub("", line.rstrip())
    if any(form.search(text) for form in HARMLESS):
        return None
    for kind, form in PATTERNS:
        if form.search(text):
            return Trouble(kind, text)
    return None


class Watcher:
    """Splits the console's byte stream into lines and keeps the trouble found and the last lines."""

    def __init__(self, keep: int = 200) -> None:
        self._rest = b""
        self._keep = keep
        self.tail: list[str] = []
        self.troubles: list[Trouble] = []

    def feed(self, data: bytes) -> list[Trouble]:
        """Take the next bytes; returns the trouble in the lines that they completed."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        found: list[Trouble] = []
        for raw in lines:
            line = raw.decode(errors="replace").rstrip("\r")
            self.tail.append(line)
            trouble = classify(line)
            if trouble is not None:
                found.append(trouble)
        del self.tail[: -self._keep]
        self.troubles += found
        return found
