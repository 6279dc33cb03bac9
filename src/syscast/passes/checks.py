"""Checked, CheckedConvert, ExactCompare -> machine operations and branches to Raise.

When: after kernel_reads, before anything that adds blocks.
Why: the language gives Python's answer or an exception, never a different number (design section 5).
How: each operator is a module's function (``arithmetic``, ``division``, ``shifts``, ``compare``) that gets
the ranges of its operands from ``bounds`` and leaves out what cannot happen. Nothing relies on what
LLVM leaves undefined: divisors and shift counts are tested or masked before, overflow is found by
comparing wrapped results. C's signed division is done on magnitudes, for BPF has none below cpu v4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.ir import ops
from syscast.ir.ops import BinaryOp, CheckedOp
from syscast.passes import arithmetic, compare, division, shifts
from syscast.passes.bounds import Bounds
from syscast.passes.editor import each_function
from syscast.passes.operands import Operands
from syscast.passes.sites import Sites

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.ir.ops import Op
    from syscast.ir.program import Program
    from syscast.passes.editor import Editor


def run(program: Program, btf: Btf) -> Program:
    """Lower Python's arithmetic."""
    return each_function(program, btf, Sites(program.sites), _edit)


def _edit(editor: Editor) -> None:
    bounds = Bounds(editor.function)

    def visit(op: Op) -> bool:
        match op:
            case ops.Checked():
                _checked(Operands(editor, op, *bounds.operands(op)))
            case ops.CheckedConvert():
                compare.convert(editor, op, bounds.operand(op))
            case ops.ExactCompare():
                compare.exact(editor, op, *bounds.operands(op))
            case ops.Binary(op=BinaryOp.SDIV | BinaryOp.SREM):
                division.truncating(editor, op)
            case _:
                return False
        return True

    editor.walk(visit)


def _checked(operands: Operands) -> None:
    match operands.op:
        case CheckedOp.ADD:
            arithmetic.add(operands)
        case CheckedOp.SUB:
            arithmetic.subtract(operands)
        case CheckedOp.MUL:
            arithmetic.multiply(operands)
        case CheckedOp.FLOORDIV | CheckedOp.MOD:
            division.floor(operands)
        case CheckedOp.LSHIFT:
            shifts.left(operands)
        case CheckedOp.RSHIFT:
            shifts.right(operands)
        case CheckedOp.AND | CheckedOp.OR | CheckedOp.XOR:
            shifts.bits(operands)
