from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscast.asm import Instruction, build, encode
from syscast.asm import opcodes as op
from syscast.asm.disassemble import disassemble, disassemble_one
from syscast.errors import FormatError


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (build.mov_imm(0, -1), "r0 = -1"),
        (build.mov_reg(6, 1), "r6 = r1"),
        (build.alu_imm(op.BPF_ADD, 1, 8), "r1 += 8"),
        (build.alu_reg(op.BPF_ARSH, 1, 2), "r1 s>>= r2"),
        (build.alu_reg(op.BPF_MUL, 1, 2, bits=32), "w1 *= w2"),
        (build.alu_reg(op.BPF_DIV, 1, 2, off=1), "r1 s/= r2"),
        (build.alu_imm(op.BPF_MOD, 1, 7, off=1), "r1 s%= 7"),
        (build.alu_reg(op.BPF_MOV, 1, 2, off=8), "r1 = (s8)r2"),
        (Instruction(op.BPF_ALU64 | op.BPF_NEG, 3), "r3 = -r3"),
        (Instruction(op.BPF_ALU | op.BPF_END | op.BPF_TO_BE, 3, imm=16), "r3 = be16 r3"),
        (Instruction(op.BPF_ALU64 | op.BPF_END, 3, imm=64), "r3 = bswap64 r3"),
        (build.load(op.BPF_DW, 0, 1, 8), "r0 = *(u64 *)(r1 + 8)"),
        (build.load(op.BPF_B, 0, 10, -1), "r0 = *(u8 *)(r10 - 1)"),
        (
            Instruction(op.BPF_LDX | op.BPF_MEMSX | op.BPF_W, 0, 1),
            "r0 = *(s32 *)(r1 + 0)",
        ),
        (build.store(op.BPF_DW, 10, -8, 1), "*(u64 *)(r10 - 8) = r1"),
        (build.store_imm(op.BPF_H, 10, -8, 5), "*(u16 *)(r10 - 8) = 5"),
        (build.atomic(op.BPF_ADD, op.BPF_DW, 1, 0, 2), "lock *(u64 *)(r1 + 0) += r2"),
        (
            build.atomic(op.BPF_ADD | op.BPF_FETCH, op.BPF_W, 1, 4, 2),
            "w2 = atomic_fetch_add((u32 *)(r1 + 4), w2)",
        ),
        (build.atomic(op.BPF_XCHG, op.BPF_DW, 1, 0, 2), "r2 = xchg((u64 *)(r1 + 0), r2)"),
        (
            build.atomic(op.BPF_CMPXCHG, op.BPF_DW, 1, 0, 2),
            "r0 = cmpxchg((u64 *)(r1 + 0), r0, r2)",
        ),
        (build.load_imm64(1, 0xFFFFFFFFFF), "r1 = 0xffffffffff ll"),
        (build.load_map(1, 7), "r1 = map_fd 7 ll"),
        (build.load_map_value(1, 7, 16), "r1 = map_value 7 + 16 ll"),
        (build.call_helper(5), "call ktime_get_ns#5"),
        (build.call_helper(999), "call #999"),
        (build.call_kfunc(1234), "call kernel-function#1234"),
        (build.call_local(-3), "call pc-3"),
        (build.jump(3), "goto +3"),
        (Instruction(op.BPF_JMP32 | op.BPF_JA, imm=-70000), "gotol -70000"),
        (build.jump_imm(op.BPF_JSGT, 1, -4, 2), "if r1 s> -4 goto +2"),
        (build.jump_reg(op.BPF_JNE, 1, 2, -2, bits=32), "if w1 != w2 goto -2"),
        (Instruction(op.BPF_LD | op.BPF_ABS | op.BPF_W, imm=4), "r0 = *(u32 *)skb[4]"),
        (build.exit_(), "exit"),
        (Instruction(0xF7, 1, 2, 3, 4), ".byte 0xf7 dst=1 src=2 off=3 imm=4"),
    ],
)
def test_text(one: Instruction, text: str) -> None:
    assert disassemble_one(one, {5: "ktime_get_ns"}) == text


def test_slots_are_counted_as_the_verifier_counts_them() -> None:
    code = encode([build.load_map(1, 3), build.mov_imm(0, 0), build.exit_()])
    assert list(disassemble(code)) == ["0: r1 = map_fd 3 ll", "2: r0 = 0", "3: exit"]


@given(st.binary(max_size=64).filter(lambda code: len(code) % 8 == 0))
def test_every_code_has_a_text(code: bytes) -> None:
    try:
        lines = list(disassemble(code))
    except FormatError:
        return
    assert all(": " in line for line in lines)
