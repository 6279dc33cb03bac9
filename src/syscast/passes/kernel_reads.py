"""Decides how each kernel member is read: FieldLoad AUTO -> DIRECT, PROBE or USER.

When: first, while arguments are still Argument ops.
Why: where the verifier knows a pointer by its BTF type, a plain load costs one instruction; a probe
read costs some ten and a call.
How: a value is trusted from where it comes: an argument that the kind says is trusted, then a member
that points to a struct, loaded DIRECT from a trusted value and seen as such by the verifier (see
``verifier_walk``). Every path must agree: a slot is trusted only if all its stores are of one struct
(or NULL, which is tested before each load). What is computed from an address (FieldAddr, Offset,
Convert) is not trusted: codegen makes numbers of them, since the verifier refuses arithmetic on
pointers that may be NULL. Nor is a pointer from a union, or to ``void``, ``char``, ``__user`` or
``__percpu``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.btf.record import Record
from syscast.ir import ops
from syscast.ir.ops import Access
from syscast.ir.program import ArgFrom
from syscast.ir.types import Const, PtrType, Reg, Space
from syscast.passes.verifier_walk import walk

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.ir.ops import FieldLoad, Op
    from syscast.ir.program import Function, Program, ProgramContext
    from syscast.ir.types import Value


class _Trust(Record):
    """What the verifier knows of a pointer: the struct that it points to; 0 if it is a number."""

    root: int


_ANY = _Trust(-1)
"""Of NULL, and of slots before their stores are known: agrees with everything."""


def run(program: Program, btf: Btf) -> Program:
    """Decide for every FieldLoad."""
    functions = tuple(_decide(function, btf) for function in program.functions)
    return msgspec.structs.replace(program, functions=functions)


def _decide(function: Function, btf: Btf) -> Function:
    context = function.context
    flow = _Flow(function, btf)
    if context is not None and context.direct_reads:
        flow.settle()
    blocks = tuple(
        msgspec.structs.replace(block, ops=tuple(flow.decided(op) for op in block.ops))
        for block in function.blocks
    )
    return msgspec.structs.replace(function, blocks=blocks)


class _Flow:
    """Trust of one function's registers and slots."""

    def __init__(self, function: Function, btf: Btf) -> None:
        self._function = function
        self._btf = btf
        self._registers: dict[int, _Trust] = {}
        self._slots: dict[int, _Trust | None] = {}

    def settle(self) -> None:
        """Assume the best of every slot, and take back what a store refutes, to the end."""
        for slot in self._function.slots:
            pointer = isinstance(slot.type, PtrType) and slot.type.space is Space.KERNEL
            self._slots[slot.id] = _ANY if pointer and not slot.kept else None
        self._until_stable()
        # What is never stored, or only NULL, is never known.
        self._slots = {k: None if v is _ANY else v for k, v in self._slots.items()}
        self._until_stable()

    def _until_stable(self) -> None:
        before: dict[int, _Trust | None] | None = None
        while before != self._slots:
            before = dict(self._slots)
            self._registers = {}
            for _ in range(2):  # a use may stand in a block before its definition's
                for block in self._function.blocks:
                    for op in block.ops:
                        self._follow(op)

    def decided(self, op: Op) -> Op:
        """The op with its access decided."""
        if not isinstance(op, ops.FieldLoad) or op.access is not Access.AUTO:
            return op
        type_ = op.base.type
        if isinstance(type_, PtrType) and type_.space is Space.USER:
            access = Access.USER
        else:
            access = Access.PROBE if self._loaded(op) is None else Access.DIRECT
        return msgspec.structs.replace(op, access=access)

    def _of(self, value: Value) -> _Trust | None:
        if isinstance(value, Const):
            return _ANY
        return self._registers.get(value.id)

    def _follow(self, op: Op) -> None:
        match op:
            case ops.Argument():
                self._set(op.result, self._argument(op))
            case ops.FieldLoad():
                self._set(op.result, self._loaded(op))
            case ops.SlotLoad():
                self._set(op.result, self._slots.get(op.slot.id))
            case ops.Select():
                self._set(op.result, _join(self._of(op.a), self._of(op.b)))
            case ops.SlotStore() if op.slot.id in self._slots:
                self._slots[op.slot.id] = _join(self._slots[op.slot.id], self._of(op.value))
            case _:
                pass

    def _set(self, result: Reg, trust: _Trust | None) -> None:
        if trust is None or not isinstance(result.type, PtrType):
            self._registers.pop(result.id, None)
        else:
            self._registers[result.id] = trust

    def _argument(self, op: ops.Argument) -> _Trust | None:
        context: ProgramContext | None = self._function.context
        if context is None:
            return None
        source = context.returns if op.index < 0 else context.arguments[op.index]
        type_ = op.result.type
        if source is None or source.where is not ArgFrom.CTX or not isinstance(type_, PtrType):
            return None
        known = source.trusted and type_.space is Space.KERNEL and type_.pointee
        return _Trust(self._btf.resolve(type_.pointee)) if known else None

    def _loaded(self, op: FieldLoad) -> _Trust | None:
        """The trust of what a DIRECT load gives; None where it cannot be DIRECT.

        A scalar that can be loaded DIRECT has trust too; only pointers make use of it.
        """
        base = self._of(op.base)
        field = op.field
        if base is None or field.bitfield_size:
            return None
        if base is _ANY:
            return _ANY
        size = self._btf.size_of(field.type_id)
        seen = walk(self._btf, base.root, field.bit_offset // 8, size)
        return None if seen is None else _Trust(seen.pointee)


def _join(a: _Trust | None, b: _Trust | None) -> _Trust | None:
    if a is None or b is None:
        return None
    if a is _ANY or b is _ANY:
        return b if a is _ANY else a
    return a if a == b else None
