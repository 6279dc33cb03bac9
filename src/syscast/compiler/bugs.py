"""What is our fault becomes an InternalError that has all that a report needs: the probe's IR, or its source."""

from __future__ import annotations

import traceback
from types import FunctionType
from typing import TYPE_CHECKING

from syscast.errors import FormatError, InternalError
from syscast.ir.printer import program_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.errors import VerifierError
    from syscast.ir.program import Program


def in_front_end(error: Exception, probe: str, body: object) -> InternalError:
    """Lowering a probe failed with something else than a finding in it."""
    where = ""
    if isinstance(body, FunctionType):
        where = f"the function '{body.__name__}' in {body.__code__.co_filename}"
        where += f", line {body.__code__.co_firstlineno}\n\n"
    cause = f"probe '{probe}': lowering it failed: {_said(error)}"
    return InternalError(cause, where + _details(error))


def in_text(error: Exception, name: str, text: str | bytes) -> InternalError:
    """Lowering a C text failed with something else than a finding in it."""
    shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    cause = f"text '{name}': lowering it failed: {_said(error)}"
    return InternalError(cause, f"The text:\n\n{shown}\n\n{_details(error)}")


def in_back_end(error: Exception, program: Program) -> InternalError:
    """The passes, codegen or LLVM failed, or what they made cannot be read."""
    if isinstance(error, FormatError):
        cause = f"the compiler made an object that cannot be read: {error}"
    elif isinstance(error, InternalError):
        cause = error.cause
    else:
        cause = f"compiling it failed: {_said(error)}"
    ir = f"The probe's IR:\n\n{program_text(program)}"
    return InternalError(f"program '{program.name}': {cause}", f"{ir}\n{_details(error)}")


def in_program(error: VerifierError, programs: Sequence[Program]) -> InternalError:
    """The verifier refused what the compiler made of a right probe."""
    ir = "\n".join(["The probe's IR:\n", *(program_text(each) for each in programs)])
    log = f"The verifier's log:\n\n{error.log}" if error.log else ""
    return InternalError(str(error), f"{ir}\n{log}")


def _said(error: Exception) -> str:
    return error.cause if isinstance(error, InternalError) else f"{type(error).__name__}: {error}"


def _details(error: Exception) -> str:
    if isinstance(error, InternalError):
        return error.details
    return "".join(traceback.format_exception(error))
