"""LLVM's child is started early where a compile is likely, once, and never left behind."""

from __future__ import annotations

import os

import pytest

from syscast.codegen import child as child_module
from syscast.compiler.early import Early
from syscast.errors import NotSupportedError


def probe(x):
    return x + 1


def other(x):
    return x + 2


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture
def children(monkeypatch):
    """How many children were started."""
    made = []
    start = child_module.Child.__init__

    def counted(self):
        made.append(self)
        start(self)

    monkeypatch.setattr(child_module.Child, "__init__", counted)
    return made


def fds():
    return os.listdir("/proc/self/fd")  # noqa: PTH208


def test_the_first_compile_has_its_child_at_once(children):
    before = fds()
    with Early([probe]) as early:
        assert len(children) == 1
        with early.take() as child:
            assert child is children[0]
        with early.take() as second:
            assert second is children[1]
    assert fds() == before


def test_what_was_compiled_before_starts_none(children):
    for _ in range(2):
        with Early([probe]):
            pass
    assert len(children) == 1
    with Early([other]):
        pass
    with Early([probe, other]):
        pass
    assert len(children) == 3


def test_a_compile_that_failed_is_no_compile(children):
    before = fds()
    with pytest.raises(KeyError), Early([probe]):
        raise KeyError
    assert fds() == before
    with Early([probe]):
        assert len(children) == 2


def test_nothing_is_guessed_of_expressions(children):
    with Early([object()]) as early:
        assert not children
        with early.take() as child:
            assert child is children[0]


def test_without_llvmlite_it_is_said_where_it_is_needed(monkeypatch):
    monkeypatch.setattr(child_module.importlib.util, "find_spec", lambda _: None)
    with Early([probe]) as early, pytest.raises(NotSupportedError, match="pip install llvmlite"):
        early.take()
