"""bcc's module ``disassembler``: a program's instructions, and how a table's keys and values lie in memory.

`syscast.asm.disassemble` is what syscast itself shows; the texts here are those that scripts for bcc know.
"""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, cast

from syscast.asm import opcodes as op
from syscast.asm.disassemble import ALU, JUMP
from syscast.asm.instruction import Instruction, decode
from syscast.bcc.maptypes import get_table_type_name
from syscast.ir.helpers import HELPERS

if TYPE_CHECKING:
    from _ctypes import _CData as CData
    from typing import ClassVar, Protocol

    from syscast.bcc.arguments import Name
    from syscast.bcc.structs import CType

    class MapObject(Protocol):
        """A table."""

        map_fd: int
        map_id: int
        ttype: int
        Leaf: CType


_ALU = ALU | {op.BPF_END: "endian"}
_BITWISE = frozenset({op.BPF_OR, op.BPF_AND, op.BPF_XOR})
_SIZES = {op.BPF_W: "u32", op.BPF_H: "u16", op.BPF_B: "u8", op.BPF_DW: "u64"}
_NAMES = {info.number: f"bpf_{info.name}" for info in HELPERS.values()}
_PSEUDO_CALL = 1


class BPFDecoder:
    """Text of single instructions."""

    BPF_PSEUDO_CALL = _PSEUDO_CALL
    bpf_helpers: ClassVar[list[str]] = [
        _NAMES.get(number, "unspec") for number in range(max(_NAMES) + 1)
    ]

    @classmethod
    def decode(cls, i: int, w: int, w1: int | None) -> tuple[str, int]:
        """An instruction's line and how many slots it takes.

        Args:
            i: Its slot in the program.
            w: Its eight bytes as u64.
            w1: Those of the slot behind it, where there is one.
        """
        data = w.to_bytes(8, "little") + (w1 or 0).to_bytes(8, "little")
        wide = data[0] == op.LD_IMM64
        one = next(iter(decode(data[: 16 if wide else 8])))
        return _line(i, one), one.slots


def disassemble_instruction(i: int, w0: int, w1: int | None = None) -> tuple[str, int]:
    """An instruction's line and how many slots it takes; see `BPFDecoder.decode`."""
    return BPFDecoder.decode(i, w0, w1)


def disassemble_str(bpfstr: bytes) -> list[str]:
    """One line for each instruction: ``   0: (b7) r0 = 1``."""
    lines = []
    slot = 0
    for one in decode(bpfstr):
        lines.append(_line(slot, one))
        slot += one.slots
    return lines


def disassemble_prog(func_name: Name, bpfstr: bytes) -> str:
    """A program's instructions under its name."""
    name = func_name if isinstance(func_name, str) else os.fsdecode(bytes(func_name))
    return "\n".join([f"Disassemble of BPF program {name}:", *disassemble_str(bpfstr)])


def _line(slot: int, one: Instruction) -> str:
    return f"{slot:4d}: ({one.opcode:02x}) {_text(slot, one)}"


def _text(slot: int, one: Instruction) -> str:
    kind = one.opcode & op.CLASS_MASK
    if kind in {op.BPF_ALU, op.BPF_ALU64}:
        return _arithmetic(one)
    if kind in {op.BPF_JMP, op.BPF_JMP32}:
        return _jump(slot, one)
    return _memory(one, kind)


def _arithmetic(one: Instruction) -> str:
    operation = one.opcode & op.OPERATION_MASK
    if operation == op.BPF_NEG:
        bits = 64 if one.opcode & op.CLASS_MASK == op.BPF_ALU64 else 32
        return f"r{one.dst} = ~ (u{bits})r{one.dst}"
    sign = _ALU.get(operation)
    if sign is None:
        return f"unknown <{one.opcode:02x}>"
    if one.opcode & op.SOURCE_MASK:
        return f"r{one.dst} {sign} r{one.src}"
    number = f"0x{one.imm & 0xFFFFFFFF:x}" if operation in _BITWISE else f"{one.imm}"
    return f"r{one.dst} {sign} {number}"


def _jump(slot: int, one: Instruction) -> str:
    operation = one.opcode & op.OPERATION_MASK
    if operation == op.BPF_EXIT:
        return "exit"
    if operation == op.BPF_CALL:
        if one.src == _PSEUDO_CALL:
            return f"call pc{one.imm:+d} <{slot + one.imm + 1}>"
        return f"call {_NAMES.get(one.imm, 'unknown')}#{one.imm}"
    narrow = one.opcode & op.CLASS_MASK == op.BPF_JMP32
    if operation == op.BPF_JA:
        distance = one.imm if narrow else one.off
        return f"goto {distance:+d} <{slot + distance + 1}>"
    sign = JUMP.get(operation)
    if sign is None:
        return f"unknown <{one.opcode:02x}>"
    cast_to = "(u32)" if narrow else ""
    other = f"{cast_to}r{one.src}" if one.opcode & op.SOURCE_MASK else f"{one.imm}"
    return f"if {cast_to}r{one.dst} {sign} {other} goto pc{one.off:+d} <{slot + one.off + 1}>"


