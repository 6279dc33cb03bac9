import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syscast.btf import layout, parse, render
from syscast.btf.encode import BtfBuilder
from syscast.btf.lookup import Btf
from syscast.btf.types import (
    Array,
    Const,
    DataSec,
    DeclTag,
    Enum,
    EnumValue,
    Float,
    Func,
    FuncProto,
    Fwd,
    Int,
    Member,
    Param,
    Ptr,
    Restrict,
    SecVar,
    Struct,
    Typedef,
    TypeTag,
    Var,
    Void,
    Volatile,
)
from syscast.errors import FormatError, SyscastError

EVERY_KIND = [
    Int("int", 4, 1, 32),
    Int("bits", 4, 0, 3, 5),
    Ptr(1),
    Ptr(0),
    Array(1, 1, 7),
    Struct("s", 8, (Member("a", 1, 0), Member("", 1, 32))),
    Struct("b", 8, (Member("a", 1, 0, 3), Member("c", 1, 3, 29))),
    Struct("", 4, (Member("u", 1, 0),), is_union=True),
    Enum("e", 4, (EnumValue("A", -1), EnumValue("B", 2)), signed=True),
    Enum("f", 4, (EnumValue("C", 0xFFFFFFFF),)),
    Enum("g", 8, (EnumValue("D", -(1 << 62)), EnumValue("E", 1)), signed=True, wide=True),
    Enum("h", 8, (EnumValue("F", (1 << 64) - 1),), wide=True),
    Fwd("fs"),
    Fwd("fu", is_union=True),
    Typedef("t", 1),
    Volatile(1),
    Const(1),
    Restrict(3),
    FuncProto(0, (Param("a", 1), Param("", 3))),
    FuncProto(1, (Param("fmt", 3),), variadic=True),
    FuncProto(0, ()),
    Func("f", 19, 0),
    Func("g", 20, 1),
    Var("v", 1, 1),
    DataSec(".data", 8, (SecVar(24, 0, 4),)),
    Float("double", 8),
    DeclTag("tag", 6, 1),
    DeclTag("tag", 22, -1, attribute=True),
    TypeTag("user", 1),
    TypeTag("address_space(1)", 1, attribute=True),
]


def encoded():
    builder = BtfBuilder()
    for made in EVERY_KIND:
        builder.define(builder.reserve(), made)
    return builder.encode()


def test_every_kind_comes_back():
    btf = Btf.from_bytes(encoded())
    assert [btf.type(number) for number in range(1, len(btf))] == EVERY_KIND
    assert btf.type(0) == Void()
    assert len(btf) == len(EVERY_KIND) + 1


def test_a_bigger_header_of_a_newer_kernel_is_read():
    data = encoded()
    data = data[:4] + struct.pack("=I", 40) + data[8:24] + b"\1" * 16 + data[24:]
    assert Btf.from_bytes(data).type(1) == EVERY_KIND[0]


@pytest.mark.parametrize(
    ("at", "new", "message"),
    [
        (0, b"\xeb\x9f", "other byte order"),
        (0, b"\x7fE", "wrong magic 0x457f"),
        (2, b"\2", "version 2"),
        (4, struct.pack("=I", 8), "header size 8"),
        (4, struct.pack("=I", 1 << 31), "header size"),
        (8, struct.pack("=I", 2), "not aligned"),
        (12, struct.pack("=I", 0xFFFFFFFC), "type section is truncated"),
        (20, struct.pack("=I", 0xFFFFFFFF), "string section is truncated"),
        (20, struct.pack("=I", 0), "string section is empty"),
        (-1, b"x", "lacks its NUL"),
        (24, struct.pack("=I", 1 << 30), "name out of range"),
        (28, struct.pack("=I", 30 << 24), "unknown kind"),
        (28, struct.pack("=I", 4 << 24 | 0xFFFF), "cut off"),
    ],
)
def test_bad_bytes_are_named(at, new, message):
    data = bytearray(encoded())
    at %= len(data)
    data[at : at + len(new)] = new
    with pytest.raises(FormatError, match=message):
        Btf.from_bytes(bytes(data))


def test_a_type_that_ends_in_its_middle():
    data = bytearray(encoded())
    (size,) = struct.unpack_from("=I", data, 12)
    struct.pack_into("=I", data, 12, size - 4)
    with pytest.raises(FormatError, match="cut off"):
        Btf.from_bytes(bytes(data))


def test_names_that_are_no_text():
    builder = BtfBuilder()
    builder.add(Typedef("name", 0))
    data = builder.encode().replace(b"name", b"\xff\xfe\xfd\xfc")
    with pytest.raises(FormatError, match="not UTF-8"):
        Btf.from_bytes(data).type(1)


def test_a_member_name_outside_of_the_strings():
    builder = BtfBuilder()
    builder.add(Struct("s", 4, (Member("member", 0, 0),)))
    data = bytearray(builder.encode())
    struct.pack_into("=I", data, 24 + 12, 1 << 20)
    with pytest.raises(FormatError, match="no string"):
        Btf.from_bytes(bytes(data)).type(1)


def walk(data):
    """Do everything that reads BTF; only our own errors may come out."""
    try:
        btf = Btf.from_bytes(data)
    except FormatError:
        return
    questions = (
        btf.size_of,
        btf.align_of,
        btf.resolve,
        lambda i: render.type_name(btf, i),
        lambda i: render.struct_lines(btf, i, 3),
        lambda i: render.signature(btf, i),
        lambda i: list(layout.members(btf, i)),
        lambda i: layout.find_member(btf, i, "nowhere"),
        lambda i: layout.near_members(btf, i, "nowhere"),
    )
    for type_id in range(len(btf) + 1):
        for question in questions:
            try:
                question(type_id)
            except SyscastError:
                continue
    for kind in parse.KINDS:
        list(btf.names(kind))
        btf.find("s", kind)
    list(btf.candidates("s"))


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_mutated_btf_is_refused_or_read(data):
    raw = bytearray(encoded())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] = data.draw(st.integers(0, 255))
    walk(bytes(raw))


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_mutated_references_lead_nowhere_safely(data):
    """Words, not bytes: type ids that point at each other in circles."""
    raw = bytearray(encoded())
    (size,) = struct.unpack_from("=I", raw, 12)
    for _ in range(data.draw(st.integers(1, 8))):
        at = 24 + 4 * data.draw(st.integers(0, size // 4 - 1))
        struct.pack_into("=I", raw, at, data.draw(st.integers(0, len(EVERY_KIND) + 2)))
    walk(bytes(raw))


@settings(deadline=None, max_examples=100)
@given(st.integers(0, len(encoded()) - 1))
def test_truncated_btf_is_refused(size):
    with pytest.raises(FormatError):
        Btf.from_bytes(encoded()[:size])


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=400))
def test_noise_is_refused_or_read(noise):
    walk(encoded()[:24] + noise)
    walk(noise)
