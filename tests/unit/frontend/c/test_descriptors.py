"""What Python is told of C types."""

from __future__ import annotations

import pytest

from syscast.frontend.c.descriptors import desc
from syscast.frontend.c.types import TypeProblem
from syscast.spec.tables import CDesc, CMember


def test_a_struct_as_the_text_spells_it(declare):
    text = declare(
        "enum kind { A, B = 7, C = 7 }; struct inner { char c; u16 n; };"
        "struct data_t { u64 ts; u32 pid; char comm[16]; enum kind k; void *p; char *name; struct inner in; _Bool ok;"
        " union { int i; long l; }; u32 low : 3, : 5, high : 24; unsigned long long big; __u32 w; s8 small; };"
    )
    made = desc(text.names.tag("struct", "data_t"))
    assert (made.kind, made.name, made.size, made.align) == ("struct", "struct data_t", 88, 8)
    by_name = {each.name: each for each in made.members}
    assert [each.name for each in made.members] == [
        "ts", "pid", "comm", "k", "p", "name", "in", "ok", "", "low", "high", "big", "w", "small",
    ]  # fmt: skip
    assert by_name["ts"] == CMember("ts", CDesc("int", "u64", 8, align=8), 0)
    assert by_name["comm"].type == CDesc(
        "array", "char[16]", 16, element=CDesc("char", "char", 1, signed=True), count=16
    )
    assert by_name["k"].type == CDesc("enum", "enum kind", 4, align=4, labels={0: "A", 7: "B"})
    assert (by_name["p"].type.kind, by_name["p"].type.name) == ("pointer", "void *")
    assert by_name["name"].type.name == "char *"
    assert by_name["in"].type.members[1].offset == 2
    assert by_name["ok"].type.kind == "bool"
    assert (by_name[""].type.kind, by_name[""].offset) == ("union", 56)
    assert (by_name["low"].offset, by_name["low"].bit_offset, by_name["low"].bit_size) == (
        64,
        0,
        3,
    )
    assert (by_name["high"].offset, by_name["high"].bit_offset, by_name["high"].bit_size) == (
        64,
        8,
        24,
    )
    assert by_name["big"].type.name == "unsigned long long"
    assert by_name["w"].type.name == "__u32"
    assert by_name["small"].type == CDesc("int", "s8", 1, signed=True)


def test_a_kernel_struct_is_described_whole(declare, running_kernel):
    address = declare("", running_kernel).names.tag("struct", "in6_addr")
    made = desc(address)
    assert made.size == 16
    assert made.members[0].type.kind == "union"


def test_what_is_incomplete_cannot_be_described(declare):
    text = declare("struct later *p;")
    with pytest.raises(TypeProblem, match="'struct later' is incomplete"):
        desc(text.types["p"].to)
