from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from syscast.symbols import kallsyms
from syscast.symbols.kallsyms import Kallsyms, Symbol

if TYPE_CHECKING:
    import pytest

TEXT = b"""\
0000000000000000 A fixed_percpu_data
ffffffff81000000 T _stext
ffffffff81000000 T _text
ffffffff81000100 t __pfx_one
ffffffff81000110 T one
ffffffff81000200 t one.cold
ffffffff81000300 t two.isra.0
ffffffff81000400 t two.part.0
ffffffff81000500 t twofold
ffffffff81000600 d one_data
ffffffffc0001000 t twice\t[mod_a]
ffffffffc0002000 t twice\t[mod_b]
ffffffffc0003000 t bpf_prog_6deef7357e7b4530_x\t[bpf]
"""


def test_names_are_found_whole() -> None:
    table = Kallsyms(TEXT)
    assert table.find("one") == [Symbol("one", 0xFFFFFFFF81000110, "T", "")]
    assert table.find("two") == []
    assert table.find("on") == []
    assert table.find("bpf_prog_6deef7357e7b4530_x") == []
    assert [symbol.module for symbol in table.find("twice")] == ["mod_a", "mod_b"]
    assert table.find("one")[0].is_function
    assert not table.find("one_data")[0].is_function
    assert table.find("two.isra.0")[0].name == "two.isra.0"


def test_many_names_at_once_give_the_same() -> None:
    table = Kallsyms(TEXT)
    names = ["one", "twice", "nothing"]
    few = table.find_many(names)
    many = table.find_many(names + [f"absent{number}" for number in range(30)])
    assert few == {name: table.find(name) for name in names}
    assert {name: many[name] for name in names} == few


def test_copies_are_told_from_longer_names() -> None:
    table = Kallsyms(TEXT)
    assert [symbol.name for symbol in table.copies("two")] == ["two.isra.0", "two.part.0"]
    assert [symbol.name for symbol in table.copies("one")] == ["one.cold"]
    assert table.copies("twofold") == []


def test_functions_are_named_once_each_without_padding_and_copies() -> None:
    names = list(Kallsyms(TEXT).functions())
    assert names[:4] == ["_stext", "_text", "one", "twofold"]
    assert "one_data" not in names


def test_an_address_has_a_symbol() -> None:
    table = Kallsyms(TEXT)
    for address, name in (
        (0xFFFFFFFF81000110, "one"),
        (0xFFFFFFFF8100011F, "one"),
        (0xFFFFFFFF81000005, "_stext"),
        (0xFFFFFFFFC0002001, "twice"),
    ):
        found = table.at(address)
        assert found is not None
        assert found.name == name
    assert table.at(0xFFFF) is None


def test_hidden_addresses_leave_the_names() -> None:
    hidden = b"".join(b"0" * 16 + line[16:] + b"\n" for line in TEXT.splitlines())
    table = Kallsyms(hidden)
    assert not table.has_addresses
    assert table.find("one") == [Symbol("one", 0, "T", "")]
    assert table.at(0xFFFFFFFF81000110) is None
    assert Kallsyms(TEXT).has_addresses


@given(st.binary(max_size=300), st.text(max_size=5))
def test_any_bytes_can_be_searched(data: bytes, name: str) -> None:
    table = Kallsyms(data)
    for symbol in table.find(name):
        assert symbol.name
    table.copies(name)
    table.at(1 << 63)
    list(table.functions())


def test_this_machines_symbols() -> None:
    table = kallsyms.kernel()
    assert kallsyms.kernel() is table
    found = table.find("vfs_read")
    assert len(found) == 1
    assert found[0].is_function
    if os.geteuid() == 0 and table.has_addresses:
        at = table.at(found[0].address + 1)
        assert at is not None
        assert at.address == found[0].address


def test_reading_again_sees_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    before = kallsyms.kernel()
    kallsyms.forget()
    monkeypatch.setattr(kallsyms, "read_bytes", lambda _path: TEXT)
    try:
        assert kallsyms.kernel().find("twofold")
        assert kallsyms.kernel() is not before
    finally:
        kallsyms.forget()
