"""Instructions as text a person reads: the C-like form of the verifier and of llvm-objdump.

Unknown or reserved encodings never raise: they print as ``.byte`` with their fields, because
this text stands in reports about programs that the kernel refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.asm import opcodes as op
from syscast.asm.instruction import Instruction, decode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ALU = {
    op.BPF_ADD: "+=",
    op.BPF_SUB: "-=",
    op.BPF_MUL: "*=",
    op.BPF_DIV: "/=",
    op.BPF_OR: "|=",
    op.BPF_AND: "&=",
    op.BPF_LSH: "<<=",
    op.BPF_RSH: ">>=",
    op.BPF_MOD: "%=",
    op.BPF_XOR: "^=",
    op.BPF_MOV: "=",
    op.BPF_ARSH: "s>>=",
}
_SIGNED = {op.BPF_DIV: "s/=", op.BPF_MOD: "s%="}
JUMP = {
    op.BPF_JEQ: "==",
    op.BPF_JGT: ">",
    op.BPF_JGE: ">=",
    op.BPF_JSET: "&",
    op.BPF_JNE: "!=",
    op.BPF_JSGT: "s>",
    op.BPF_JSGE: "s>=",
    op.BPF_JLT: "<",
    op.BPF_JLE: "<=",
    op.BPF_JSLT: "s<",
    op.BPF_JSLE: "s<=",
}
_SIZE = {op.BPF_B: 8, op.BPF_H: 16, op.BPF_W: 32, op.BPF_DW: 64}
_ATOMIC = {op.BPF_ADD: "add", op.BPF_OR: "or", op.BPF_AND: "and", op.BPF_XOR: "xor"}
_ATOMIC_SIGN = {op.BPF_ADD: "+=", op.BPF_OR: "|=", op.BPF_AND: "&=", op.BPF_XOR: "^="}
_PSEUDO = {
    op.BPF_PSEUDO_MAP_FD: "map_fd",
    op.BPF_PSEUDO_MAP_VALUE: "map_value",
    op.BPF_PSEUDO_BTF_ID: "ksym",
    op.BPF_PSEUDO_FUNC: "func",
    op.BPF_PSEUDO_MAP_IDX: "map_idx",
    op.BPF_PSEUDO_MAP_IDX_VALUE: "map_idx_value",
}


def disassemble(
    code: bytes | bytearray | memoryview, helpers: Mapping[int, str] | None = None
) -> Iterator[str]:
    """One line per instruction, ``<slot>: <text>``, slots counted as the verifier counts them.

    Args:
        code: Whole instructions.
        helpers: Names by ``BPF_FUNC_*`` number, for calls.
    """
    slot = 0
    for one in decode(code):
        yield f"{slot}: {disassemble_one(one, helpers)}"
        slot += one.slots


def disassemble_one(one: Instruction, helpers: Mapping[int, str] | None = None) -> str:
    """The text of one instruction, without its position."""
    kind = one.opcode & op.CLASS_MASK
    text: str | None
    if kind in {op.BPF_ALU, op.BPF_ALU64}:
        text = _arithmetic(one)
    elif kind in {op.BPF_JMP, op.BPF_JMP32}:
        text = _jump(one, helpers or {})
    else:
        text = _memory(one)
    if text is not None:
        return text
    return f".byte 0x{one.opcode:02x} dst={one.dst} src={one.src} off={one.off} imm={one.imm}"


def _arithmetic(one: Instruction) -> str | None:
    wide = one.opcode & op.CLASS_MASK == op.BPF_ALU64
    letter = "r" if wide else "w"
    dst = f"{letter}{one.dst}"
    operation = one.opcode & op.OPERATION_MASK
    if operation == op.BPF_NEG:
        return f"{dst} = -{dst}"
    if operation == op.BPF_END:
        order = "be" if one.opcode & op.BPF_TO_BE else "le"
        return f"r{one.dst} = {'bswap' if wide else order}{one.imm} r{one.dst}"
    from_register = one.opcode & op.BPF_X
    operand = f"{letter}{one.src}" if from_register else str(one.imm)
    if one.off and operation == op.BPF_MOV and from_register:
        return f"{dst} = (s{one.off}){operand}"
    sign = {0: ALU, 1: _SIGNED}.get(one.off, {}).get(operation)
    return f"{dst} {sign} {operand}" if sign else None


def _jump(one: Instruction, helpers: Mapping[int, str]) -> str | None:
    narrow = one.opcode & op.CLASS_MASK == op.BPF_JMP32
    operation = one.opcode & op.OPERATION_MASK
    if one.opcode == op.CALL:
        return _call(one, helpers)
    plain = {
        op.BPF_JMP | op.BPF_JA: f"goto {one.off:+d}",
        op.BPF_JMP32 | op.BPF_JA: f"gotol {one.imm:+d}",
        op.BPF_JMP | op.BPF_JCOND: f"may_goto {one.off:+d}",
        op.EXIT: "exit",
        op.CALLX: f"callx r{one.dst}",
    }.get(one.opcode)
    sign = JUMP.get(operation)
    if plain or not sign:
        return plain
    letter = "w" if narrow else "r"
    operand = f"{letter}{one.src}" if one.opcode & op.BPF_X else str(one.imm)
    return f"if {letter}{one.dst} {sign} {operand} goto {one.off:+d}"


def _call(one: Instruction, helpers: Mapping[int, str]) -> str:
    if one.src == op.BPF_PSEUDO_CALL:
        return f"call pc{one.imm:+d}"
    if one.src == op.BPF_PSEUDO_KFUNC_CALL:
        return f"call kernel-function#{one.imm}"
    name = helpers.get(one.imm)
    return f"call {name}#{one.imm}" if name else f"call #{one.imm}"


def _memory(one: Instruction) -> str | None:
    kind = one.opcode & op.CLASS_MASK
    mode = one.opcode & op.MODE_MASK
    bits = _SIZE[one.opcode & op.SIZE_MASK]
    if one.opcode == op.LD_IMM64:
        return _wide(one)
    if kind == op.BPF_LD and mode in {op.BPF_ABS, op.BPF_IND}:
        index = f"r{one.src} + " if mode == op.BPF_IND else ""
        return f"r0 = *(u{bits} *)skb[{index}{one.imm}]"
    if kind == op.BPF_LDX and mode in {op.BPF_MEM, op.BPF_MEMSX}:
        sign = "s" if mode == op.BPF_MEMSX else "u"
        return f"r{one.dst} = *({sign}{bits} *)({_place(one.src, one.off)})"
    target = f"*(u{bits} *)({_place(one.dst, one.off)})"
    if mode == op.BPF_MEM and kind in {op.BPF_ST, op.BPF_STX}:
        return f"{target} = {f'r{one.src}' if kind == op.BPF_STX else one.imm}"
    if mode == op.BPF_ATOMIC and kind == op.BPF_STX:
        return _atomic(one, bits, target)
    return None


def _place(register: int, offset: int) -> str:
    return f"r{register} {'-' if offset < 0 else '+'} {abs(offset)}"


def _wide(one: Instruction) -> str:
    if not one.src:
        return f"r{one.dst} = 0x{one.imm:x} ll"
    low, high = one.imm & 0xFFFFFFFF, one.imm >> 32
    name = _PSEUDO.get(one.src, f"pseudo{one.src}")
    return f"r{one.dst} = {name} {low}{f' + {high}' if high else ''} ll"


def _atomic(one: Instruction, bits: int, target: str) -> str | None:
    letter = "r" if bits == 64 else "w"
    pointer = f"(u{bits} *)({_place(one.dst, one.off)})"
    src = f"{letter}{one.src}"
    fixed = {
        op.BPF_XCHG: f"{src} = xchg({pointer}, {src})",
        op.BPF_CMPXCHG: f"{letter}0 = cmpxchg({pointer}, {letter}0, {src})",
        op.BPF_LOAD_ACQ: f"{letter}{one.dst} = load_acquire((u{bits} *)({_place(one.src, one.off)}))",
        op.BPF_STORE_REL: f"store_release({pointer}, {src})",
    }.get(one.imm)
    if fixed is not None:
        return fixed
    operation = one.imm & ~op.BPF_FETCH
    if operation not in _ATOMIC:
        return None
    if one.imm & op.BPF_FETCH:
        return f"{src} = atomic_fetch_{_ATOMIC[operation]}({pointer}, {src})"
    return f"lock {target} {_ATOMIC_SIGN[operation]} {src}"
