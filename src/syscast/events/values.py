"""Values of each field kind: from a record, into a record, as JSON, as text.

A raw value is what `struct` unpacks: an int or bytes. `KINDS` has one row per field kind.
"""

from __future__ import annotations

import operator
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, NamedTuple, SupportsIndex, TypeAlias, cast

from syscast.events.text import address_text, decode_text, escape

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.events.fieldtypes import FieldType

Raw: TypeAlias = int | bytes
Json: TypeAlias = int | str | bool

AF_INET = 2
AF_INET6 = 10
_MAPPED = bytes(10) + b"\xff\xff"


class Kind(NamedTuple):
    """What one field kind does with its values.

    Attributes:
        decode: Bytes of a record to the value; None where the raw value is the value.
        encode: A Python value to the raw one; raises TypeError, ValueError or OverflowError.
        plain: The raw value to what JSON takes; None where they are the same.
    """

    decode: Callable[[bytes], object] | None
    encode: Callable[[FieldType, object], Raw]
    plain: Callable[[bytes], Json] | Callable[[int], Json] | None


def _encode_int(field: FieldType, value: object) -> int:
    if not isinstance(value, SupportsIndex):
        raise TypeError(f"{value!r} is not an int")
    number = operator.index(value)
    bits = field.size * 8
    low = -(1 << (bits - 1)) if field.signed else 0
    if not low <= number < low + (1 << bits):
        raise OverflowError(f"{number} does not fit in {field}")
    return number


def _encode_bool(field: FieldType, value: object) -> bool:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is not a {field.kind}")
    return bool(value)


def _encode_str(field: FieldType, value: object) -> bytes:
    if isinstance(value, str):
        try:
            value = value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{value!r} holds lone surrogates") from None
    if not isinstance(value, bytes):
        raise TypeError(f"{value!r} is not a str")
    if b"\0" in value:
        raise ValueError(f"{value!r} holds a NUL")
    if len(value) >= field.size:
        raise ValueError(f"{len(value)} bytes and a NUL do not fit in {field}")
    return value.ljust(field.size, b"\0")


def _encode_bytes(field: FieldType, value: object) -> bytes:
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"{value!r} is not bytes")
    if len(value) > field.size:
        raise ValueError(f"{len(value)} bytes do not fit in {field}")
    return bytes(value).ljust(field.size, b"\0")


def _encode_ipv4(_field: FieldType, value: object) -> bytes:
    if isinstance(value, (IPv4Address, str, int, bytes)):
        return IPv4Address(value).packed
    raise TypeError(f"{value!r} is not an IPv4 address")


def _encode_ipv6(_field: FieldType, value: object) -> bytes:
    if isinstance(value, IPv4Address):
        return _MAPPED + value.packed
    if isinstance(value, (IPv6Address, str, int, bytes)):
        return IPv6Address(value).packed
    raise TypeError(f"{value!r} is not an IPv6 address")


def _encode_ip(_field: FieldType, value: object) -> bytes:
    if isinstance(value, str):
        value = IPv6Address(value) if ":" in value else IPv4Address(value)
    if isinstance(value, IPv4Address):
        return AF_INET.to_bytes(4, "little") + value.packed + bytes(12)
    if isinstance(value, IPv6Address):
        return AF_INET6.to_bytes(4, "little") + value.packed
    if value == 0 and isinstance(value, int):  # an omitted field
        return AF_INET.to_bytes(4, "little") + bytes(16)
    raise TypeError(f"{value!r} is not an IP address")


def _encode_function(field: FieldType, value: object) -> int:
    for number, name in field.labels.items():
        if name == value:
            return number
    return _encode_int(field, value)


def _decode_ip(raw: bytes) -> IPv4Address | IPv6Address:
    if raw[0] == AF_INET and raw[1] == 0:
        return IPv4Address(raw[4:8])
    return IPv6Address(raw[4:20])


def _plain_ipv4(raw: bytes) -> str:
    return f"{raw[0]}.{raw[1]}.{raw[2]}.{raw[3]}"  # far faster than through IPv4Address


def _plain_ipv6(raw: bytes) -> str:
    return address_text(IPv6Address(raw))


def _plain_ip(raw: bytes) -> str:
    return address_text(_decode_ip(raw))


KINDS = {
    "int": Kind(None, _encode_int, None),
    "bool": Kind(None, _encode_bool, None),
    "str": Kind(decode_text, _encode_str, decode_text),
    "bytes": Kind(bytes, _encode_bytes, bytes.hex),
    "ipv4": Kind(IPv4Address, _encode_ipv4, _plain_ipv4),
    "ipv6": Kind(IPv6Address, _encode_ipv6, _plain_ipv6),
    "ip": Kind(_decode_ip, _encode_ip, _plain_ip),
    "port": Kind(None, _encode_int, None),
    "pointer": Kind(None, _encode_int, hex),
    "enum": Kind(None, _encode_int, None),
    "function": Kind(None, _encode_function, None),
}


def reader(field: FieldType) -> Callable[[Raw], object] | None:
    """Make what turns a raw value of a field into its Python form; None if they are the same."""
    if field.enum is not None:
        members = {int(each): each for each in field.enum}
        return lambda raw: members.get(cast("int", raw), raw)
    if field.kind == "function":
        return _namer(field.labels)
    return cast("Callable[[Raw], object] | None", KINDS[field.kind].decode)


def _namer(names: dict[int, str]) -> Callable[[Raw], str]:
    """A function's number to its name; one that is not known is shown in hex."""
    known = cast("dict[Raw, str]", names)
    return lambda raw: known.get(raw) or hex(cast("int", raw))


def writer(field: FieldType) -> Callable[[Raw], Json] | None:
    """Make what turns a raw value of a field into what JSON takes; None if they are the same."""
    if field.enum is not None:
        names: dict[Raw, Json] = {int(each): each.name for each in field.enum}
        return lambda raw: names.get(raw, cast("int", raw))
    if field.kind == "function":
        return _namer(field.labels)
    return cast("Callable[[Raw], Json] | None", KINDS[field.kind].plain)


def text(plain: object) -> str:
    """Write a value that JSON takes for people: one line, safe for terminals."""
    if isinstance(plain, bool):
        return "true" if plain else "false"
    return escape(plain) if isinstance(plain, str) else str(plain)
