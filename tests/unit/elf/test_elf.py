"""ELF files: what a real object holds, and what damaged ones do."""

from __future__ import annotations

import os
import random
import struct
import sys
import time
from pathlib import Path

import pytest

from syscast import elf
from syscast.elf import Elf
from syscast.errors import FormatError

OBJECT = Path(__file__).parents[2] / "data/objects/sample.bpf.o"


@pytest.fixture(scope="module")
def data() -> bytes:
    return OBJECT.read_bytes()


def test_header_and_sections(data):
    parsed = Elf(data, "object 'sample'")
    assert (parsed.machine, parsed.type) == (elf.EM_BPF, elf.ET_REL)
    text = parsed.section(".text")
    assert text is not None
    assert text.executable
    assert len(parsed.content(text)) == text.size > 0
    bss = parsed.section(".bss")
    assert bss is not None
    assert (bss.type, bss.size) == (elf.SHT_NOBITS, 40)
    assert parsed.content(bss) == b""
    assert parsed.section(".nothing") is None


def test_symbols_and_relocations(data):
    parsed = Elf(data)
    symbols = parsed.symbols(parsed.section(".symtab"))
    by_name = {symbol.name: symbol for symbol in symbols}
    assert by_name["on_enter"].type == elf.STT_FUNC
    assert by_name["on_enter"].binding == elf.STB_GLOBAL
    assert by_name["CONFIG_HZ"].section == elf.SHN_UNDEF
    assert by_name["CONFIG_HZ"].binding == elf.STB_WEAK
    relocations = parsed.relocations(parsed.section(".rel.maps"))
    assert [(one.offset, symbols[one.symbol].name) for one in relocations] == [(0x40, "first")]


def test_symbols_of_this_interpreter():
    # A linked, dynamic, much larger file of another machine.
    parsed = Elf(Path(os.path.realpath(sys.executable)).read_bytes(), "python")
    table = next(s for s in parsed.sections if s.type == elf.SHT_DYNSYM)
    assert "Py_BytesMain" in {symbol.name for symbol in parsed.symbols(table)}


@pytest.mark.parametrize(
    ("at", "patch", "message"),
    [
        (0, b"", "not an ELF file"),
        (0, b"#!/bin/sh", "not an ELF file"),
        (4, b"\x01", "not a 64-bit little-endian"),
        (5, b"\x02", "not a 64-bit little-endian"),
        (58, b"\x10\x00", "section headers of 16 bytes"),
        (62, b"\xff\x7f", "no section 32767 with names"),
        (40, b"\xff" * 8, "the section table lies outside of the file"),
    ],
    ids=["empty", "script", "32 bits", "big endian", "headers", "names", "table"],
)
def test_damaged_header(data, at, patch, message):
    changed = data[:at] + patch + data[at + len(patch) :] if patch else b""
    with pytest.raises(FormatError, match=message):
        Elf(changed, "object 'x'")


def test_cut_off(data):
    with pytest.raises(FormatError, match=r"object 'x': parse: .* lies outside of the file"):
        Elf(data[:1000], "object 'x'")


def test_huge_section_costs_nothing(data):
    parsed = Elf(data)
    bss = parsed.section(".bss")
    assert bss is not None
    huge = bss._replace(size=1 << 62)
    assert parsed.content(huge) == b""
    with pytest.raises(FormatError, match="outside of the file"):
        parsed.content(huge._replace(type=elf.SHT_PROGBITS))


def test_table_of_wrong_entries(data):
    parsed = Elf(data)
    with pytest.raises(FormatError, match="does not hold entries of 24 bytes"):
        parsed.symbols(parsed.section(".text"))


def test_no_sections_at_all():
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, 0, 0, 0, 0, 64, 0, 0, 64, 0, 0
    )
    assert Elf(header).sections == ()


def test_mutations_raise_only_format_errors(data):
    seed = int(os.environ.get("SYSCAST_FUZZ_SEED", "1"))
    end = time.monotonic() + float(os.environ.get("SYSCAST_FUZZ_SECONDS", "1"))
    rng = random.Random(seed)
    refused = 0
    while time.monotonic() < end:
        changed = bytearray(data)
        for _ in range(rng.randint(1, 8)):
            changed[rng.choice((rng.randrange(64), rng.randrange(len(changed))))] = rng.randrange(
                256
            )
        cut = rng.choice((len(changed), rng.randrange(len(changed))))
        try:
            parsed = Elf(bytes(changed[:cut]))
            for section in parsed.sections:
                if section.type in {elf.SHT_SYMTAB, elf.SHT_DYNSYM}:
                    parsed.symbols(section)
                elif section.type in {elf.SHT_REL, elf.SHT_RELA}:
                    parsed.relocations(section)
        except FormatError:
            refused += 1
    assert refused
