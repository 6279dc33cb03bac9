"""One BPF instruction as a value, and its bytes.

An instruction is one slot of eight bytes (opcode, registers, s16 offset, s32 immediate), little
endian; the 64-bit immediate load alone takes two slots. It is one ``Instruction`` here, with
the second slot's immediate in the upper half of ``imm``.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from syscast.asm.opcodes import LD_IMM64
from syscast.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SLOT = 8
"""Bytes of one instruction slot."""

_SLOT = struct.Struct("<BBhi")
_WIDE = struct.Struct("<BBhiII")
_REGISTER_MAX = 15


class Instruction(NamedTuple):
    """One instruction, with the fields of ``struct bpf_insn``.

    Attributes:
        opcode: u8.
        dst: Destination register, 4 bits.
        src: Source register or the pseudo code of an immediate, 4 bits.
        off: s16: memory offset or jump distance in slots, counted from the next slot.
        imm: s32; for the 64-bit immediate load the two u32 halves as one u64.
    """

    opcode: int
    dst: int = 0
    src: int = 0
    off: int = 0
    imm: int = 0

    @property
    def slots(self) -> int:
        """Slots of eight bytes: 2 for the 64-bit immediate load, else 1."""
        return 2 if self.opcode == LD_IMM64 else 1

    def encode(self) -> bytes:
        """The 8 or 16 bytes of this instruction.

        Raises:
            ValueError: A field does not fit.
        """
        if not (0 <= self.dst <= _REGISTER_MAX and 0 <= self.src <= _REGISTER_MAX):
            raise ValueError(f"instruction 0x{self.opcode:02x}: no such register in {self!r}")
        registers = self.src << 4 | self.dst
        try:
            if self.opcode != LD_IMM64:
                return _SLOT.pack(self.opcode, registers, self.off, self.imm)
            value = self.imm
            low = value & 0xFFFFFFFF
            signed = low - (1 << 32) if low >> 31 else low
            return _WIDE.pack(self.opcode, registers, self.off, signed, 0, value >> 32)
        except struct.error as error:
            raise ValueError(f"instruction 0x{self.opcode:02x}: {error} in {self!r}") from None


def encode(instructions: Iterable[Instruction]) -> bytes:
    """The bytes of a program; raises ValueError where a field does not fit."""
    return b"".join([each.encode() for each in instructions])


def decode_one(code: bytes | bytearray | memoryview, offset: int = 0) -> Instruction:
    """Read the instruction at a byte offset.

    Raises:
        FormatError: The bytes end early, or the second slot of a 64-bit immediate load is not
            one.
    """
    if offset < 0 or offset + SLOT > len(code):
        raise FormatError(f"instructions: read byte {offset}: the code ends at byte {len(code)}")
    opcode, registers, off, imm = _SLOT.unpack_from(code, offset)
    if opcode == LD_IMM64:
        if offset + 2 * SLOT > len(code):
            raise FormatError(
                f"instructions: read byte {offset}: the 64-bit immediate load has no second slot"
            )
        reserved, high = struct.unpack_from("<II", code, offset + SLOT)
        if reserved:
            raise FormatError(
                f"instructions: read byte {offset}: the second slot of a 64-bit immediate load "
                f"has fields set"
            )
        imm = (imm & 0xFFFFFFFF) | high << 32
    return Instruction(opcode, registers & 0xF, registers >> 4, off, imm)


def decode(code: bytes | bytearray | memoryview) -> Iterator[Instruction]:
    """Read a whole program, one instruction at a time; raises FormatError as it meets one."""
    offset = 0
    while offset < len(code):
        one = decode_one(code, offset)
        yield one
        offset += one.slots * SLOT
