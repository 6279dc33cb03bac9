"""Numbers as text: digits by arithmetic on whole words, without a branch.

Eight digits at a time are made in the bytes of one u64, and leading zeros counted in it. A loop
over digits would do, but each of its exits would be a path of its own for the verifier, for
everything that follows. Numbers never leave ``0`` to ``2**64 - 1`` here; signs are the caller's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.ir.ops import Binary, BinaryOp, ByteSwap, Masked, Offset, Store
from syscast.ir.types import U64, Const, PtrType, Value

if TYPE_CHECKING:
    import ast

    from syscast.frontend.python.context import Lowering

_WORD = 8
_ALL = (1 << 64) - 1
_LOW = 0x0101010101010101
_TEN_8 = 10**_WORD


class Digits(msgspec.Struct, frozen=True):
    """Digits in a buffer, right-justified, with zeros before them and a NUL behind.

    Attributes:
        address: Of the buffer.
        room: Digits that the buffer has.
        start: u64 offset of the first digit that counts.
    """

    address: Value
    room: int
    start: Value


class _Words:
    """Arithmetic on u64 that wraps."""

    def __init__(self, low: Lowering, node: ast.AST) -> None:
        self._low = low
        self._span = low.span(node)

    def do(self, op: BinaryOp, a: Value, b: Value | int) -> Value:
        other = Const(b & _ALL, U64) if isinstance(b, int) else b
        result = self._low.reg(U64)
        self._low.add(Binary(result, op, a, other, span=self._span))
        return result

    def add(self, a: Value, b: Value | int) -> Value:
        return self.do(BinaryOp.ADD, a, b)

    def sub(self, a: Value, b: Value | int) -> Value:
        return self.do(BinaryOp.SUB, a, b)

    def mul(self, a: Value, b: Value | int) -> Value:
        return self.do(BinaryOp.MUL, a, b)

    def div(self, a: Value, b: int) -> Value:
        return self.do(BinaryOp.UDIV, a, b)

    def left(self, a: Value, b: int) -> Value:
        return self.do(BinaryOp.SHL, a, b)

    def right(self, a: Value, b: int) -> Value:
        return self.do(BinaryOp.LSHR, a, b)

    def mask(self, a: Value, b: Value | int) -> Value:
        return self.do(BinaryOp.AND, a, b)

    def either(self, a: Value, b: Value | int) -> Value:
        return self.do(BinaryOp.OR, a, b)

    def flip(self, a: Value, b: Value | int) -> Value:
        return self.do(BinaryOp.XOR, a, b)

    def hidden(self, a: Value) -> Value:
        """The same, out of LLVM's sight, which would make a comparison and so a branch of it."""
        result = self._low.reg(U64)
        self._low.add(Masked(result, a, _ALL, span=self._span))
        return result

    def swapped(self, a: Value) -> Value:
        result = self._low.reg(U64)
        self._low.add(ByteSwap(result, a, span=self._span))
        return result


def magnitude(low: Lowering, node: ast.AST, value: Value) -> tuple[Value, Value]:
    """The absolute value of an i64's bits, and 1 where it is negative, else 0."""
    words = _Words(low, node)
    negative = words.hidden(words.right(value, 63))
    ones = words.sub(Const(0, U64), negative)
    return words.add(words.flip(value, ones), negative), negative


def decimal(low: Lowering, node: ast.AST, value: Value, most: int, least: int = 0) -> Digits:
    """A number of at most ``most`` in decimal, with room for at least ``least`` digits."""
    words = _Words(low, node)
    parts = [value]
    limit = most
    while limit >= _TEN_8 or _WORD * len(parts) < least:
        upper = words.div(parts[0], _TEN_8)
        lower = words.sub(parts[0], words.mul(upper, _TEN_8))
        parts[:1] = [upper, lower]
        limit //= _TEN_8
    digits = [_eight_digits(words, part) for part in parts]
    texts = [words.either(each, 0x30 * _LOW) for each in digits]
    return _stored(low, node, digits, texts)


