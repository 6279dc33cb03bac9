"""Numbers of the BPF instruction set, under the kernel's names (include/uapi/linux/bpf.h).

An opcode byte is ``class | source | operation`` for arithmetic and jumps, and
``class | size | mode`` for loads and stores.
"""

from __future__ import annotations

# Instruction classes: the low three bits.
BPF_LD = 0x00
BPF_LDX = 0x01
BPF_ST = 0x02
BPF_STX = 0x03
BPF_ALU = 0x04
BPF_JMP = 0x05
BPF_JMP32 = 0x06
BPF_ALU64 = 0x07
CLASS_MASK = 0x07

# Operand source of arithmetic and jumps.
BPF_K = 0x00
BPF_X = 0x08
SOURCE_MASK = 0x08
OPERATION_MASK = 0xF0

# Arithmetic operations.
BPF_ADD = 0x00
BPF_SUB = 0x10
BPF_MUL = 0x20
BPF_DIV = 0x30
BPF_OR = 0x40
BPF_AND = 0x50
BPF_LSH = 0x60
BPF_RSH = 0x70
BPF_NEG = 0x80
BPF_MOD = 0x90
BPF_XOR = 0xA0
BPF_MOV = 0xB0
BPF_ARSH = 0xC0
BPF_END = 0xD0

# BPF_END keeps its direction in the source bit.
BPF_TO_LE = 0x00
BPF_TO_BE = 0x08

# Jump operations.
BPF_JA = 0x00
BPF_JEQ = 0x10
BPF_JGT = 0x20
BPF_JGE = 0x30
BPF_JSET = 0x40
BPF_JNE = 0x50
BPF_JSGT = 0x60
BPF_JSGE = 0x70
BPF_CALL = 0x80
BPF_EXIT = 0x90
BPF_JLT = 0xA0
BPF_JLE = 0xB0
BPF_JSLT = 0xC0
BPF_JSLE = 0xD0
BPF_JCOND = 0xE0

# Access sizes of loads and stores.
BPF_W = 0x00
BPF_H = 0x08
BPF_B = 0x10
BPF_DW = 0x18
SIZE_MASK = 0x18

# Access modes of loads and stores.
BPF_IMM = 0x00
BPF_ABS = 0x20
BPF_IND = 0x40
BPF_MEM = 0x60
BPF_MEMSX = 0x80
BPF_ATOMIC = 0xC0
MODE_MASK = 0xE0

# Atomic operations, in imm, besides BPF_ADD, BPF_OR, BPF_AND and BPF_XOR.
BPF_FETCH = 0x01
BPF_XCHG = 0xE1
BPF_CMPXCHG = 0xF1
BPF_LOAD_ACQ = 0x100
BPF_STORE_REL = 0x110

# What the src register of a 64-bit immediate load means.
BPF_PSEUDO_MAP_FD = 1
BPF_PSEUDO_MAP_VALUE = 2
BPF_PSEUDO_BTF_ID = 3
BPF_PSEUDO_FUNC = 4
BPF_PSEUDO_MAP_IDX = 5
BPF_PSEUDO_MAP_IDX_VALUE = 6

# What the src register of a call means.
BPF_PSEUDO_CALL = 1
BPF_PSEUDO_KFUNC_CALL = 2

LD_IMM64 = BPF_LD | BPF_DW | BPF_IMM
CALL = BPF_JMP | BPF_CALL
CALLX = BPF_JMP | BPF_CALL | BPF_X
EXIT = BPF_JMP | BPF_EXIT

# Registers by their role in the calling convention.
R0 = 0  # return value
R1 = 1  # first argument, and the context on entry
R2 = 2
R3 = 3
R4 = 4
R5 = 5  # last argument
R6 = 6  # R6 to R9 survive calls
R7 = 7
R8 = 8
R9 = 9
R10 = 10  # frame pointer, read only
