"""IR to IR: from what a front end lowers to what codegen reads, in one ordered tuple of passes.

Each pass is a module with ``run(program, btf) -> program`` that says on top when, why and how.
The IR is checked before the first and after the last. Where it is malformed then, or a pass falls over
it, the passes run once more with a check after each, to name the one that is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.errors import InternalError, SyscastError
from syscast.ir.check import Layer, check
from syscast.ir.printer import program_text
from syscast.ir.program import C
from syscast.passes import (
    admission,
    bulk,
    calls,
    checks,
    context,
    current,
    emits,
    filters,
    kernel_reads,
    ledger,
    loops,
    maps,
    provenance,
    raises,
    reads,
    stack_budget,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.btf.lookup import Btf
    from syscast.ir.ops import Op
    from syscast.ir.program import Program

PASSES: tuple[tuple[str, Callable[[Program, Btf], Program]], ...] = (
    ("provenance", provenance.run),
    ("kernel_reads", kernel_reads.run),
    ("admission", admission.run),
    ("checks", checks.run),
    ("texts", texts.run),
    ("emits", emits.run),
    ("calls", calls.run),
    ("stack_budget", stack_budget.run),
    ("filters", filters.run),
    ("ledger", ledger.run),
    ("current", current.run),
    ("context", context.run),
    ("reads", reads.run),
    ("bulk", bulk.run),
    ("raises", raises.run),
    ("maps", maps.run),
    ("loops", loops.run),
)
"""Name and function of each pass, in order."""
_STACK = "stack_budget"
_FOR_C = frozenset({"provenance", "checks", "texts", _STACK, "bulk", "maps"})
"""What C text needs: it has no events, no ledger, no arguments but its context. A text may have a thousand programs."""


def run(program: Program, btf: Btf, *, tight: bool = False) -> Program:
    """Lower a program to primitives.

    Args:
        program: As a front end lowered it.
        btf: What its type ids are of.
        tight: Leave most of the stack to LLVM, which found that it has too little.

    Raises:
        InternalError: A front end or a pass made malformed IR; the message names it.
        TargetError: The kernel's BTF lacks a struct member that a pass needs.
    """
    seen: dict[int, Op] = {}
    check(program, seen=seen)
    made = program
    try:
        only_c = all(
            each.context is not None and each.context.kind == C for each in program.functions
        )
        for name, lower in PASSES:
            if only_c and name not in _FOR_C:
                continue
            made = stack_budget.tight(made, btf) if tight and name == _STACK else lower(made, btf)
        check(made, Layer.PRIMITIVE, seen)
    except SyscastError:
        raise
    except Exception as error:
        raise _blamed(program, btf, error) from error
    return made


def _blamed(program: Program, btf: Btf, error: Exception) -> InternalError:
    """Find the pass that failed, or that made the malformed IR which led to an error."""
    made = program
    for name, lower in PASSES:
        before = made
        try:
            made = lower(before, btf)
        except Exception as found:  # noqa: BLE001  (a bug, of whatever sort: it becomes a report)
            return InternalError(f"pass '{name}' failed: {_said(found)}", program_text(before))
        try:
            check(made)
        except InternalError as found:
            return InternalError(f"pass '{name}' made malformed IR", found.report)
    return InternalError(f"the passes left malformed IR: {_said(error)}", program_text(made))


def _said(error: Exception) -> str:
    if isinstance(error, InternalError):
        return error.cause
    return f"{type(error).__name__}: {error}"