def _eight_digits(words: _Words, number: Value) -> Value:
    """A number below 10**8 as eight bytes of 0 to 9, the first digit in the lowest byte.

    By halves: two numbers below 10**4, four below 100, eight below 10, each division a
    multiplication that cannot reach the next field.
    """
    thousands = words.div(number, 10000)
    rest = words.sub(number, words.mul(thousands, 10000))
    pair = words.either(thousands, words.left(rest, 32))
    top = words.mask(words.right(words.mul(pair, 10486), 20), 0x7F0000007F)
    bottom = words.sub(pair, words.mul(top, 100))
    hundreds = words.add(words.left(bottom, 16), top)
    tens = words.mask(words.right(words.mul(hundreds, 103), 10), 0x000F000F000F000F)
    ones = words.sub(hundreds, words.mul(tens, 10))
    return words.add(tens, words.left(ones, 8))


def hexadecimal(
    low: Lowering, node: ast.AST, value: Value, most: int, least: int = 0, *, upper: bool
) -> Digits:
    """A number of at most ``most`` in hexadecimal, with room for at least ``least`` digits."""
    words = _Words(low, node)
    parts = [value]
    if most >> 32:
        parts = [words.right(value, 32), words.mask(value, 0xFFFFFFFF)]
    while _WORD * len(parts) < least:
        parts.insert(0, Const(0, U64))
    digits = [_eight_nibbles(words, part) for part in parts]
    letters = ord("A" if upper else "a") - ord("0") - 10
    texts = []
    for each in digits:
        above_nine = words.mask(words.right(words.add(each, 6 * _LOW), 4), _LOW)
        plain = words.add(each, 0x30 * _LOW)
        texts.append(words.add(plain, words.mul(above_nine, letters)))
    return _stored(low, node, digits, texts)


def _eight_nibbles(words: _Words, number: Value) -> Value:
    """32 bits as eight bytes of 0 to 15, the first digit in the lowest byte."""
    for shift, mask in ((16, 0x0000FFFF0000FFFF), (8, 0x00FF00FF00FF00FF), (4, 0x0F * _LOW)):
        number = words.mask(words.either(number, words.left(number, shift)), mask)
    return words.swapped(number)


def _stored(low: Lowering, node: ast.AST, digits: list[Value], texts: list[Value]) -> Digits:
    room = _WORD * len(texts)
    _, address = low.buffer("digits", room + _WORD)
    span = low.span(node)
    for number, text in enumerate(texts):
        low.add(Store(address, text, _WORD * number, span=span))
    low.add(Store(address, Const(0, U64), room, span=span))
    return Digits(address, room, _leading_zeros(_Words(low, node), digits))


def _leading_zeros(words: _Words, digits: list[Value]) -> Value:
    """How many digits are zero before the first that is not; the last digit always counts."""
    count: Value | None = None
    for number, each in enumerate(reversed(digits)):
        # The highest bit of every byte that is not 0; the bytes are below 16, so none carries.
        there = words.mask(words.add(each, 0x7F * _LOW), 0x80 * _LOW)
        if number == 0:
            there = words.either(there, 1 << 63)
        first = words.right(words.mask(there, words.sub(Const(0, U64), there)), 7)
        # ``first`` is 1 << 8 * k; so k stands in the top byte of the product.
        zeros = words.right(words.mul(first, 0x0001020304050607), 56)
        if count is None:
            count = zeros
            continue
        some = words.right(words.hidden(words.either(there, words.sub(Const(0, U64), there))), 63)
        none = words.flip(some, 1)
        count = words.add(zeros, words.mul(none, words.add(count, _WORD)))
    assert count is not None
    return count


def text_at(low: Lowering, node: ast.AST, address: Value, start: Value, room: int) -> Value:
    """The address of text that begins ``start`` bytes behind another, at most ``room``."""
    assert isinstance(address.type, PtrType)
    offset, result = low.reg(U64), low.reg(PtrType(address.type.space))
    span = low.span(node)
    low.add(Masked(offset, start, (1 << room.bit_length()) - 1, span=span))
    low.add(Offset(result, address, offset, span=span))
    return result
