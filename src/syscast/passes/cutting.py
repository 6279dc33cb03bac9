"""Cuts one loop out of a function into a callback of bpf_loop: ``long body(u64 index, struct frame *)``.

What both sides use goes through a frame on the parent's stack, 8 bytes each: slots by value, buffers
and slots whose address is taken by their address, registers as they are. A pointer that is spilled there
keeps what the verifier knows of it. The callback reads all of the frame when it begins a round, and writes
back what it changed when it ends one. An exit leaves its number in the frame and returns 1, the way
back to the head returns 0; the parent goes on by the number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.ir import ops
from syscast.ir.builder import Builder
from syscast.ir.ops import BinaryOp, Op, Predicate
from syscast.ir.program import Block, Function
from syscast.ir.types import BOOL, I64, U32, U64, Const, IntType, PtrType, Reg, Slot, Space
from syscast.ir.walk import operands, renamed, result, retargeted, targets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from syscast.diagnostics import Span
    from syscast.ir.program import Loop
    from syscast.ir.types import Value

_STACK = PtrType(Space.STACK)
_HANDLE = PtrType(Space.CTX)
_FIELD = 8
_AGAIN = (ops.MapAddr, ops.DataAddr, ops.HelperExists, ops.Reloc, ops.FunctionAddr)
"""Ops without operands that the callback does again: the verifier must know their results."""
_LIMIT_FLAGS = Const(0, U64)


def cut(
    function: Function, loop: Loop, inside: frozenset[str], name: str
) -> tuple[Function, Function]:
    """The function without a loop, and the loop as a callback."""
    parts = _Parts(_with_slots(function, inside), loop, inside)
    callback = _callback(parts, name)
    return _parent(parts, name), callback


def next_register(function: Function) -> int:
    """The first register number that a function does not use."""
    made = [reg.id for block in function.blocks for op in block.ops if (reg := result(op))]
    return max([*made, *(each.id for each in function.parameters)], default=-1) + 1


def _with_slots(function: Function, inside: frozenset[str]) -> Function:
    """Registers that the loop makes and others use, in slots."""
    made = {
        reg
        for block in function.blocks
        if block.label in inside
        for op in block.ops
        if (reg := result(op)) is not None
    }
    used = {
        value
        for block in function.blocks
        if block.label not in inside
        for op in block.ops
        for value in operands(op)
        if isinstance(value, Reg)
    }
    leaving = sorted(made & used, key=lambda reg: reg.id)
    if not leaving:
        return function
    builder = Builder(next_register(function), function.slots)
    slots = {reg: builder.slot(f"@r{reg.id}", reg.type, 8) for reg in leaving}

    def rewritten(block: Block) -> Block:
        made_ops: list[Op] = []
        for op in block.ops:
            if block.label not in inside:
                names: dict[Reg, Value] = {}
                for value in operands(op):
                    if isinstance(value, Reg) and value in slots and value not in names:
                        names[value] = fresh = builder.register(value.type)
                        made_ops.append(
                            ops.SlotLoad(result=fresh, slot=slots[value], span=op.span)
                        )
                op = renamed(op, names)  # noqa: PLW2901 - the same op, reading the slots
            made_ops.append(op)
            made_reg = result(op)
            if made_reg in slots and block.label in inside:
                made_ops.append(ops.SlotStore(slot=slots[made_reg], value=made_reg, span=op.span))
        return Block(block.label, tuple(made_ops))

    blocks = tuple(rewritten(block) for block in function.blocks)
    return msgspec.structs.replace(function, blocks=blocks, slots=builder.slots())


class _Parts:
    """What a cut needs to know.

    Attributes:
        shared: Slots that go through the frame by value.
        changed: Those of them that the loop writes.
        addressed: Slots whose addresses go through the frame.
        own: Slots that only the loop uses.
        entering: Registers made outside and used inside.
        again: Those that the callback makes again, and how.
        context: Whether the loop uses the program's context.
        exits: Labels that the loop leaves to.
        fields: Offset in the frame of each slot and register; "" is the context, 0 the exit's number.
    """

    def __init__(self, function: Function, loop: Loop, inside: frozenset[str]) -> None:
        self.function = function
        self.loop = loop
        self.inside = [block for block in function.blocks if block.label in inside]
        self.outside = [block for block in function.blocks if block.label not in inside]
        within, without = _slots(self.inside), _slots(self.outside)
        taken = _slots(function.blocks, ops.SlotAddr)
        both = within & without
        self.shared = _ordered(both - taken - {loop.counter})
        self.changed = _ordered(set(self.shared) & _slots(self.inside, ops.SlotStore))
        self.addressed = _ordered(both & taken)
        self.own = _ordered((within - without) | {loop.counter})
        makers = {reg: op for block in function.blocks for op in block.ops if (reg := result(op))}
        made = {reg for block in self.inside for op in block.ops if (reg := result(op))}
        used = {v for block in self.inside for op in block.ops for v in operands(op)}
        entering = sorted(
            (v for v in used if isinstance(v, Reg) and v not in made), key=lambda reg: reg.id
        )
        self.again = {reg: makers[reg] for reg in entering if isinstance(makers.get(reg), _AGAIN)}
        self.entering = [reg for reg in entering if reg not in self.again]
        self.context = any(
            isinstance(op, ops.CtxAddr) for block in self.inside for op in block.ops
        )
        self.exits = list(
            dict.fromkeys(
                target
                for block in self.inside
                for target in targets(block.ops[-1])
                if target not in inside
            )
        )
        keys: list[Slot | Reg | str] = [*self.shared, *self.addressed, *self.entering]
        keys += [""] if self.context else []
        self.fields = {key: _FIELD * number for number, key in enumerate(keys, 1)}

    @property
    def size(self) -> int:
        """Bytes of the frame."""
        return _FIELD * (len(self.fields) + 1)

    @property
    def span(self) -> Span | None:
        """Where the loop stands."""
        return self.loop.span


def _slots(blocks: Iterable[Block], kind: type[Op] = Op) -> set[Slot]:
    found = set()
    for block in blocks:
        for op in block.ops:
            slot: object = getattr(op, "slot", None)
            if isinstance(slot, Slot) and isinstance(op, kind):
                found.add(slot)
    return found


def _ordered(slots: Iterable[Slot]) -> list[Slot]:
    return sorted(slots, key=lambda slot: slot.id)


class _Writer:
    """Adds ops to a function, all with the loop's span."""

    def __init__(self, function: Function, slots: Iterable[Slot], span: Span | None) -> None:
        self.builder = Builder(next_register(function), slots)
        for block in function.blocks:
            self.builder.label(block.label)
        self._span = span

    def add(self, op: Op) -> None:
        self.builder.add(msgspec.structs.replace(op, span=op.span or self._span))

    def put(self, frame: Value, offset: int, value: Value) -> None:
        """Store a value in the frame, numbers as 64 bits: so their ranges survive."""
        if isinstance(value.type, IntType) and value.type.bits != 64:
            wide = self.builder.register(U64)
            self.add(ops.Convert(result=wide, a=value))
            value = wide
        self.add(ops.Store(ptr=frame, value=value, offset=offset))

    def get(self, frame: Value, offset: int, into: Reg) -> None:
        """Load a value from the frame."""
        if isinstance(into.type, IntType) and into.type.bits != 64:
            wide = self.builder.register(U64)
            self.add(ops.Load(result=wide, ptr=frame, offset=offset))
            self.add(ops.Convert(result=into, a=wide))
            return
        self.add(ops.Load(result=into, ptr=frame, offset=offset))

    def put_slot(self, frame: Value, offset: int, slot: Slot, *, hidden: bool) -> None:
        """Store a slot in the frame; ``hidden`` where each round may leave another number there.

        From such a number the verifier must not conclude which way a branch goes, or it walks
        round after round. It forgets what is stored in two halves and read as a whole.
        """
        assert slot.type is not None
        value = self.builder.register(slot.type)
        self.add(ops.SlotLoad(result=value, slot=slot))
        if not hidden or isinstance(slot.type, PtrType):
            self.put(frame, offset, value)
            return
        whole, high, opaque, *halves = [
            self.builder.register(t) for t in (U64, U64, U64, U32, U32)
        ]
        self.add(ops.Convert(result=whole, a=value))
        self.add(ops.Binary(result=high, op=BinaryOp.LSHR, a=whole, b=Const(32, U64)))
        self.add(ops.Opaque(result=opaque, a=high))  # or LLVM would store both at once
        for position, (half, source) in enumerate(zip(halves, (whole, opaque), strict=True)):
            self.add(ops.Convert(result=half, a=source))
            self.add(ops.Store(ptr=frame, value=half, offset=offset + 4 * position))

    def get_slot(self, frame: Value, offset: int, slot: Slot) -> None:
        assert slot.type is not None
        value = self.builder.register(slot.type)
        self.get(frame, offset, value)
        self.add(ops.SlotStore(slot=slot, value=value))


