"""What several passes need of a running program: the task's ids, the clock, the ledger's row.

Each is made once a run and kept in a slot with a name of its own; the pass that owns it fills
the slot before everything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.ir import ops
from syscast.ir.config import DELIVERY
from syscast.ir.types import U32, U64, Const
from syscast.passes.editor import MAP
from syscast.spec.meta import LEDGER

if TYPE_CHECKING:
    from syscast.ir.types import Reg, Value
    from syscast.passes.editor import Editor

PID_TGID = "@pid_tgid"
LEDGER_ROW = "@ledger"
EMITTED = "@emitted"
COMM_SIZE = 16


def pid_tgid(editor: Editor) -> Reg:
    """u64: thread group id << 32 | thread id. The pass current fills the slot."""
    return editor.read_slot(editor.slot(PID_TGID, U64))


def uses_ledger(editor: Editor) -> bool:
    """Whether the function's runs are counted; companions' and subprograms' are not."""
    return editor.function.id >= 0 and editor.function.role != "follow"


def count(editor: Editor, counter: str) -> Reg | None:
    """Add 1 to a counter of the ledger's row; gives what it was. The pass ledger finds the row."""
    if not uses_ledger(editor):
        return None
    row = editor.read_slot(editor.slot(LEDGER_ROW, MAP))
    return editor.count(row, 8 * LEDGER.index(counter))


def delivery(editor: Editor) -> Reg:
    """u32: bits of the config field ``delivery``, which the verifier takes for a constant."""
    made = editor.register(MAP)
    editor.add(ops.DataAddr(result=made, offset=DELIVERY.offset))
    return editor.load(made, U32)


def comm(editor: Editor, target: Value) -> None:
    """Write the task's comm to 16 bytes, padded with NUL.

    Zeroed before: between Linux kernel commits 03b9c7fa3f15 ("bpf: Replace strncpy() with
    strscpy()") (in v5.18) and f3f213497797 ("bpf: ensure all memory is initialized in
    bpf_get_current_comm") (in v6.4) the helper did not pad.
    """
    editor.add(ops.Fill(ptr=target, size=COMM_SIZE))
    editor.helper_void("get_current_comm", target, Const(COMM_SIZE, U64))


def boot_time(editor: Editor) -> Reg:
    """u64: boot clock in ns; the monotonic one on kernels without the helper."""
    slot = editor.slot("@time", U64)
    boot, monotonic, done = (editor.label(hint) for hint in ("boot", "monotonic", "time"))
    editor.branch(editor.exists("ktime_get_boot_ns"), boot, monotonic)
    for label, helper in ((boot, "ktime_get_boot_ns"), (monotonic, "ktime_get_ns")):
        editor.start(label)
        editor.write_slot(slot, editor.helper(helper))
        editor.add(ops.Jump(target=done))
    editor.start(done)
    return editor.read_slot(slot)
