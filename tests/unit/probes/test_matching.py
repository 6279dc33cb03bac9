"""What patterns mean, of the symbols and types of this machine."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscast.errors import NotSupportedError, TargetError, UsageError
from syscast.link.many import Refused
from syscast.probes import many, matching
from syscast.probes.matching import Found
from syscast.symbols import kallsyms, traceable
from syscast.symbols.kallsyms import Kallsyms

SYMBOLS = b"""\
ffffffff81000000 T _stext
ffffffff81000100 t __pfx_zebra_run
ffffffff81000110 T zebra_run
ffffffff81000200 t zebra_run.cold
ffffffff81000300 t zebra_walk.isra.0
ffffffff81000400 t zebra_same
ffffffff81000500 t zebra_same
ffffffff81000600 t zebra_alias
ffffffff81000600 t zebra_other
ffffffff81000700 d zebra_data
ffffffff82000000 T _sinittext
ffffffff82000100 T zebra_init
ffffffff82000f00 T _einittext
ffffffffc0001000 t zebra_module\t[zoo]
ffffffffc0003000 t zebra_prog\t[bpf]
"""


@pytest.fixture(autouse=True)
def symbols(monkeypatch):
    """A kernel that knows zebras."""
    monkeypatch.setattr(kallsyms, "_loaded", [Kallsyms(SYMBOLS)])
    monkeypatch.setattr(traceable, "functions", lambda: None)
    monkeypatch.setattr(traceable, "places", lambda: None)
    monkeypatch.setattr(traceable, "blacklist", lambda: frozenset({"zebra_walk.isra.0"}))


def names(match):
    return [each.name for each in match.found]


def test_functions_with_what_hinders_the_others():
    match = matching.match("zebra_*")
    assert match.sort == "function"
    assert names(match) == ["zebra_alias", "zebra_module", "zebra_run", "zebra_same", "zebra_same"]
    assert Found("zebra_module", "zoo", 0xFFFFFFFFC0001000) in match.found
    reasons = dict(match.skipped)
    assert reasons["zebra_init"] == "its code was freed after the boot (__init)"
    assert reasons["zebra_other"] == "it is another name of zebra_alias"
    assert "kprobes blacklist" in reasons["zebra_walk.isra.0"]
    assert "zebra_run.cold" not in reasons


def test_ftraces_list_says_what_is_compiled_without_tracing(monkeypatch):
    monkeypatch.setattr(traceable, "functions", lambda: ["zebra_run"])
    match = matching.match("zebra_[rs]*")
    assert names(match) == ["zebra_run"]
    assert {name for name, reason in match.skipped if "notrace" in reason} == {"zebra_same"}


def test_ftraces_places_tell_functions_of_one_name_apart(monkeypatch):
    both = [each.address for each in matching.match("zebra_same").found]
    monkeypatch.setattr(traceable, "places", lambda: frozenset({both[1] + 4}))
    match = matching.match("zebra_s*")
    assert [each.address for each in match.found] == [both[1]]
    assert [name for name, reason in match.skipped if "notrace" in reason] == ["zebra_same"]


def test_a_module_before_the_colon(monkeypatch):
    monkeypatch.setattr("syscast.btf.source.modules", lambda: ("zoo",))
    match = matching.match("zoo:zebra_*")
    assert names(match) == ["zebra_module"]
    assert match.target(match.found[0]) == "function:zoo:zebra_module"


def test_what_the_user_said_stays_said():
    match = matching.match("fexit:zebra_r*")
    assert match.target(match.found[0]) == "fexit:zebra_run"


def test_nothing_left_is_an_error_that_says_why():
    with pytest.raises(
        TargetError, match=r"none of the 1 that match can be traced \(zebra_init: its"
    ):
        matching.match("zebra_ini*")


def test_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(matching, "MOST", 2)
    with pytest.raises(UsageError, match="it means 5 functions, and 2 are the most"):
        matching.match("zebra_*")


def test_symbols_that_cannot_be_read(monkeypatch):
    def closed():
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(kallsyms, "kernel", closed)
    with pytest.raises(NotSupportedError, match="/proc/kallsyms: Permission denied"):
        matching.match("zebra_*")


def test_system_calls_and_near_ones():
    match = matching.match("syscall:open*")
    assert (match.sort, match.target(match.found[0])) == (
        "syscall",
        f"syscall:{match.found[0].name}",
    )
    assert {"openat", "openat2"} <= set(names(match))
    with pytest.raises(TargetError, match=r"nothing matches \(did you mean syscall:openat"):
        matching.match("syscall:opnat*")


def test_transposed_letters_are_near():
    with pytest.raises(TargetError, match=r"did you mean tcp_\*"):
        matching.match("tpc_*")


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("tcp_*", ["tcp_", "tcp_ack"], ["xtcp_ack", "tcp"]),
        ("vfs_rea?", ["vfs_read"], ["vfs_readv", "vfs_rea"]),
        ("[ab]_[!c]*", ["a_d", "b_xc"], ["a_c", "c_d", "a_"]),
        ("a.isra.?", ["a.isra.0"], ["axisra.0"]),
        ("a[", ["a["], ["a"]),
        ("[]x]", ["]", "x"], ["a"]),
    ],
)
def test_wildcards(pattern, yes, no):
    found = re.compile(matching.expression(pattern)).fullmatch
    assert all(found(name) for name in yes)
    assert not any(found(name) for name in no)


@given(st.text("ab*?[]!-\\^.", max_size=12))
def test_every_pattern_can_be_read(pattern):
    try:
        found = re.compile(matching.expression(pattern))
    except UsageError:
        return
    assert not found.fullmatch("a b")
    assert not found.fullmatch("a\0b")


def test_numbers_get_their_names_back():
    known = many.Names()
    known.know([Found("one", "", 0xFFFFFFFF81000000), Found("two", "", 0xFFFFFFFF81000100)])
    number = known.number("one")
    assert (known.number("one"), known.name(number)) == (number, "one")
    assert known.name(0) == "read"
    assert known.name(3999) == "syscall_3999"
    # Where the instruction pointer stands at a kprobe: behind int3, and behind ENDBR too.
    assert known.name(0xFFFFFFFF81000001) == "one"
    assert known.name(0xFFFFFFFF81000105) == "two"
    assert known.name(0xFFFFFFFF81000200) == "0xffffffff81000200"


def test_refusals_have_a_name_and_a_reason():
    assert Refused("a", "b") == ("a", "b")
