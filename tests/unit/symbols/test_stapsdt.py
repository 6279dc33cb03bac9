"""USDT probes of files: of a program built here, with notes as <sys/sdt.h> makes them."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess

import pytest

from syscast import elf
from syscast.errors import TargetError
from syscast.symbols import binary, stapsdt

# What the macros of <sys/sdt.h> come to, in our own words.
SOURCE = """
#include <unistd.h>
__attribute__((section(".probes"))) unsigned short semaphore;
long table[4] = {10, 20, 30, 40};
#define MARK(name, semaphore, arguments, ...) __asm__ volatile( \\
    "990: nop\\n" \\
    ".pushsection .note.stapsdt,\\"?\\",\\"note\\"\\n" \\
    ".balign 4\\n.4byte 992f-991f, 994f-993f, 3\\n" \\
    "991: .asciz \\"stapsdt\\"\\n992: .balign 4\\n" \\
    "993: .8byte 990b\\n.8byte _.stapsdt.base\\n.8byte " semaphore "\\n" \\
    ".asciz \\"own\\"\\n.asciz \\"" name "\\"\\n.asciz \\"" arguments "\\"\\n" \\
    "994: .balign 4\\n.popsection\\n" \\
    ".ifndef _.stapsdt.base\\n" \\
    ".pushsection .stapsdt.base,\\"aG\\",\\"progbits\\",.stapsdt.base,comdat\\n" \\
    ".weak _.stapsdt.base\\n.hidden _.stapsdt.base\\n_.stapsdt.base: .space 1\\n" \\
    ".size _.stapsdt.base,1\\n.popsection\\n.endif\\n" :: __VA_ARGS__)
int main(int count, char **words) {
    MARK("plain", "0", "-4@%0", "g"(count));
    MARK("guarded", "semaphore", "8@%0 4@$7", "g"(words));
    MARK("guarded", "semaphore", "8@%0 4@$8", "g"(words));
    MARK("global", "0", "8@table+8(%%rip)", "g"(0));
    MARK("lost", "0", "8@nowhere(%%rip)", "g"(0));
    write(1, words, 1);
    read(0, words, 1);
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    if shutil.which("gcc") is None or os.uname().machine != "x86_64":
        pytest.skip("needs gcc for x86-64")
    directory = tmp_path_factory.mktemp("usdt")
    (directory / "p.c").write_text(SOURCE)
    subprocess.run(["gcc", "-O1", "-o", directory / "p", directory / "p.c"], check=True)
    return directory / "p"


def test_probes_of_a_program(program):
    found = {each.name: each for each in stapsdt.probes(str(program))}
    assert {each.provider for each in found.values()} == {"own"}
    assert sorted(found) == ["global", "guarded", "lost", "plain"]
    code = binary.read(str(program))
    (plain,) = found["plain"].locations
    (main,) = code.find("main")
    assert main.address <= plain.address < main.address + main.size
    assert plain.offset == code.file_offset(plain.address)
    assert (plain.semaphore, plain.semaphore_address) == (0, 0)
    assert [(each.size, each.signed) for each in plain.arguments] == [(4, True)]


def test_a_probe_with_a_semaphore_in_two_places(program):
    found = {each.name: each for each in stapsdt.probes(str(program))}["guarded"]
    first, second = found.locations
    assert first.address < second.address
    code = binary.read(str(program))
    assert first.semaphore_address == second.semaphore_address == code.value("semaphore")
    assert first.semaphore == code.file_offset(first.semaphore_address) != 0
    assert [each.arguments[1].number for each in found.locations] == [7, 8]


def test_a_symbol_becomes_a_distance_from_the_probe(program):
    found = {each.name: each for each in stapsdt.probes(str(program))}
    (location,) = found["global"].locations
    (operand,) = location.arguments
    table = binary.read(str(program)).value("table")
    assert location.address + operand.number == table + 8
    assert found["lost"].locations[0].arguments[0].kind == "unknown"


def test_probes_of_a_process(program):
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        running.stdout.read(1)
        found = [each for each in stapsdt.of_process(running.pid) if each.provider == "own"]
        running.stdin.close()
    assert found == stapsdt.probes(str(program))
    with pytest.raises(
        TargetError, match="process '2000000000': look up: it is not there any more"
    ):
        stapsdt.of_process(2_000_000_000)


def test_damaged_notes_are_left_out():
    class Code:
        machine = elf.EM_X86_64
        marks_base = 0
        marks = (
            b"",
            struct.pack("<QQQ", 0x1000, 0, 0),
            struct.pack("<QQQ", 0x1000, 0, 0) + b"a\0b",
            struct.pack("<QQQ", 1 << 40, 0, 0) + b"a\0b\0\0",
        )

        @staticmethod
        def file_offset(address):
            return address if address < 1 << 30 else None

    assert [stapsdt._note(note, Code) for note in Code.marks] == [None] * 4
    moved = struct.pack("<QQQ", 0x1000, 0x10, 0x20) + b"a\0b\0\0"
    Code.marks_base = 0x110
    provider, name, location = stapsdt._note(moved, Code)
    assert (provider, name) == ("a", "b")
    assert (location.address, location.semaphore_address) == (0x1100, 0x120)
