"""Numbers that a loop changes and branches on, hidden from the verifier at the head of each round.

When: in ``loops``, for loops that stay in place.
Why: of such a number the verifier follows the range from round to round and along every branch, so that no
two of its states are alike, and it walks as many paths as the branches of all rounds make.
How: it forgets what is stored in two halves and read as a whole. LLVM must not see that nothing changes:
the address of the memory goes through `Opaque`, and so does one half.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.ir import ops
from syscast.ir.builder import Builder
from syscast.ir.ops import BinaryOp
from syscast.ir.program import Block
from syscast.ir.types import I64, U32, U64, Const, PtrType, Reg, Slot, Space
from syscast.ir.walk import operands, result, targets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syscast.ir.ops import Op
    from syscast.ir.program import Function, Loop

_STACK = PtrType(Space.STACK)
_MIN_ROUNDS = 4
_DERIVING = (ops.Binary, ops.Convert, ops.Select, ops.Opaque)


def hide(function: Function, loop: Loop, inside: frozenset[str], first: int) -> Function:
    """The function with what the loop branches on hidden at its head; new registers from ``first``."""
    body = [block for block in function.blocks if block.label in inside]
    slots = _branched_on(function, loop, body) if loop.limit >= _MIN_ROUNDS else []
    if not slots:
        return function
    builder = Builder(first, function.slots)
    room = builder.slot("@hidden", None, 8)
    added: list[Op] = []
    for slot in slots:
        added += _hidden(builder, slot, room)
    added = [msgspec.structs.replace(op, span=loop.span) for op in added]
    blocks = tuple(
        Block(block.label, (*added, *block.ops)) if block.label == loop.head else block
        for block in function.blocks
    )
    return msgspec.structs.replace(function, blocks=blocks, slots=builder.slots())


def _branched_on(function: Function, loop: Loop, body: Sequence[Block]) -> list[Slot]:
    """Integer slots that the loop changes, and whose values it compares."""
    all_ops = [op for block in function.blocks for op in block.ops]
    escaped = {op.slot for op in all_ops if isinstance(op, ops.SlotAddr)}
    own = [op for block in body for op in block.ops]
    outside = {id(op) for op in own}
    used = {op.slot for op in all_ops if isinstance(op, ops.SlotStore) and id(op) not in outside}
    changed = {op.slot for op in own if isinstance(op, ops.SlotStore)} & used - escaped
    sources: dict[Reg, set[Slot]] = {}
    compared: set[Slot] = set()
    for op in own:
        made = result(op)
        from_slots = set().union(
            *(sources.get(each, set()) for each in operands(op) if isinstance(each, Reg))
        )
        if isinstance(op, ops.SlotLoad) and op.slot in changed:
            from_slots = {op.slot}
        elif isinstance(op, ops.Compare):
            compared |= from_slots
            continue
        elif not isinstance(op, _DERIVING):
            continue
        if made is not None and from_slots:
            sources[made] = from_slots
    blocks = {block.label: block for block in function.blocks}
    found = [
        slot
        for slot in compared
        if slot.type in {I64, U64} and slot != loop.counter and _is_read(blocks, loop.head, slot)
    ]
    return sorted(found, key=lambda slot: slot.id)


def _is_read(blocks: Mapping[str, Block], start: str, slot: Slot) -> bool:
    """Whether a slot's value at a block is read on some way from there; else it may have none."""
    seen: set[str] = set()
    work = [start]
    while work:
        label = work.pop()
        if label in seen:
            continue
        seen.add(label)
        for op in blocks[label].ops:
            if isinstance(op, ops.SlotLoad) and op.slot == slot:
                return True
            if isinstance(op, ops.SlotStore) and op.slot == slot:
                break
        else:
            work += targets(blocks[label].ops[-1])
    return False


def _hidden(builder: Builder, slot: Slot, room: Slot) -> list[Op]:
    """Store a slot's value in two halves, and take it back as a whole."""
    assert slot.type is not None
    plain, address = builder.register(_STACK), builder.register(_STACK)
    value, again = builder.register(slot.type), builder.register(slot.type)
    whole, high, opaque, low_half, high_half = (
        builder.register(type_) for type_ in (U64, U64, U64, U32, U32)
    )
    return [
        ops.SlotAddr(result=plain, slot=room),
        ops.Opaque(result=address, a=plain),
        ops.SlotLoad(result=value, slot=slot),
        ops.Convert(result=whole, a=value),
        ops.Binary(result=high, op=BinaryOp.LSHR, a=whole, b=Const(32, U64)),
        ops.Opaque(result=opaque, a=high),
        ops.Convert(result=low_half, a=whole),
        ops.Convert(result=high_half, a=opaque),
        ops.Store(ptr=address, value=low_half),
        ops.Store(ptr=address, value=high_half, offset=4),
        ops.Load(result=again, ptr=address),
        ops.SlotStore(slot=slot, value=again),
    ]
