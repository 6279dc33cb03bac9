"""Packets: members of the structs of ``bcc/proto.h``, and the functions that load and store bytes of a packet.

A pointer to such a struct is an offset in the packet, not an address. Its members are in network byte order, bit
fields counted from the highest bit of a byte; reading one ends the program where the packet is shorter.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from syscast.frontend.c.byteorder import swapped
from syscast.frontend.c.conversions import number as constant
from syscast.frontend.c.dialect import context, counted, number
from syscast.frontend.c.types import (
    INT,
    LONG,
    UNSIGNED_CHAR,
    UNSIGNED_INT,
    UNSIGNED_LONG,
    UNSIGNED_LONG_LONG,
    UNSIGNED_SHORT,
    BitField,
)
from syscast.frontend.c.values import CValue
from syscast.ir import ops
from syscast.ir.types import U64, Const

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pycparser import c_ast

    from syscast.frontend.c.lowering import Handler, Lowering
    from syscast.frontend.c.types import CType
    from syscast.frontend.c.values import Place
    from syscast.ir.types import Value

_WORD = UNSIGNED_LONG_LONG
_LOADS: dict[str, tuple[int, CType]] = {
    "load_byte": (1, UNSIGNED_CHAR),
    "load_half": (2, UNSIGNED_SHORT),
    "load_word": (4, UNSIGNED_INT),
    "load_dword": (8, UNSIGNED_LONG),
}
_STORES = {
    "bpf_store_byte": 1,
    "bpf_store_half": 2,
    "bpf_store_word": 4,
    "bpf_store_dword": 8,
}


def handlers() -> dict[str, Handler]:
    """What lowers calls of the functions on packets, by name."""
    made: dict[str, Handler] = {
        "bpf_dext_pkt": _extract,
        "bpf_dins_pkt": _insert,
        "incr_cksum_l3": partial(_checksum, "l3_csum_replace"),
        "incr_cksum_l4": partial(_checksum, "l4_csum_replace"),
    }
    for name, (size, ctype) in _LOADS.items():
        made[name] = partial(_load, name, size, ctype)
    for name, size in _STORES.items():
        made[name] = partial(_store, name, size)
    return made


# ---------------------------------------------------------------- members


def load_member(low: Lowering, place: Place) -> CValue:
    """Read a member of a packet's struct."""
    at, bits, width = _whereabouts(low, place)
    return low.convert(_bits(low, at, bits, width), place.ctype)


def store_member(low: Lowering, place: Place, value: CValue) -> CValue:
    """Write a member of a packet's struct; gives the value."""
    at, bits, width = _whereabouts(low, place)
    value = low.convert(value, place.ctype)
    _put_bits(low, at, bits, width, value)
    return value


