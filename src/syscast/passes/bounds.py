"""Which values registers can have where Python's arithmetic is done.

When: an analysis for the pass checks, which leaves out the checks that cannot fire.
Why: most kernel integers are 32 bits or less, and most arithmetic on them cannot leave 64 bits.
How: ranges go forward through blocks until nothing changes: slots by place, registers once, both
narrowed by the comparisons that a branch has passed. What still grows after a few rounds (a counter
in a loop) gets its type's whole range.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.ir import ops
from syscast.ir.intervals import (
    Interval,
    exact,
    fits,
    join,
    meet,
    narrowed,
    of_type,
    wrapped,
)
from syscast.ir.ops import CurrentItem
from syscast.ir.types import Const, IntType, Reg
from syscast.ir.walk import result, targets
from syscast.passes.growth import Growth

if TYPE_CHECKING:
    from syscast.ir.ops import Op
    from syscast.ir.program import Block, Function
    from syscast.ir.types import Value

_ROUNDS = 4
_U32 = (0, (1 << 32) - 1)
_WIDE_ITEMS = frozenset({CurrentItem.CGROUP_ID, CurrentItem.TASK})


class _State:
    """Ranges at one place: of slots, and of registers narrowed by branches."""

    def __init__(self) -> None:
        self.slots: dict[int, Interval] = {}
        self.registers: dict[int, Interval] = {}
        self.origins: dict[int, int] = {}  # register: slot that still holds the same value

    def copy(self) -> _State:
        new = _State()
        new.slots, new.registers = dict(self.slots), dict(self.registers)
        new.origins = dict(self.origins)
        return new


class Bounds:
    """Ranges of both operands of every Checked, CheckedConvert and ExactCompare of a function."""

    def __init__(self, function: Function) -> None:
        self._operands: dict[int, tuple[Interval, Interval]] = {}
        self._registers: dict[int, Interval] = {}
        self._made: dict[int, Op] = {}
        self._escaped: set[int] = set()
        self._stored: dict[int, Interval] = {}
        for block in function.blocks:
            for op in block.ops:
                made = result(op)
                if made is not None:
                    self._made[made.id] = op
                if isinstance(op, ops.SlotAddr):
                    self._escaped.add(op.slot.id)
        self._growth = Growth(function, self._made)
        if any(isinstance(op, _NEEDS) for op in self._made.values()):
            self._solve(function)

    def operands(self, op: ops.Checked | ops.ExactCompare) -> tuple[Interval, Interval]:
        """Ranges of a and b."""
        known = self._operands.get(op.result.id)
        return known or (of_type(op.a.type), of_type(op.b.type))

    def operand(self, op: ops.CheckedConvert) -> Interval:
        """Range of a."""
        known = self._operands.get(op.result.id)
        return known[0] if known else of_type(op.a.type)

    # ------------------------------------------------------------ fixpoint

    def _solve(self, function: Function) -> None:
        order = _reverse_postorder(function)
        heads = _loop_heads(order)
        entry: dict[str, _State] = {order[0].label: _State()}
        for number in range(_ROUNDS + 2 * len(order)):
            grew = False
            for block in order:
                if block.label in entry:
                    grew |= self._visit(block, entry, heads if number >= _ROUNDS else frozenset())
            if not grew:
                return
        self._operands = {}  # did not settle: nothing is known

    def _visit(self, block: Block, entry: dict[str, _State], widen: frozenset[str]) -> bool:
        state = entry[block.label].copy()
        grew = False
        for op in block.ops:
            grew |= self._transfer(op, state)
        last = block.ops[-1]
        for target in targets(last):
            out = state.copy()
            if isinstance(last, ops.Branch) and last.then != last.other:
                self._assume(last.cond, out, holds=target == last.then)
            if target in self._growth.bodies and block.label not in self._growth.bodies[target]:
                self._growth.enter(target, out.slots)
            if target not in entry:
                entry[target] = out
                grew = True
            else:
                grew |= self._merge(entry[target], out, target, widen=target in widen)
        return grew

    def _merge(self, into: _State, new: _State, label: str, *, widen: bool) -> bool:
        """Join a state into a block's entry; tells whether it grew."""
        slots: dict[int, Interval] = {}
        counts = label in self._growth.bodies
        for slot, interval in into.slots.items():
            if slot not in new.slots:
                continue
            both = join(interval, new.slots[slot])
            if both != interval and counts:
                reach = self._growth.at_head(label, slot, self._operands, self._stored)
                if reach is not None:
                    slots[slot] = join(interval, meet(both, reach) if not widen else reach)
                    continue
            if both == interval or not widen:
                slots[slot] = both
        registers = _joined(into.registers, new.registers, widen=widen)
        origins = {r: s for r, s in into.origins.items() if new.origins.get(r) == s}
        grew = (slots, registers, origins) != (into.slots, into.registers, into.origins)
        into.slots, into.registers, into.origins = slots, registers, origins
        return grew

    def _transfer(self, op: Op, state: _State) -> bool:
        """Follow one op; tells whether a register's range changed."""
        if isinstance(op, ops.SlotStore):
            slot = op.slot.id
            value = state.slots[slot] = self._of(op.value, state)
            self._stored[id(op)] = value
            state.origins = {r: s for r, s in state.origins.items() if s != slot}
            return False
        made = result(op)
        if made is None or not isinstance(made.type, IntType):
            return False
        if isinstance(op, ops.SlotLoad) and op.slot.id not in self._escaped:
            state.origins[made.id] = op.slot.id
        found = meet(self._range(op, made, state), of_type(made.type))
        state.registers.pop(made.id, None)
        changed = self._registers.get(made.id) != found
        self._registers[made.id] = found
        return changed

    # ------------------------------------------------------------ ops

    def _of(self, value: Value, state: _State) -> Interval:
        if isinstance(value, Const):
            return value.value, value.value
        narrow = state.registers.get(value.id)
        return narrow or self._registers.get(value.id) or of_type(value.type)

    def _range(self, op: Op, made: Reg, state: _State) -> Interval:
        whole = of_type(made.type)
        found = whole
        match op:
            case ops.Checked():
                found = exact(op.op, *self._note(op, state)) or whole
            case ops.ExactCompare():
                self._note(op, state)
            case ops.CheckedConvert():
                found = self._of(op.a, state)
                self._operands[made.id] = (found, found)
            case ops.Convert() if isinstance(op.a.type, IntType):
                a = self._of(op.a, state)
                found = a if fits(a, whole) else whole
            case ops.Binary():
                found = wrapped(op.op, self._of(op.a, state), self._of(op.b, state), whole)
            case ops.Opaque() | ops.Unknown():
                found = self._of(op.a, state)
            case ops.Select():
                found = join(self._of(op.a, state), self._of(op.b, state))
            case ops.SlotLoad() if op.slot.id not in self._escaped:
                found = state.slots.get(op.slot.id, whole)
            case _:
                found = _made_range(op, whole)
        return found

    def _note(
        self, op: ops.Checked | ops.ExactCompare, state: _State
    ) -> tuple[Interval, Interval]:
        both = self._of(op.a, state), self._of(op.b, state)
        self._operands[op.result.id] = both
        return both

    # ------------------------------------------------------------ branches

    def _assume(self, cond: Value, state: _State, *, holds: bool) -> None:
        test = self._made.get(cond.id) if isinstance(cond, Reg) else None
        if not isinstance(test, ops.ExactCompare | ops.Compare):
            return
        a, b = test.a, test.b
        if isinstance(test, ops.Compare) and not _plain(test):
            return
        pair = narrowed(test.pred, self._of(a, state), self._of(b, state), holds=holds)
        for value, interval in zip((a, b), pair, strict=True):
            if isinstance(value, Reg):
                state.registers[value.id] = interval
                if value.id in state.origins:
                    state.slots[state.origins[value.id]] = interval


