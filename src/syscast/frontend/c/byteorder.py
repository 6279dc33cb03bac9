"""Byte order, and the binary logarithm that bcc's histograms are filled by."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from syscast.frontend.c.conversions import constant_of, ir_type
from syscast.frontend.c.conversions import number as constant
from syscast.frontend.c.dialect import counted
from syscast.frontend.c.types import (
    UNSIGNED_INT,
    UNSIGNED_LONG,
    UNSIGNED_LONG_LONG,
    UNSIGNED_SHORT,
    named,
)
from syscast.frontend.c.values import CValue
from syscast.ir import ops

if TYPE_CHECKING:
    from pycparser import c_ast

    from syscast.frontend.c.lowering import Handler, Lowering
    from syscast.frontend.c.types import CType

_NAMES = {
    16: (
        *(
            "ntohs",
            "htons",
            "bpf_ntohs",
            "bpf_htons",
            "__bpf_ntohs",
            "__bpf_htons",
            "___constant_swab16",
        ),
        *("__constant_htons", "__constant_ntohs", "__builtin_bswap16", "swab16", "__swab16"),
        *("be16_to_cpu", "cpu_to_be16", "__be16_to_cpu", "__cpu_to_be16"),
        *("__constant_cpu_to_be16", "__constant_be16_to_cpu"),
    ),
    32: (
        *(
            "ntohl",
            "htonl",
            "bpf_ntohl",
            "bpf_htonl",
            "__bpf_ntohl",
            "__bpf_htonl",
            "___constant_swab32",
        ),
        *("__constant_htonl", "__constant_ntohl", "__builtin_bswap32", "swab32", "__swab32"),
        *("be32_to_cpu", "cpu_to_be32", "__be32_to_cpu", "__cpu_to_be32"),
        *("__constant_cpu_to_be32", "__constant_be32_to_cpu"),
    ),
    64: (
        *("bpf_ntohll", "bpf_htonll", "bpf_be64_to_cpu", "bpf_cpu_to_be64", "___constant_swab64"),
        *("__builtin_bswap64", "swab64", "__swab64"),
        *("be64_to_cpu", "cpu_to_be64", "__be64_to_cpu", "__cpu_to_be64"),
        *("__constant_cpu_to_be64", "__constant_be64_to_cpu"),
    ),
}
_SAME = {
    16: ("le16_to_cpu", "cpu_to_le16", "__le16_to_cpu", "__cpu_to_le16"),
    32: ("le32_to_cpu", "cpu_to_le32", "__le32_to_cpu", "__cpu_to_le32"),
    64: ("le64_to_cpu", "cpu_to_le64", "__le64_to_cpu", "__cpu_to_le64"),
}
_TYPES: dict[int, CType] = {
    16: named(UNSIGNED_SHORT, "u16"),
    32: named(UNSIGNED_INT, "u32"),
    64: named(UNSIGNED_LONG_LONG, "u64"),
}


def handlers() -> dict[str, Handler]:
    """What lowers the calls, by name. Both machines are little-endian."""
    made: dict[str, Handler] = {}
    for bits, names in _NAMES.items():
        made.update(dict.fromkeys(names, partial(_swap, bits)))
    for bits, names in _SAME.items():
        made.update(dict.fromkeys(names, partial(_keep, bits)))
    made["bpf_log2"] = partial(_log2, UNSIGNED_INT, 0)
    made["bpf_log2l"] = partial(_log2, UNSIGNED_LONG, 1)
    return made


def _keep(bits: int, low: Lowering, call: c_ast.FuncCall) -> CValue:
    (node,) = counted(low, call, _name(call), "value", (1,))
    return low.convert(low.integer(node), _TYPES[bits])


def _swap(bits: int, low: Lowering, call: c_ast.FuncCall) -> CValue:
    value = _keep(bits, low, call)
    return swapped(low, value, bits)


def swapped(low: Lowering, value: CValue, bits: int) -> CValue:
    """The value with its bytes reversed, an unsigned integer of 16, 32 or 64 bits."""
    ctype = _TYPES[bits]
    known = constant_of(low.convert(value, ctype))
    if known is not None:
        return constant(int.from_bytes(known.to_bytes(bits // 8, "little"), "big"), ctype)
    result = low.reg(ir_type(ctype))
    low.emit(ops.ByteSwap(result, low.convert(value, ctype).made))
    return CValue(ctype, result)


def _log2(ctype: CType, more: int, low: Lowering, call: c_ast.FuncCall) -> CValue:
    """The number of the highest bit set, 0 for 0 too; ``bpf_log2l`` gives one more, the slot of a histogram."""
    (node,) = counted(low, call, _name(call), "value", (1,))
    value = low.convert(low.integer(node), ctype)
    total = constant(0, ctype)
    for power in (32, 16, 8, 4, 2) if ctype.size == 8 else (16, 8, 4, 2):
        over = low.binary(">", value, constant((1 << power) - 1, ctype))
        shift = low.binary("<<", low.convert(over, ctype), constant(power.bit_length() - 1))
        value = low.binary(">>", value, shift)
        total = low.binary("|", total, shift)
    total = low.binary("|", total, low.binary(">>", value, constant(1)))
    return low.convert(low.binary("+", total, constant(more)), UNSIGNED_INT)


def _name(call: c_ast.FuncCall) -> str:
    name: str = call.name.name
    return name
