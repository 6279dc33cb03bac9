"""Literals of C: integers with their types, characters, strings as bytes."""

from __future__ import annotations

import re

from syscast.frontend.c.types import (
    INT,
    LONG,
    LONG_LONG,
    UNSIGNED_INT,
    UNSIGNED_LONG,
    UNSIGNED_LONG_LONG,
    Int,
    TypeProblem,
)

_INTEGER = re.compile(r"(0[xX][0-9a-fA-F']+|0[bB][01']+|[0-9][0-9']*)([uUlL]*)")
_SUFFIXES = {"", "u", "l", "ul", "lu", "ll", "ull", "llu"}
_QUOTED = re.compile(r'(?:u8|[uUL])?"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(
    r"\\(?:x(?P<hex>[0-9a-fA-F]+)|(?P<octal>[0-7]{1,3})|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})|(?P<one>.))",
    re.DOTALL,
)
_SINGLE = {
    "a": 7, "b": 8, "e": 27, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11,
    "\\": 92, "'": 39, '"': 34, "?": 63,
}  # fmt: skip


def integer_literal(text: str) -> tuple[int, Int]:
    """Value and type of ``10``, ``0x10UL``, ``017``, ``0b1``.

    The type is the first that holds the value: of the signed ones for decimal digits, of all for others.

    Raises:
        TypeProblem: It is no integer, or too large for any type.
    """
    found = _INTEGER.fullmatch(text)
    suffix = found[2].lower() if found else "?"
    if found is None or suffix not in _SUFFIXES:
        raise TypeProblem(f"'{text}' is not an integer")
    digits = found[1].replace("'", "")
    based = digits[0] == "0" and len(digits) > 1
    try:
        value = int(digits, _base(digits))
    except ValueError:
        raise TypeProblem(f"'{text}' is not an integer") from None
    for ctype in _candidates(suffix, decimal=not based):
        if ctype.wrap(value) == value:
            return value, ctype
    if value < 1 << 64:
        return value, UNSIGNED_LONG_LONG
    raise TypeProblem(f"'{text}' is too large: no integer type holds it")


def _base(digits: str) -> int:
    if digits[0] != "0" or len(digits) == 1:
        return 10
    return {"x": 16, "b": 2}.get(digits[1].lower(), 8) if not digits[1].isdigit() else 8


def _candidates(suffix: str, *, decimal: bool) -> list[Int]:
    rank = suffix.count("l")
    pairs = ((INT, UNSIGNED_INT), (LONG, UNSIGNED_LONG), (LONG_LONG, UNSIGNED_LONG_LONG))[rank:]
    if "u" in suffix:
        return [unsigned for _, unsigned in pairs]
    if decimal:
        return [signed for signed, _ in pairs]
    return [each for pair in pairs for each in pair]


def character(text: str, *, signed: bool) -> int:
    r"""The value, an ``int``, of ``'a'``, ``'\n'``, ``'\0'`` or ``'ab'``.

    Args:
        text: With its quotes.
        signed: Whether plain ``char`` is.

    Raises:
        TypeProblem: It is empty or too long.
    """
    held = _unescape(text[text.index("'") + 1 : -1])
    if not 1 <= len(held) <= 4:
        raise TypeProblem(f"{text} is not one character")
    value = int.from_bytes(held, "big")
    if len(held) > 1:
        return INT.wrap(value)
    return value - 256 if signed and value >= 128 else value


def string_bytes(text: str) -> bytes:
    """The bytes of a string literal without the final NUL; adjacent quoted parts are one string.

    Raises:
        TypeProblem: An escape has no meaning.
    """
    return b"".join(_unescape(part) for part in _QUOTED.findall(text))


def _unescape(text: str) -> bytes:
    if "\\" not in text:
        return text.encode()
    parts: list[bytes] = []
    at = 0
    for found in _ESCAPE.finditer(text):
        parts.extend((text[at : found.start()].encode(), _escaped(found)))
        at = found.end()
    parts.append(text[at:].encode())
    return b"".join(parts)


def _escaped(found: re.Match[str]) -> bytes:
    number = found["hex"] or found["octal"]
    if number:
        value = int(number, 16 if found["hex"] else 8)
        if value > 255:
            raise TypeProblem(f"'{found[0]}' does not fit a character")
        return bytes([value])
    point = found["short"] or found["long"]
    if point:
        if int(point, 16) > 0x10FFFF or 0xD800 <= int(point, 16) < 0xE000:
            raise TypeProblem(f"'{found[0]}' is not a character")
        return chr(int(point, 16)).encode()
    if found["one"] not in _SINGLE:
        raise TypeProblem(f"unknown escape '{found[0]}'")
    return bytes([_SINGLE[found["one"]]])
