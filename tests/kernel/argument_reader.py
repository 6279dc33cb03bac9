"""Programs, written instruction by instruction, that copy what an ArgumentSource describes into a map.

The compiler is not asked: these tests hold what the kinds say of a context against what really
happened in the kernel.
"""

from __future__ import annotations

import functools
import os
from contextlib import contextmanager
from dataclasses import dataclass, field

from syscast.asm import encode
from syscast.asm.build import (
    alu_imm,
    alu_reg,
    call_helper,
    exit_,
    jump_imm,
    load,
    load_imm64,
    load_map,
    mov_imm,
    mov_reg,
    store,
    store_imm,
)
from syscast.asm.opcodes import (
    BPF_ADD,
    BPF_AND,
    BPF_B,
    BPF_DW,
    BPF_H,
    BPF_JEQ,
    BPF_JNE,
    BPF_RSH,
    BPF_W,
    LD_IMM64,
    R0,
    R1,
    R2,
    R3,
    R6,
    R7,
    R8,
    R9,
    R10,
)
from syscast.btf import source
from syscast.btf.layout import find_member
from syscast.btf.types import Struct
from syscast.ir.program import ArgFrom
from syscast.loader import load as load_object
from syscast.probes import registry
from syscast.spec import MapRef, MapSpec, ObjectSpec, ProgramSpec

SLOT = 64  # bytes of the map's value per argument
COUNT_AT = 16 * SLOT
VALUE = COUNT_AT + 8
SIZES = {1: BPF_B, 2: BPF_H, 4: BPF_W, 8: BPF_DW}
LOOKUP, PID_TGID, GET_TASK = 1, 14, 35
READ_KERNEL, READ_USER_STR, READ_KERNEL_STR = 113, 114, 115


@dataclass
class Code:
    """Instructions with forward jumps to the end."""

    insns: list = field(default_factory=list)
    fixups: list = field(default_factory=list)
    maps: list = field(default_factory=list)

    def add(self, *insns):
        self.insns += insns

    def slots(self, insns):
        return sum(2 if insn is not None and insn.opcode == LD_IMM64 else 1 for insn in insns)

    def map(self, register):
        self.maps.append(self.slots(self.insns))
        self.add(load_map(register, 0))

    def leave_unless(self, condition, register, value):
        """Jump to the end where ``register <condition> value`` holds."""
        self.fixups.append((len(self.insns), condition, register, value))
        self.add(None)

    def finish(self):
        for at, condition, register, value in self.fixups:
            distance = self.slots(self.insns[at + 1 :])
            self.insns[at] = jump_imm(condition, register, value, distance)
        return encode([*self.insns, mov_imm(R0, 0), exit_()])


@functools.cache
def _member_offset(struct, path):
    btf = source.kernel()
    root, offset = btf.find(struct, Struct), 0
    for part in path.split("."):
        name, _, index = part.partition("[")
        found = find_member(btf, root, name)
        offset += found.offset + (8 * int(index.rstrip("]")) if index else 0)
        root = found.type_id
    return offset


def _address(code, each):
    """Put the address of an argument's bytes into R3 (the context is in R6)."""
    if each.where is ArgFrom.STACK:
        code.add(load(BPF_DW, R3, R6, _member_offset("pt_regs", each.member)))
        code.add(alu_imm(BPF_ADD, R3, each.offset))
    elif each.where is ArgFrom.REGS:
        code.add(load(BPF_DW, R3, R6, each.offset))
        code.add(alu_imm(BPF_ADD, R3, _member_offset("pt_regs", each.member)))
    elif each.where is ArgFrom.TASK:
        code.add(call_helper(GET_TASK), mov_reg(R3, R0))
        code.add(alu_imm(BPF_ADD, R3, _member_offset("task_struct", each.member)))
    else:
        offset = each.field.bit_offset // 8 if each.field else each.offset
        code.add(mov_reg(R3, R6), alu_imm(BPF_ADD, R3, offset))


def _copy(code, at, size, helper=READ_KERNEL):
    """Copy from R3 to the map's value (in R9) at ``at``."""
    code.add(mov_reg(R1, R9), alu_imm(BPF_ADD, R1, at), mov_imm(R2, size), call_helper(helper))


def _plain(each):
    return each.where is ArgFrom.CTX and not each.array and not each.data_loc and not each.field


