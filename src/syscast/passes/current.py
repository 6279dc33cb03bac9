"""Current, CurrentComm, Now, Unknown -> helper calls and reads of the task.

When: after the passes that ask for ids (emits, calls, filters), before context.
Why: bpf_get_current_pid_tgid is called once a run, at its start; everything else where it is asked.
How: the network namespace is ``task->nsproxy->net_ns->ns.inum``; nsproxy is NULL in a task that is
exiting, which raises at the op's site. The parent is ``task->real_parent``, as in /proc/PID/stat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf.types import Struct
from syscast.ir import ops
from syscast.ir.ops import BinaryOp, CurrentItem
from syscast.ir.types import U32, U64, PtrType, Space
from syscast.passes.editor import KERNEL, each_function
from syscast.passes.members import walk
from syscast.passes.sites import Sites
from syscast.passes.surroundings import PID_TGID, boot_time, comm, pid_tgid

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.ir.ops import Current, Op
    from syscast.ir.program import Program
    from syscast.ir.types import Reg, Value
    from syscast.passes.editor import Editor

_PATHS = {
    CurrentItem.NETNS: ("nsproxy", "net_ns", "ns.inum"),
    CurrentItem.PPID: ("real_parent", "tgid"),
}


def run(program: Program, btf: Btf) -> Program:
    """Lower what is asked of the running task."""
    return each_function(program, btf, Sites(program.sites), _edit)


def _edit(editor: Editor) -> None:
    entry = editor.entry
    prologue = editor.label("task")

    def visit(op: Op) -> bool:
        match op:
            case ops.Current():
                _current(editor, op)
            case ops.CurrentComm():
                comm(editor, op.dst)
            case ops.Unknown():
                _unknown(editor, op)
            case ops.Now():
                editor.convert(boot_time(editor), U64, into=op.result)
            case _:
                return False
        return True

    editor.walk(visit)
    if editor.has_slot(PID_TGID) and editor.function.context is not None:
        editor.start_first(prologue)
        slot = editor.slot(PID_TGID, U64)
        editor.write_slot(slot, editor.helper("get_current_pid_tgid"))
        editor.jump(entry)


def _unknown(editor: Editor, op: ops.Unknown) -> None:
    """Add x - x: the verifier does not see that both are one helper's result, and LLVM must not."""
    ids = pid_tgid(editor)
    hidden = editor.register(U64)
    editor.add(ops.Opaque(result=hidden, a=ids))
    zero = editor.convert(editor.binary(BinaryOp.SUB, ids, hidden), op.result.type)
    editor.binary(BinaryOp.ADD, op.a, zero, into=op.result)


def _current(editor: Editor, op: Current) -> None:
    value: Value
    match op.item:
        case CurrentItem.PID:
            value = editor.binary(BinaryOp.LSHR, pid_tgid(editor), 32)
        case CurrentItem.TID:
            value = editor.convert(pid_tgid(editor), U32)
        case CurrentItem.UID:
            value = editor.convert(editor.helper("get_current_uid_gid"), U32)
        case CurrentItem.GID:
            value = editor.binary(BinaryOp.LSHR, editor.helper("get_current_uid_gid"), 32)
        case CurrentItem.CPU:
            value = editor.convert(editor.helper("get_smp_processor_id"), U32)
        case CurrentItem.CGROUP_ID:
            value = editor.helper("get_current_cgroup_id")
        case CurrentItem.TASK:
            value = editor.helper("get_current_task", type_=KERNEL)
        case CurrentItem.NETNS | CurrentItem.PPID:
            value = walk(editor, _task(editor), _PATHS[op.item], op.site)
    editor.convert(value, op.result.type, into=op.result)


def _task(editor: Editor) -> Reg:
    type_id = editor.btf.find("task_struct", Struct) or 0
    return editor.helper("get_current_task", type_=PtrType(Space.KERNEL, type_id))
