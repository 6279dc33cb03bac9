"""Instructions and layouts as scripts for bcc know them."""

from __future__ import annotations

import ctypes as ct
from types import SimpleNamespace

import pytest

from syscast.asm import Instruction, build, encode
from syscast.asm.opcodes import R0, R1
from syscast.bcc.disassembler import (
    BPFDecoder,
    decode_map,
    disassemble_instruction,
    disassemble_prog,
    disassemble_str,
)

LINES = {
    Instruction(0x07, 1, 0, 0, -5): "(07) r1 += -5",
    Instruction(0x0C, 1, 2): "(0c) r1 += r2",
    Instruction(0x05, 0, 0, 3): "(05) goto +3 <4>",
    Instruction(0x15, 1, 0, -2, 9): "(15) if r1 == 9 goto pc-2 <-1>",
    Instruction(0x1D, 1, 2, 4): "(1d) if r1 == r2 goto pc+4 <5>",
    Instruction(0x28, 0, 0, 0, 12): "(28) r0 = *(u16*)skb[12]",
    Instruction(0x50, 0, 3, 0, -1): "(50) r0 = *(u8*)skb[r3 -1]",
    Instruction(0x47, 1, 0, 0, -1): "(47) r1 |= 0xffffffff",
    Instruction(0x61, 1, 2, 8): "(61) r1 = *(u32*)(r2 +8)",
    Instruction(0x7A, 10, 0, -8, 7): "(7a) *(u64*)(r10 -8) = 7",
    Instruction(0x7B, 10, 1, -8): "(7b) *(u64*)(r10 -8) = r1",
    Instruction(0xDB, 1, 2, 0, 0): "(db) lock *(u64*)(r1 +0) += r2",
    Instruction(0x87, 3): "(87) r3 = ~ (u64)r3",
    Instruction(0x84, 3): "(84) r3 = ~ (u32)r3",
    Instruction(0x97, 1, 0, 0, 10): "(97) r1 %= 10",
    Instruction(0xA5, 1, 0, 1, 10): "(a5) if r1 < 10 goto pc+1 <2>",
    Instruction(0x6D, 1, 2, 1): "(6d) if r1 s> r2 goto pc+1 <2>",
    Instruction(0x16, 1, 0, 1, 2): "(16) if (u32)r1 == 2 goto pc+1 <2>",
    Instruction(0xC7, 1, 0, 0, 3): "(c7) r1 s>>= 3",
    Instruction(0x85, 0, 0, 0, 1): "(85) call bpf_map_lookup_elem#1",
    Instruction(0x85, 0, 1, 0, 5): "(85) call pc+5 <6>",
    Instruction(0x18, 1, 1, 0, 7): "(18) r1 = <map at fd #7>",
    Instruction(0x18, 1, 0, 0, 0x1234567890): "(18) r1 = 0x1234567890",
    Instruction(0xDC, 1, 2, 0, 16): "(dc) r1 endian r2",
    Instruction(0x95): "(95) exit",
    Instruction(0xF6, 1): "(f6) unknown <f6>",
}


@pytest.mark.parametrize("one", LINES)
def test_every_form(one):
    assert disassemble_str(one.encode()) == [f"   0: {LINES[one]}"]


def test_programs():
    code = encode([build.load_imm64(R1, 5), build.mov_imm(R0, 1), build.exit_()])
    assert disassemble_prog(b"test_func", code) == (
        "Disassemble of BPF program test_func:\n"
        "   0: (18) r1 = 0x5\n"
        "   2: (b7) r0 = 1\n"
        "   3: (95) exit"
    )


def test_single_instructions():
    slots = [int.from_bytes(build.mov_imm(R0, 1).encode(), "little")]
    assert disassemble_instruction(3, slots[0]) == ("   3: (b7) r0 = 1", 1)
    wide = build.load_imm64(R1, 1 << 40).encode()
    words = [int.from_bytes(wide[:8], "little"), int.from_bytes(wide[8:], "little")]
    assert BPFDecoder.decode(0, *words) == ("   0: (18) r1 = 0x10000000000", 2)
    assert BPFDecoder.bpf_helpers[1] == "bpf_map_lookup_elem"


class Inner(ct.Structure):
    _fields_ = (("c", ct.c_int, 4), ("d", ct.c_int, 8))


class Key(ct.Structure):
    _pack_ = 1
    _fields_ = (("a", ct.c_int), ("b", ct.c_short), ("e", Inner), ("comm", ct.c_char * 16))


def test_layouts():
    table = SimpleNamespace(map_fd=3, map_id=0, ttype=1, Key=Key, Leaf=ct.c_ulonglong)
    assert decode_map("test_map", table, 1) == (
        "Layout of BPF map test_map (type HASH, FD 3, ID 0):\n"
        "  struct {\n"
        "    int a;\n"
        "    short b;\n"
        "    struct {\n"
        "      int c:4;\n"
        "      int d:8;\n"
        "    } e;\n"
        "    char comm[16];\n"
        "  } key;\n"
        "  unsigned long long value;"
    )
    assert "(type HASH," in decode_map("test_map", table, "histogram")
    sizes = decode_map("test_map", table, 1, sizeinfo=True)
    assert "    [4     +2] short b;" in sizes
    assert "      [6:4   +8] int d:8;" in sizes


def test_layouts_without_keys():
    table = SimpleNamespace(map_fd=4, map_id=1, ttype=22, Leaf=ct.c_uint)
    assert decode_map("q", table, "queue") == (
        "Layout of BPF map q (type QUEUE, FD 4, ID 1):\n  unsigned int value;"
    )
