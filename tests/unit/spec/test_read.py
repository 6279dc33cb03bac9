"""Objects that clang built, as specs."""

from __future__ import annotations

import os
import platform
import random
import shutil
import struct
import subprocess
import time
from pathlib import Path

import msgspec
import pytest

from syscast.asm import decode
from syscast.btf.lookup import Btf
from syscast.btf.types import DataSec, Func, Struct, Var
from syscast.errors import FormatError, SyscastError
from syscast.spec import (
    CoreRelo,
    ExternRef,
    KconfigVar,
    MapRef,
    ObjectMeta,
    ObjectSpec,
    ProgramMeta,
)
from syscast.spec.read import read_object

OBJECTS = Path(__file__).parents[2] / "data/objects"


@pytest.fixture(scope="module")
def data() -> bytes:
    return (OBJECTS / "sample.bpf.o").read_bytes()


@pytest.fixture(scope="module")
def spec(data) -> ObjectSpec:
    return read_object(data, "sample")


def by_name(items):
    return {item.name: item for item in items}


def test_programs(spec):
    programs = by_name(spec.programs)
    assert list(programs) == ["on_enter", "on_listen", "on_exit"]
    enter = programs["on_enter"]
    assert (enter.type, enter.attach_type, enter.target) == ("raw_tracepoint", "", "sys_enter")
    assert enter.section == "raw_tp/sys_enter"
    assert programs["on_exit"].section == "?raw_tp/sys_exit"
    assert spec.license == "GPL"
    assert spec.meta is None


def test_maps(spec):
    maps = by_name(spec.maps)
    events = maps["events"]
    assert (events.type, events.key_size, events.max_entries) == ("ringbuf", 0, 65536)
    seen = maps["seen"]
    assert (seen.type, seen.key_size, seen.value_size) == ("hash", 4, 32)
    assert (seen.max_entries, seen.flags) == (128, 1)
    btf = Btf.from_bytes(spec.btf)
    assert btf.type(seen.value_type_id).name == "event"
    outer = maps["outer"]
    assert (outer.type, outer.value_size, outer.slots) == ("array_of_maps", 4, ((1, "first"),))
    assert (outer.inner.type, outer.inner.value_size, outer.inner.max_entries) == ("array", 8, 4)


def test_data_sections(spec):
    maps = by_name(spec.maps)
    assert maps[".rodata"].read_only
    assert maps[".rodata"].initial == b"\0\0\0\0sample\0\0"
    assert maps[".data"].initial == struct.pack("<Q", 7)
    assert (maps[".bss"].initial, maps[".bss"].value_size) == (b"", 40)
    enter = by_name(spec.programs)["on_enter"]
    assert MapRef(5, ".rodata", 0) in enter.map_refs
    assert any(ref.map == ".rodata" and ref.offset == 4 for ref in enter.map_refs)
    # A static variable: the relocation is against the section, its offset in the instruction.
    assert any(
        ref.map == ".bss" and ref.offset == 32
        for ref in by_name(spec.programs)["on_exit"].map_refs
    )


def test_map_refs_point_to_address_loads(spec):
    for program in spec.programs:
        slots = {}
        at = 0
        for one in decode(program.insns):
            slots[at] = one
            at += one.slots
        for ref in program.map_refs:
            assert slots[ref.insn].slots == 2
        for info in (*program.func_infos, *program.line_infos, *program.core_relos):
            assert info.insn in slots


def test_subprograms_are_appended(spec):
    enter = by_name(spec.programs)["on_enter"]
    starts = [info.insn for info in enter.func_infos]
    assert starts[0] == 0
    assert len(starts) == 3
    calls = []
    at = 0
    for one in decode(enter.insns):
        if one.opcode == 0x85 and one.src == 1:
            calls.append(at + 1 + one.imm)
        at += one.slots
    assert sorted(calls) == starts[1:]
    btf = Btf.from_bytes(spec.btf)
    assert [btf.type(info.type_id).name for info in enter.func_infos] == [
        "on_enter",
        "fill",
        "add",
    ]


def test_callback_address(spec):
    leave = by_name(spec.programs)["on_exit"]
    at = 0
    for one in decode(leave.insns):
        if one.slots == 2 and one.src == 4:  # BPF_PSEUDO_FUNC
            assert at + 1 + one.imm in [info.insn for info in leave.func_infos]
            return
        at += one.slots
    pytest.fail("no address of the callback")


