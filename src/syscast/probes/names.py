"""Target strings: ``inet_listen``, ``kprobe:inet_listen``, ``sched:sched_switch``, ``syscall:openat``.

Only the words are taken apart here; whether such a target exists is ``registry``'s question.
"""

from __future__ import annotations

from syscast.btf.record import Record
from syscast.errors import UsageError

FUNCTION = "function"
ALIASES = {
    "kprobe": "kprobe",
    "k": "kprobe",
    "kretprobe": "kretprobe",
    "kr": "kretprobe",
    "fentry": "fentry",
    "fexit": "fexit",
    "tracepoint": "tracepoint",
    "tp": "tracepoint",
    "raw_tracepoint": "raw_tracepoint",
    "raw_tp": "raw_tracepoint",
    "tp_btf": "raw_tracepoint",
    "syscall": "syscall",
    "uprobe": "uprobe",
    "u": "uprobe",
    "uretprobe": "uretprobe",
    "ur": "uretprobe",
    "usdt": "usdt",
    "profile": "profile",
    "interval": "interval",
    "software": "software",
    "sw": "software",
    "hardware": "hardware",
    "hw": "hardware",
    "iter": "iter",
    "function": FUNCTION,
    "call": FUNCTION,
}
"""What may stand before a target's first colon, and the kind that is meant."""
USER_KINDS = frozenset({"uprobe", "uretprobe", "usdt"})
"""Kinds of user space: behind them stand a file and a place in it."""
SAMPLES = frozenset({"profile", "interval", "software", "hardware"})
"""Kinds that run by a clock or a counter."""
OF_PROCESSES = USER_KINDS | SAMPLES
"""Kinds that can be attached to one process."""


class Name(Record):
    """A target string taken apart.

    Attributes:
        kind: A kind's name, ``function``, or ``""`` where the string does not say.
        scope: What stands before the last colon: a tracepoint's category, a module or a file.
        name: The function, tracepoint or system call.
    """

    kind: str
    scope: str
    name: str

    @property
    def scoped(self) -> str:
        """Scope and name."""
        return f"{self.scope}:{self.name}" if self.scope else self.name


def parse(text: str, kind: str = "") -> Name:
    """Take a target string apart.

    Args:
        text: As the user wrote it.
        kind: The kind, where it is known already; the string may repeat it.

    Raises:
        UsageError: Empty parts, too many parts, or another kind than ``kind``.
    """
    parts = text.strip().split(":")
    said = ALIASES.get(parts[0], "") if len(parts) > 1 else ""
    if said:
        parts = parts[1:]
    wanted = ALIASES.get(kind, kind)
    if USER_KINDS & {said, wanted}:
        return _in_file(text, said or wanted, parts)
    if said and wanted and said != wanted and FUNCTION not in {said, wanted}:
        raise UsageError(f"target '{text}': read: it is to be a {wanted} and says {said}")
    if not all(parts) or len(parts) > 2 or any(c.isspace() for c in text.strip()):
        raise UsageError(
            f"target '{text}': read: not of the form [KIND:][MODULE or CATEGORY:]NAME "
            f"(kinds: {', '.join(dict.fromkeys(ALIASES.values()))})"
        )
    scope = parts[0] if len(parts) == 2 else ""
    exact = wanted if wanted and wanted != FUNCTION else said or wanted
    return Name(exact, scope, parts[-1])


def without_exit(kind: str) -> str:
    """What a kind's targets are that have no exit: ``tracepoint``, ``mark``, ``sample``; else ``""``."""
    if "tracepoint" in kind:
        return "tracepoint"
    return "mark" if kind == "usdt" else "sample" if kind in SAMPLES else ""


WILD = frozenset("*?[")
"""Characters that make a target a pattern, outside user space, where names may hold them."""


def is_pattern(text: str) -> bool:
    """Whether a target has wildcards."""
    return bool(set(text) & WILD)


_MOST_PARTS = 3


def in_user_space(text: str) -> bool:
    """Whether a target string says that it is one of user space."""
    kind, colon, _ = text.strip().partition(":")
    return bool(colon) and ALIASES.get(kind) in USER_KINDS


def _in_file(text: str, kind: str, parts: list[str]) -> Name:
    """``uprobe:/bin/bash:readline``: a file, and what is behind the first colon, which may hold more.

    ``usdt:/usr/bin/python3:python:line``, ``usdt:python:line``: what is behind the last colon.
    """
    if kind == "usdt":
        if not all(parts) or not 2 <= len(parts) <= _MOST_PARTS:
            raise UsageError(
                f"target '{text}': read: not of the form usdt:FILE:PROVIDER:NAME, or with a process "
                "usdt:PROVIDER:NAME"
            )
        return Name(kind, ":".join(parts[:-1]), parts[-1])
    name = ":".join(parts[1:])
    if not parts[0] or not name:
        raise UsageError(
            f"target '{text}': read: not of the form {kind}:FILE:FUNCTION (such as {kind}:c:malloc, "
            f"{kind}:/bin/bash:readline or {kind}:/bin/bash:0x1234)"
        )
    return Name(kind, parts[0], name)