# ---------------------------------------------------------------- the callback


def _callback(parts: _Parts, name: str) -> Function:
    function = parts.function
    writer = _Writer(function, [*parts.shared, *parts.own], parts.span)
    builder = writer.builder
    index, frame = builder.register(U64), builder.register(_STACK)
    begin, again = builder.label("begin"), builder.label("again")
    builder.start(begin)
    writer.add(ops.SlotStore(slot=parts.loop.counter, value=index))
    for slot in parts.shared:
        writer.get_slot(frame, parts.fields[slot], slot)
    addresses = {slot: builder.register(_STACK) for slot in parts.addressed}
    for slot, address in addresses.items():
        writer.get(frame, parts.fields[slot], address)
    names: dict[Reg, Value] = {}
    for reg in parts.entering:
        names[reg] = fresh = builder.register(reg.type)
        writer.get(frame, parts.fields[reg], fresh)
    for reg, op in parts.again.items():
        names[reg] = fresh = builder.register(reg.type)
        writer.add(msgspec.structs.replace(op, result=fresh))
    context = builder.register(_HANDLE)
    if parts.context:
        writer.get(frame, parts.fields[""], context)
    writer.add(ops.Jump(target=parts.loop.head))
    leave = {label: builder.label(f"leave{number}") for number, label in enumerate(parts.exits, 1)}
    for block in parts.inside:
        builder.start(block.label)
        for op in block.ops:
            _inside(writer, op, names, addresses, context, {**leave, parts.loop.head: again})
    for number, label in enumerate(["", *parts.exits]):
        builder.start(leave[label] if label else again)
        for slot in parts.changed:
            writer.put_slot(frame, parts.fields[slot], slot, hidden=True)
        if label:
            writer.put(frame, 0, Const(number, U64))
        writer.add(ops.Return(value=Const(int(bool(label)), I64)))
    return Function(
        name,
        builder.blocks(),
        builder.slots(),
        parameters=(index, frame),
        returns=I64,
        probe=function.probe,
        filtered=False,
        span=parts.span or function.span,
        direct=function.context.direct_reads if function.context else function.direct,
    )