def _whereabouts(low: Lowering, place: Place) -> tuple[CValue, int, int]:
    """Byte in the packet, bits from its highest one, width in bits."""
    assert place.ptr is not None
    bits = place.bits or BitField(0, place.ctype.size, 0, 8 * place.ctype.size)
    first = 8 * bits.offset + bits.shift
    base = CValue(UNSIGNED_LONG, low.convert_to(place.ptr, U64))
    at = low.binary("+", base, constant(place.offset + first // 8, UNSIGNED_LONG))
    return at, first % 8, bits.width


def _chunks(size: int) -> Iterator[tuple[int, int]]:
    """Offset and size of the loads that read some bytes."""
    done = 0
    while done < size:
        now = next(each for each in (4, 2, 1) if each <= size - done)
        yield done, now
        done += now


def _bytes(low: Lowering, at: CValue, size: int) -> CValue:
    """Up to 8 bytes of the packet as a number."""
    total = constant(0, _WORD)
    for offset, now in _chunks(size):
        result = low.reg(U64)
        place = low.binary("+", at, constant(offset, UNSIGNED_LONG)).made
        low.emit(ops.PacketLoad(result, place, now))
        shifted = low.binary("<<", total, constant(8 * now)) if offset else total
        total = low.binary("|", shifted, CValue(_WORD, result))
    return total


def _bits(low: Lowering, at: CValue, bits: int, width: int) -> CValue:
    size = (bits + width + 7) // 8
    if size > 8:
        low.error(None, "a packet's field that spans nine bytes")
    found = _bytes(low, at, size)
    if 8 * size - bits - width:
        found = low.binary(">>", found, constant(8 * size - bits - width))
    if bits or width % 8:
        found = low.binary("&", found, constant((1 << width) - 1, _WORD))
    return found


def _put_bits(low: Lowering, at: CValue, bits: int, width: int, value: CValue) -> None:
    size = (bits + width + 7) // 8
    if size > 8:
        low.error(None, "a packet's field that spans nine bytes")
    mask = (1 << width) - 1
    behind = 8 * size - bits - width
    new = low.binary("&", low.convert(value, _WORD), constant(mask, _WORD))
    if width != 8 * size:
        kept = constant(~(mask << behind) & (1 << 8 * size) - 1, _WORD)
        old = low.binary("&", _bytes(low, at, size), kept)
        new = low.binary("|", low.binary("<<", new, constant(behind)), old)
    _put(low, at.made, size, new)


def _put(low: Lowering, at: Value, size: int, value: CValue) -> CValue:
    """Store the lowest bytes of a number in network order."""
    shifted = low.binary("<<", value, constant(64 - 8 * size)) if size < 8 else value
    place = low.spilled(swapped(low, shifted, 64), "bytes")
    args = (context(low), at, low.pointer(place), Const(size, U64), Const(0, U64))
    return low.helper("skb_store_bytes", args, LONG)


# ---------------------------------------------------------------- functions


def _load(name: str, size: int, ctype: CType, low: Lowering, call: c_ast.FuncCall) -> CValue:
    _, at = counted(low, call, name, "skb, offset", (2,))
    place = CValue(UNSIGNED_LONG, number(low, at))
    return low.convert(_bytes(low, place, size), ctype)


def _store(name: str, size: int, low: Lowering, call: c_ast.FuncCall) -> CValue:
    _, at, value = counted(low, call, name, "skb, offset, value", (3,))
    place = number(low, at)
    return _put(low, place, size, low.convert(low.integer(value), _WORD))


def _extract(low: Lowering, call: c_ast.FuncCall) -> CValue:
    usage = "pkt, offset, bit_offset, bits"
    _, at, bits, width = counted(low, call, "bpf_dext_pkt", usage, (4,))
    first = low.needed_constant(bits, "the bit's offset")
    count = low.needed_constant(width, "the number of bits")
    return _bits(low, CValue(UNSIGNED_LONG, number(low, at)), first, count)


def _insert(low: Lowering, call: c_ast.FuncCall) -> CValue:
    usage = "pkt, offset, bit_offset, bits, value"
    _, at, bits, width, value = counted(low, call, "bpf_dins_pkt", usage, (5,))
    first = low.needed_constant(bits, "the bit's offset")
    count = low.needed_constant(width, "the number of bits")
    given = low.convert(low.integer(value), _WORD)
    _put_bits(low, CValue(UNSIGNED_LONG, number(low, at)), first, count, given)
    return given


def _checksum(helper: str, low: Lowering, call: c_ast.FuncCall) -> CValue:
    """Replace a value in a checksum: host order in, as wide as the new value; the fourth argument says pseudo header."""
    transport = helper.startswith("l4")
    usage = "offset, old, new" + ", pseudo_header" * transport
    name = "incr_cksum_l4" if transport else "incr_cksum_l3"
    at, old, new, *pseudo = counted(low, call, name, usage, (4,) if transport else (3,))
    size = low.type_of(new).size
    place = number(low, at)
    before, after = (_network(low, low.integer(each), size) for each in (old, new))
    flags = constant(size, UNSIGNED_LONG)
    if pseudo:
        bit = low.binary("&", low.convert(low.integer(pseudo[0]), UNSIGNED_LONG), constant(1))
        flags = low.binary("|", low.binary("<<", bit, constant(4)), flags)
    return low.helper(helper, (context(low), place, before, after, flags.made), INT)


def _network(low: Lowering, value: CValue, size: int) -> Value:
    bits = 8 * size
    made = swapped(low, value, bits) if bits > 8 else low.convert(value, UNSIGNED_CHAR)
    return low.convert_to(made.made, U64)
