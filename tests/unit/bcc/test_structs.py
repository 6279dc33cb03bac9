"""ctypes of C types: layouts, names of padding, bit fields, unions, what ctypes itself gets wrong."""

from __future__ import annotations

import ctypes

import pytest

from syscast.bcc.structs import event_type, from_bytes, table_type, to_bytes
from syscast.spec.tables import CDesc, CMember

U8 = CDesc("int", "unsigned char", 1, signed=False, align=1)
U16 = CDesc("int", "unsigned short", 2, signed=False, align=2)
U32 = CDesc("int", "unsigned int", 4, signed=False, align=4)
S32 = CDesc("int", "int", 4, signed=True, align=4)
U64 = CDesc("int", "unsigned long long", 8, signed=False, align=8)
CHAR = CDesc("char", "char", 1, signed=True)


def array(element, count):
    return CDesc(
        "array",
        f"{element.name}[{count}]",
        element.size * count,
        align=element.align,
        element=element,
        count=count,
    )


def struct(name, size, *members, align=8, kind="struct"):
    made = tuple(CMember(*each) for each in members)
    return CDesc(kind, f"{kind} {name}".strip(), size, align=align, members=made)


def test_simple_types():
    assert table_type(U64) is ctypes.c_ulonglong
    assert table_type(S32) is ctypes.c_int
    assert table_type(CHAR) is ctypes.c_char
    assert table_type(CDesc("bool", "bool", 1)) is ctypes.c_bool
    assert table_type(CDesc("enum", "enum color", 4)) is ctypes.c_uint
    assert table_type(CDesc("pointer", "struct request *", 8, align=8)) is ctypes.c_ulonglong
    assert ctypes.sizeof(table_type(CDesc("int", "__int128", 16, signed=True, align=16))) == 16


def test_char_arrays_are_bytes():
    comm = table_type(array(CHAR, 16))
    assert from_bytes(comm, b"bash\0junk").value == b"bash"


def test_padding_is_spelled_out_in_tables():
    desc = struct("key_t", 24, ("pid", U32, 0), ("ts", U64, 8), ("port", U16, 16))
    made = table_type(desc)
    assert [field[0] for field in made._fields_] == ["pid", "__pad_1", "ts", "port", "__pad_end"]
    assert made.__name__ == "key_t"
    assert ctypes.sizeof(made) == 24
    value = made(pid=1, ts=2, port=3)
    assert to_bytes(value) == (1).to_bytes(8, "little") + (2).to_bytes(8, "little") + (3).to_bytes(
        8, "little"
    )


def test_events_have_no_padding_members():
    desc = struct("data_t", 24, ("pid", U32, 0), ("ts", U64, 8), ("comm", array(CHAR, 8), 16))
    made = event_type(desc)
    assert [field[0] for field in made._fields_] == ["pid", "ts", "comm"]
    value = from_bytes(made, bytes([1, 0, 0, 0, 9, 9, 9, 9, 2] + [0] * 7) + b"bash\0\0\0\0")
    assert (value.pid, value.ts, value.comm) == (1, 2, b"bash")


def test_packed_events_lie_where_c_puts_them():
    desc = struct("data_t", 13, ("kind", U8, 0), ("ts", U64, 1), ("pid", U32, 9), align=1)
    value = from_bytes(
        event_type(desc), b"\x05" + (7).to_bytes(8, "little") + (9).to_bytes(4, "little")
    )
    assert (value.kind, value.ts, value.pid) == (5, 7, 9)


def test_events_with_odd_alignment_get_padding():
    # __attribute__((aligned(16))) on a member: natural alignment would put it at 8.
    desc = struct("data_t", 32, ("a", U64, 0), ("b", U64, 16), align=16)
    made = event_type(desc)
    assert made.b.offset == 16
    assert ctypes.sizeof(made) == 32


def test_unions_and_anonymous_members():
    address = struct("", 16, ("v4", U32, 0), ("v6", array(U8, 16), 0), kind="union", align=4)
    desc = struct("key_t", 20, ("", address, 0), ("family", U16, 16), align=4)
    made = table_type(desc)
    assert [field[0] for field in made._fields_] == ["__anon0", "family", "__pad_end"]
    value = made()
    value.v4 = 0x0100007F
    assert bytes(value.v6[:4]) == b"\x7f\0\0\1"


def test_bit_fields():
    inner = struct("", 8, ("a", U32, 0), ("b", U32, 4), align=4)
    desc = struct(
        *("leaf", 32, ("a", U64, 0), ("b", U64, 8), ("c", U64, 16, 0, 36), ("d", U64, 16, 36, 28)),
        ("s", inner, 24),
    )
    made = table_type(desc)
    value = made(2, 3, 4, 1, (5, 6))
    data = to_bytes(value)
    assert int.from_bytes(data[16:24], "little") == 4 | 1 << 36
    assert (value.s.a, value.s.b) == (5, 6)


def test_bit_fields_that_ctypes_lays_out_otherwise():
    # struct { u8 a:4; u32 b:20; u8 c; }: C compilers go on in the same bytes.
    desc = struct("mixed", 4, ("a", U8, 0, 0, 4), ("b", U32, 0, 4, 20), ("c", U8, 3), align=4)
    made = table_type(desc)
    value = from_bytes(made, (0x5 | 0xABCDE << 4 | 0x77 << 24).to_bytes(4, "little"))
    assert (value.a, value.b, value.c) == (0x5, 0xABCDE, 0x77)
    value.b = 1
    assert (value.a, value.b, value.c) == (0x5, 1, 0x77)
    assert to_bytes(value) == (0x5 | 1 << 4 | 0x77 << 24).to_bytes(4, "little")


def test_signed_bit_fields_by_property():
    desc = struct("mixed", 4, ("a", U8, 0, 0, 4), ("b", S32, 0, 4, 20), ("c", U8, 3), align=4)
    value = table_type(desc)()
    value.b = -2
    assert value.b == -2


def test_flexible_arrays():
    desc = struct("flex", 4, ("count", U32, 0), ("items", array(U32, 0), 4), align=4)
    made = table_type(desc)
    assert [field[0] for field in made._fields_] == ["count", "items"]
    assert ctypes.sizeof(made) == 4


def test_what_has_no_size_is_refused():
    with pytest.raises(TypeError, match="'void': it cannot be"):
        table_type(CDesc("void", "void", 0))


def test_signed_bytes_of_events_are_bytes():
    s8 = CDesc("int", "s8", 1, signed=True)
    assert event_type(s8) is ctypes.c_char
    assert table_type(s8) is ctypes.c_byte


def test_members_that_are_called_like_padding():
    desc = struct("key_t", 16, ("pid", U32, 0), ("__pad__", U64, 8))
    made = table_type(desc)
    assert made.__pad__.offset == 8
    assert ctypes.sizeof(made) == 16
