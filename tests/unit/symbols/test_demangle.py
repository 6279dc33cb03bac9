"""C++ and Rust names as they were written."""

from __future__ import annotations

import builtins

import pytest

from syscast.symbols import demangle


@pytest.fixture(autouse=True)
def nothing_kept():
    demangle.demangled.cache_clear()
    demangle._cpp.cache_clear()
    yield
    demangle.demangled.cache_clear()
    demangle._cpp.cache_clear()


@pytest.fixture(params=["cpp_demangle", "itanium_demangler"])
def library(request, monkeypatch):
    """Only this library is there."""
    pytest.importorskip(request.param)
    real = builtins.__import__

    def only(name, *rest):
        if name in {"cpp_demangle", "itanium_demangler"} and name != request.param:
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", only)
    return request.param


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("malloc", "malloc"),
        ("malloc@@GLIBC_2.2.5", "malloc"),
        ("_ZN2ns3Box3getEi", "ns::Box::get(int)"),
        ("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "core::fmt::Write::write_fmt"),
        (
            "_ZN54_$LT$i32$u20$as$u20$core..fmt..Debug$GT$3fmt17h0123456789abcdefE",
            "<i32 as core::fmt::Debug>::fmt",
        ),
        ("_RNvCs1234_7mycrate3foo", "_RNvCs1234_7mycrate3foo"),
        ("_Znonsense", "_Znonsense"),
        ("", ""),
    ],
)
def test_names(name, written):
    if "$" in name and name.startswith("_ZN54"):
        name = name.replace("54_", f"{len('_$LT$i32$u20$as$u20$core..fmt..Debug$GT$')}_")
    assert demangle.demangled(name) == written


def test_without_a_library_names_stay(monkeypatch):
    def none(name, *rest):
        if name in {"cpp_demangle", "itanium_demangler"}:
            raise ImportError(name)
        return real(name, *rest)

    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", none)
    assert demangle.demangled("_ZN2ns3Box3getEi") == "_ZN2ns3Box3getEi"
