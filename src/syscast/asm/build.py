"""Builders for hand-written programs: one function per instruction form.

Registers are plain numbers (``opcodes.R0`` and so on). Conditions and operations are given by
the kernel's constants, so that the builders stay few: ``jump_imm(BPF_JEQ, R0, 0, 2)``.
"""

from __future__ import annotations

from syscast.asm.instruction import Instruction
from syscast.asm.opcodes import (
    BPF_ALU,
    BPF_ALU64,
    BPF_ATOMIC,
    BPF_JA,
    BPF_JMP,
    BPF_JMP32,
    BPF_K,
    BPF_LDX,
    BPF_MEM,
    BPF_MOV,
    BPF_PSEUDO_CALL,
    BPF_PSEUDO_KFUNC_CALL,
    BPF_PSEUDO_MAP_FD,
    BPF_PSEUDO_MAP_VALUE,
    BPF_ST,
    BPF_STX,
    BPF_X,
    CALL,
    EXIT,
    LD_IMM64,
)

_U64 = (1 << 64) - 1


def mov_imm(dst: int, imm: int) -> Instruction:
    """``dst = imm``, the s32 sign-extended to 64 bits."""
    return Instruction(BPF_ALU64 | BPF_MOV | BPF_K, dst, imm=imm)


def mov_reg(dst: int, src: int) -> Instruction:
    """``dst = src``."""
    return Instruction(BPF_ALU64 | BPF_MOV | BPF_X, dst, src)


def alu_imm(operation: int, dst: int, imm: int, *, bits: int = 64, off: int = 0) -> Instruction:
    """``dst = dst <operation> imm``; ``off`` 1 makes division signed (cpu v4)."""
    return Instruction(_alu(bits) | operation | BPF_K, dst, off=off, imm=imm)


def alu_reg(operation: int, dst: int, src: int, *, bits: int = 64, off: int = 0) -> Instruction:
    """``dst = dst <operation> src``; ``off`` 1 makes division signed (cpu v4)."""
    return Instruction(_alu(bits) | operation | BPF_X, dst, src, off)


def load(size: int, dst: int, src: int, off: int = 0) -> Instruction:
    """``dst = *(size *)(src + off)``, zero-extended."""
    return Instruction(BPF_LDX | BPF_MEM | size, dst, src, off)


def store(size: int, dst: int, off: int, src: int) -> Instruction:
    """``*(size *)(dst + off) = src``."""
    return Instruction(BPF_STX | BPF_MEM | size, dst, src, off)


def store_imm(size: int, dst: int, off: int, imm: int) -> Instruction:
    """``*(size *)(dst + off) = imm``."""
    return Instruction(BPF_ST | BPF_MEM | size, dst, off=off, imm=imm)


def atomic(operation: int, size: int, dst: int, off: int, src: int) -> Instruction:
    """An atomic read-modify-write of ``*(size *)(dst + off)`` with ``src``."""
    return Instruction(BPF_STX | BPF_ATOMIC | size, dst, src, off, operation)


def load_imm64(dst: int, value: int) -> Instruction:
    """``dst = value``, any s64 or u64."""
    return Instruction(LD_IMM64, dst, imm=value & _U64)


def load_map(dst: int, number: int) -> Instruction:
    """``dst`` = the map behind the descriptor number."""
    return Instruction(LD_IMM64, dst, BPF_PSEUDO_MAP_FD, imm=number)


def load_map_value(dst: int, number: int, offset: int = 0) -> Instruction:
    """``dst`` = address of byte ``offset`` of the first value of an array map."""
    return Instruction(LD_IMM64, dst, BPF_PSEUDO_MAP_VALUE, imm=number | offset << 32)


def call_helper(number: int) -> Instruction:
    """Call the helper with that ``BPF_FUNC_*`` number."""
    return Instruction(CALL, imm=number)


def call_kfunc(btf_id: int, module_index: int = 0) -> Instruction:
    """Call a kernel function; the index counts the BTF descriptors in ``fd_array``."""
    return Instruction(CALL, src=BPF_PSEUDO_KFUNC_CALL, off=module_index, imm=btf_id)


def call_local(distance: int) -> Instruction:
    """Call the function of this program ``distance`` slots after the next one."""
    return Instruction(CALL, src=BPF_PSEUDO_CALL, imm=distance)


def jump(distance: int) -> Instruction:
    """``goto +distance`` slots, counted from the next one."""
    return Instruction(BPF_JMP | BPF_JA, off=distance)


def jump_imm(condition: int, dst: int, imm: int, distance: int, *, bits: int = 64) -> Instruction:
    """``if dst <condition> imm goto +distance``."""
    return Instruction(_jmp(bits) | condition | BPF_K, dst, off=distance, imm=imm)


def jump_reg(condition: int, dst: int, src: int, distance: int, *, bits: int = 64) -> Instruction:
    """``if dst <condition> src goto +distance``."""
    return Instruction(_jmp(bits) | condition | BPF_X, dst, src, distance)


def exit_() -> Instruction:
    """Return r0 to the caller."""
    return Instruction(EXIT)


def _alu(bits: int) -> int:
    return BPF_ALU64 if bits == 64 else BPF_ALU


def _jmp(bits: int) -> int:
    return BPF_JMP if bits == 64 else BPF_JMP32