_NEEDS = (ops.Checked, ops.CheckedConvert, ops.ExactCompare)


def _plain(test: ops.Compare) -> bool:
    """Whether a machine comparison goes by the numbers' own signs."""
    type_ = test.a.type
    if not isinstance(type_, IntType):
        return False
    return test.pred.value in {"eq", "ne"} or test.pred.value.startswith("s") == type_.signed


def _made_range(op: Op, whole: Interval) -> Interval:
    match op:
        case ops.FieldLoad(field=field) if field.bitfield_size:
            half = 1 << field.bitfield_size - 1
            return (-half, half - 1) if whole[0] < 0 else (0, 2 * half - 1)
        case ops.ReadStr(size=size):
            return 0, max(0, size - 1)
        case ops.Current(item=item) if item not in _WIDE_ITEMS:
            return _U32
        case _:
            return whole


def _joined(a: dict[int, Interval], b: dict[int, Interval], *, widen: bool) -> dict[int, Interval]:
    made = {}
    for key, interval in a.items():
        if key in b:
            both = join(interval, b[key])
            if both == interval or not widen:
                made[key] = both
    return made


def _loop_heads(order: list[Block]) -> frozenset[str]:
    """Blocks that a later one jumps back to: where ranges must stop growing."""
    heads: set[str] = set()
    seen: set[str] = set()
    for block in order:
        seen.add(block.label)
        heads.update(target for target in targets(block.ops[-1]) if target in seen)
    return frozenset(heads)


def _reverse_postorder(function: Function) -> list[Block]:
    blocks = {block.label: block for block in function.blocks}
    first = function.blocks[0].label
    seen = {first}
    finished: list[Block] = []
    stack = [(first, iter(targets(blocks[first].ops[-1])))]
    while stack:
        label, rest = stack[-1]
        following = next((each for each in rest if each not in seen), None)
        if following is None:
            finished.append(blocks[label])
            stack.pop()
        else:
            seen.add(following)
            stack.append((following, iter(targets(blocks[following].ops[-1]))))
    return finished[::-1]
