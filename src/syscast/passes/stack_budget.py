"""Buffers that do not fit on the stack -> this program's row of the per-CPU map ``scratch``.

When: after the passes that add buffers (emits, calls), before filters, so that the row is looked up
only for runs that pass them.
Why: a BPF stack has 512 bytes for everything, LLVM's spills too; LLVM ends its process beyond.
How: the largest buffers go first until the rest is within the budget. The kernel does not nest a program
in itself on one CPU (see ``ledger``), so one row a program is enough. The row begins with room for
one record, which perf_event_output needs. Of C text, buffers that are never in use at the same time share
a place first (see ``sharing``), and those that hold pointers leave last, since a map's value holds numbers only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.ir import ops
from syscast.ir.program import C
from syscast.ir.types import I64, U32, Const
from syscast.passes.calls import STATE
from syscast.passes.editor import MAP, each_function
from syscast.passes.maps import rows, staging_size
from syscast.passes.originflow import OriginFlow
from syscast.passes.sharing import shared
from syscast.passes.sites import Sites
from syscast.spec.meta import SCRATCH_MAP
from syscast.spec.objectspec import MapSpec

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.ir.ops import Op
    from syscast.ir.program import Function, Program
    from syscast.ir.types import Slot
    from syscast.passes.editor import Editor

BUDGET = 128
"""Bytes of buffers that stay on the stack; the scalars of a large probe and LLVM's spills take the rest."""

BUDGET_OF_C = 320
"""The same for C text, which keeps more of its data in buffers and less in scalars."""

_ROW = "@scratch"


def run(program: Program, btf: Btf) -> Program:
    """Move what is too large."""
    return _run(program, btf, BUDGET_OF_C)


def tight(program: Program, btf: Btf) -> Program:
    """Move all that can be moved, after LLVM needed more of the stack than was left."""
    return _run(program, btf, 0)


def _run(program: Program, btf: Btf, budget_of_c: int) -> Program:
    start = staging_size(program)
    sizes = [start]
    count = rows(program)

    def edit(editor: Editor) -> None:
        nonlocal count
        budget = budget_of_c if _is_c(editor.function) else BUDGET
        moved = _moved(editor.function, start, btf, budget)
        row = max(editor.function.id, 0)
        if moved:
            sizes.append(max(offset + slot.size for slot, offset in moved.items()))
            if _is_c(editor.function):
                row, count = count, count + 1
        _edit(editor, moved, row)

    functions = tuple(_shared(function, btf) for function in program.functions)
    program = msgspec.structs.replace(program, functions=functions)
    made = each_function(program, btf, Sites(program.sites), edit)
    if len(sizes) == 1:
        return made
    size = max(sizes) + 7 & -8
    scratch = MapSpec(SCRATCH_MAP, "percpu_array", 4, size, count)
    return msgspec.structs.replace(made, maps=(*made.maps, scratch))


def _is_c(function: Function) -> bool:
    return function.context is not None and function.context.kind == C


def _shared(function: Function, btf: Btf) -> Function:
    """Put buffers together, where that is not superfluous."""
    if not _is_c(function) or _total(_buffers(function)) <= BUDGET:
        return function
    flow = OriginFlow(function, btf)
    flow.settle()
    return shared(function, flow)


def _buffers(function: Function) -> list[Slot]:
    return [slot for slot in function.slots if slot.type is None]


def _total(buffers: list[Slot]) -> int:
    return sum(slot.size + 7 & -8 for slot in buffers)


def _moved(function: Function, start: int, btf: Btf, budget: int) -> dict[Slot, int]:
    """Buffers that leave the stack, and their offsets in the row."""
    buffers = _buffers(function)
    total = _total(buffers)
    if function.context is None or total <= budget:
        return {}
    pointers: set[int] = set()
    if _is_c(function):
        flow = OriginFlow(function, btf)
        flow.settle()
        pointers = {slot.id for slot in buffers if flow.holds_pointers(slot)}
    moved = {}
    for slot in sorted(buffers, key=lambda slot: (slot.id in pointers, -slot.size, slot.id)):
        if total <= budget or (budget == 0 and slot.id in pointers):
            break
        moved[slot] = start
        start += slot.size + 7 & -8
        total -= slot.size + 7 & -8
    return moved


def _edit(editor: Editor, moved: dict[Slot, int], number: int) -> None:
    state = next((slot for slot in editor.function.slots if slot.name == STATE), None)
    zero = state if state is not None and state not in moved else None
    if moved or zero is not None:
        editor.start_new("buffers")
        if zero is not None:
            # The kernel reads all of a map's value, so all of it must be initialised.
            editor.add(ops.Fill(ptr=editor.address(zero), size=zero.size))
        if moved:
            _find_row(editor, number)
        editor.jump(editor.entry)
    row = editor.slot(_ROW, MAP) if moved else None

    def visit(op: Op) -> bool:
        if row is None or not isinstance(op, ops.SlotAddr) or op.slot not in moved:
            return False
        base = editor.read_slot(row)
        delta = Const(moved[op.slot], I64)
        editor.add(ops.Offset(result=op.result, ptr=base, delta=delta))
        return True

    editor.walk(visit)
    editor.drop_slots(moved)


def _find_row(editor: Editor, number: int) -> None:
    found = editor.lookup(SCRATCH_MAP, Const(number, U32))
    missing, there = editor.label("no_scratch"), editor.label("scratch")
    editor.branch(editor.is_null(found), missing, there)
    editor.start(missing)
    editor.add(ops.Return())
    editor.start(there)
    editor.write_slot(editor.slot(_ROW, MAP), found)
