"""Raise -> counters, then return.

When: after every pass that makes a Raise (checks, reads, emits).
Why: the user sees how often each line raised: map ``raised`` by site, and the ledger's row.
How: one block a function does it; each place stores its site's number and jumps there. What a
filter of an event raises (see `syscast.ir.ops.Guard`) has a block of its own, and goes on behind
that event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.ir import ops
from syscast.ir.types import U32, U64, Const
from syscast.passes.editor import each_function
from syscast.passes.sites import Sites
from syscast.passes.surroundings import EMITTED, count, uses_ledger
from syscast.spec.meta import RAISED_MAP

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.ir.ops import Op
    from syscast.ir.program import Program
    from syscast.passes.editor import Editor


def run(program: Program, btf: Btf) -> Program:
    """Lower every Raise."""
    return each_function(program, btf, Sites(program.sites), _edit)


def _edit(editor: Editor) -> None:
    if editor.function.role == "follow":
        editor.walk(lambda op: _return(editor, op))
        return
    ends: dict[str, str] = {}  # where it goes on, and the block that counts before

    def visit(op: Op) -> bool:
        if isinstance(op, ops.Raise):
            resume = op.resume or editor.guard
            if resume not in ends:
                ends[resume] = editor.label("raised")
            editor.write_slot(editor.slot("@site", U32, 4), Const(op.site, U32))
            editor.jump(ends[resume])
            return True
        return isinstance(op, ops.Guard)

    editor.walk(visit)
    for resume, end in ends.items():
        editor.start(end)
        _count(editor, resume)


def _return(editor: Editor, op: Op) -> bool:
    if isinstance(op, ops.Raise):
        editor.add(ops.Return())
        return True
    return isinstance(op, ops.Guard)


def _count(editor: Editor, resume: str) -> None:
    key = editor.read_slot(editor.slot("@site", U32, 4))
    counter = editor.lookup(RAISED_MAP, key)
    known, done = editor.label("counter"), editor.label("end")
    editor.branch(editor.is_null(counter), done, known)
    editor.start(known)
    editor.count(counter, 0)
    editor.jump(done)
    editor.start(done)
    if uses_ledger(editor):
        if editor.function.role == "entry" and not resume:
            count(editor, "ran")
        count(editor, "raised")
    if not resume:
        editor.add(ops.Return())
        return
    if uses_ledger(editor):  # the run is counted, and so no silent one
        editor.write_slot(editor.slot(EMITTED, U64), Const(1, U64))
    editor.jump(resume)