def test_core_relocations_move_with_their_function(spec):
    enter = by_name(spec.programs)["on_enter"]
    assert [(r.access, r.kind) for r in enter.core_relos] == [("0:2", 0), ("0:1", 0)]
    fill = enter.func_infos[1].insn
    assert all(r.insn > fill for r in enter.core_relos)
    assert isinstance(enter.core_relos[0], CoreRelo)


def test_externs(spec):
    enter = by_name(spec.programs)["on_enter"]
    assert enter.externs == (ExternRef(31, "schedule", "address", weak=True),)
    assert spec.kconfig == (
        KconfigVar("CONFIG_HZ", 0, 4, "int", signed=True, weak=True),
        KconfigVar("LINUX_KERNEL_VERSION", 4, 4, "int", signed=True),
        KconfigVar("CONFIG_BPF", 8, 1, "bool", weak=True),
    )
    assert by_name(spec.maps)[".kconfig"].value_size == 9


def test_btf_is_complete(spec):
    btf = Btf.from_bytes(spec.btf)
    sections = {}
    for type_id in range(1, len(btf)):
        found = btf.type(type_id)
        if isinstance(found, DataSec):
            assert found.size
            offsets = [var.offset for var in found.vars]
            assert offsets == sorted(set(offsets))
            sections[found.name] = {btf.type(v.type_id).name: v.offset for v in found.vars}
        elif isinstance(found, Var | Func):
            assert found.linkage in {0, 1}
    assert sections[".maps"]["outer"] == 0x20
    assert sections[".bss"] == {"zeroed": 0, "hidden_count": 32}
    assert ".ksyms" not in sections
    assert ".kconfig" not in sections
    structs = [found for found in map(btf.type, range(1, len(btf))) if isinstance(found, Struct)]
    assert any(not each.name and len(each.members) == 3 for each in structs)


def test_round_trip(spec):
    assert ObjectSpec.decode(spec.encode()) == spec


def test_reading_is_deterministic(data, spec):
    assert read_object(data, "sample").encode() == spec.encode()


def test_no_bpf_object():
    with pytest.raises(FormatError, match="object 'sh': read: it is an ELF file, but not a BPF"):
        read_object(Path("/bin/sh").resolve().read_bytes(), "sh")
    with pytest.raises(FormatError, match="not an ELF file"):
        read_object(b"import syscast\n", "probe.py")


def test_mutations_raise_only_our_errors(data):
    rng = random.Random(int(os.environ.get("SYSCAST_FUZZ_SEED", "2")))
    end = time.monotonic() + float(os.environ.get("SYSCAST_FUZZ_SECONDS", "2"))
    refused = taken = 0
    while time.monotonic() < end:
        changed = bytearray(data)
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(changed))
            if rng.random() < 0.5:
                changed[at] = rng.randrange(256)
            else:
                at -= at % 4
                word = rng.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, rng.randrange(1 << 12)))
                changed[at : at + 4] = struct.pack("<I", word)
        try:
            read_object(bytes(changed), "fuzz")
            taken += 1
        except SyscastError:
            refused += 1
    assert refused
    assert taken


# What follows needs a compiler: CI installs clang and libbpf's headers.

