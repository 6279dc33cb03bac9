"""The types of an event's fields, as users write them in annotations.

Each is an ``Annotated`` alias: a type checker sees ``int`` or ``IPv4Address``, syscast sees the
`FieldType` that says how the value stands in a record. The machine's integers are classes that
type checkers take for ``int``, see `syscast.events.machineints`.
"""

from __future__ import annotations

from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from types import UnionType
from typing import Annotated, TypeAlias, Union, get_args, get_origin

import msgspec

from syscast.errors import UsageError
from syscast.events.machineints import MachineInt, i8, i16, i32, i64, u8, u16, u32, u64

__all__ = [
    "IP",
    "MAX_CAPACITY",
    "STR_CAPACITY",
    "FieldType",
    "IPv4",
    "IPv6",
    "Pointer",
    "Port",
    "i8",
    "i16",
    "i32",
    "i64",
    "resolve",
    "u8",
    "u16",
    "u32",
    "u64",
]

STR_CAPACITY = 128
"""Bytes of a plain ``str`` field, its final NUL among them."""

MAX_CAPACITY = 32768
"""Most bytes of one ``str`` or ``bytes`` field."""

_HELP = (
    "use u8 to u64, i8 to i64, int, bool, str, Annotated[str, N], Annotated[bytes, N], "
    "IPv4, IPv6, IP, Port, Pointer or an IntEnum"
)


class FieldType(msgspec.Struct, frozen=True):
    """How the values of a field stand in a record.

    Attributes:
        kind: As in `syscast.spec.meta.FieldMeta`.
        size: In bytes.
        signed: For ``int`` and ``enum``.
        enum: For ``enum``: the class of the values.
        names: For ``function``: value to name.
    """

    kind: str
    size: int
    signed: bool = False
    enum: type[IntEnum] | None = None
    names: dict[int, str] | None = None

    @property
    def align(self) -> int:
        """Alignment in bytes: a power of two, at most 8.

        Strings and byte arrays are aligned like words so that the program can clear them by words.
        """
        if self.kind == "ip":
            return 4
        return min(8, 1 << (self.size.bit_length() - 1))

    @property
    def labels(self) -> dict[int, str]:
        """For ``enum`` and ``function``: value to name."""
        if self.enum is None:
            return self.names or {}
        return {int(each): each.name for each in self.enum}

    def __str__(self) -> str:
        if self.kind == "int":
            return f"{'i' if self.signed else 'u'}{self.size * 8}"
        if self.enum is not None:
            return self.enum.__name__
        if self.kind in {"str", "bytes"}:
            return f"{self.kind}[{self.size}]"
        return {"ipv4": "IPv4", "ipv6": "IPv6", "ip": "IP"}.get(self.kind, self.kind.capitalize())


Port: TypeAlias = Annotated[int, FieldType("port", 2)]
"""A port number in host order, u16; the kernel's network order is converted."""

Pointer: TypeAlias = Annotated[int, FieldType("pointer", 8)]
"""A kernel or user address, u64, shown in hex."""

Comm: TypeAlias = Annotated[str, FieldType("str", 16)]
"""A command name as the kernel keeps it: at most 15 bytes (TASK_COMM_LEN)."""

IPv4: TypeAlias = Annotated[IPv4Address, FieldType("ipv4", 4)]
IPv6: TypeAlias = Annotated[IPv6Address, FieldType("ipv6", 16)]
"""An IPv6 address; an IPv4 one stands v4-mapped."""

IP: TypeAlias = Annotated[IPv4Address | IPv6Address, FieldType("ip", 20)]
"""An address of either family."""

_PLAIN = {
    int: FieldType("int", 8, signed=True),
    bool: FieldType("bool", 1),
    str: FieldType("str", STR_CAPACITY),
    IPv4Address: FieldType("ipv4", 4),
    IPv6Address: FieldType("ipv6", 16),
}


def resolve(annotation: object, where: str) -> FieldType:
    """Find what an annotation means.

    Args:
        annotation: The evaluated annotation.
        where: Names the field in messages: ``event 'Listen': field 'port'``.

    Raises:
        UsageError: No field type, or a capacity out of range.
    """
    if get_origin(annotation) is Annotated:
        base, *extras = get_args(annotation)
        return _annotated(base, extras, where)
    if annotation is bytes:
        raise UsageError(f"{where}: bytes needs its size (write Annotated[bytes, 16])")
    if annotation is float:
        raise UsageError(
            f"{where}: the kernel has no floating point (use int, say in ns or bytes)"
        )
    if isinstance(annotation, type):
        if annotation in _PLAIN:
            return _PLAIN[annotation]
        if issubclass(annotation, MachineInt):
            return _machine(annotation)
        if issubclass(annotation, IntEnum):
            return _enum(annotation, None, where)
    if get_origin(annotation) in {Union, UnionType}:
        members = set(get_args(annotation))
        if members == {IPv4Address, IPv6Address}:
            return FieldType("ip", 20)
        if type(None) in members:
            raise UsageError(f"{where}: a field cannot be None (use 0, or a second field)")
    raise UsageError(f"{where}: {_shown(annotation)} is not a field type ({_HELP})")


def _annotated(base: object, extras: list[object], where: str) -> FieldType:
    for extra in reversed(extras):
        inner = extra
        if get_origin(extra) is Annotated:  # Annotated[Family, u16]
            inner = next((each for each in get_args(extra) if isinstance(each, FieldType)), None)
        if isinstance(inner, type) and issubclass(inner, MachineInt):
            inner = _machine(inner)
        if isinstance(inner, FieldType):
            if isinstance(base, type) and issubclass(base, IntEnum):
                return _enum(base, inner, where)
            return inner
        if isinstance(extra, int) and base in {str, bytes}:
            return _sized("str" if base is str else "bytes", extra, where)
    return resolve(base, where)  # metadata of somebody else


def _machine(type_: type[MachineInt]) -> FieldType:
    return FieldType("int", type_.bits // 8, type_.signed)


def _sized(kind: str, size: int, where: str) -> FieldType:
    least = 2 if kind == "str" else 1
    if not least <= size <= MAX_CAPACITY:
        raise UsageError(
            f"{where}: a {kind} of {size} bytes is out of range ({least} to {MAX_CAPACITY})"
        )
    return FieldType(kind, size)


def _enum(enum: type[IntEnum], width: FieldType | None, where: str) -> FieldType:
    values = [int(each) for each in enum]
    if width is None:
        big = max(values, default=0) >= 1 << 63
        width = FieldType("int", 8, signed=not big)
    if width.kind != "int":
        raise UsageError(f"{where}: an enum is stored as an integer (use u8 to u64 or i8 to i64)")
    low = -(1 << (width.size * 8 - 1)) if width.signed else 0
    high = low + (1 << (width.size * 8)) - 1
    for value in values:
        if not low <= value <= high:
            raise UsageError(f"{where}: {enum.__name__}({value}) does not fit in {width}")
    return FieldType("enum", width.size, width.signed, enum)


def _shown(annotation: object) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
