"""Layouts of keys and values: aligned, zero between the parts, and what goes in comes out."""

from __future__ import annotations

from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

import syscast as sc
from syscast.errors import UsageError
from syscast.state.shape import shape_of


class Color(IntEnum):
    RED = 1


class Flow(sc.Struct):
    port: sc.u16
    bytes: sc.u64 = 0


class Seen(sc.Event):
    small: sc.u8
    name: Annotated[str, 8]


@pytest.mark.parametrize(
    ("type_", "value", "size", "data"),
    [
        (sc.u8, 7, 1, "07"),
        (sc.i16, -2, 2, "feff"),
        (int, -1, 8, "ff" * 8),
        (bool, True, 1, "01"),
        (Annotated[str, 8], "ab", 8, "6162" + "00" * 6),
        (sc.Comm, "nginx", 16, "6e67696e78" + "00" * 11),
        (sc.IPv4, IPv4Address("127.0.0.1"), 4, "7f000001"),
        (sc.IPv6, IPv6Address("::1"), 16, "00" * 15 + "01"),
        (Annotated[Color, sc.u8], Color.RED, 1, "01"),
        (tuple[sc.u32, sc.u16], (1, 2), 8, "01000000" + "0200" + "0000"),
        (tuple[sc.u8, sc.u64], (1, 2), 16, "01" + "00" * 7 + "02" + "00" * 7),
        (Flow, Flow(port=1, bytes=2), 16, "0100" + "00" * 6 + "02" + "00" * 7),
        (Seen, Seen(small=3, name="x"), 16, "03" + "00" * 7 + "78" + "00" * 7),
    ],
)
def test_bytes(type_, value, size, data):
    shape = shape_of(type_, "here")
    assert shape.size == size
    assert shape.encode(value).hex() == data
    assert shape.decode(bytes.fromhex(data)) == value


@given(st.integers(0, 2**32 - 1), st.text(max_size=3).filter(lambda t: "\0" not in t))
def test_what_goes_in_comes_out(number, text):
    shape = shape_of(tuple[sc.u32, Annotated[str, 16], bool], "here")
    value = (number, text, bool(number & 1))
    assert shape.decode(shape.encode(value)) == value


@pytest.mark.parametrize(
    ("type_", "message"),
    [
        (float, "no floating point"),
        (bytes, "bytes needs its size"),
        (tuple, "is not a field type"),
        (tuple[int, ...], "the type of each item"),
        (tuple[()], "needs the type of each item"),
        (tuple[int, float], "item 1: the kernel has no floating point"),
        (list[int], "is not a field type"),
        (sc.Struct, "has no fields"),
        (sc.Event, "has no fields"),
        (7, "is not a field type"),
    ],
)
def test_types_without_a_layout_are_refused(type_, message):
    with pytest.raises(UsageError, match=message):
        shape_of(type_, "here")


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (tuple[sc.u8, sc.u8], (1, 2, 3)),
        (tuple[sc.u8, sc.u8], 1),
        (Flow, Seen(small=1, name="")),
        (sc.u8, "1"),
        (sc.Comm, 5),
    ],
)
def test_values_of_another_type_are_refused(type_, value):
    with pytest.raises(TypeError):
        shape_of(type_, "here").encode(value)


def test_values_that_do_not_fit_are_refused():
    with pytest.raises(OverflowError, match="256 does not fit in u8"):
        shape_of(sc.u8, "here").encode(256)
    with pytest.raises(ValueError, match="do not fit"):
        shape_of(sc.Comm, "here").encode("a" * 16)