needs_clang = pytest.mark.skipif(
    shutil.which("clang") is None or not Path("/usr/include/bpf/bpf_helpers.h").exists(),
    reason="clang or libbpf's headers are not installed",
)
HEAD = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
char LICENSE[] SEC("license") = "GPL";
"""


def compiled(tmp_path: Path, source: str, *flags: str) -> bytes:
    (tmp_path / "x.c").write_text(HEAD + source)
    include = f"-I/usr/include/{platform.machine()}-linux-gnu"
    command = ["clang", "-O2", "-g", "-target", "bpf", include, *flags, "-c", "x.c", "-o", "x.o"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    return (tmp_path / "x.o").read_bytes()


@needs_clang
def test_fixture_is_what_its_source_gives(tmp_path, spec):
    source = (OBJECTS / "sample.bpf.c").read_text()
    built = compiled(
        tmp_path,
        source.partition("#include <linux/bpf.h>")[2].replace(
            'char LICENSE[] SEC("license") = "GPL";', ""
        ),
        "-D__TARGET_ARCH_x86",
        "-mcpu=v3",
    )
    again = read_object(built, "sample")
    assert [p.name for p in again.programs] == [p.name for p in spec.programs]
    assert {m.name: (m.type, m.value_size) for m in again.maps} == {
        m.name: (m.type, m.value_size) for m in spec.maps
    }


@needs_clang
def test_several_functions_in_one_section(tmp_path):
    built = compiled(
        tmp_path,
        """
        SEC("raw_tp/sys_enter") int one(void *ctx) { return 1; }
        SEC("raw_tp/sys_enter") int two(void *ctx) { return bpf_get_smp_processor_id(); }
        SEC("fentry.s/vfs_read") int three(void *ctx) { return 0; }
        """,
    )
    programs = by_name(read_object(built, "x").programs)
    assert [len(programs[n].insns) // 8 for n in ("one", "two")] == [2, 2]
    assert programs["three"].sleepable
    assert programs["two"].func_infos[0].insn == 0


@needs_clang
def test_metadata_section(tmp_path):
    meta = ObjectMeta(programs=(ProgramMeta("one", 0, "one", "raw_tracepoint", "sys_enter"),))
    raw = ", ".join(str(byte) for byte in msgspec.msgpack.encode(meta))
    built = compiled(
        tmp_path,
        f"""
        const unsigned char meta[] SEC(".syscast") = {{ {raw} }};
        SEC("raw_tp/sys_enter") int one(void *ctx) {{ return 1; }}
        """,
    )
    assert read_object(built, "x").meta == meta


@needs_clang
def test_programs_in_a_map(tmp_path):
    built = compiled(
        tmp_path,
        """
        int other(void *ctx);
        struct {
            __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
            __uint(max_entries, 3);
            __uint(key_size, 4);
            __array(values, int (void *));
        } jumps SEC(".maps") = { .values = { [2] = (void *)&other } };
        SEC("raw_tp/sys_enter") int one(void *ctx) { bpf_tail_call(ctx, &jumps, 2); return 0; }
        SEC("raw_tp/sys_enter") int other(void *ctx) { return 0; }
        """,
    )
    jumps = by_name(read_object(built, "x").maps)["jumps"]
    assert (jumps.type, jumps.slots) == ("prog_array", ((2, "other"),))


@needs_clang
def test_kernel_functions_and_typed_symbols(tmp_path):
    built = compiled(
        tmp_path,
        """
        struct task_struct;
        extern struct task_struct *bpf_task_from_pid(int pid) __ksym;
        extern void bpf_task_release___v2(struct task_struct *) __ksym __weak;
        extern const int bpf_prog_active __ksym;
        SEC("syscall") int one(void *ctx) {
            struct task_struct *task = bpf_task_from_pid(1);
            if (task && bpf_task_release___v2)
                bpf_task_release___v2(task);
            return bpf_prog_active;
        }
        """,
    )
    spec = read_object(built, "x")
    externs = {(e.name, e.kind, e.weak) for e in spec.programs[0].externs}
    assert externs == {
        ("bpf_task_from_pid", "kfunc", False),
        ("bpf_task_release", "kfunc", True),
        ("bpf_task_release", "typed", True),
        ("bpf_prog_active", "typed", False),
    }
    btf = Btf.from_bytes(spec.btf)
    func = btf.type(btf.find("bpf_task_release___v2", Func))
    assert func.linkage == 1
    assert all(param.name for param in btf.type(func.type_id).params)


@needs_clang
@pytest.mark.parametrize(
    ("source", "flags", "message"),
    [
        (
            'struct { __uint(type, 1); __uint(pinning, 1); } m SEC(".maps");',
            (),
            "map 'm': parse: pinning is not supported",
        ),
        (
            'struct { __uint(type, 200); } m SEC(".maps");',
            (),
            "map 'm': parse: map type 200 is not known",
        ),
        (
            'struct { __uint(type, 1); __uint(colour, 1); } m SEC(".maps");',
            (),
            "map 'm': parse: 'colour' is not a known member",
        ),
        (
            'struct { __uint(type, 1); __type(key, void); } m SEC(".maps");',
            (),
            "map 'm': parse: the key has no size",
        ),
        (
            'struct { int type; } m SEC("maps") = { 1 };',
            (),
            "object 'x': read: it defines maps in the old way",
        ),
        (
            'struct { __uint(type, 1); } m SEC(".maps");',
            ("-g0",),
            r"object 'x': read: it has maps, but no BTF \(compile with -g\)",
        ),
        (
            'extern int missing; SEC("xdp") int one(void *ctx) { return missing; }',
            (),
            "symbol 'missing': link: it is not defined, and no extern of the kernel",
        ),
        (
            """extern struct { int x; } CONFIG_HZ __kconfig;
            SEC("xdp") int one(void *ctx) { return CONFIG_HZ.x; }""",
            (),
            "variable 'CONFIG_HZ': read: its type does not fit to a kernel configuration",
        ),
    ],
)
def test_what_is_refused(tmp_path, source, flags, message):
    with pytest.raises(FormatError, match=message):
        read_object(compiled(tmp_path, source, *flags), "x")