def _memory(one: Instruction, kind: int) -> str:
    if one.opcode == op.LD_IMM64:
        return _wide(one)
    size = _SIZES[one.opcode & op.SIZE_MASK]
    place = f"*({size}*)(r{one.dst} {one.off:+d})"
    mode = one.opcode & op.MODE_MASK
    texts = {
        (op.BPF_LD, op.BPF_ABS): f"r0 = *({size}*)skb[{one.imm}]",
        (op.BPF_LD, op.BPF_IND): f"r0 = *({size}*)skb[r{one.src} {one.imm:+d}]",
        (op.BPF_LDX, op.BPF_MEM): f"r{one.dst} = *({size}*)(r{one.src} {one.off:+d})",
        (op.BPF_LDX, op.BPF_MEMSX): f"r{one.dst} = *(s{size[1:]}*)(r{one.src} {one.off:+d})",
        (op.BPF_ST, op.BPF_MEM): f"{place} = {one.imm}",
        (op.BPF_STX, op.BPF_MEM): f"{place} = r{one.src}",
    }
    if (kind, mode) == (op.BPF_STX, op.BPF_ATOMIC):
        sign = _ALU.get(one.imm & ~op.BPF_FETCH, f"atomic 0x{one.imm:x}")
        return f"lock {place} {sign} r{one.src}"
    return texts.get((kind, mode), f"unknown <{one.opcode:02x}>")


def _wide(one: Instruction) -> str:
    if one.src in {op.BPF_PSEUDO_MAP_FD, op.BPF_PSEUDO_MAP_VALUE}:
        return f"r{one.dst} = <map at fd #{one.imm & 0xFFFFFFFF}>"
    return f"r{one.dst} = 0x{one.imm & (1 << 64) - 1:x}"


class MapDecoder:
    """Text of a table's types."""

    # By the code of the ctypes class; `c_ulong` and `c_ulonglong` are one class here.
    ctype2str: ClassVar[dict[type, str]] = {
        ctypes.c_bool: "_Bool",
        ctypes.c_char: "char",
        ctypes.c_wchar: "wchar_t",
        ctypes.c_byte: "signed char",
        ctypes.c_ubyte: "unsigned char",
        ctypes.c_short: "short",
        ctypes.c_ushort: "unsigned short",
        ctypes.c_int: "int",
        ctypes.c_uint: "unsigned int",
        ctypes.c_longlong: "long long",
        ctypes.c_ulonglong: "unsigned long long",
        ctypes.c_float: "float",
        ctypes.c_double: "double",
        ctypes.c_void_p: "void *",
        ctypes.c_char_p: "char *",
    }

    @classmethod
    def get_ct_name(cls, t: type) -> str:
        """C's name of a ctypes class."""
        if issubclass(t, ctypes.Union):
            return "union"
        if issubclass(t, ctypes.Structure):
            return "struct"
        return cls.ctype2str.get(t, t.__name__)

    @classmethod
    def format_size_info(
        cls, offset: int, size: int, enabled: bool = False, bitoffset: int | None = None
    ) -> str:
        """Where a member lies, ``[8   +4] ``, in bytes; of bit fields with the bit behind a colon."""
        if not enabled:
            return ""
        if bitoffset is not None:
            return f"[{f'{offset}:{bitoffset}':<5} +{size}] "
        return f"[{offset:<5} +{size}] "

    @classmethod
    def print_ct_map(
        cls, t: type, indent: str = "", offset: int = 0, sizeinfo: bool = False
    ) -> str:
        """The members of a struct or union, one line each."""
        lines = []
        for name, kind, *bits in cast("list[tuple[str, type, int]]", t._fields_):  # type: ignore[attr-defined]
            place = getattr(t, name)
            at = offset + place.offset
            if bits:
                info = cls.format_size_info(at, bits[0], sizeinfo, place.size & 0xFFFF)
                lines.append(f"{indent}  {info}{cls.get_ct_name(kind)} {name}:{bits[0]};")
            else:
                lines.append(cls._member(kind, name, f"{indent}  ", at, sizeinfo))
        return "\n".join(lines)

    @classmethod
    def print_map_ctype(cls, t: type, field_name: str, sizeinfo: bool) -> str:
        """A key or value."""
        return cls._member(t, field_name, "  ", 0, sizeinfo)

    @classmethod
    def _member(cls, t: type, name: str, indent: str, offset: int, sizeinfo: bool) -> str:
        dimensions = ""
        inner: type = t
        while issubclass(inner, ctypes.Array):
            dimensions += f"[{cast('int', inner._length_)}]"
            inner = cast("type", inner._type_)
        info = cls.format_size_info(offset, ctypes.sizeof(cast("type[CData]", t)), sizeinfo)
        if not issubclass(inner, (ctypes.Structure, ctypes.Union)):
            return f"{indent}{info}{cls.get_ct_name(inner)} {name}{dimensions};"
        body = cls.print_ct_map(inner, indent, offset, sizeinfo)
        return f"{indent}{info}{cls.get_ct_name(inner)} {{\n{body}\n{indent}}} {name}{dimensions};"

    @classmethod
    def decode_map(
        cls, map_name: str, map_obj: MapObject, map_type: int | str, sizeinfo: bool = False
    ) -> str:
        """How a table's keys and values lie in memory.

        Args:
            map_name: The table's name.
            map_obj: The table.
            map_type: ``BPF_MAP_TYPE_*``, or bcc's word for the table, for which its map's type is shown.
            sizeinfo: Show offsets and sizes.
        """
        number = map_type if isinstance(map_type, int) else map_obj.ttype
        kind = get_table_type_name(number)
        where = f"FD {map_obj.map_fd}, ID {map_obj.map_id}"
        lines = [f"Layout of BPF map {map_name} (type {kind}, {where}):"]
        key: CType | None = getattr(map_obj, "Key", None)
        if key is not None:
            lines.append(cls.print_map_ctype(key, "key", sizeinfo))
        lines.append(cls.print_map_ctype(map_obj.Leaf, "value", sizeinfo))
        return "\n".join(lines)


def decode_map(
    map_name: str, map_obj: MapObject, map_type: int | str, sizeinfo: bool = False
) -> str:
    """How a table's keys and values lie in memory; see `MapDecoder.decode_map`."""
    return MapDecoder.decode_map(map_name, map_obj, map_type, sizeinfo)
