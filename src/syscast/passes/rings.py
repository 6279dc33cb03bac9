"""Which ring a record goes to: the one for all CPUs, or the one of this CPU.

Part of the pass emits. The config says at load which it is, so that the verifier drops the rest; only
with ``auto`` a running program asks the map ``control``. A CPU without a ring of its own, as one has
that came online later, uses the one for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.ir.ops import BinaryOp, Predicate
from syscast.ir.types import U32, U64, Const
from syscast.passes.editor import RECORD
from syscast.passes.surroundings import delivery
from syscast.spec.meta import (
    CONTROL,
    CONTROL_MAP,
    EVENTS_MAP,
    RINGS_AUTO,
    RINGS_PER_CPU,
    SHARDS_MAP,
)

if TYPE_CHECKING:
    from syscast.ir.types import Reg, Slot
    from syscast.passes.editor import Editor

_SHARDED_AT = next(offset for name, offset, _ in CONTROL if name == "sharded")


def reserve(editor: Editor, slot: Slot, size: int, have: str) -> None:
    """Write the address of space for a record into a slot, null where there is none; go to a label."""
    own, one = editor.label("own"), editor.label("one")
    _choose(editor, own, one)

    editor.start(own)
    cpu = editor.convert(editor.helper("get_smp_processor_id"), U32)
    ring = editor.lookup(SHARDS_MAP, cpu)
    editor.when(editor.is_null(ring), one, "shard")
    _reserve_in(editor, ring, slot, size)
    editor.jump(have)

    editor.start(one)
    _reserve_in(editor, editor.map(EVENTS_MAP), slot, size)
    editor.jump(have)


def _choose(editor: Editor, own: str, one: str) -> None:
    bits = delivery(editor)
    always = editor.binary(BinaryOp.AND, bits, RINGS_PER_CPU)
    editor.when(editor.compare(Predicate.NE, always, 0), own, "shared")
    perhaps = editor.binary(BinaryOp.AND, bits, RINGS_AUTO)
    editor.when(editor.compare(Predicate.EQ, perhaps, 0), one, "auto")
    control = editor.lookup(CONTROL_MAP, Const(0, U32))
    editor.when(editor.is_null(control), one, "control")
    sharded = editor.load(control, U32, _SHARDED_AT)
    editor.branch(editor.compare(Predicate.NE, sharded, 0), own, one)


def _reserve_in(editor: Editor, ring: Reg, slot: Slot, size: int) -> None:
    arguments = (ring, Const(size, U64), Const(0, U64))
    editor.write_slot(slot, editor.helper("ringbuf_reserve", *arguments, type_=RECORD))
