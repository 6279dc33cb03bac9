"""Addresses of the kernel to names and back."""

from __future__ import annotations

import pytest

from syscast.symbols import kallsyms, kernel
from syscast.symbols.symbol import Symbol

TEXT = b"""ffffffff81000000 T _text
ffffffff81000100 T vfs_read
ffffffffc0000000 t nft_do_chain\t[nf_tables]
"""


@pytest.fixture(autouse=True)
def symbols(monkeypatch):
    made = kallsyms.Kallsyms(TEXT)
    monkeypatch.setattr(kallsyms, "kernel", lambda: made)


def test_both_ways():
    assert kernel.resolve(0xFFFFFFFF81000105) == Symbol("vfs_read", "[kernel]", 5)
    assert kernel.resolve(0xFFFFFFFFC0000010) == Symbol("nft_do_chain", "nf_tables", 16)
    assert str(kernel.resolve(0xFFFFFFFF81000105)) == "vfs_read+0x5 [kernel]"
    assert kernel.resolve(0xFFFFFFFFC0200000) == Symbol("", "", 0xFFFFFFFFC0200000)
    assert kernel.resolve(0x400000) == Symbol("", "", 0x400000)
    assert kernel.address_of("vfs_read") == 0xFFFFFFFF81000100
    assert kernel.address_of("vfs_reed") is None


def test_without_the_file_nothing_is_known(monkeypatch):
    def refused():
        raise PermissionError(13, "no")

    monkeypatch.setattr(kallsyms, "kernel", refused)
    assert kernel.resolve(0xFFFFFFFF81000105).name == ""
    assert kernel.address_of("vfs_read") is None
