"""IR to IR: from what a front end lowers to what codegen reads, in one ordered tuple of passes.

Each pass is a module with ``run(program, btf) -> program`` that says on top when, why and how.
The IR is checked before the first and after each one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.errors import InternalError
from syscast.ir.check import Layer, check
from syscast.passes import (
    bulk,
    calls,
    checks,
    context,
    current,
    emits,
    filters,
    kernel_reads,
    ledger,
    maps,
    raises,
    reads,
    stack_budget,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.btf.lookup import Btf
    from syscast.ir.ops import Op
    from syscast.ir.program import Program

PASSES: tuple[tuple[str, Callable[[Program, Btf], Program]], ...] = (
    ("kernel_reads", kernel_reads.run),
    ("checks", checks.run),
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
)
"""Name and function of each pass, in order."""


def run(program: Program, btf: Btf) -> Program:
    """Lower a program to primitives.

    Raises:
        InternalError: A front end or a pass made malformed IR; the message names it.
    """
    seen: dict[int, Op] = {}
    check(program, seen=seen)
    for name, lower in PASSES:
        program = lower(program, btf)
        try:
            check(program, seen=seen)
        except InternalError as error:
            raise InternalError(f"pass '{name}' made malformed IR", str(error)) from error
    check(program, Layer.PRIMITIVE, seen)
    return program
