"""C types made from BTF have BTF's own sizes and offsets, and lead where BTF leads."""

from __future__ import annotations

from syscast.btf import types as btf_types
from syscast.btf.encode import BtfBuilder
from syscast.btf.lookup import Btf
from syscast.frontend.c.btftypes import KernelTypes
from syscast.frontend.c.types import Array, Enum, Int, Pointer, Record, declared, find_member


def test_every_struct_of_the_running_kernel_has_the_size_and_offsets_of_btf(running_kernel):
    types = KernelTypes(running_kernel)
    btf = running_kernel.btf
    seen = 0
    for type_id in btf.ids(btf_types.Struct):
        made = types.kernel.by_id(type_id)
        found = btf.type(type_id)
        assert isinstance(made, Record)
        assert made.size == found.size
        assert [(m.name, m.bit_offset, m.bit_size) for m in made.members] == [
            (m.name, m.bit_offset, m.bitfield_size) for m in found.members
        ]
        for own, theirs in zip(made.members, found.members, strict=True):
            if not isinstance(own.type, Record) or own.type.complete:
                assert own.type.size == btf.size_of(theirs.type_id)
        seen += 1
    assert seen > 1000


def test_members_are_found_through_anonymous_records(running_kernel):
    sock = KernelTypes(running_kernel).tag("struct", "sock")
    common = find_member(sock, "__sk_common")
    assert common.offset == 0
    address = find_member(common.type, "skc_rcv_saddr")
    assert (address.offset, address.type.size) == (4, 4)
    assert address.type.spelling == "__be32"
    assert find_member(sock, "skc_rcv_saddr") is None


def test_what_a_text_spells_is_kept(running_kernel):
    types = KernelTypes(running_kernel)
    assert types.typedef("pid_t").spelling == "pid_t"
    assert types.typedef("pid_t") == Int("int", 4, signed=True)
    comm = find_member(types.tag("struct", "task_struct"), "comm")
    assert comm.type.spelling == "char[16]"
    parent = find_member(types.tag("struct", "task_struct"), "parent")
    assert parent.type.spelling == "struct task_struct *"
    assert declared(parent.type, "p") == "struct task_struct *p"


def test_a_prototype(running_kernel):
    function = KernelTypes(running_kernel).function("vfs_read")
    assert declared(function, "vfs_read") == (
        "ssize_t vfs_read(struct file *file, char *buf, size_t count, loff_t *pos)"
    )


def forward_and_module():
    b = BtfBuilder()
    i32 = b.add(btf_types.Int("int", 4, 1, 32))
    declared_only = b.add(btf_types.Fwd("cm_id"))
    b.add(
        btf_types.Struct(
            "user", 8, (btf_types.Member("id", b.add(btf_types.Ptr(declared_only)), 0),)
        )
    )
    b.add(
        btf_types.Enum(
            "colour", 4, (btf_types.EnumValue("RED", 0), btf_types.EnumValue("LATE", 7))
        )
    )
    kernel = Btf.from_bytes(b.encode(), name="vmlinux")
    m = BtfBuilder(base=kernel)
    m.add(btf_types.Struct("cm_id", 4, (btf_types.Member("port", i32, 0),)))
    return kernel, Btf.from_bytes(m.encode(), base=kernel, name="rdma_cm")


def test_what_the_kernel_only_declares_comes_from_the_module_that_defines_it(make_kernel):
    btf, module = forward_and_module()
    kernel = make_kernel(btf, modules={("cm_id", "struct"): module})
    types = KernelTypes(kernel)
    pointer = find_member(types.tag("struct", "user"), "id").type
    assert isinstance(pointer, Pointer)
    assert kernel.asked == []
    assert find_member(pointer.to, "port").offset == 0
    assert kernel.asked == [("cm_id", "struct")]


def test_enums(make_kernel):
    types = KernelTypes(make_kernel(forward_and_module()[0]))
    colour = types.tag("enum", "colour")
    assert isinstance(colour, Enum)
    assert (colour.size, colour.signed, colour.values) == (4, False, {"RED": 0, "LATE": 7})
    assert types.enumerator("LATE") == (7, Int("int", 4, signed=True))
    assert types.enumerator("BLUE") is None


def test_an_array_of_bits_that_do_not_fill_bytes(make_kernel):
    b = BtfBuilder()
    u32 = b.add(btf_types.Int("unsigned int", 4, 0, 32))
    names = b.add(btf_types.Array(u32, u32, 3))
    b.add(
        btf_types.Struct(
            "flags",
            16,
            (
                btf_types.Member("low", u32, 0, 3),
                btf_types.Member("high", u32, 3, 14),
                btf_types.Member("names", names, 32),
            ),
        )
    )
    record = KernelTypes(make_kernel(Btf.from_bytes(b.encode()))).tag("struct", "flags")
    field = find_member(record, "high").bit_field
    assert (field.offset, field.unit, field.shift, field.width) == (0, 4, 3, 14)
    assert find_member(record, "low").bit_field.unit == 1
    assert find_member(record, "names").type == Array(Int("unsigned int", 4, signed=False), 3)
