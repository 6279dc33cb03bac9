"""bcc's module ``utils``: what its tools share."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
import warnings
from typing import TYPE_CHECKING, TextIO, cast

from syscast.bcc.arguments import SupportsBytes, as_bytes
from syscast.bcc.strcmp import StrcmpRewrite
from syscast.kernel import host

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

__all__ = [
    "ArgString",
    "StrcmpRewrite",
    "_assert_is_bytes",
    "detect_language",
    "get_online_cpus",
    "get_possible_cpus",
    "positive_int",
    "positive_int_list",
    "positive_nonzero_int",
    "printb",
    "warn_with_traceback",
]

# What a process maps that runs a language; the names of its files start so.
_RUNTIMES = {
    "java": ("libjvm",),
    "node": ("libnode", "node"),
    "perl": ("libperl", "perl"),
    "php": ("libphp", "php"),
    "python": ("libpython", "python"),
    "ruby": ("libruby", "ruby"),
    "tcl": ("libtcl", "tclsh"),
}


def get_online_cpus() -> list[int]:
    """Numbers of the CPUs that run."""
    return list(host.online_cpus())


def get_possible_cpus() -> list[int]:
    """Numbers of the CPUs that there can be."""
    return list(range(host.possible_cpus()))


def detect_language(candidates: Iterable[str], pid: int) -> str | None:
    """The language that a process runs, of those that are asked for.

    Args:
        candidates: Such as ``java`` and ``python``; ``c`` is what remains.
        pid: The process.

    Returns:
        One of them, or None.
    """
    wanted = list(candidates)
    files = [os.path.basename(path) for path in _files(pid)]  # noqa: PTH119
    for language in wanted:
        starts = _RUNTIMES.get(language, (language, f"lib{language}") if language != "c" else ())
        if starts and any(name.startswith(starts) for name in files):
            return language
    if "c" in wanted and any(name.startswith("libc") for name in files):
        return "c"
    return None


def _files(pid: int) -> list[str]:
    """The executable of a process and what else it maps."""
    found = []
    try:
        found.append(os.readlink(f"/proc/{pid}/exe"))  # noqa: PTH115
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
            found += [line.rstrip("\n").split(None, 5)[-1] for line in file if "/" in line]
    except OSError:
        pass
    return found


def printb(s: bytes, file: TextIO | BinaryIO = sys.stdout, nl: bool | int = 1) -> None:
    """Write bytes to a text stream, behind what was printed to it before.

    Args:
        s: The bytes.
        file: A stream.
        nl: Whether to end the line.
    """
    file.flush()
    raw = cast("BinaryIO", getattr(file, "buffer", file))
    raw.write(s + b"\n" if nl else s)
    file.flush()


class ArgString:
    """An argument of the command line that is text and bytes: ``bytes(x)`` and ``str(x)``."""

    def __init__(self, arg: str | bytes | SupportsBytes) -> None:
        self.s: bytes = os.fsencode(arg) if isinstance(arg, str) else bytes(arg)

    def __bytes__(self) -> bytes:
        return self.s

    def __str__(self) -> str:
        return os.fsdecode(self.s)


def _assert_is_bytes(arg: str | bytes | SupportsBytes | None) -> bytes | None:
    """Bytes of a name, with a DeprecationWarning for text; None for None."""
    return None if arg is None else as_bytes(arg)


def warn_with_traceback(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """For ``warnings.showwarning``: a warning with the calls that led to it."""
    log = file if file is not None else sys.stderr
    traceback.print_stack(file=log)
    log.write(warnings.formatwarning(message, category, filename, lineno, line))


def positive_int(val: str) -> int:
    """For ``argparse``: an integer of at least 0."""
    found = int(val)
    if found < 0:
        raise argparse.ArgumentTypeError("must be positive")
    return found


def positive_nonzero_int(val: str) -> int:
    """For ``argparse``: an integer over 0."""
    found = positive_int(val)
    if found == 0:
        raise argparse.ArgumentTypeError("must be nonzero")
    return found


def positive_int_list(val: str) -> list[int]:
    """For ``argparse``: integers of at least 0, separated by commas."""
    return [positive_int(each) for each in val.split(",")]
