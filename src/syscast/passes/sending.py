"""The way of a record out of the kernel: reserve, submit, and whether the reader is woken.

Part of the pass emits. A kernel with a ring buffer gets the record in place; one without gets it from
this program's scratch row by perf_event_output (see ``emits``).

Waking a reader costs the traced task about a microsecond and the reader a system call, so the ring
buffer is told not to where the reader has promised to look by itself: the record's own time lies before
``awake_until`` in the map ``control``. That time was read after the record's space was reserved,
which a reader sees. So whoever looks at the ring later than the promise and finds nothing
reserved has missed nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.ir.ops import BinaryOp, Predicate
from syscast.ir.types import U32, U64, Const
from syscast.passes import rings
from syscast.passes.editor import RECORD
from syscast.passes.surroundings import delivery
from syscast.spec.meta import (
    CONTROL_MAP,
    DELIVER_ADAPTIVE,
    DELIVER_ALWAYS,
    DELIVER_NEVER,
    EVENTS_MAP,
    SCRATCH_MAP,
)

if TYPE_CHECKING:
    from syscast.ir.types import Reg, Slot
    from syscast.passes.editor import Editor

_NO_WAKEUP = 1  # BPF_RB_NO_WAKEUP
_FORCE_WAKEUP = 2  # BPF_RB_FORCE_WAKEUP
_AWAKE_UNTIL = 0  # offset in ``control``
_TIME = 0  # offset in the record's header
_CURRENT_CPU = Const(0xFFFFFFFF, U64)  # BPF_F_CURRENT_CPU


def reserve(editor: Editor, slot: Slot, size: int) -> None:
    """Write the address of space for a record into a slot; null where there is none."""
    ring, staged, have = (editor.label(hint) for hint in ("ring", "staged", "record"))
    editor.branch(editor.exists("ringbuf_reserve"), ring, staged)

    editor.start(ring)
    rings.reserve(editor, slot, size, have)

    editor.start(staged)
    row = editor.lookup(SCRATCH_MAP, Const(editor.function.id, U32))
    editor.write_slot(slot, editor.convert(row, RECORD))
    editor.jump(have)

    editor.start(have)


def send(editor: Editor, record: Reg, size: int, sent: str, lost: str) -> None:
    """Submit a filled record and go to a label, or to another one where a perf buffer has no room."""
    submit, output = editor.label("submit"), editor.label("output")
    editor.branch(editor.exists("ringbuf_reserve"), submit, output)
    editor.start(submit)
    editor.helper_void("ringbuf_submit", record, _wake(editor, record))
    editor.jump(sent)
    editor.start(output)
    events = editor.map(EVENTS_MAP)
    arguments = (editor.context(), events, _CURRENT_CPU, record, Const(size, U64))
    editor.branch(editor.failed("perf_event_output", *arguments), lost, sent)


def _wake(editor: Editor, record: Reg) -> Reg:
    """u64: the flags of ringbuf_submit; 0 lets the kernel wake a reader that has read all else."""
    flags = editor.slot("@wake", U64)
    editor.write_slot(flags, Const(0, U64))
    ask, promised, told, done = (
        editor.label(hint) for hint in ("ask", "promised", "told", "wake")
    )
    wanted = delivery(editor)
    adaptive = editor.binary(BinaryOp.AND, wanted, DELIVER_ADAPTIVE)
    editor.branch(editor.compare(Predicate.NE, adaptive, 0), ask, told)

    editor.start(ask)
    control = editor.lookup(CONTROL_MAP, Const(0, U32))
    editor.when(editor.is_null(control), done, "control")
    until = editor.load(control, U64, _AWAKE_UNTIL)
    early = editor.compare(Predicate.ULT, editor.load(record, U64, _TIME), until)
    editor.branch(early, promised, done)
    editor.start(promised)
    editor.write_slot(flags, Const(_NO_WAKEUP, U64))
    editor.jump(done)

    editor.start(told)
    for bit, flag in ((DELIVER_ALWAYS, _FORCE_WAKEUP), (DELIVER_NEVER, _NO_WAKEUP)):
        there, following = editor.label("flag"), editor.label("next")
        wish = editor.binary(BinaryOp.AND, wanted, bit)
        editor.branch(editor.compare(Predicate.NE, wish, 0), there, following)
        editor.start(there)
        editor.write_slot(flags, Const(flag, U64))
        editor.jump(following)
        editor.start(following)
    editor.jump(done)

    editor.start(done)
    return editor.read_slot(flags)
