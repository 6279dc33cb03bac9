"""What ``syscast snapshot`` shows where nobody says it: columns by BTF, conditions over columns."""

from __future__ import annotations

import click
import pytest

from syscast.btf.encode import BtfBuilder
from syscast.btf.lookup import Btf
from syscast.btf.types import (
    INT_SIGNED,
    Array,
    Func,
    FuncProto,
    Int,
    Member,
    Param,
    Ptr,
    Struct,
)
from syscast.cli import rows, rowsnet, rowtexts
from syscast.cli.rowsnet import TcpState, Unix
from syscast.diagnostics import CompileError
from syscast.probes.iterator import ITER

FIELDS = ("state", "port", "uid")


@pytest.fixture(scope="module")
def kernel():
    made = BtfBuilder()
    number = made.add(Int("int", 4, INT_SIGNED, 32))
    char = made.add(Int("char", 1, INT_SIGNED, 8))
    text = made.add(Array(char, number, 16))
    inner = made.add(Struct("inner", 4, (Member("deep", number, 0),)))
    members = (
        Member("id", number, 0),
        Member("name", text, 32),
        Member("next", made.add(Ptr(inner)), 192),
        Member("inner", inner, 256),
    )
    thing = made.add(Ptr(made.add(Struct("thing", 40, members))))
    kernel_map = made.add(
        Ptr(made.add(Struct("bpf_map", 8, (Member("id", number, 0), Member("name", text, 32)))))
    )
    void = made.add(Ptr(0))
    meta = Param("meta", void)
    for name, params in (
        ("thing", (Param("thing", thing), Param("fd", number))),
        ("bpf_map", (Param("map", kernel_map),)),
        ("bpf_map_elem", (Param("map", kernel_map), Param("key", void), Param("value", void))),
    ):
        made.add(Func(f"bpf_iter_{name}", made.add(FuncProto(number, (meta, *params)))))
        made.add(Struct(f"bpf_iter__{name}", 8, (Member("meta", void, 0),)))
    return Btf.from_bytes(made.encode(), name="vmlinux")


def test_a_table_that_nobody_knows_shows_its_plain_members(kernel):
    target = ITER.resolve("thing", kernel)
    assert rowtexts.texts(target, kernel) == ["fd", "thing.id", "thing.name"]


def test_columns_that_this_kernel_cannot_answer_are_left_out(kernel):
    assert rowtexts.texts(ITER.resolve("bpf_map", kernel), kernel) == ["map.id", "map.name"]


def test_elements_are_numbers_of_the_maps_sizes(kernel):
    target = ITER.resolve("bpf_map_elem", kernel)
    assert rowtexts.texts(target, kernel, (4, 14)) == [
        'cast("u32 *", key)[0] as key',
        'cast("u64 *", value)[0] as value_0',
        'cast("u32 *", value)[2] as value_8',
        'cast("u16 *", value)[6] as value_12',
    ]
    with pytest.raises(click.UsageError, match="--map"):
        rows.make(target, kernel, rows.Wish())


def test_a_condition_becomes_a_function_of_a_row():
    class Row:
        port, state, uid = 80, 10, 1000

    assert rows._condition("port < 1024 and uid == 1000", FIELDS, "tcp")(Row)
    assert not rows._condition("port in (22, 443)", FIELDS, "tcp")(Row)


def test_a_column_that_is_none():
    with pytest.raises(CompileError, match="no such column: 'prt'") as caught:
        rows._condition("uid == 0 and prt < 3", FIELDS, "tcp")
    assert caught.value.diagnostics[0].span.column == len("uid == 0 and ") + 1


@pytest.mark.parametrize(
    ("name", "state"),
    [("LISTEN", 10), ("listen", 10), ("TCP_LISTEN", 10), ("time-wait", 6), ("ESTAB", 1)],
)
def test_states_by_name(name, state):
    assert rows._state(TcpState, name) == state


def test_no_such_state():
    with pytest.raises(click.UsageError, match="there are: ESTABLISHED, "):
        rows._state(TcpState, "OPEN")


@pytest.mark.parametrize(
    ("raw", "length", "shown"),
    [
        (b"/run/x\0garbage", 9, "/run/x"),
        (b"\0hidden" + b"garbage", 2 + 7, "@hidden"),
        (b"\0a\0b", 2 + 4, "@a@b"),
        (b"", 0, ""),
    ],
)
def test_names_of_unix_sockets(raw, length, shown):
    row = Unix(
        type=1,
        state=1,
        recv_q=0,
        uid=0,
        inode=1,
        peer=0,
        netns=1,
        length=length,
        path=raw.ljust(108, b"\0"),
    )
    assert rowsnet.unix_path(row) == shown
