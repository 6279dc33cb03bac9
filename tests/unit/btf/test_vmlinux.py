"""The running kernel's own BTF against independent witnesses."""

import json
import shutil
import subprocess
import time

import pytest
from tests.unit.btf.conftest import VMLINUX

from syscast.btf import layout, source
from syscast.btf.encode import BtfBuilder, strip_for
from syscast.btf.lookup import Btf
from syscast.btf.render import signature, struct_lines, type_name
from syscast.btf.types import (
    Array,
    Const,
    DataSec,
    DeclTag,
    Enum,
    Float,
    Func,
    FuncProto,
    Fwd,
    Int,
    Ptr,
    Restrict,
    Struct,
    Typedef,
    TypeTag,
    Var,
    Volatile,
)

# Sizes that the system call ABI fixes for x86-64 and arm64.
UAPI_SIZES = {
    "sockaddr_in": 16,
    "in6_addr": 16,
    "sockaddr_in6": 28,
    "iovec": 16,
    "pollfd": 8,
    "__kernel_timespec": 16,
    "io_uring_sqe": 64,
    "bpf_insn": 8,
    "open_how": 24,
    "iphdr": 20,
    "tcphdr": 20,
    "ipv6hdr": 40,
    "ethhdr": 14,
}


def test_sizes_that_the_abi_fixes(vmlinux):
    sizes = {}
    for name in UAPI_SIZES:
        struct_id = vmlinux.find(name, Struct)
        if struct_id is not None:
            sizes[name] = vmlinux.size_of(struct_id)
    assert len(sizes) > 8
    assert sizes == {name: UAPI_SIZES[name] for name in sizes}


def test_offsets_that_the_abi_fixes(vmlinux):
    insn = vmlinux.find("bpf_insn", Struct)
    found = {
        path.name: (path.bit_offset, path.bitfield_size) for path in layout.members(vmlinux, insn)
    }
    assert found == {
        "code": (0, 0),
        "dst_reg": (8, 4),
        "src_reg": (12, 4),
        "off": (16, 0),
        "imm": (32, 0),
    }
    tcp = vmlinux.find("tcphdr", Struct)
    syn = layout.find_member(vmlinux, tcp, "syn")
    assert (syn.bit_offset, syn.bitfield_size) == (12 * 8 + 9, 1)


def test_a_walk_over_task_struct(vmlinux):
    task = vmlinux.find("task_struct", Struct)
    comm = layout.find_member(vmlinux, task, "comm")
    assert type_name(vmlinux, comm.type_id) == "char[16]"
    assert type_name(vmlinux, layout.find_member(vmlinux, task, "tgid").type_id) == "pid_t"
    ends = []
    for path in layout.members(vmlinux, task):
        bits = path.bitfield_size or 8 * vmlinux.size_of(path.type_id)
        ends.append(path.bit_offset + bits)
    assert len(ends) > 150
    assert max(ends) <= 8 * vmlinux.size_of(task)
    assert struct_lines(vmlinux, task)[0] == "struct task_struct {"


def test_the_port_of_a_socket(vmlinux):
    """``skc_num`` lies in anonymous structs of the embedded ``__sk_common``."""
    path = layout.find_member(vmlinux, vmlinux.find("sock", Struct), "skc_num")
    assert path.names == ("__sk_common", "skc_num")
    assert path.offset == 14
    assert vmlinux.size_of(path.type_id) == 2


def test_signatures(vmlinux):
    func_id, proto = vmlinux.function("vfs_read")
    assert signature(vmlinux, func_id) == (
        "ssize_t vfs_read(struct file *file, char *buf, size_t count, loff_t *pos)"
    )
    assert len(proto.params) == 4


def test_near_matches_are_quick(vmlinux):
    started = time.monotonic()
    assert vmlinux.near("vfs_reed", Func)[0] == "vfs_read"
    assert vmlinux.near("do_sys_opanat2", Func)[0] == "do_sys_openat2"
    assert time.monotonic() - started < 4


def test_every_type_comes_back_from_the_encoder(vmlinux):
    builder = BtfBuilder()
    for type_id in range(1, len(vmlinux)):
        builder.define(builder.reserve(), vmlinux.type(type_id))
    again = Btf.from_bytes(builder.encode())
    assert len(again) == len(vmlinux)
    assert all(again.type(i) == vmlinux.type(i) for i in range(len(vmlinux)))


def test_a_stripped_kernel_has_the_same_layouts(vmlinux):
    lacks = {"func", "datasec", "float", "decl_tag", "type_tag", "enum64"}
    old = Btf.from_bytes(strip_for(VMLINUX.read_bytes(), lacks))
    sock, task = (vmlinux.find(name, Struct) for name in ("sock", "task_struct"))
    for struct_id in (sock, task):
        assert old.size_of(struct_id) == vmlinux.size_of(struct_id)
        assert list(layout.members(old, struct_id)) == list(layout.members(vmlinux, struct_id))


