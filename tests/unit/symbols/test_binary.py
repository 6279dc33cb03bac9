"""Symbols of files: of this machine's own, and of files made here, stripped in several ways."""

from __future__ import annotations

import lzma
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from syscast.errors import TargetError
from syscast.symbols import binary, debugfiles
from syscast.symbols.binary import Binary

SOURCE = """
__attribute__((noinline)) static int hidden(int n) { __asm__ volatile(""); return n; }
__attribute__((noinline)) int shown(int n) { __asm__ volatile(""); return hidden(n) + 1; }
int also(int n) __attribute__((alias("shown")));
static void one(void) {} static void two(void) {}
static void (*pick(void))(void) { return one; }
void chosen(void) __attribute__((ifunc("pick")));
void (*keep)(void) = two;
int main(void) { chosen(); return shown(0); }
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    if not all(map(shutil.which, ("gcc", "objcopy", "strip"))):
        pytest.skip("needs gcc and binutils")
    directory = tmp_path_factory.mktemp("program")
    (directory / "p.c").write_text(SOURCE)
    made = directory / "p"
    subprocess.run(
        ["gcc", "-O1", "-Wl,--build-id=0x1234567890", "-o", made, directory / "p.c"], check=True
    )
    return made


def copy_of(program, directory, *command):
    made = directory / "p"
    shutil.copy(program, made)
    subprocess.run([*command, made], check=True)
    return made


def test_a_program_tells_its_functions(program):
    code = Binary.open(str(program))
    (shown,) = code.find("shown")
    assert (shown.name, shown.local, shown.chosen) == ("shown", False, False)
    assert shown.size > 0
    (hidden,) = code.find("hidden")
    assert hidden.local
    (chosen,) = code.find("chosen")
    assert chosen.chosen
    assert code.find("how") == []
    assert code.build_id == "1234567890"
    names = {each.name for each in code.functions()}
    assert {"shown", "also", "hidden", "main"} <= names
    assert "keep" not in names


def test_addresses_and_places_in_the_file(program):
    code = Binary.open(str(program))
    (shown,) = code.find("shown")
    (hidden,) = code.find("hidden")
    inside = code.at(shown.address + shown.size - 1)
    assert inside is not None
    assert (inside.name, inside.address) in {("shown", shown.address), ("also", shown.address)}
    assert code.at(hidden.address).name == "hidden"
    assert code.at(1) is None
    offset = code.file_offset(shown.address)
    assert code.address(offset) == shown.address
    assert code.file_offset(1 << 40) is None
    assert code.address(1 << 40) is None


def test_a_stripped_program_has_none_but_its_debugging_file_does(program, tmp_path):
    stripped = copy_of(program, tmp_path, "strip")
    assert Binary.open(str(stripped)).find("shown") == []
    debug = tmp_path / ".debug"
    debug.mkdir()
    subprocess.run(["objcopy", "--only-keep-debug", program, debug / "p.debug"], check=True)
    subprocess.run(["objcopy", f"--add-gnu-debuglink={debug / 'p.debug'}", stripped], check=True)
    code = Binary.open(str(stripped))
    assert not code.has_symtab
    (shown,) = code.find("shown")
    assert code.at(shown.address).address == shown.address
    with (debug / "p.debug").open("ab") as file:
        file.write(b"another file now")  # its CRC is not the one that the link names
    assert Binary.open(str(stripped)).find("shown") == []


def test_a_build_id_names_a_debugging_file(program, tmp_path, monkeypatch):
    stripped = copy_of(program, tmp_path, "strip")
    place = tmp_path / "debug/.build-id/12"
    place.mkdir(parents=True)
    shutil.copy(program, place / "34567890.debug")
    monkeypatch.setattr(debugfiles, "_ROOT", str(tmp_path / "debug"))
    assert len(Binary.open(str(stripped)).find("hidden")) == 1


def test_a_small_table_may_be_inside(program, tmp_path):
    stripped = copy_of(program, tmp_path, "strip")
    (tmp_path / "mini.xz").write_bytes(lzma.compress(program.read_bytes()))
    subprocess.run(
        ["objcopy", f"--add-section=.gnu_debugdata={tmp_path / 'mini.xz'}", stripped], check=True
    )
    code = Binary.open(str(stripped))
    assert len(code.find("hidden")) == 1
    (tmp_path / "mini.xz").write_bytes(b"no xz file")
    subprocess.run(
        ["objcopy", f"--update-section=.gnu_debugdata={tmp_path / 'mini.xz'}", stripped],
        check=True,
    )
    assert Binary.open(str(stripped)).find("hidden") == []


def test_a_file_is_read_once_until_it_changes(program, tmp_path):
    made = tmp_path / "p"
    shutil.copy(program, made)
    first = binary.read(str(made))
    assert binary.read(str(made)) is first
    subprocess.run(["strip", made], check=True)
    assert binary.read(str(made)) is not first


def test_what_is_no_program_is_named(tmp_path):
    text = tmp_path / "text"
    text.write_text("#!/bin/sh\n")
    with pytest.raises(TargetError, match=r"file '.*text': read symbols: not an ELF file"):
        binary.read(str(text))
    with pytest.raises(TargetError, match=r"file '.*none': read: no such file"):
        binary.read(str(tmp_path / "none"))


@pytest.mark.parametrize("seed", range(3))
def test_damaged_files_raise_nothing_else(seed):
    import random  # noqa: PLC0415

    data = bytearray(Path(sys.executable).resolve().read_bytes()[:200_000])
    luck = random.Random(seed)
    for _ in range(200):
        made = data[: luck.randrange(64, len(data))]
        for _ in range(8):
            made[luck.randrange(min(len(made), 4096))] = luck.randrange(256)
        try:
            code = Binary(binary.Elf(bytes(made)))
            code.find("main")
            code.at(4096)
            list(code.functions())
        except binary.FormatError:
            pass


def test_a_file_with_holes_does_not_fill_the_memory(program, tmp_path):
    made = tmp_path / "holes"
    shutil.copy(program, made)
    with made.open("r+b") as file:
        head = bytearray(file.read(64))
        sections, count = (
            int.from_bytes(head[40:48], "little"),
            int.from_bytes(head[60:62], "little"),
        )
        for number in range(count):
            file.seek(sections + 64 * number + 4)
            if int.from_bytes(file.read(4), "little") in {2, 3, 11}:  # symbols and strings
                file.seek(sections + 64 * number + 32)
                file.write((1 << 40).to_bytes(8, "little"))
        file.truncate(1 << 42)
    with pytest.raises(TargetError, match="read symbols: a part of"):
        binary.read(str(made))
