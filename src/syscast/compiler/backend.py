"""The back half of a compile: passes, then codegen."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from syscast import codegen, passes
from syscast.diagnostics import CompileError, Diagnostic, Span
from syscast.errors import InternalError
from syscast.ir.program import C

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.codegen.child import Child
    from syscast.ir.program import Program

_NO_ROOM = "stack limit"
_IN_FUNCTION = re.compile(r"in function (\S+)")


def build_object(program: Program, btf: Btf, *, child: Child | None = None) -> bytes:
    """Compile IR as a front end lowered it to an ELF object.

    Args:
        program: What to compile.
        btf: What its type ids are of.
        child: A running compiler; else one is started.

    Raises:
        InternalError: A bug of a front end, a pass or codegen.
        CompileError: C text that stores through kernel pointers, or that LLVM does not take.
        TargetError: The kernel's BTF lacks a struct member that a pass needs.
        NotSupportedError: llvmlite cannot be imported.
    """
    made = passes.run(program, btf)
    try:
        return codegen.build(made, btf, child=child, checked=True)
    except InternalError as error:
        if not _is_c(program) or not error.cause.startswith("LLVM"):
            raise
        if _NO_ROOM not in error.cause:
            raise _refused(program, error) from error
    try:
        return codegen.build(passes.run(program, btf, tight=True), btf, checked=True)
    except InternalError as error:
        raise _refused(program, error) from error


def _is_c(program: Program) -> bool:
    return any(each.context is not None and each.context.kind == C for each in program.functions)


def _refused(program: Program, error: InternalError) -> CompileError:
    """LLVM's last words as an error of the text; it names the function at most."""
    found = _IN_FUNCTION.search(error.cause)
    named = [each for each in program.functions if found and each.name == found[1]]
    function = (named or list(program.functions))[0]
    span = function.span or Span(program.name, 1)
    lines = program.sources.get(span.file, "").splitlines()
    source = lines[span.line - 1] if 0 < span.line <= len(lines) else ""
    if _NO_ROOM in error.cause:
        message = f"function '{function.name}' needs more than 512 bytes of stack"
        hint = "keep large values in a BPF_PERCPU_ARRAY of one entry"
        return CompileError([Diagnostic(message, span, source, hint)])
    message = f"function '{function.name}' cannot be compiled"
    return CompileError([Diagnostic(message, span, source, notes=(error.cause,))])