def test_from_the_index_the_same_as_from_the_bytes(vmlinux, monkeypatch):
    monkeypatch.setattr(source, "_loaded", {})
    cold = source.kernel()
    monkeypatch.setattr(source, "_loaded", {})
    monkeypatch.setattr(source.Btf, "index_image", None)  # the index must come from the cache
    warm = source.kernel()
    assert len(cold) == len(warm) == len(vmlinux)
    for type_id in range(1, len(vmlinux), 13):
        assert warm.type(type_id) == vmlinux.type(type_id)
    for kind in (Func, Struct, Typedef, Enum):
        assert list(warm.ids(kind)) == list(vmlinux.ids(kind))
        for name in list(vmlinux.names(kind))[::97]:
            assert warm.find_all(name, kind) == vmlinux.find_all(name, kind)


def plain(name):
    return "" if name == "(anon)" else name


LINKAGES = ("static", "global", "extern")
ENCODINGS = {"(none)": 0, "SIGNED": 1, "CHAR": 2, "BOOL": 4}
SIMPLE = {
    "INT": lambda d, name: Int(
        name, d["size"], ENCODINGS[d["encoding"]], d["nr_bits"], d["bits_offset"]
    ),
    "PTR": lambda d, _: Ptr(d["type_id"]),
    "ARRAY": lambda d, _: Array(d["type_id"], d["index_type_id"], d["nr_elems"]),
    "TYPEDEF": lambda d, name: Typedef(name, d["type_id"]),
    "CONST": lambda d, _: Const(d["type_id"]),
    "VOLATILE": lambda d, _: Volatile(d["type_id"]),
    "RESTRICT": lambda d, _: Restrict(d["type_id"]),
    "FWD": lambda d, name: Fwd(name, d["fwd_kind"] == "union"),
    "FUNC": lambda d, name: Func(name, d["type_id"], LINKAGES.index(d["linkage"])),
    "VAR": lambda d, name: Var(name, d["type_id"], LINKAGES.index(d["linkage"])),
    "FLOAT": lambda d, name: Float(name, d["size"]),
    "DECL_TAG": lambda d, name: DeclTag(name, d["type_id"], d["component_idx"]),
    "TYPE_TAG": lambda d, name: TypeTag(name, d["type_id"]),
}


def check_compound(line, found):
    match line["kind"]:
        case "STRUCT" | "UNION":
            assert isinstance(found, Struct)
            assert (found.name, found.size) == (plain(line["name"]), line["size"])
            assert found.is_union == (line["kind"] == "UNION")
            ours = [(m.name, m.type_id, m.bit_offset, m.bitfield_size) for m in found.members]
            assert ours == [
                (plain(m["name"]), m["type_id"], m["bits_offset"], m.get("bitfield_size", 0))
                for m in line["members"]
            ]
        case "ENUM" | "ENUM64":
            assert isinstance(found, Enum)
            assert found.wide == (line["kind"] == "ENUM64")
            mask = (1 << (64 if found.wide else 32)) - 1  # some bpftool extend the sign of u32
            ours = [(value.name, value.value & mask) for value in found.values]
            assert ours == [(value["name"], value["val"] & mask) for value in line["values"]]
        case "FUNC_PROTO":
            assert isinstance(found, FuncProto)
            ours = [(param.name, param.type_id) for param in found.params]
            ours += [("", 0)] if found.variadic else []
            assert ours == [(plain(p["name"]), p["type_id"]) for p in line["params"]]
            assert found.return_id == line["ret_type_id"]
        case _:
            assert isinstance(found, DataSec)
            ours = [(var.type_id, var.offset, var.size) for var in found.vars]
            assert ours == [(var["type_id"], var["offset"], var["size"]) for var in line["vars"]]


@pytest.mark.skipif(not shutil.which("bpftool"), reason="the witness is bpftool")
def test_every_type_as_bpftool_dumps_it(vmlinux):
    command = ["bpftool", "-j", "btf", "dump", "file", str(VMLINUX)]
    dump = subprocess.run(command, capture_output=True, check=True).stdout
    lines = json.loads(dump)["types"]
    assert len(lines) == len(vmlinux) - 1
    for line in lines:
        found = vmlinux.type(line["id"])
        if line["kind"] in SIMPLE:
            made = SIMPLE[line["kind"]](line, plain(line.get("name", "")))
            if isinstance(found, TypeTag | DeclTag):  # older bpftool do not print the flag
                made = type(made)(*tuple(made)[:-1], found.attribute)
            assert found == made
        else:
            check_compound(line, found)
