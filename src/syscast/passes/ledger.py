"""Finish -> return, with the ledger's row found at the start of each run.

When: after everything that counts, before the prologues that must come first (current, context).
Why: a counter per program and CPU; plain adds suffice, since the kernel does not nest a program
in itself on one CPU (bpf_prog_active for perf kprobes, prog->active for the others since Linux
kernel commit 05b24ff9b2cf ("bpf: Prevent bpf program recursion for raw tracepoint probes") (in
v6.1)); before that a raw tracepoint in an interrupt may lose a count in a window of two
instructions.
How: a run that ends without having emitted is ``filtered``. A lookup in an array by a constant index
cannot fail, but the verifier wants the test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.ir import ops
from syscast.ir.ops import Predicate
from syscast.ir.types import U32, U64, Const
from syscast.passes.editor import MAP, each_function
from syscast.passes.sites import Sites
from syscast.passes.surroundings import EMITTED, LEDGER_ROW, count, uses_ledger
from syscast.spec.meta import LEDGER_MAP

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.ir.ops import Op
    from syscast.ir.program import Program
    from syscast.passes.editor import Editor

_COUNTED_LATER = frozenset({"entry", "exit"})
"""Of a call's two programs: an entry is a run if it ends without suspending, an exit if it has
state (see ``calls``)."""


def run(program: Program, btf: Btf) -> Program:
    """Lower Finish and find the row."""
    return each_function(program, btf, Sites(program.sites), _edit)


def _edit(editor: Editor) -> None:
    if editor.function.context is None:
        editor.walk(lambda _: False)
        return
    if not uses_ledger(editor):
        editor.walk(lambda op: _return(editor, op))
        return
    _prologue(editor)
    end = editor.label("finish")

    def visit(op: Op) -> bool:
        if isinstance(op, ops.Finish):
            editor.jump(end)
            return True
        return False

    editor.walk(visit)
    editor.start(end)
    if editor.function.role == "entry":
        count(editor, "ran")
    silent, done = editor.label("silent"), editor.label("done")
    emitted = editor.read_slot(editor.slot(EMITTED, U64))
    editor.branch(editor.compare(Predicate.EQ, emitted, 0), silent, done)
    editor.start(silent)
    count(editor, "filtered")
    editor.jump(done)
    editor.start(done)
    editor.add(ops.Return())


def _return(editor: Editor, op: Op) -> bool:
    if isinstance(op, ops.Finish):
        editor.add(ops.Return())
        return True
    return False


def _prologue(editor: Editor) -> None:
    editor.start_new("ledger")
    row = editor.lookup(LEDGER_MAP, Const(editor.function.id, U32))
    missing = editor.label("no_row")
    editor.when(editor.is_null(row), missing, "ran")
    editor.write_slot(editor.slot(LEDGER_ROW, MAP), row)
    editor.write_slot(editor.slot(EMITTED, U64), Const(0, U64))
    if editor.function.role not in _COUNTED_LATER:
        count(editor, "ran")
    editor.jump(editor.entry)
    editor.start(missing)
    editor.add(ops.Return())
