"""Buffers that are never in use at the same time -> one place on the stack.

When: by the pass stack_budget, for C programs, before it counts.
Why: each call of a C function is lowered in place with locals of its own, as are the blocks of a text; a stack has
512 bytes for all of them.
How: a buffer is in use from its first access to its last, on every path: where some access was made before and some
may follow. Its address is followed as `originflow` does; a buffer whose address gets out of sight shares
with none. The largest buffers choose first, among the places of those that they do not meet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.ir import ops
from syscast.ir.walk import operands, targets
from syscast.passes.origins import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syscast.ir.ops import Op
    from syscast.ir.program import Block, Function
    from syscast.ir.types import Slot
    from syscast.passes.originflow import OriginFlow

_COMPUTING = (
    *(ops.SlotLoad, ops.SlotStore, ops.SlotAddr, ops.Offset, ops.Convert),
    *(ops.Select, ops.Compare, ops.Binary, ops.Opaque),
)
"""Ops that only handle an address."""


def shared(function: Function, flow: OriginFlow) -> Function:
    """The function with as few buffers as its uses allow.

    Args:
        function: One of C text.
        flow: Its origins, settled.
    """
    buffers = [
        slot
        for slot in function.slots
        if slot.type is None and not slot.kept and not flow.is_escaped(slot)
    ]
    if len(buffers) < 2:
        return function
    places = _chosen(buffers, _met(function, flow, buffers))
    return _replaced(function, places)


def _chosen(buffers: list[Slot], met: Mapping[int, int]) -> dict[Slot, Slot]:
    """The buffer whose place each takes."""
    places: dict[Slot, Slot] = {}
    holders: list[tuple[Slot, int]] = []  # who owns a place, and a mask of who is in it
    for slot in sorted(buffers, key=lambda each: (-each.size, each.id)):
        for number, (owner, mask) in enumerate(holders):
            if not mask & met.get(slot.id, 0):
                places[slot] = owner
                holders[number] = (owner, mask | 1 << slot.id)
                break
        else:
            holders.append((slot, 1 << slot.id))
    return places


def _replaced(function: Function, places: Mapping[Slot, Slot]) -> Function:
    if not places:
        return function
    blocks = tuple(
        msgspec.structs.replace(block, ops=tuple(_elsewhere(op, places) for op in block.ops))
        for block in function.blocks
    )
    left = tuple(slot for slot in function.slots if slot not in places)
    return msgspec.structs.replace(function, blocks=blocks, slots=left)


def _elsewhere(op: Op, places: Mapping[Slot, Slot]) -> Op:
    if isinstance(op, ops.SlotAddr) and op.slot in places:
        return msgspec.structs.replace(op, slot=places[op.slot])
    return op


# ---------------------------------------------------------------- who meets whom


def _met(function: Function, flow: OriginFlow, buffers: list[Slot]) -> dict[int, int]:
    """By a buffer's id, a mask of the buffers that are in use somewhere while it is."""
    wanted = sum(1 << slot.id for slot in buffers)
    accesses = {block.label: _accesses(block, flow, wanted) for block in function.blocks}
    touched = {label: _all(steps) for label, steps in accesses.items()}
    before = dict.fromkeys(accesses, 0)  # accessed on some way to the block
    after = dict(before)  # accessed on some way on from its end
    _spread(function, touched, before, after)
    met: dict[int, int] = {}
    for label, steps in accesses.items():
        came, going = before[label], after[label]
        rest = [going]
        for mask in reversed(steps):
            rest.append(rest[-1] | mask)
        seen = came
        _note(met, seen & rest[-1])
        for number, mask in enumerate(steps):
            seen |= mask
            _note(met, seen & rest[len(steps) - number])
    return met


def _note(met: dict[int, int], together: int) -> None:
    left = together
    while left:
        low = left & -left
        number = low.bit_length() - 1
        met[number] = met.get(number, 0) | together
        left ^= low


def _spread(
    function: Function, touched: dict[str, int], before: dict[str, int], after: dict[str, int]
) -> None:
    changed = True
    while changed:
        changed = False
        for block in function.blocks:
            out = before[block.label] | touched[block.label]
            for target in targets(block.ops[-1]):
                if out & ~before[target]:
                    before[target] |= out
                    changed = True
        for block in reversed(function.blocks):
            wanted = 0
            for target in targets(block.ops[-1]):
                wanted |= after[target] | touched[target]
            if wanted & ~after[block.label]:
                after[block.label] |= wanted
                changed = True


def _accesses(block: Block, flow: OriginFlow, wanted: int) -> list[int]:
    """Masks of the buffers that ops access, one op after the other."""
    steps = []
    for op in block.ops:
        if isinstance(op, _COMPUTING):
            continue
        mask = 0
        for value in operands(op):
            origin = flow.of(value)
            if origin.kind is Kind.STACK:
                mask |= (1 << origin.root) & wanted
        if mask:
            steps.append(mask)
    return steps


def _all(steps: list[int]) -> int:
    total = 0
    for each in steps:
        total |= each
    return total
