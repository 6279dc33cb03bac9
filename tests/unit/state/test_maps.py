"""Maps as Python data: what a user sees without a kernel."""

# ruff: noqa: PLW0108  (types are looked at when the class is subscripted, which has to happen in the test)

from __future__ import annotations

import json
from typing import Annotated

import pytest

import syscast as sc
from syscast.errors import FullError, UsageError


def test_hash_is_a_mapping():
    table = sc.Hash[tuple[sc.u32, sc.u16], sc.u64](4)
    table[1, 2] = 3
    table[1, 2] += 1
    table.update({(5, 6): 7})
    assert dict(table) == {(1, 2): 4, (5, 6): 7}
    assert list(table.items()) == [((1, 2), 4), ((5, 6), 7)]
    assert (1, 2) in table
    assert (9, 9) not in table
    assert table.get((9, 9)) is None
    assert table.get((9, 9), 5) == 5
    assert table.pop((1, 2)) == 4
    assert table.pop((1, 2), "gone") == "gone"
    with pytest.raises(KeyError):
        table[1, 2]
    with pytest.raises(KeyError):
        del table[1, 2]
    with pytest.raises(KeyError):
        table[1, 2] += 1
    assert table.drain() == {(5, 6): 7}
    assert len(table) == 0


def test_default():
    table = sc.Hash[sc.u32, sc.u64](default=10)
    assert table[1] == 10
    assert 1 not in table
    assert table.get(1) is None
    assert table.get(1, 3) == 3
    table[1] += 5
    assert table.to_dict() == {1: 15}
    with pytest.raises(OverflowError):
        sc.Hash[sc.u32, sc.u8](default=256)


def test_full():
    table = sc.Hash[sc.u32, sc.u32](2)
    table[1], table[2] = 1, 2
    table[1] = 5
    with pytest.raises(FullError, match=r"Hash: add a key: it has 2 \(max_entries\)"):
        table[3] = 3
    del table[1]
    table[3] = 3


def test_array():
    slots = sc.Array[sc.i32](3)
    slots[1] += 5
    assert list(slots) == [0, 5, 0]
    assert slots.items() == [(0, 0), (1, 5), (2, 0)]
    assert len(slots) == 3
    for outside in (-1, 3):
        with pytest.raises(IndexError, match="outside the array of 3"):
            slots[outside]
    assert slots.drain() == [0, 5, 0]
    assert slots.to_list() == [0, 0, 0]


def test_var():
    limit = sc.Var[sc.u32](5)
    limit.value += 1
    assert limit.value == 6
    limit.set(9)
    assert repr(limit) == "Var(9)"
    assert sc.Var[bool]().value is False
    with pytest.raises(OverflowError):
        limit.value = -1


def test_per_cpu():
    own = sc.PerCpuHash[sc.u32, sc.u64]()
    own[1] = 3
    assert own[1] == 3
    assert own.per_cpu(1) == (3,)
    with pytest.raises(KeyError):
        own.per_cpu(2)
    parts = sc.PerCpuArray[sc.i64](2, merge="max")
    parts[0] = -4
    assert parts[0] == -4
    assert parts.per_cpu(1) == (0,)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sc.Hash(), r"Hash: declare: its types are missing \(Hash\[u32, u64\]"),
        (lambda: sc.Hash[sc.u32](), "1 types are given, it takes 2"),
        (lambda: sc.Hash[float, sc.u32](), "Hash: key: the kernel has no floating point"),
        (lambda: sc.Hash[sc.u32, list](), "Hash: value: list is not a field type"),
        (lambda: sc.Hash[sc.u32, sc.u32](0), "0 entries are out of range"),
        (lambda: sc.Hash[sc.u32, sc.u32](1 << 30), "out of range"),
        (lambda: sc.Array[sc.u32](-1), "-1 entries are out of range"),
        (lambda: sc.PerCpuHash[sc.u32, sc.Comm](), r"str\[16\] cannot be"),
        (lambda: sc.PerCpuArray[sc.u32](1, merge="mean"), r"merge='mean' \(sum, min or max\)"),
        (lambda: sc.Hash[str, sc.u8]()[1], None),
        (lambda: sc.Hash[sc.u32, sc.u64][sc.u8, sc.u8], "it takes no types here"),
    ],
)
def test_mistakes(make, message):
    error = TypeError if message is None else UsageError
    with pytest.raises(error, match=message):
        make()


def test_keys_are_not_too_long():
    with pytest.raises(UsageError, match="a key of 1024 bytes is too long"):
        sc.Hash[Annotated[str, 1024], sc.u8]()


def test_json():
    table = sc.Hash[tuple[sc.u32, sc.IPv4], sc.Pointer]()
    table[1, "127.0.0.1"] = 16  # type: ignore[index]
    assert json.loads(table.to_json()) == {
        "state": "Hash",
        "items": [{"key": [1, "127.0.0.1"], "value": "0x10"}],
    }
    assert json.loads(sc.Array[sc.u8](2).to_json("name")) == {
        "name": "name",
        "state": "Array",
        "items": [0, 0],
    }
    assert json.loads(sc.Var[sc.u8](3).to_json()) == {"state": "Var", "value": 3}


def test_tables_are_aligned_and_safe():
    table = sc.Hash[sc.Comm, sc.u64]()
    table["a\x1b[31m"] = 5
    table["long name"] = 12345
    assert repr(table) == "Hash, 2 keys\n  a\\x1b[31m      5\n  long name  12345"
