"""Raise -> counters, then return.

When: after every pass that makes a Raise (checks, reads, emits).
Why: the user sees how often each line raised: map ``raised`` by site, and the ledger's row.
How: one block a function does it; each place stores its site's number and jumps there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.ir import ops
from syscast.ir.types import U32, Const
from syscast.passes.editor import each_function
from syscast.passes.sites import Sites
from syscast.passes.surroundings import count, uses_ledger
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
    end = editor.label("raised")
    found = False

    def visit(op: Op) -> bool:
        nonlocal found
        if isinstance(op, ops.Raise):
            found = True
            editor.write_slot(editor.slot("@site", U32, 4), Const(op.site, U32))
            editor.jump(end)
            return True
        return False

    editor.walk(visit)
    if found:
        editor.start(end)
        _count(editor)


def _return(editor: Editor, op: Op) -> bool:
    if isinstance(op, ops.Raise):
        editor.add(ops.Return())
        return True
    return False


def _count(editor: Editor) -> None:
    key = editor.read_slot(editor.slot("@site", U32, 4))
    counter = editor.lookup(RAISED_MAP, key)
    known, done = editor.label("counter"), editor.label("end")
    editor.branch(editor.is_null(counter), done, known)
    editor.start(known)
    editor.count(counter, 0)
    editor.jump(done)
    editor.start(done)
    if uses_ledger(editor):
        if editor.function.role == "entry":
            count(editor, "ran")
        count(editor, "raised")
    editor.add(ops.Return())