def _store_argument(code, each, at):
    if _plain(each):
        code.add(load(SIZES[each.size], R1, R6, each.offset), store(SIZES[each.size], R9, at, R1))
    elif each.data_loc:
        _address(code, each)
        _copy(code, at, 4)
        code.add(load(BPF_W, R3, R9, at), alu_imm(BPF_AND, R3, 0xFFFF), alu_reg(BPF_ADD, R3, R6))
        code.add(store(BPF_DW, R9, at, R0))
        _copy(code, at, SLOT, READ_KERNEL_STR)
        return
    elif each.where is not ArgFrom.NOWHERE:
        _address(code, each)
        _copy(code, at, min(each.array or each.size, SLOT))
    if each.user and each.string:
        code.add(load(BPF_DW, R3, R9, at))
        _copy(code, at, SLOT, READ_USER_STR)


def program(context, name="reader", *, pid=None):
    """A program that stores the arguments, the return value behind them, and counts its runs."""
    code = Code()
    code.add(mov_reg(R6, R1), call_helper(PID_TGID), alu_imm(BPF_RSH, R0, 32))
    code.leave_unless(BPF_JNE, R0, os.getpid() if pid is None else pid)
    for guard in context.guards:
        if _plain(guard.source):
            code.add(load(SIZES[guard.source.size], R7, R6, guard.source.offset))
        else:
            _address(code, guard.source)
            code.add(store_imm(BPF_DW, R10, -16, 0), mov_reg(R1, R10), alu_imm(BPF_ADD, R1, -16))
            code.add(mov_imm(R2, guard.source.size), call_helper(READ_KERNEL))
            code.add(load(BPF_DW, R7, R10, -16))
        code.add(load_imm64(R8, guard.mask), alu_reg(BPF_AND, R7, R8))
        code.leave_unless(BPF_JNE, R7, guard.value)
    code.add(store_imm(BPF_W, R10, -4, 0), mov_reg(R2, R10), alu_imm(BPF_ADD, R2, -4))
    code.map(R1)
    code.add(call_helper(LOOKUP))
    code.leave_unless(BPF_JEQ, R0, 0)
    code.add(mov_reg(R9, R0))
    every = [*context.arguments[:14], *([context.returns] if context.returns else [])]
    for number, each in enumerate(every):
        _store_argument(code, each, number * SLOT)
    code.add(
        load(BPF_DW, R1, R9, COUNT_AT), alu_imm(BPF_ADD, R1, 1), store(BPF_DW, R9, COUNT_AT, R1)
    )
    insns = code.finish()
    refs = tuple(MapRef(at, "out") for at in code.maps)
    target = context.section.partition("/")[2]
    return ProgramSpec(
        name, context.section, context.program_type, context.attach_type, target, insns, refs
    )


class Seen:
    """What a program stored."""

    def __init__(self, context, loaded, link):
        self.link = link
        self._map = loaded.maps["out"]
        every = [*context.arguments, *([context.returns] if context.returns else [])]
        self._sources = {each.name: (number, each) for number, each in enumerate(every)}

    def _value(self):
        return self._map.lookup(0)

    @property
    def count(self):
        return int.from_bytes(self._value()[COUNT_AT : COUNT_AT + 8], "little")

    def raw(self, name):
        number, _ = self._sources[name]
        return self._value()[number * SLOT : (number + 1) * SLOT]

    def __getitem__(self, name):
        """An argument as a number, or its string."""
        each = self._sources[name][1]
        raw = self.raw(name)
        if each.string:
            return raw.partition(b"\0")[0].decode()
        return int.from_bytes(raw[: each.array or each.size], "little", signed=each.signed)


@contextmanager
def attached(context, *, pid=None, prepare=True):
    """Load and attach a reading program; gives what it has seen."""
    spec = program(context, pid=pid)
    spec = registry.prepare(spec) if prepare else spec
    maps = (MapSpec("out", "array", 4, VALUE, 1),)
    with load_object(ObjectSpec("kinds", "GPL", (spec,), maps)) as loaded:
        link = registry.attach(loaded.programs["reader"])
        try:
            yield Seen(context, loaded, link)
        finally:
            link.close()


def context_of(target, *, role="probe", kind="", index=0):
    """One context of the kind that is chosen for a target."""
    choice = registry.choose(target, role, kind=kind)
    return choice.kind.contexts(choice.target, role=role)[index]
