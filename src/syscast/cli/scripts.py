"""A user's Python file: imported, and searched for probes."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import TYPE_CHECKING

from syscast.errors import SyscastError, UsageError
from syscast.session.probe import Probe
from syscast.session.snapshot import Iterator

if TYPE_CHECKING:
    from types import ModuleType

    from syscast.session.plan import Job

_MODULE = "syscast_probes"


class ScriptError(UsageError):
    """The user's file raised something; the message is its own traceback."""


def jobs_of(path: str) -> list[Job]:
    """Import a file and return the probes at its top level, in the order of their definition.

    Raises:
        UsageError: No such file, or no probe in it.
        ScriptError: It raised while it was imported.
        SyscastError: A declaration in it is wrong.
    """
    if not os.path.isfile(path):  # noqa: PTH113  (pathlib costs a start 5 ms)
        raise UsageError(f"file '{path}': read: no such file")
    found: dict[int, Job] = {}
    for value in vars(_import(path)).values():
        if isinstance(value, Probe | Iterator) and id(value) not in found:
            found[id(value)] = value.job()
    if not found:
        raise UsageError(
            f"file '{path}': run: it has no probe at its top level "
            "(decorate a function with @sc.function, @sc.call, @sc.syscall, ...)"
        )
    return list(found.values())


def _import(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"file '{path}': run: not a Python file (its name must end in .py)")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module
    # The file's own imports are found next to it, as when Python runs it.
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))  # noqa: PTH100, PTH120
    try:
        spec.loader.exec_module(module)
    except SyscastError:
        raise
    except Exception as error:
        raise ScriptError(_traceback(path, error)) from error
    return module


def _traceback(path: str, error: Exception) -> str:
    """The traceback from the user's file on, without the frames of the import."""
    import traceback  # noqa: PLC0415  (only when the file is wrong)

    whole = traceback.TracebackException.from_exception(error)
    real = os.path.abspath(path)  # noqa: PTH100
    own = [
        at
        for at, frame in enumerate(whole.stack)
        if os.path.abspath(frame.filename) == real  # noqa: PTH100
    ]
    del whole.stack[: own[0] if own else len(whole.stack)]
    return f"file '{path}': run: it raised\n{''.join(whole.format()).rstrip()}"
