"""Targets that do not exist, shown at the probe that names them."""

from __future__ import annotations

import re
from types import FunctionType

from syscast.diagnostics import Diagnostic, Span, render
from syscast.errors import TargetError


def placed(error: TargetError, body: object, target: str) -> TargetError:
    """The same error with the place where a probe's function names its target, if that can be read.

    Args:
        error: Why there is no such target.
        body: The probe's function; for anything else the error stays as it is.
        target: As written, perhaps with a kind: ``kprobe:inet_listen``.
    """
    if not isinstance(body, FunctionType):
        return error
    import linecache  # noqa: PLC0415  (only for errors)

    code = body.__code__
    name = target.rpartition(":")[2]
    lines = linecache.getlines(code.co_filename, body.__globals__)
    for number in range(code.co_firstlineno, len(lines) + 1):
        line = lines[number - 1]
        found = re.search(rf"\b{re.escape(name)}\b", line)
        if found is not None:
            span = Span(code.co_filename, number, found.start() + 1, number, found.end() + 1)
            return _drawn(error, span, line)
        if line.lstrip().startswith(("def ", "async def ")):
            break
    return error


def _drawn(error: TargetError, span: Span, line: str) -> TargetError:
    near = f"did you mean {', '.join(error.near)}?" if error.near else ""
    message = str(error).removesuffix(f" ({near})")
    made = TargetError(render(Diagnostic(message, span, line.rstrip("\n"), near)))
    made.near = error.near
    return made
