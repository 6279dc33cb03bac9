"""Addresses of living processes to names: files, the vdso, made code, deleted files."""

from __future__ import annotations

import ctypes
import mmap
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from syscast.errors import TargetError
from syscast.symbols import binary, perfmap, user
from syscast.symbols.buildids import BuildIds
from syscast.symbols.symbol import Symbol
from syscast.symbols.user import UserSymbols

LIBC = ctypes.CDLL(None)
SOURCE = """
#include <stdio.h>
#include <unistd.h>
namespace ns { struct Box { __attribute__((noinline)) int get(int n); }; }
int ns::Box::get(int n) { __asm__ volatile(""); return n; }
int main() {
    ns::Box box;
    auto get = &ns::Box::get;
    printf("%p\\n", *(void **)&get);
    fflush(stdout);
    char letter;
    read(0, &letter, 1);
    return box.get(0);
}
"""


def address(function):
    return ctypes.cast(function, ctypes.c_void_p).value


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    if shutil.which("g++") is None:
        pytest.skip("needs a C++ compiler")
    directory = tmp_path_factory.mktemp("program")
    (directory / "p.cc").write_text(SOURCE)
    subprocess.run(
        ["g++", "-O1", "-Wl,--build-id=0xabcdef", "-o", directory / "p", directory / "p.cc"],
        check=True,
    )
    return directory / "p"


class Running:
    """The program, and the address of its method."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = self.process.pid
        self.method = int(self.process.stdout.readline(), 16)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def test_functions_of_this_process():
    symbols = UserSymbols(os.getpid())
    found = symbols.resolve(address(LIBC.atol) + 1)
    assert (found.name, found.offset) == ("atol", 1)
    assert Path(found.module).name.startswith("libc.")
    assert str(found) == f"atol+0x1 [{Path(found.module).name}]"
    assert symbols.address(found.module, "atol") == address(LIBC.atol)
    assert symbols.address(Path(found.module).name, "atol") == address(LIBC.atol)
    assert symbols.address("libc.so.6", "no_such") is None
    assert found.module in symbols.modules()


def test_nothing_is_known_of_some_addresses():
    symbols = UserSymbols(os.getpid())
    assert symbols.resolve(16) == Symbol("", "", 16)
    assert UserSymbols(2_000_000_000).resolve(16) == Symbol("", "", 16)
    assert str(Symbol("", "", 16)) == "0x10"


def test_methods_are_written_as_in_cpp(program):
    with Running(program) as running:
        symbols = UserSymbols(running.pid)
        assert symbols.resolve(running.method, demangle=False).name == "_ZN2ns3Box3getEi"
        pytest.importorskip("cpp_demangle")
        assert symbols.resolve(running.method) == Symbol("ns::Box::get(int)", str(program), 0)


def test_a_file_without_a_name_is_still_read(program, tmp_path):
    copy = tmp_path / "gone"
    shutil.copy(program, copy)
    with Running(copy) as running:
        copy.unlink()
        found = UserSymbols(running.pid).resolve(running.method, demangle=False)
        if not found.name:
            pytest.skip("/proc/PID/map_files may not be read here")
        assert (found.name, found.module) == ("_ZN2ns3Box3getEi", str(copy))


def test_the_vdso_has_names():
    region = next(
        line
        for line in Path("/proc/self/maps").read_text().splitlines()
        if line.endswith("[vdso]")
    )
    start, end = (int(each, 16) for each in region.split()[0].split("-"))
    symbols = UserSymbols(os.getpid())
    names = {symbols.resolve(at).name for at in range(start, end, 16)}
    assert any("clock_gettime" in name for name in names)


def test_made_code_has_the_names_that_its_maker_wrote(tmp_path, monkeypatch):
    rights = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    with mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=rights) as code:
        view = ctypes.c_char.from_buffer(code)
        start = ctypes.addressof(view)
        names = tmp_path / "perf.map"
        made = perfmap.PerfMap(os.getpid())
        made._path = str(names)
        monkeypatch.setattr(user, "PerfMap", lambda _: made)
        symbols = UserSymbols(os.getpid())
        assert symbols.resolve(start) == Symbol("", "", start)
        names.write_text(
            f"{start:x} 20 JS:work\n{start + 0x40:x} 10 a name with blanks\nnonsense\n"
        )
        assert symbols.resolve(start + 4) == Symbol("JS:work", "[jit]", 4)
        assert symbols.resolve(start + 0x30).name == ""
        with names.open("a") as file:
            file.write(f"{start + 0x30:x} 8 later\n")
        assert symbols.resolve(start + 0x31).name == "later"
        assert symbols.resolve(start + 0x4F).name == "a name with blanks"
        del view


def test_a_process_knows_its_number():
    assert perfmap.own_number(os.getpid()) == os.getpid()
    assert perfmap.own_number(2_000_000_000) == 2_000_000_000


def test_places_by_build_id(program):
    ids = BuildIds()
    assert ids.resolve("abcdef", 0x1000) == Symbol("", "abcdef", 0x1000)
    ids = BuildIds()
    assert ids.add(str(program))
    with Running(program) as running:
        symbols = UserSymbols(running.pid)
        symbols.refresh()
        region = symbols._region(running.method)
        offset = running.method - region.start + region.offset
    found = ids.resolve("abcdef", offset + 2, demangle=False)
    assert found == Symbol("_ZN2ns3Box3getEi", str(program), 2)
    assert ids.resolve("abcdef", 1 << 40).name == ""


def test_files_that_others_made_are_read_with_care(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(TargetError, match="read: invalid argument"):
        binary.read(str(pipe))  # and does not wait for a writer
    made = perfmap.PerfMap(os.getpid())
    made._path = str(pipe)
    assert made.find(16) is None
    foreign = tmp_path / "foreign.map"
    foreign.write_text("0 ff spoofed\n")
    made._path = str(foreign)
    assert made.find(16) == ("spoofed", 16)
    if os.geteuid() == 0:
        os.chown(foreign, 12345, -1)
        other = perfmap.PerfMap(os.getpid())
        other._path = str(foreign)
        assert other.find(16) is None
