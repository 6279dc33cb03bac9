"""f-strings and ``str()``: text built in a buffer that is large enough for the longest outcome.

Each part is appended where the one before it ended. What it may be, and how it is formatted, is
Python's; a format that would not give Python's text exactly is refused. Widths count bytes.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import msgspec

from syscast.frontend.python.arguments import arguments
from syscast.frontend.python.digits import decimal, hexadecimal, magnitude, text_at
from syscast.frontend.python.strings import MAX_CAPACITY, is_text, length_of, text_of
from syscast.frontend.python.values import (
    BoolValue,
    IntValue,
    Lowered,
    PtrValue,
    PyValue,
    StrValue,
)
from syscast.ir.intervals import meet, of_type
from syscast.ir.ops import (
    Binary,
    BinaryOp,
    Convert,
    ExactCompare,
    Fill,
    Predicate,
    Select,
    TextAddr,
    TextAppend,
)
from syscast.ir.types import BOOL, I64, U64, Const, PtrType, Space, Value

if TYPE_CHECKING:
    from syscast.frontend.python.context import Lowering

_SPEC = re.compile(
    r"(?:(?P<fill>.)?(?P<align>[<>=^]))?(?P<sign>[-+ ])?(?P<alt>#)?(?P<zero>0)?(?P<width>\d+)?"
    r"(?P<grouping>[,_])?(?:\.(?P<precision>\d+))?(?P<type>[a-zA-Z%])?",
    re.DOTALL,
)
_MAX_WIDTH = 64
_MAX_DIGITS = 20
_TRUE_AT = 8
_BOOLS = b"False\0\0\0True"


class _Spec(msgspec.Struct, frozen=True):
    """A format specification taken apart; see "Format Specification Mini-Language"."""

    fill: str = " "
    align: str = ""
    sign: str = "-"
    alternate: bool = False
    zero: bool = False
    width: int = 0
    precision: int = -1
    type: str = ""


class _Part(msgspec.Struct, frozen=True):
    """A piece of text: NUL-terminated, at ``source``.

    Attributes:
        most: Bytes that are taken at most.
        length: i64, where it is known; it is measured where not and wanted.
    """

    source: Value
    most: int
    length: Value | None = None


# ---------------------------------------------------------------- what is asked for


def joined(low: Lowering, node: ast.expr) -> Lowered:
    """An f-string."""
    assert isinstance(node, ast.JoinedStr)
    parts: list[str | _Part] = []
    for value in node.values:
        if isinstance(value, ast.FormattedValue):
            parts += _formatted(low, value)
        else:
            assert isinstance(value, ast.Constant)
            parts.append(str(value.value))
    return _built(low, node, parts)


def to_text(low: Lowering, node: ast.Call) -> Lowered:
    """``str(x)``."""
    (inner,) = arguments(low, node, 1, 1)
    value = low.known(inner, low.expr(inner))
    if is_text(low, value):
        return text_of(low, inner, value)
    return _built(low, node, _rendered(low, inner, value, _Spec(), ""))


def numbered(low: Lowering, node: ast.expr, name: tuple[Value, int], number: IntValue) -> StrValue:
    """``name:[number]``; the name as its address and the most bytes that it has."""
    parts = [_Part(*name), ":[", *_number(low, node, number, _Spec()), "]"]
    made = _built(low, node, parts)
    assert isinstance(made, StrValue)
    return made


def _formatted(low: Lowering, node: ast.FormattedValue) -> list[str | _Part]:
    value = low.expr(node.value)
    text = ""
    if node.format_spec is not None:
        assert isinstance(node.format_spec, ast.JoinedStr)
        spec_value = joined(low, node.format_spec)
        if not isinstance(spec_value, PyValue):
            raise low.rejection(node.value, "a format must be a constant in a probe")
        text = str(spec_value.value)
    conversion = chr(node.conversion) if node.conversion > 0 else ""
    if isinstance(value, PyValue) and (
        value.value is None or isinstance(value.value, int | str | bytes)
    ):
        return [_by_python(low, node, value.value, conversion, text)]
    value = low.known(node.value, value)
    return _rendered(low, node.value, value, _parsed(low, node, text), conversion)


def _by_python(
    low: Lowering, node: ast.FormattedValue, held: object, conversion: str, text: str
) -> str:
    """A constant is formatted here."""
    if conversion:
        held = {"r": repr(held), "s": str(held), "a": ascii(held)}[conversion]
    try:
        return format(held, text)
    except (ValueError, TypeError) as error:
        raise low.rejection(
            node.value, f"this always raises {type(error).__name__}: {error}"
        ) from None


def _parsed(low: Lowering, node: ast.FormattedValue, text: str) -> _Spec:
    found = _SPEC.fullmatch(text)
    if found is None:
        raise low.rejection(node.value, f"'{text}' is no format that a probe knows")
    if found["grouping"]:
        raise low.rejection(
            node.value, "a probe does not group digits", "leave out the ',' or '_'"
        )
    fill = found["fill"] or " "
    if not fill.isascii() or fill == "\0":
        raise low.rejection(node.value, "the fill character must be an ASCII character")
    width = int(found["width"] or 0)
    if width > _MAX_WIDTH:
        raise low.rejection(node.value, f"a width is at most {_MAX_WIDTH} in a probe")
    return _Spec(
        fill,
        found["align"] or "",
        found["sign"] or "-",
        bool(found["alt"]),
        bool(found["zero"]),
        width,
        int(found["precision"]) if found["precision"] else -1,
        found["type"] or "",
    )


# ---------------------------------------------------------------- values


def _rendered(
    low: Lowering, node: ast.expr, value: Lowered, spec: _Spec, conversion: str
) -> list[str | _Part]:
    if isinstance(value, BoolValue) and (spec == _Spec() or conversion):
        return _aligned(low, node, [_boolean(low, node, value)], spec, "<")
    if isinstance(value, BoolValue):
        value = low.integer(node, value)
    if isinstance(value, IntValue) and value.mixed and (conversion or spec == _Spec()):
        raise low.rejection(
            node,
            "this is a bool on one path and an integer on another, and their texts differ",
            "format int(...) of it, or bool(...)",
        )
    if isinstance(value, IntValue):
        if conversion:
            _check_text(low, node, spec)
            return _aligned(low, node, _number(low, node, value, _Spec()), spec, "<")
        return _integer(low, node, value, spec)
    if not is_text(low, value):
        hint = "format its address: {int(pointer):x}" if isinstance(value, PtrValue) else ""
        raise low.rejection(node, f"{low.describe(value)} has no text in a probe", hint)
    if conversion in {"r", "a"}:
        raise low.rejection(node, f"!{conversion} of a string is not part of the probe language")
    _check_text(low, node, spec)
    text = text_of(low, node, value)
    most = text.size - 1
    if 0 <= spec.precision < most:
        most = spec.precision
    if not most:
        return _aligned(low, node, [], spec, "<")
    part = _Part(text.address, most)
    if spec.width:
        part = _Part(text.address, most, _cut(low, node, length_of(low, node, text), most))
    return _aligned(low, node, [part], spec, "<")


def _check_text(low: Lowering, node: ast.expr, spec: _Spec) -> None:
    if spec.type not in {"", "s"} or spec.alternate or spec.zero or spec.sign != "-":
        raise low.rejection(
            node, "a string is formatted with fill, alignment, width and precision"
        )
    if spec.align == "=":
        raise low.rejection(node, "this always raises ValueError: '=' is for numbers")


def _cut(low: Lowering, node: ast.expr, length: Value, most: int) -> Value:
    longer, kept = low.reg(BOOL), low.reg(I64)
    limit = Const(most, I64)
    low.add(ExactCompare(longer, Predicate.SGT, length, limit, span=low.span(node)))
    low.add(Select(kept, longer, limit, length, span=low.span(node)))
    return kept


def _boolean(low: Lowering, node: ast.expr, value: BoolValue) -> _Part:
    bit, offset, length = low.reg(U64), low.reg(U64), low.reg(U64)
    span = low.span(node)
    low.add(Convert(bit, value.value, span=span))
    low.add(Binary(offset, BinaryOp.MUL, bit, Const(_TRUE_AT, U64), span=span))
    low.add(Binary(length, BinaryOp.SUB, Const(len("False"), U64), bit, span=span))
    address = _constant(low, node, _BOOLS)
    source = text_at(low, node, address, offset, _TRUE_AT)
    return _Part(source, len("False"), _signed(low, node, length))


def _signed(low: Lowering, node: ast.expr, value: Value) -> Value:
    result = low.reg(I64)
    low.add(Convert(result, value, span=low.span(node)))
    return result


def _constant(low: Lowering, node: ast.AST, text: bytes) -> Value:
    address = low.reg(PtrType(Space.MAP))
    low.add(TextAddr(address, text, span=low.span(node)))
    return address


# ---------------------------------------------------------------- integers


def _integer(low: Lowering, node: ast.expr, value: IntValue, spec: _Spec) -> list[str | _Part]:
    if spec.type not in {"", "d", "x", "X"}:
        raise low.rejection(
            node, f"format '{spec.type}' is not part of the probe language", "use d, x or X"
        )
    if spec.precision >= 0:
        raise low.rejection(node, "this always raises ValueError: a precision of an integer")
    zeros = (spec.align == "=" and spec.fill == "0") or (spec.zero and not spec.align)
    if (spec.align == "=" and not zeros) or (spec.zero and spec.align):
        raise low.rejection(
            node, "zeros and an alignment do not go together in a probe", "write {x:08} or {x:>8}"
        )
    if zeros and spec.width > _MAX_DIGITS:
        raise low.rejection(node, f"zeros fill a width of at most {_MAX_DIGITS} in a probe")
    number = _number(low, node, value, spec, zeros=spec.width if zeros else 0)
    return number if zeros else _aligned(low, node, number, spec, ">")


def _number(
    low: Lowering, node: ast.expr, value: IntValue, spec: _Spec, zeros: int = 0
) -> list[str | _Part]:
    """Sign, prefix and digits."""
    span = low.span(node)
    first, last = meet(value.interval, of_type(value.natural))
    bits: Value = low.reg(U64)
    assert not isinstance(bits, Const)
    low.add(Convert(bits, value.value, span=span))
    parts: list[str | _Part] = []
    taken: Value = Const(0, U64)
    if first < 0:
        bits, negative = magnitude(low, node, bits)
        sign = _sign(low, node, spec, negative)
        parts.append(sign)
        taken = negative if spec.sign == "-" else Const(1, U64)
    elif spec.sign != "-":
        parts.append(spec.sign)
        taken = Const(1, U64)
    prefix = f"0{spec.type}" if spec.alternate and spec.type in {"x", "X"} else ""
    parts += [prefix] if prefix else []
    most = max(abs(first), abs(last))
    if spec.type in {"x", "X"}:
        digits = hexadecimal(low, node, bits, most, zeros, upper=spec.type == "X")
        longest = len(f"{most:x}")
    else:
        digits = decimal(low, node, bits, most, zeros)
        longest = len(str(most))
    start, room = digits.start, digits.room
    if zeros:
        start = _filled(low, node, start, room, zeros - len(prefix), taken)
        longest = min(room, max(longest, zeros))
    length = low.reg(U64)
    low.add(Binary(length, BinaryOp.SUB, Const(room, U64), start, span=span))
    source = text_at(low, node, digits.address, start, room)
    parts.append(_Part(source, longest, _signed(low, node, length)))
    return parts


def _sign(low: Lowering, node: ast.expr, spec: _Spec, negative: Value) -> _Part:
    """``-``, or what stands for a sign of other numbers: nothing, ``+`` or a space."""
    offset = low.reg(U64)
    span = low.span(node)
    if spec.sign == "-":
        low.add(Binary(offset, BinaryOp.SUB, Const(1, U64), negative, span=span))
        source = text_at(low, node, _constant(low, node, b"-"), offset, 1)
        return _Part(source, 1, _signed(low, node, negative))
    low.add(Binary(offset, BinaryOp.MUL, Const(2, U64), negative, span=span))
    constant = _constant(low, node, spec.sign.encode() + b"\0-")
    return _Part(text_at(low, node, constant, offset, 2), 1, Const(1, I64))


def _filled(
    low: Lowering, node: ast.expr, start: Value, room: int, width: int, taken: Value
) -> Value:
    """Where digits start that are filled up with zeros: the buffer has them already."""
    span = low.span(node)
    wanted, earlier, chosen = low.reg(U64), low.reg(BOOL), low.reg(U64)
    low.add(Binary(wanted, BinaryOp.ADD, Const(max(0, room - width), U64), taken, span=span))
    low.add(ExactCompare(earlier, Predicate.SLT, wanted, start, span=span))
    low.add(Select(chosen, earlier, wanted, start, span=span))
    return chosen


# ---------------------------------------------------------------- alignment, building


def _aligned(
    low: Lowering, node: ast.expr, parts: list[str | _Part], spec: _Spec, default: str
) -> list[str | _Part]:
    """Parts with what fills them up to the width."""
    if not spec.width:
        return parts
    span = low.span(node)
    total: Value = Const(sum(len(each) for each in parts if isinstance(each, str)), I64)
    for each in parts:
        if isinstance(each, _Part):
            assert each.length is not None
            longer = low.reg(I64)
            low.add(Binary(longer, BinaryOp.ADD, total, each.length, span=span))
            total = longer
    width = Const(spec.width, I64)
    fits, missing, padding = low.reg(BOOL), low.reg(I64), low.reg(I64)
    low.add(ExactCompare(fits, Predicate.SLT, total, width, span=span))
    low.add(Binary(missing, BinaryOp.SUB, width, total, span=span))
    low.add(Select(padding, fits, missing, Const(0, I64), span=span))
    align = spec.align or default
    if align == "<":
        return [*parts, _padding(low, node, spec, padding)]
    if align == ">":
        return [_padding(low, node, spec, padding), *parts]
    half, other = low.reg(I64), low.reg(I64)
    low.add(Binary(half, BinaryOp.ASHR, padding, Const(1, I64), span=span))
    low.add(Binary(other, BinaryOp.SUB, padding, half, span=span))
    return [_padding(low, node, spec, half), *parts, _padding(low, node, spec, other)]


def _padding(low: Lowering, node: ast.expr, spec: _Spec, count: Value) -> _Part:
    skipped = low.reg(U64)
    unsigned = low.reg(U64)
    span = low.span(node)
    low.add(Convert(unsigned, count, span=span))
    low.add(Binary(skipped, BinaryOp.SUB, Const(spec.width, U64), unsigned, span=span))
    address = _constant(low, node, spec.fill.encode() * spec.width)
    return _Part(text_at(low, node, address, skipped, spec.width), spec.width, count)


def _built(low: Lowering, node: ast.expr, parts: list[str | _Part]) -> Lowered:
    """All parts behind each other, in a new buffer."""
    merged = _merged(parts)
    if not any(isinstance(each, _Part) for each in merged):
        return PyValue("".join(each for each in merged if isinstance(each, str)))
    raw: list[tuple[bytes, _Part | None]] = [
        (b"", each) if isinstance(each, _Part) else (each.encode(errors="surrogateescape"), None)
        for each in merged
    ]
    position, size = 0, 2
    for text, part in raw:
        most = part.most if part else len(text)
        size = max(size, (1 << position.bit_length()) + most + 1)
        position += most
    if position >= MAX_CAPACITY or any(b"\0" in text for text, _ in raw):
        raise low.rejection(
            node, f"this text could have {position} bytes; a string has at most {MAX_CAPACITY - 1}"
        )
    size = size + 7 & -8
    _, address = low.buffer("text", size)
    low.add(Fill(address, size, span=low.span(node)))
    at: Value = Const(0, I64)
    for text, part in raw:
        source = part.source if part else _constant(low, node, text)
        most = part.most if part else len(text)
        end = low.reg(I64)
        low.add(TextAppend(end, address, size, at, source, most, span=low.span(node)))
        at = end
    return StrValue(address, position + 1)


def _merged(parts: list[str | _Part]) -> list[str | _Part]:
    """Constants that follow each other as one; empty ones left out."""
    merged: list[str | _Part] = []
    for each in parts:
        if isinstance(each, str) and merged and isinstance(merged[-1], str):
            merged[-1] += each
        elif each:
            merged.append(each)
    return merged