def _inside(
    writer: _Writer,
    op: Op,
    names: Mapping[Reg, Value],
    addresses: Mapping[Slot, Reg],
    context: Reg,
    labels: Mapping[str, str],
) -> None:
    """One op of the loop as the callback does it."""
    op = retargeted(renamed(op, names), labels)
    match op:
        case ops.CtxAddr():
            writer.add(ops.Convert(result=op.result, a=context, span=op.span))
        case ops.SlotAddr(slot=slot) if slot in addresses:
            writer.add(ops.Convert(result=op.result, a=addresses[slot], span=op.span))
        case ops.SlotLoad(slot=slot) if slot in addresses:
            writer.add(ops.Load(result=op.result, ptr=addresses[slot], span=op.span))
        case ops.SlotStore(slot=slot) if slot in addresses:
            writer.add(ops.Store(ptr=addresses[slot], value=op.value, span=op.span))
        case _:
            writer.add(op)


# ---------------------------------------------------------------- the parent


def _parent(parts: _Parts, name: str) -> Function:
    function = parts.function
    dropped = {*parts.own} - {parts.loop.counter}
    kept = [slot for slot in function.slots if slot not in dropped]
    writer = _Writer(function, kept, parts.span)
    builder = writer.builder
    inside = {block.label for block in parts.inside}
    frame_slot = builder.slot(f"@frame{len(builder.slots())}", None, parts.size)
    for block in function.blocks:
        if block.label == parts.loop.head:
            _call(writer, parts, name, frame_slot)
        if block.label in inside:
            continue
        builder.start(block.label)
        if block is function.blocks[0]:
            _initialise(writer.add, parts)
        for op in block.ops:
            builder.add(op)
    loops = tuple(loop for loop in function.loops if loop != parts.loop)
    return msgspec.structs.replace(
        function, blocks=builder.blocks(), slots=builder.slots(), loops=loops
    )


def _initialise(add: Callable[[Op], None], parts: _Parts) -> None:
    """Give what goes into the frame a value on every path: the verifier wants the stack written."""
    for slot in parts.shared:
        assert slot.type is not None
        add(ops.SlotStore(slot=slot, value=Const(0, slot.type)))


def _call(writer: _Writer, parts: _Parts, name: str, frame_slot: Slot) -> None:
    """In place of the loop: fill the frame, go round, take back what changed, go on by the exit."""
    builder = writer.builder
    builder.start(parts.loop.head)
    frame = builder.register(_STACK)
    writer.add(ops.SlotAddr(result=frame, slot=frame_slot))
    writer.put(frame, 0, Const(0, U64))
    for slot in parts.shared:
        writer.put_slot(frame, parts.fields[slot], slot, hidden=slot in parts.changed)
    for slot in parts.addressed:
        address = builder.register(_STACK)
        writer.add(ops.SlotAddr(result=address, slot=slot))
        writer.put(frame, parts.fields[slot], address)
    for reg in parts.entering:
        writer.put(frame, parts.fields[reg], reg)
    if parts.context:
        context = builder.register(_HANDLE)
        writer.add(ops.CtxAddr(result=context))
        writer.put(frame, parts.fields[""], context)
    body = builder.register(_HANDLE)
    writer.add(ops.FunctionAddr(result=body, function=name))
    rounds = Const(parts.loop.limit + 1, U64)  # the last finds that there are no more
    writer.add(ops.Helper(result=None, name="loop", args=(rounds, body, frame, _LIMIT_FLAGS)))
    for slot in parts.changed:
        writer.get_slot(frame, parts.fields[slot], slot)
    number = builder.register(U64)
    writer.get(frame, 0, number)
    for position, label in enumerate(parts.exits, 1):
        here, following = builder.register(BOOL), builder.label("other_exit")
        exit_number = Const(position, U64)
        writer.add(ops.Compare(result=here, pred=Predicate.EQ, a=number, b=exit_number))
        writer.add(ops.Branch(cond=here, then=label, other=following))
        builder.start(following)
    # Not reached: one of the rounds takes an exit.
    returns = parts.function.returns
    writer.add(ops.Return(value=Const(0, returns) if returns is not None else None))
