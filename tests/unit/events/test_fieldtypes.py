from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Optional

import pytest

from syscast.errors import UsageError
from syscast.events.fieldtypes import (
    IP,
    FieldType,
    IPv4,
    IPv6,
    Pointer,
    Port,
    i8,
    i16,
    i32,
    i64,
    resolve,
    u8,
    u16,
    u32,
    u64,
)


class Colour(IntEnum):
    RED = 1
    BLUE = 300


class Big(IntEnum):
    TOP = (1 << 64) - 1


@pytest.mark.parametrize(
    ("annotation", "kind", "size", "signed", "align"),
    [
        (u8, "int", 1, False, 1),
        (u16, "int", 2, False, 2),
        (u32, "int", 4, False, 4),
        (u64, "int", 8, False, 8),
        (i8, "int", 1, True, 1),
        (i16, "int", 2, True, 2),
        (i32, "int", 4, True, 4),
        (i64, "int", 8, True, 8),
        (int, "int", 8, True, 8),
        (bool, "bool", 1, False, 1),
        (str, "str", 128, False, 8),
        (Annotated[str, 256], "str", 256, False, 8),
        (Annotated[str, 3], "str", 3, False, 2),
        (Annotated[bytes, 16], "bytes", 16, False, 8),
        (Annotated[bytes, 6], "bytes", 6, False, 4),
        (IPv4, "ipv4", 4, False, 4),
        (IPv4Address, "ipv4", 4, False, 4),
        (IPv6, "ipv6", 16, False, 8),
        (IPv6Address, "ipv6", 16, False, 8),
        (IP, "ip", 20, False, 4),
        (IPv4Address | IPv6Address, "ip", 20, False, 4),
        (Port, "port", 2, False, 2),
        (Pointer, "pointer", 8, False, 8),
        (Colour, "enum", 8, True, 8),
        (Big, "enum", 8, False, 8),
        (Annotated[Colour, u16], "enum", 2, False, 2),
        (Annotated[u16, "somebody else's metadata"], "int", 2, False, 2),
        (Annotated[int, "somebody else's metadata"], "int", 8, True, 8),
    ],
    ids=str,
)
def test_annotations_mean_a_layout(annotation, kind, size, signed, align):
    found = resolve(annotation, "event 'E': field 'f'")
    assert (found.kind, found.size, found.signed, found.align) == (kind, size, signed, align)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (bytes, "event 'E': field 'f': bytes needs its size .write Annotated.bytes, 16"),
        (float, "no floating point"),
        (Optional[int], "a field cannot be None"),  # noqa: UP045 - users write both
        (int | None, "a field cannot be None"),
        (list[int], r"list\[int\] is not a field type \(use u8 to u64"),
        (dict, "dict is not a field type"),
        (None, "None is not a field type"),
        (Annotated[str, 1], r"a str of 1 bytes is out of range \(2 to 32768\)"),
        (Annotated[bytes, 0], "a bytes of 0 bytes is out of range"),
        (Annotated[str, 1 << 20], "out of range"),
        (Annotated[Colour, u8], r"Colour\(300\) does not fit in u8"),
        (Annotated[Colour, Port], "an enum is stored as an integer"),
    ],
)
def test_bad_annotations_say_what_to_write(annotation, text):
    with pytest.raises(UsageError, match=text):
        resolve(annotation, "event 'E': field 'f'")


def test_field_types_read_as_users_write_them():
    shown = [u8, i64, Annotated[str, 9], IPv4, Port, Annotated[Colour, u16], bool]
    assert [str(resolve(each, "")) for each in shown] == [
        "u8", "i64", "str[9]", "IPv4", "Port", "Colour", "Bool",
    ]  # fmt: skip


def test_labels_are_those_of_the_enum():
    assert FieldType("enum", 8, enum=Colour).labels == {1: "RED", 300: "BLUE"}
