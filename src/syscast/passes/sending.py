"""The way of a record out of the kernel: reserve, submit, and whether the reader is woken.

Part of the pass emits. A kernel with a ring buffer gets the record in place; one without gets it from
this program's scratch row by perf_event_output (see ``emits``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.ir.types import U32, U64, Const
from syscast.passes.editor import RECORD
from syscast.passes.surroundings import count
from syscast.spec.meta import EVENTS_MAP, SCRATCH_MAP

if TYPE_CHECKING:
    from syscast.ir.types import Reg, Slot
    from syscast.passes.editor import Editor

_CURRENT_CPU = Const(0xFFFFFFFF, U64)  # BPF_F_CURRENT_CPU


def reserve(editor: Editor, slot: Slot, size: int) -> None:
    """Write the address of space for a record into a slot; null where there is none."""
    ring, staged, have = (editor.label(hint) for hint in ("ring", "staged", "record"))
    editor.branch(editor.exists("ringbuf_reserve"), ring, staged)

    editor.start(ring)
    arguments = (editor.map(EVENTS_MAP), Const(size, U64), Const(0, U64))
    editor.write_slot(slot, editor.helper("ringbuf_reserve", *arguments, type_=RECORD))
    editor.jump(have)

    editor.start(staged)
    row = editor.lookup(SCRATCH_MAP, Const(editor.function.id, U32))
    editor.write_slot(slot, editor.convert(row, RECORD))
    editor.jump(have)

    editor.start(have)


def send(editor: Editor, record: Reg, size: int, sent: str) -> None:
    """Submit a filled record and go to a label."""
    submit, output, lost = (editor.label(hint) for hint in ("submit", "output", "lost"))
    editor.branch(editor.exists("ringbuf_reserve"), submit, output)
    editor.start(submit)
    editor.helper_void("ringbuf_submit", record, Const(0, U64))
    editor.jump(sent)
    editor.start(output)
    events = editor.map(EVENTS_MAP)
    arguments = (editor.context(), events, _CURRENT_CPU, record, Const(size, U64))
    editor.branch(editor.failed("perf_event_output", *arguments), lost, sent)
    editor.start(lost)
    count(editor, "dropped")
    editor.jump(sent)
