"""Finds malformed IR: a bug of a front end or a pass, never of a user.

Run after lowering and between passes, so that a mistake is named where it was made.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from syscast.errors import InternalError
from syscast.ir import ops
from syscast.ir.helpers import HELPERS, Arg
from syscast.ir.printer import function_lines, op_text
from syscast.ir.types import BOOL, Const, IntType, PtrType, Reg, Slot, Space
from syscast.ir.walk import operands, result, targets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syscast.ir.program import Block, Function, Program
    from syscast.ir.types import Value


class Layer(Enum):
    """Which ops a program may have."""

    LOWERED = "lowered"  # anything
    PRIMITIVE = "primitive"  # what codegen reads


PRIMITIVES = frozenset(
    {
        *(ops.Binary, ops.Compare, ops.Convert, ops.ByteSwap, ops.Select, ops.Opaque),
        *(ops.SlotLoad, ops.SlotStore, ops.SlotAddr, ops.Load, ops.Store, ops.Offset),
        *(ops.AtomicAdd, ops.Fill, ops.CopyBytes, ops.BytesEqual, ops.FieldAddr),
        *(ops.SameText, ops.Masked, ops.Atomic, ops.PacketLoad),
        *(ops.FieldLoad, ops.Reloc, ops.HelperExists, ops.Helper, ops.MapAddr, ops.DataAddr),
        *(ops.CtxAddr, ops.Call, ops.FunctionAddr, ops.Jump, ops.Branch, ops.Return),
    }
)
"""Ops that codegen reads; of FieldLoad only the ones with mode DIRECT."""


def check(
    program: Program, layer: Layer = Layer.LOWERED, seen: dict[int, ops.Op] | None = None
) -> None:
    """Check a whole program.

    Args:
        program: What to check.
        layer: Which ops it may have.
        seen: Ops whose types were found good before, by ``id``; passes leave most of them alone.

    Raises:
        InternalError: With what is wrong and the function's text.
    """
    names = {function.name for function in program.functions}
    if len(names) != len(program.functions):
        raise InternalError(f"program '{program.name}': check: two functions have one name")
    for number, site in enumerate(program.sites):
        if site.id != number:
            raise InternalError(f"program '{program.name}': check: site {number} has id {site.id}")
    for function in program.functions:
        found = next(_problems(function, program, layer, seen), None)
        if found is not None:
            raise InternalError(
                f"function '{function.name}': check: {found}", "\n".join(function_lines(function))
            )


def _problems(
    function: Function, program: Program, layer: Layer, seen: dict[int, ops.Op] | None
) -> Iterator[str]:
    yield from _shape(function)
    yield from _definitions(function)
    slots = set(function.slots)
    functions = {each.name for each in program.functions}
    for block in function.blocks:
        for op in block.ops:
            found = None
            if seen is None or id(op) not in seen:
                found = _type_problem(op)
                if seen is not None:
                    seen[id(op)] = op  # held, so that no other op can get its id
            found = found or _reference_problem(op, slots, len(program.sites))
            if found is None and isinstance(op, ops.Call | ops.FunctionAddr):
                found = None if op.function in functions else f"no function {op.function}"
            if found is None and layer is Layer.PRIMITIVE:
                found = _layer_problem(op)
            if found is not None:
                yield f"block {block.label}: `{op_text(op)}`: {found}"


def _layer_problem(op: ops.Op) -> str | None:
    if type(op) not in PRIMITIVES:
        return "not a primitive"
    if isinstance(op, ops.FieldLoad) and op.access is not ops.Access.DIRECT:
        return "a field load that is not direct"
    return None


# ---------------------------------------------------------------- blocks


def _shape(function: Function) -> Iterator[str]:
    labels = {block.label for block in function.blocks}
    if not function.blocks:
        yield "no blocks"
    if len(labels) != len(function.blocks):
        yield "two blocks have one label"
    for block in function.blocks:
        if not block.ops or not isinstance(block.ops[-1], ops.TERMINATORS):
            yield f"block {block.label}: no terminator at the end"
        for op in block.ops[:-1]:
            if isinstance(op, ops.TERMINATORS):
                yield f"block {block.label}: `{op_text(op)}` is not at the end"
        for op in block.ops[-1:]:
            for target in targets(op):
                if target not in labels:
                    yield f"block {block.label}: no block {target}"


def _definitions(function: Function) -> Iterator[str]:
    """Every register is made once, and before each use on every path to it."""
    made: dict[int, Reg] = {each.id: each for each in function.parameters}
    for block in function.blocks:
        for op in block.ops:
            reg = result(op)
            if reg is None:
                continue
            if reg.id in made:
                yield f"block {block.label}: {reg} is made twice"
            made[reg.id] = reg
    known = _known_on_entry(function)
    for block in function.blocks:
        if block.label in known:
            yield from _uses(block, known[block.label], made)


def _uses(block: Block, known: int, made: dict[int, Reg]) -> Iterator[str]:
    for op in block.ops:
        for value in operands(op):
            if not isinstance(value, Reg):
                continue
            if not known >> value.id & 1:
                yield f"block {block.label}: `{op_text(op)}`: {value} is not made on every path"
            elif made[value.id].type != value.type:
                yield f"block {block.label}: `{op_text(op)}`: {value} is a {made[value.id].type}"
        reg = result(op)
        if reg is not None:
            known |= 1 << reg.id


def _known_on_entry(function: Function) -> dict[str, int]:
    """Bit masks of the registers made on every path to each reachable block."""
    blocks = {block.label: block for block in function.blocks}
    makes = {
        label: sum({1 << reg.id for op in block.ops if (reg := result(op)) is not None})
        for label, block in blocks.items()
    }
    first = function.blocks[0].label
    known = {first: sum(1 << each.id for each in function.parameters)}
    work = [first]
    while work:
        label = work.pop()
        out = known[label] | makes[label]
        for target in targets(blocks[label].ops[-1]):
            new = out & known[target] if target in known else out
            if known.get(target) != new:
                known[target] = new
                work.append(target)
    return known


# ---------------------------------------------------------------- types


def _reference_problem(op: ops.Op, slots: set[Slot], sites: int) -> str | None:
    slot: object = getattr(op, "slot", None)
    if isinstance(slot, Slot) and slot not in slots:
        return f"the function has no slot {slot}"
    site: object = getattr(op, "site", None)
    if isinstance(site, int) and not -1 <= site < sites:
        return f"no site {site}"
    return None


def _type_problem(op: ops.Op) -> str | None:
    for value in operands(op):
        if isinstance(value, Const) and not _fits(value):
            return f"{value} does not fit its type"
    match op:
        case ops.Binary() | ops.Compare() | ops.Checked() | ops.ExactCompare() | ops.Select():
            return _arithmetic_problem(op)
        case ops.SlotLoad() | ops.SlotStore():
            return _slot_problem(op)
        case ops.Branch():
            return None if op.cond.type == BOOL else "the condition is not a bool"
        case ops.Helper():
            return _helper_problem(op)
        case _:
            return _pointer_problem(op)


def _pointer_problem(op: ops.Op) -> str | None:
    match op:
        case _ if isinstance(op, _THROUGH_POINTER):
            return None if isinstance(op.ptr.type, PtrType) else "not a pointer"
        case ops.FieldLoad() | ops.FieldAddr():
            in_context = op.base.type == PtrType(Space.CTX)
            return None if in_context else _kernel_or_user(op.base)
        case ops.ScalarLoad():
            return _kernel_or_user(op.ptr)
        case ops.ReadStr() | ops.ReadBytes():
            return _kernel_or_user(op.src)
        case _:
            return _text_problem(op)


_THROUGH_POINTER = (
    *(ops.Load, ops.AnyLoad, ops.Store, ops.Offset),
    *(ops.AtomicAdd, ops.Atomic, ops.Fill),
)


def _text_problem(op: ops.Op) -> str | None:
    match op:
        case ops.AnyCopy():
            both = isinstance(op.dst.type, PtrType) and isinstance(op.src.type, PtrType)
            return None if both else "not pointers"
        case ops.Masked():
            bits = isinstance(op.a.type, IntType) and op.a.type.bits
            return None if bits == 64 and not op.mask & (op.mask + 1) else "not a 64-bit mask"
        case ops.TextAppend():
            return None if text_mask(op.size, op.most) else "the buffer is too small"
        case ops.TextSlice():
            power = not op.size & (op.size - 1) and op.size >= op.src_size
            return None if power else "the size is no power of two"
        case ops.TextFind():
            return None if 0 < len(op.needle) <= 64 else "the needle's size"
        case _:
            return None


def text_mask(size: int, most: int) -> int:
    """The greatest 2**n - 1 that may be an offset of ``most`` bytes and a NUL in a buffer."""
    room = size - most - 1
    return (1 << (room.bit_length() - 1)) - 1 if room > 1 else 0


def _arithmetic_problem(
    op: ops.Binary | ops.Compare | ops.Checked | ops.ExactCompare | ops.Select,
) -> str | None:
    a, b, made = op.a.type, op.b.type, op.result.type
    match op:
        case ops.Binary():
            return None if a == b == made and isinstance(made, IntType) else "types differ"
        case ops.Compare():
            if made != BOOL:
                return "the result is not a bool"
            both_pointers = isinstance(a, PtrType) and isinstance(b, PtrType)
            return None if a == b or both_pointers else "types differ"
        case ops.Select():
            same = a == b == made and op.cond.type == BOOL
            return None if same else "types differ"
        case ops.Checked():
            good = all(isinstance(each, IntType) and each.bits == 64 for each in (a, b, made))
            return None if good else "not 64-bit integers"
        case ops.ExactCompare():
            good = isinstance(a, IntType) and isinstance(b, IntType) and made == BOOL
            return None if good else "not integers"


def _slot_problem(op: ops.SlotLoad | ops.SlotStore) -> str | None:
    value = op.result if isinstance(op, ops.SlotLoad) else op.value
    if op.slot.type is None:
        return "the slot is a buffer"
    return None if value.type == op.slot.type else f"the slot is a {op.slot.type}"


def _kernel_or_user(base: Value) -> str | None:
    type_ = base.type
    good = isinstance(type_, PtrType) and type_.space in {Space.KERNEL, Space.USER}
    return None if good else "not a pointer into kernel or user memory"


def _helper_problem(op: ops.Helper) -> str | None:
    info = HELPERS.get(op.name)
    if info is None:
        return "no such helper"
    if len(info.args) != len(op.args):
        return f"takes {len(info.args)} arguments"
    for value, kind in zip(op.args, info.args, strict=True):
        pointer = isinstance(value.type, PtrType)
        if kind is Arg.NUMBER and pointer:
            return "a pointer where a number is wanted"
        if kind not in {Arg.NUMBER, Arg.ADDRESS} and not pointer:
            return "a number where a pointer is wanted"
    return None


def _fits(value: Const) -> bool:
    if isinstance(value.type, PtrType):
        return value.value == 0
    bits, signed = value.type.bits, value.type.signed
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return low <= value.value <= high
