"""Run a script as Python runs it, with the drop-in as ``bcc``: ``syscast bcc SCRIPT``.

What the script sees, what it prints and how it ends are as under ``python3 SCRIPT``: it is ``__main__``, its
directory is the first of the path, a traceback begins in it, and its exit code is kept.
"""

from __future__ import annotations

import atexit
import io
import os
import signal
import sys
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

from syscast.bcc import alias
from syscast.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, TracebackType

_MAIN = "__main__"
_FAILED = 1


def run(name: str, arguments: Sequence[str]) -> NoReturn:
    """Run a script and end as it ends.

    Args:
        name: Its path, or the name of one in ``PATH``.
        arguments: What it finds in ``sys.argv`` behind its name.

    Raises:
        UsageError: There is no such file, or it says itself that it is no Python.
        SystemExit: It ended.
    """
    path = find(name)
    _refuse_others(path)
    # atexit runs what was registered last first: this after all that the script registers.
    interrupted = _Interrupted()
    atexit.register(interrupted.end)
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    alias.install()
    sys.argv = [path, *arguments]
    directory = os.path.dirname(os.path.realpath(path))  # noqa: PTH120 - pathlib costs a start 5 ms
    sys.path.insert(0, directory)
    module = ModuleType(_MAIN)
    module.__file__ = path
    module.__dict__.update(__builtins__=__builtins__, __spec__=None, __cached__=None)
    sys.modules[_MAIN] = module
    try:
        exec(_code(path), module.__dict__)  # noqa: S102 - it is what the command is for
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - all that Python itself would show
        _show(error, path)
        interrupted.by = isinstance(error, KeyboardInterrupt)
        raise SystemExit(_FAILED) from None
    raise SystemExit(0)


def find(name: str) -> str:
    """The path of a script: as given, or a program's name in ``PATH``; raises UsageError."""
    if os.path.isfile(name):  # noqa: PTH113
        return name
    if "/" not in name:
        for place in os.environ.get("PATH", "").split(os.pathsep):
            path = os.path.join(place, name)  # noqa: PTH118
            if os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113
                return path
        raise UsageError(f"script '{name}': run: no such file, here or in PATH")
    raise UsageError(f"script '{name}': run: no such file")


def _refuse_others(path: str) -> None:
    """Raise UsageError for a shell script and its like, such as bcc's ``javacalls``."""
    with open(path, "rb") as file:  # noqa: PTH123
        first = file.readline(256)
    if first.startswith(b"#!") and b"python" not in first:
        words = first[2:].decode("utf-8", "replace").strip()
        raise UsageError(
            f"script '{path}': run: it is a program for {words}, not for Python (run the Python script "
            "that it starts)"
        )


def _code(path: str) -> CodeType:
    """The script, compiled; raises SyntaxError and others as Python would."""
    with io.open_code(os.path.abspath(path)) as file:  # noqa: PTH100
        data = file.read()
    return compile(data, path, "exec", dont_inherit=True)


class _Interrupted:
    """Whether Ctrl-C ended the script; then the process ends by the signal, as Python's does."""

    by = False

    def end(self) -> None:
        """Called when all else is done."""
        if not self.by:
            return
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                continue
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)


def _show(error: BaseException, path: str) -> None:
    """Print the traceback from the script on, without the frames that ran it."""
    trace: TracebackType | None = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != path:
        trace = trace.tb_next
    # A script that does not compile has no frame of its own.
    sys.excepthook(type(error), error.with_traceback(trace), trace)
