"""Keys and values as text and back: what bcc's ``leaf_sprintf`` and ``leaf_scanf`` do.

Integers are hexadecimal (``0x2a``), arrays of single bytes are quoted up to their first NUL, other arrays stand in
``[ ]`` and structs in ``{ }``, all separated by blanks.
"""

from __future__ import annotations

import ctypes
import re
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from _ctypes import _CData as CData
    from collections.abc import Iterator

_TOKENS = re.compile(rb'\s*(?:([{}\[\]])|"((?:[^"\\]|\\.)*)"|(-?0[xX][0-9a-fA-F]+|-?[0-9]+))')
_SINGLE = (ctypes.c_char, ctypes.c_ubyte, ctypes.c_byte)


def spelled(value: CData) -> bytes:
    """The text of a ctypes value."""
    if isinstance(value, ctypes.Array):
        if value._type_ in _SINGLE:
            return (
                b'"'
                + ctypes.string_at(ctypes.addressof(value), len(value)).partition(b"\0")[0]
                + b'"'
            )
        inside = [_element(value[at], value._type_) for at in range(len(value))]
        return b" ".join([b"[", *inside, b"]"])
    if isinstance(value, ctypes.Union):
        return b"{ " + _member(value, *_first(type(value))) + b" }"
    if isinstance(value, ctypes.Structure):
        inside = [_member(value, *field[:2]) for field in _fields(type(value))]
        return b" ".join([b"{", *inside, b"}"])
    return _integer(cast("ctypes.c_int", value).value, ctypes.sizeof(value))


def scanned(value: CData, text: bytes | str) -> CData:
    """Fill a ctypes value from its text; raises ValueError for a text of another form."""
    data = text.encode() if isinstance(text, str) else text
    tokens = _split(data)
    _fill(value, tokens)
    if next(tokens, None) is not None:
        raise ValueError(
            f"table text {data!r}: read: there is more of it than the type has members"
        )
    return value


def _fields(kind: type) -> list[tuple[str, type]]:
    found = cast("list[tuple[str, type]]", kind._fields_)  # type: ignore[attr-defined]
    return [field for field in found if not field[0].startswith("__pad_")]


def _first(kind: type) -> tuple[str, type]:
    return _fields(kind)[0][:2]


def _member(value: CData, name: str, kind: type) -> bytes:
    return _element(getattr(value, name), kind)


def _element(found: object, kind: type) -> bytes:
    """A member as ctypes hands it out: integers and texts come as Python's own."""
    if isinstance(found, int):
        return _integer(found, ctypes.sizeof(kind))
    if isinstance(found, bytes):
        if kind is ctypes.c_char:
            return _integer(found[0], 1)
        return b'"' + found + b'"'
    return spelled(cast("CData", found))


def _integer(value: int | bytes, size: int) -> bytes:
    number = value[0] if isinstance(value, bytes) else int(value)
    return b"0x%x" % (number & (1 << size * 8) - 1)


def _split(data: bytes) -> Iterator[bytes]:
    at = 0
    end = len(data.rstrip())
    while at < end:
        found = _TOKENS.match(data, at)
        if found is None:
            raise ValueError(f"table text {data!r}: read: byte {at} starts nothing known")
        yield found.group(0).strip()
        at = found.end()


def _take(tokens: Iterator[bytes], wanted: bytes) -> None:
    found = next(tokens, b"the end")
    if found != wanted:
        raise ValueError(f"table text: read: {wanted.decode()!r} expected, not {found.decode()!r}")


def _fill(value: CData, tokens: Iterator[bytes]) -> None:
    if isinstance(value, ctypes.Array):
        _fill_array(value, tokens)
    elif isinstance(value, (ctypes.Structure, ctypes.Union)):
        _take(tokens, b"{")
        fields = _fields(type(value))
        for field in fields[:1] if isinstance(value, ctypes.Union) else fields:
            name, kind = field[:2]
            found = getattr(value, name)
            if isinstance(found, (ctypes.Array, ctypes.Structure, ctypes.Union)):
                _fill(found, tokens)
            else:
                setattr(value, name, _value(tokens, kind))
        _take(tokens, b"}")
    else:
        simple = cast("ctypes.c_int", value)
        simple.value = cast("int", _value(tokens, type(value)))


def _fill_array(value: ctypes.Array[ctypes.c_int], tokens: Iterator[bytes]) -> None:
    kind: type = value._type_
    if kind in _SINGLE:
        text = next(tokens, b"")[1:-1][: len(value)].ljust(len(value), b"\0")
        ctypes.memmove(ctypes.addressof(value), text, len(value))
        return
    _take(tokens, b"[")
    for at in range(len(value)):
        found: object = value[at]
        if isinstance(found, (ctypes.Array, ctypes.Structure, ctypes.Union)):
            _fill(found, tokens)
        else:
            value[at] = cast("int", _value(tokens, kind))
    _take(tokens, b"]")


def _value(tokens: Iterator[bytes], kind: type) -> int | bytes:
    token = next(tokens, b"")
    if token.startswith(b'"'):
        return token[1:-1]
    try:
        number = int(token, 0)
    except ValueError:
        raise ValueError(f"table text: read: a number expected, not {token.decode()!r}") from None
    return bytes([number & 0xFF]) if kind is ctypes.c_char else number
