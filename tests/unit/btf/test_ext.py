import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syscast.btf import ext
from syscast.btf.encode import BtfBuilder
from syscast.btf.ext import BtfExt, CoreRelo, FuncInfo, LineInfo
from syscast.btf.lookup import Btf
from syscast.btf.types import Int
from syscast.elf import Elf
from syscast.errors import FormatError

OBJECT = Path(__file__).parents[2] / "data" / "btf" / "relocations.bpf.o"


def made():
    builder = BtfBuilder()
    builder.add(Int("int", 4, 1, 32))
    tables = BtfExt(
        {"kprobe/a": (FuncInfo(0, 1), FuncInfo(64, 1)), "tp": (FuncInfo(0, 1),)},
        {
            "kprobe/a": (
                LineInfo(0, builder.string("a.py"), builder.string("x = 1"), 12 << 10 | 5),
            )
        },
        {"tp": (CoreRelo(8, 1, builder.string("0:1"), 0),)},
    )
    data = ext.encode(tables, builder.string)
    return tables, data, Btf.from_bytes(builder.encode())


def test_tables_come_back():
    tables, data, btf = made()
    assert ext.parse(data, btf) == tables


def test_line_and_column():
    line = LineInfo(0, 0, 0, 12 << 10 | 5)
    assert (line.line, line.column) == (12, 5)


def test_empty_tables():
    tables = BtfExt({}, {}, {})
    _, _, btf = made()
    assert ext.parse(ext.encode(tables, lambda _: 0), btf) == tables


def test_header_without_relocations():
    """Objects from before CO-RE end their header after the line info."""
    tables, data, btf = made()
    old = data[:4] + struct.pack("=I", 24) + data[8:24] + data[32:]
    parsed = ext.parse(old, btf)
    assert parsed.func_info == tables.func_info
    assert parsed.line_info == tables.line_info
    assert parsed.core_relos == {}


def test_longer_records_of_a_newer_compiler():
    _, _, btf = made()
    records = struct.pack("=IIIIIIII", 12, 0, 2, 0, 1, 99, 8, 1) + struct.pack("=I", 99)
    data = struct.pack("=HBBI6I", 0xEB9F, 1, 0, 32, 0, len(records), 0, 0, 0, 0) + records
    assert ext.parse(data, btf).func_info == {"": (FuncInfo(0, 1), FuncInfo(8, 1))}


def test_an_object_of_clang():
    elf = Elf(OBJECT.read_bytes())
    btf = Btf.from_bytes(bytes(elf.content(elf.section(".BTF"))))
    parsed = ext.parse(bytes(elf.content(elf.section(".BTF.ext"))), btf)
    (info,) = parsed.func_info["raw_tp/x"]
    assert btf.type(info.type_id).name == "prog"
    assert len(parsed.core_relos["raw_tp/x"]) == 90
    lines = parsed.line_info["raw_tp/x"]
    assert btf.string(lines[0].file_name_off).endswith("relocations.bpf.c")
    source = (OBJECT.parent / "relocations.bpf.c").read_text().splitlines()
    for line in lines:
        assert source[line.line - 1] == btf.string(line.line_off)
    builder = BtfBuilder()
    strings = {btf.string(o): o for o in range(1, btf.string_end)}
    assert ext.parse(ext.encode(parsed, strings.__getitem__), btf) == parsed
    assert len(builder) == 1


@pytest.mark.parametrize(
    ("at", "word", "message"),
    [
        (0, 0, "wrong magic"),
        (4, 20, "header size"),
        (4, 1 << 30, "header size"),
        (8, 2, "outside"),
        (12, 1 << 30, "outside"),
        (28, 0xFFFFFFFC, "outside"),
        (32, 4, "records of 4 bytes"),
        (32, 9, "records of 9 bytes"),
        (36, 1 << 30, "no string"),
        (40, 0, "0 records"),
        (40, 0xFFFFFFFF, "records are not there"),
        (12, 6, "cut off"),
    ],
)
def test_bad_bytes_are_named(at, word, message):
    _, data, btf = made()
    data = bytearray(data)
    struct.pack_into("=I", data, at, word)
    with pytest.raises(FormatError, match=message):
        ext.parse(bytes(data), btf)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_mutated_bytes_are_refused_or_read(data):
    _, raw, btf = made()
    raw = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 5))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(0, len(raw)))]
    try:
        ext.parse(bytes(raw), btf)
    except FormatError:
        return
