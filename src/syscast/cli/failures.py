"""From exceptions to messages and exit codes; see the table in ``main``."""

from __future__ import annotations

import contextlib
import errno
import os
import sys

import click

from syscast.cli.messages import safe, say
from syscast.diagnostics import CompileError
from syscast.errors import (
    FormatError,
    InternalError,
    PermissionDeniedError,
    SyscastError,
    TargetError,
    UsageError,
    VerifierError,
)
from syscast.sinks.sink import SinkClosed

REFUSED = 1
USAGE = 2
BUG = 70
TRACEBACK = "SYSCAST_TRACEBACK"
"""Environment: show the traceback of every failure."""

_LOG_HINT = "-v shows the verifier's whole log"
_SCARCE = {
    errno.EMFILE: "allow more: ulimit -n",
    errno.ENFILE: "the whole system's limit is reached: sysctl fs.file-max",
    errno.ENOMEM: "free some memory, or raise the limit of this process",
}
"""What a machine may run out of at any call, and what helps."""
_USERS = (CompileError, TargetError, UsageError, FormatError)


class Interrupted(KeyboardInterrupt):
    """A signal asked for the end before tracing had begun; no ``except Exception`` holds it up.

    Attributes:
        signal: Its number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.signal = number


def report(error: Exception, *, verbose: bool = False) -> int:
    """Say what went wrong and return the exit code.

    Args:
        error: What was raised.
        verbose: Show the whole log of a verifier that refused.
    """
    if os.environ.get(TRACEBACK):
        import traceback  # noqa: PLC0415  (on request only)

        traceback.print_exception(error)
    if isinstance(error, SinkClosed | BrokenPipeError):
        return 0
    if isinstance(error, click.ClickException):
        return _usage(error)
    text, code = _words(error)
    say(text)
    if isinstance(error, VerifierError) and error.log:
        say(f"the verifier's log:\n{error.log.rstrip()}" if verbose else _LOG_HINT)
    return code


def _words(error: Exception) -> tuple[str, int]:
    """The message and the exit code of what is no mistake in the command line."""
    text = str(error)
    if isinstance(error, PermissionDeniedError):
        return text + _sudo(text), REFUSED
    if isinstance(error, SyscastError):
        return text, USAGE if isinstance(error, _USERS) else REFUSED
    if isinstance(error, OSError) and error.errno in _SCARCE:
        cause = os.strerror(error.errno).lower()
        return f"start: {cause} ({_SCARCE[error.errno]})", REFUSED
    cause = error.cause if isinstance(error, InternalError) else f"{type(error).__name__}: {text}"
    return f"bug in syscast: {cause}\n{_reported(error, cause)}", BUG


def _reported(error: Exception, cause: str) -> str:
    """Write all that a report needs into a file, and ask for the report."""
    import tempfile  # noqa: PLC0415  (for bugs only)

    try:
        handle, path = tempfile.mkstemp(".txt", "syscast-bug-")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(_report(error, cause))
    except OSError:
        return f"Please report it, with the traceback that {TRACEBACK}=1 shows."
    return f"Please report it, with {path}: versions, the probe's IR and the traceback are in it."


def _report(error: Exception, cause: str) -> str:
    """The text of a report."""
    import traceback  # noqa: PLC0415  (for bugs only)
    from importlib import metadata  # noqa: PLC0415

    from syscast._version import __version__  # noqa: PLC0415

    try:
        llvmlite = metadata.version("llvmlite")
    except metadata.PackageNotFoundError:
        llvmlite = "not installed"
    versions = {
        "syscast": __version__,
        "python": sys.version.replace("\n", " "),
        "llvmlite": llvmlite,
        "kernel": _kernel(),
        "command": " ".join(sys.argv),
    }
    parts = [cause, "\n".join(f"{name:<9} {value}" for name, value in versions.items())]
    if isinstance(error, InternalError) and error.details:
        parts.append(error.details.rstrip())
    parts.append("".join(traceback.format_exception(error)).rstrip())
    return "\n\n".join(parts) + "\n"


def _kernel() -> str:
    try:
        with open("/proc/version", encoding="utf-8") as file:  # noqa: PTH123  (pathlib is slow)
            return file.read().strip()
    except OSError:
        return "unknown"


def _usage(error: click.ClickException) -> int:
    text = error.format_message()
    say(f"{text[:1].lower()}{text[1:].removesuffix('.')}")
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx is not None else "syscast"
        with contextlib.suppress(OSError, ValueError, AttributeError):
            print(f"Try '{safe(path)} --help'.", file=sys.stderr)
    return error.exit_code


def _sudo(text: str) -> str:
    """How to get the right, where the message only says which one."""
    if os.geteuid() == 0 or "sudo" in text:
        return ""
    return "\nTry: sudo syscast ..."
