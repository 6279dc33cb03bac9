"""Random programs of checked arithmetic, branches and loops: what the range analysis must not break.

Each is compiled and run by the kernel, and interpreted here op by op with Python's integers.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from harness import Case, Machine
from test_arithmetic import BOUNDARY, COMPARISONS, PYTHON, answer, limits, result_type

from syscast.codegen.child import Child
from syscast.ir import ops
from syscast.ir.builder import Builder
from syscast.ir.types import BOOL, I64, U64, Const, Reg

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.ir.ops import Op
    from syscast.ir.program import Block
    from syscast.ir.types import IntType, Slot, Value

pytestmark = pytest.mark.kernel

PROGRAMS = 40
RUNS = 40
SMALL = (0, 1, 2, 3, 7, 10, 63, 64, 100, 255, 1 << 31, 1 << 40, (1 << 63) - 1, -1, -5, -(1 << 63))


class RaisedError(Exception):
    """What the program raised."""


class Writer:
    """Writes one random function."""

    def __init__(self, seed: int) -> None:
        self.choose = random.Random(seed)
        self.builder = Builder()
        self.slots: list[Slot] = []

    def body(self, builder: Builder, a: Value, b: Value) -> Reg:
        self.builder = builder
        self.slots = [builder.slot(f"v{n}", t, 8) for n, t in enumerate((I64, U64, I64, U64))]
        for slot, value in zip(self.slots, (a, b, Const(3, I64), Const(7, U64)), strict=True):
            builder.add(ops.SlotStore(slot=slot, value=value))
        self.statements(depth=2, count=6)
        result = builder.register(I64)
        builder.add(ops.SlotLoad(result=result, slot=self.slots[0]))
        return result

    def statements(self, depth: int, count: int) -> None:
        for _ in range(count):
            kind = self.choose.random()
            if depth and kind < 0.25:
                self.branch(depth)
            elif depth and kind < 0.35:
                self.loop(depth)
            else:
                self.assign()

    def value(self) -> Value:
        if self.choose.random() < 0.4:
            number = self.choose.choice(SMALL)
            return Const(number, I64)
        slot = self.choose.choice(self.slots)
        made = self.builder.register(slot.type)
        self.builder.add(ops.SlotLoad(result=made, slot=slot))
        return made

    def assign(self) -> None:
        op = self.choose.choice(list(PYTHON))
        a, b = self.value(), self.value()
        made = self.builder.register(result_type(op, a.type, b.type))
        self.builder.add(ops.Checked(result=made, op=op, a=a, b=b, site=0))
        slot = self.choose.choice(self.slots)
        if slot.type != made.type:
            converted = self.builder.register(slot.type)
            self.builder.add(ops.CheckedConvert(result=converted, a=made, site=0))
            made = converted
        self.builder.add(ops.SlotStore(slot=slot, value=made))

    def condition(self) -> Reg:
        pred = self.choose.choice(list(COMPARISONS))
        made = self.builder.register(BOOL)
        a, b = self.value(), self.value()
        self.builder.add(ops.ExactCompare(result=made, pred=pred, a=a, b=b))
        return made

    def branch(self, depth: int) -> None:
        b = self.builder
        then, other, after = (b.label(hint) for hint in ("then", "other", "after"))
        b.add(ops.Branch(cond=self.condition(), then=then, other=other))
        for label in (then, other):
            b.start(label)
            self.statements(depth - 1, self.choose.randrange(3))
            b.add(ops.Jump(target=after))
        b.start(after)

    def loop(self, depth: int) -> None:
        """A few rounds of a counter, which the statements inside can read but not write."""
        b = self.builder
        counter = b.slot("counter", I64, 8)
        b.add(ops.SlotStore(slot=counter, value=Const(0, I64)))
        head, inside, after = (b.label(hint) for hint in ("head", "inside", "after"))
        b.add(ops.Jump(target=head))
        b.start(head)
        now, going = b.register(I64), b.register(BOOL)
        b.add(ops.SlotLoad(result=now, slot=counter))
        pred = ops.Predicate.SLT
        rounds = Const(self.choose.randrange(1, 4), I64)
        b.add(ops.ExactCompare(result=going, pred=pred, a=now, b=rounds))
        b.add(ops.Branch(cond=going, then=inside, other=after))
        b.start(inside)
        self.statements(depth - 1, 2)
        old, new = b.register(I64), b.register(I64)
        b.add(ops.SlotLoad(result=old, slot=counter))
        add = ops.CheckedOp.ADD
        b.add(ops.Checked(result=new, op=add, a=old, b=Const(1, I64), site=0))
        b.add(ops.SlotStore(slot=counter, value=new))
        b.add(ops.Jump(target=head))
        b.start(after)


def interpreted(blocks: dict[str, Block], slots: dict[int, int], final: Reg) -> int | str:
    """Run ops until ``final`` is made; slots start as given."""
    registers: dict[int, int] = {}

    def of(value: Value) -> int:
        return value.value if isinstance(value, Const) else registers[value.id]

    label = "entry"
    try:
        while final.id not in registers:
            for op in blocks[label].ops:
                match op:
                    case ops.SlotStore():
                        slots[op.slot.id] = of(op.value)
                    case ops.SlotLoad():
                        registers[op.result.id] = slots[op.slot.id]
                    case ops.Branch():
                        label = op.then if of(op.cond) else op.other
                    case ops.Jump():
                        label = op.target
                    case ops.Checked() | ops.CheckedConvert() | ops.ExactCompare():
                        registers[op.result.id] = computed(op, of)
    except RaisedError as raised:
        return str(raised)
    return registers[final.id]


def computed(op: Op, of: Callable[[Value], int]) -> int:
    match op:
        case ops.Checked():
            return checked(answer(PYTHON[op.op], of(op.a), of(op.b), op.result.type))
        case ops.CheckedConvert():
            return checked(fitting(of(op.a), op.result.type))
        case _:
            return COMPARISONS[op.pred](of(op.a), of(op.b))


def fitting(value: int, type_: IntType) -> int | str:
    low, high = limits(type_)
    return value if low <= value <= high else "OverflowError"


def checked(got: int | str) -> int:
    if isinstance(got, str):
        raise RaisedError(got)
    return got


@pytest.mark.parametrize("first", range(0, 3 * PROGRAMS, PROGRAMS))
def test_random_programs_give_pythons_answers(first: int) -> None:
    writers = [Writer(seed) for seed in range(first, first + PROGRAMS)]
    cases = [Case(f"seed {first + n}", I64, U64, None, I64, w.body) for n, w in enumerate(writers)]
    with Child() as child:
        machine = Machine(cases, child)
    wrong, outcomes = [], set()
    choose = random.Random(first)
    try:
        for number, case in enumerate(cases):
            builder = Builder()
            builder.start("entry")
            a, b = builder.register(I64), builder.register(U64)
            final = Writer(first + number).body(builder, a, b)
            builder.add(ops.Return())
            blocks = {block.label: block for block in builder.blocks()}
            for _ in range(RUNS):
                values = {kind: choose.choice(numbers) for kind, numbers in INPUTS.items()}
                want = run(blocks, final, values[I64], values[U64], (a, b))
                got = machine.run(number, values[I64], values[U64])
                outcomes.add(want if isinstance(want, str) else "answer")
                if got != want:
                    wrong.append(f"{case.name}: {values}: {got}, not {want}")
    finally:
        machine.close()
    assert not wrong, "\n".join([f"{len(wrong)} wrong", *wrong[:20]])
    assert outcomes >= {"answer", "OverflowError", "ZeroDivisionError", "ValueError"}


def run(
    blocks: dict[str, Block], final: Reg, first: int, second: int, operands: tuple[Reg, Reg]
) -> int | str:
    """Interpret with the operands stored by the first two SlotStores."""
    given = {operands[0].id: Const(first, I64), operands[1].id: Const(second, U64)}
    entry = blocks["entry"]
    stored = tuple(
        ops.SlotStore(slot=op.slot, value=given[op.value.id])
        if isinstance(op, ops.SlotStore) and isinstance(op.value, Reg) and op.value.id in given
        else op
        for op in entry.ops
    )
    return interpreted({**blocks, "entry": type(entry)("entry", stored)}, {}, final)


INPUTS = {
    kind: [value for value in BOUNDARY if limits(kind)[0] <= value <= limits(kind)[1]]
    for kind in (I64, U64)
}
