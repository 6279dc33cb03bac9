"""How far a loop of a known number of rounds can take what it counts and sums.

When: part of ``bounds``, which alone would give a counter its type's whole range.
Why: a sum that cannot leave 64 bits needs no check, and a check on every round costs the verifier more
than the sum does.
How: where all that a loop stores into a slot is the slot's value plus or minus something of a known
range, or a value of a known range, each store moves it by no more than that; a store in an inner
loop happens once for each of the inner rounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.ir import ops
from syscast.ir.intervals import Interval, join
from syscast.ir.ops import CheckedOp
from syscast.ir.types import Reg
from syscast.passes.naturalloops import natural_loop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syscast.ir.ops import Op
    from syscast.ir.program import Function

_MAX_CHANGES = 3


class _Step(msgspec.Struct, frozen=True):
    """A store of the slot's own value plus or minus an operand.

    Attributes:
        made: Register of the sum.
        side: Which of the sum's operands is added: 0 or 1.
        sign: 1, or -1 where it is taken off.
        times: How often in one round, at most.
        load: What read the slot's value.
    """

    made: int
    side: int
    sign: int
    times: int
    load: ops.SlotLoad


class _Changes(msgspec.Struct):
    """What one loop does to one slot."""

    steps: list[_Step] = []
    stores: list[int] = []  # other stores, by the id of their op


class Growth:
    """The loops of one function.

    Attributes:
        bodies: Labels of each loop's blocks, by the label of its head.
    """

    def __init__(self, function: Function, made: Mapping[int, Op]) -> None:
        self.bodies: dict[str, frozenset[str]] = {}
        self._limits: dict[str, int] = {}
        self._changes: dict[tuple[str, int], _Changes] = {}
        self._before: dict[tuple[str, int], Interval] = {}
        self._last: dict[tuple[str, int], Interval] = {}
        self._changed: dict[tuple[str, int], int] = {}
        for loop in function.loops:
            body = natural_loop(function, loop.head)
            if body:
                self.bodies[loop.head] = body
                self._limits[loop.head] = loop.limit
        place = {id(op): block.label for block in function.blocks for op in block.ops}
        for block in function.blocks if self.bodies else ():
            around = [head for head, body in self.bodies.items() if block.label in body]
            for op in block.ops:
                if isinstance(op, ops.SlotStore):
                    for head in around:
                        self._note(head, around, op, made, place)

    def _note(
        self,
        head: str,
        around: list[str],
        op: ops.SlotStore,
        made: Mapping[int, Op],
        place: Mapping[int, str],
    ) -> None:
        changes = self._changes.setdefault((head, op.slot.id), _Changes([], []))
        times = 1
        for other in around:
            if other != head and self.bodies[other] < self.bodies[head]:
                times *= self._limits[other] + 1  # its test runs once more than its rounds
        step = _step_of(op, made, times)
        if step is not None and place[id(step.load)] not in self.bodies[head]:
            step = None  # what it adds to is older than the round
        if step is None:
            changes.stores.append(id(op))
        else:
            changes.steps.append(step)

    def enter(self, head: str, slots: Mapping[int, Interval]) -> None:
        """Note what is known where a loop begins."""
        for slot in {slot for at, slot in self._changes if at == head}:
            key = (head, slot)
            if slot in slots:
                self._before[key] = join(self._before.get(key, slots[slot]), slots[slot])
            else:
                self._changes.pop(key)

    def at_head(
        self,
        head: str,
        slot: int,
        operands: Mapping[int, tuple[Interval, Interval]],
        stored: Mapping[int, Interval],
    ) -> Interval | None:
        """Where a slot lies whenever the loop's head is reached; None where that is not known."""
        key = (head, slot)
        changes = self._changes.get(key)
        if changes is None or key not in self._before:
            return None
        low, high = self._before[key]
        for each in changes.stores:
            if each in stored:
                low, high = join((low, high), stored[each])
        down = up = 0
        for step in changes.steps:
            if step.made in operands:
                ends = operands[step.made][step.side]
                moves = sorted(step.sign * end for end in ends)
                down += step.times * min(moves[0], 0)
                up += step.times * max(moves[1], 0)
        rounds = self._limits[head]
        found = (low + rounds * down, high + rounds * up)
        if self._last.get(key, found) != found:
            # What a slot is moved by may itself depend on the slot: then there is no end to it.
            self._changed[key] = self._changed.get(key, 0) + 1
            if self._changed[key] > _MAX_CHANGES:
                self._changes.pop(key)
                return None
        self._last[key] = found
        return found


def _step_of(op: ops.SlotStore, made: Mapping[int, Op], times: int) -> _Step | None:
    value = op.value
    maker = made.get(value.id) if isinstance(value, Reg) else None
    while isinstance(maker, ops.CheckedConvert) and isinstance(maker.a, Reg):
        maker = made.get(maker.a.id)
    if not isinstance(maker, ops.Checked) or maker.op not in {CheckedOp.ADD, CheckedOp.SUB}:
        return None
    for side, other in ((1, maker.a), (0, maker.b)):
        if side == 0 and maker.op is CheckedOp.SUB:
            break
        loaded = made.get(other.id) if isinstance(other, Reg) else None
        if isinstance(loaded, ops.SlotLoad) and loaded.slot == op.slot:
            sign = -1 if maker.op is CheckedOp.SUB else 1
            return _Step(maker.result.id, side, sign, times, loaded)
    return None
