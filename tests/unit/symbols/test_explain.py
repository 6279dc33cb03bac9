from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from syscast.symbols import explain, kallsyms, modules, traceable
from syscast.symbols.kallsyms import Kallsyms

if TYPE_CHECKING:
    import pathlib

TEXT = b"""\
ffffffff81000110 T plain_one
ffffffff81000200 t split_one.isra.0
ffffffff81000300 t split_one.part.0
ffffffff81000400 t double_one
ffffffff81000500 t double_one
ffffffffc0000500 t double_one\t[mod_a]
ffffffff81000600 d data_one
ffffffff81000700 T quiet_one
ffffffff81000800 T barred_one
ffffffff81000900 T __x64_sys_openat
"""


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Kallsyms:
    """A small kernel, without the lists of this machine."""
    lists = {
        "filter": b"\nplain_one\nmod_function [mod_a]\nbarred_one\n",
        "blacklist": b"0xffffffff81000800-0xffffffff81000900\tbarred_one\n",
    }
    monkeypatch.setattr(traceable, "_lists", lists)
    monkeypatch.setattr(
        explain,
        "_in_btf",
        lambda name, *, tracepoint=False: (
            (name, tracepoint) in {("inner_one", False), ("sched_switch", True)}
        ),
    )
    return Kallsyms(TEXT)


@pytest.fixture
def disk(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "modules.dep").write_text(
        "kernel/net/netfilter/nf-tables.ko.xz: kernel/net/netfilter/nfnetlink.ko.xz\n"
        "kernel/net/netfilter/nf_tables_offload.ko:\nkernel/fs/xfs/xfs.ko:\n"
    )
    (tmp_path / "modules.symbols").write_text(
        "# Aliases for symbols, used by symbol_request().\nalias symbol:nft_trace_init nf_tables\n"
    )
    (tmp_path / "modules.builtin").write_text("kernel/fs/ext4/ext4.ko\n")
    monkeypatch.setattr(modules, "directory", lambda: str(tmp_path))


CASES = [
    ("split_one", "copies", "the compiler left only split_one.isra.0, split_one.part.0 (.isra: its arguments were changed; .part: its beginning was inlined into the callers)"),
    ("double_one", "duplicate", "3 functions have this name (2 in the kernel, 1 in mod_a), and the kernel cannot tell which is meant"),
    ("data_one", "data", "it is data, not a function (kallsyms type d)"),
    ("quiet_one", "notrace", "it is compiled without tracing (notrace, or not in available_filter_functions)"),
    ("barred_one", "notrace", "the kernel forbids probes in it, as tracing itself uses it (kprobes blacklist)"),
    ("inner_one", "inlined", "it is inlined into all its callers: BTF knows it, but there is no code of its own"),
    ("sched_switch", "tracepoint", "it is a tracepoint, not a function (trace raw_tracepoint:sched_switch)"),
    ("sys_openat", "syscall", "system calls have other names in the kernel (trace syscall:openat)"),
    ("nft_trace_init", "unloaded", "it is in module nf_tables, which is not loaded (modprobe nf_tables)"),
    ("__nf_tables_newrule", "unloaded", "no such function now; by its name it may belong to module nf_tables, which is not loaded (modprobe nf_tables)"),
    ("nothing_at_all", "missing", "this kernel has no such function, or it is inlined into all its callers"),
]  # fmt: skip


@pytest.mark.usefixtures("disk")
@pytest.mark.parametrize(("name", "kind", "text"), CASES, ids=[case[0] for case in CASES])
def test_reasons(table: Kallsyms, name: str, kind: str, text: str) -> None:
    found = explain.why_not(name, table)
    assert found is not None
    assert (found.kind, found.text) == (kind, text)


@pytest.mark.usefixtures("disk")
def test_nothing_speaks_against_a_plain_function(table: Kallsyms) -> None:
    assert explain.why_not("plain_one", table) is None


@pytest.mark.usefixtures("disk")
def test_near_names_lead_on(table: Kallsyms) -> None:
    found = explain.why_not("plainone", table)
    assert found is not None
    assert found.near == ("plain_one",)
    error = found.error()
    assert error.near == ("plain_one",)
    assert str(error) == (
        "function 'plainone': find: this kernel has no such function, or it is inlined into all "
        "its callers (did you mean plain_one?)"
    )


def test_unknown_lists_do_not_speak_against_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traceable, "_lists", {"filter": None, "blacklist": None})
    assert traceable.is_traceable("quiet_one") is None
    assert traceable.is_blacklisted("quiet_one") is None
    assert traceable.functions() is None
    assert explain.why_not("quiet_one", Kallsyms(TEXT)) is None


def test_lists_know_module_functions(table: Kallsyms) -> None:
    assert table
    assert traceable.is_traceable("mod_function")
    assert traceable.is_traceable("plain_on") is False
    assert traceable.functions() == ["plain_one", "mod_function", "barred_one"]


def test_the_places_of_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = b"\nffffffff81000004 plain_one\nffffffffc0000010 mod_function [mod]\n"
    monkeypatch.setattr(traceable, "_lists", {"places": listed})
    assert traceable.places() == {0xFFFFFFFF81000004, 0xFFFFFFFFC0000010}
    monkeypatch.setattr(traceable, "_lists", {"places": None})
    assert traceable.places() is None


@pytest.mark.usefixtures("disk")
def test_module_lists() -> None:
    assert modules.on_disk() == {"nf_tables", "nf_tables_offload", "xfs"}
    assert modules.built_in() == {"ext4"}
    assert modules.exporting("nft_trace_init") == "nf_tables"
    assert modules.exporting("nft_trace") is None
    assert modules.probable_owner("nf_tables_offload_init") == "nf_tables_offload"
    assert modules.probable_owner("tcp_v4_connect") is None
    assert modules.probable_owner("abc_init", frozenset({"abc"})) == "abc"


def test_this_machine() -> None:
    assert explain.why_not("vfs_read") is None
    found = explain.why_not("vfs_raed")
    assert found is not None
    assert "vfs_read" in found.near
    kallsyms.forget()
    traceable.forget()
