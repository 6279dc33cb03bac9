"""The cache gives back what was put, and nothing that it cannot trust."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from syscast.compiler import cache as cache_module
from syscast.compiler.cache import Cache, default_directory, key_of


@pytest.fixture
def cache(tmp_path):
    return Cache(str(tmp_path / "deep" / "objects"))


def entry(cache, key="k"):
    return Path(cache.directory) / key


def test_what_is_put_comes_back(cache):
    assert cache.get("k") is None
    cache.put("k", b"object")
    assert cache.get("k") == b"object"
    assert cache.get("other") is None
    cache.put("k", b"newer")
    assert cache.get("k") == b"newer"


def test_only_the_owner_can_read_it(cache):
    cache.put("k", b"object")
    assert Path(cache.directory).stat().st_mode & 0o777 == 0o700
    assert entry(cache).stat().st_mode & 0o777 == 0o600
    assert list(Path(cache.directory).iterdir()) == [entry(cache)]


@pytest.mark.parametrize("damage", [b"", b"x" * 10, b"x" * 40])
def test_a_damaged_entry_is_none_and_can_be_replaced(cache, damage):
    cache.put("k", b"object")
    entry(cache).write_bytes(damage)
    assert cache.get("k") is None
    cache.put("k", b"object")
    assert cache.get("k") == b"object"


def test_an_entry_that_is_no_file_is_none(cache):
    cache.put("k", b"object")
    entry(cache).unlink()
    entry(cache).mkdir()
    assert cache.get("k") is None
    cache.put("k", b"object")  # cannot replace it, and says nothing
    entry(cache).rmdir()
    os.mkfifo(entry(cache))
    assert cache.get("k") is None


def test_an_entry_under_another_name_is_none(cache):
    cache.put("k", b"object")
    entry(cache).rename(entry(cache, "j"))
    assert cache.get("j") is None


def test_what_others_can_write_is_not_trusted(cache):
    cache.put("k", b"object")
    entry(cache).chmod(0o666)
    assert cache.get("k") is None
    cache.put("k", b"object")
    Path(cache.directory).chmod(0o777)
    assert cache.get("k") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_belongs_to_others_is_not_trusted(cache):
    cache.put("k", b"object")
    os.chown(entry(cache), 1000, 1000)
    assert cache.get("k") is None
    cache.put("k", b"object")
    os.chown(cache.directory, 1000, 1000)
    assert cache.get("k") is None


def test_links_are_not_followed(cache, tmp_path):
    cache.put("k", b"object")
    entry(cache).rename(tmp_path / "elsewhere")
    entry(cache).symlink_to(tmp_path / "elsewhere")
    assert cache.get("k") is None


def test_a_place_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    cache = Cache(str(tmp_path / "file" / "objects"))
    cache.put("k", b"object")
    assert cache.get("k") is None


def test_the_oldest_go_when_there_are_too_many(cache, monkeypatch):
    monkeypatch.setattr(cache_module, "_MAX_ENTRIES", 4)
    monkeypatch.setattr(cache_module, "_DROPPED_AT_ONCE", 2)
    for number in range(5):
        cache.put(f"k{number}", b"object")
        os.utime(entry(cache, f"k{number}"), (number, number))
    cache.put("last", b"object")
    assert cache.get("k0") is None
    assert cache.get("last") == b"object"


def test_where_it_is(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_directory() == "/somewhere/syscast/objects"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/me")
    assert default_directory() == "/home/me/.cache/syscast/objects"


def test_keys_tell_lists_apart():
    assert key_of("ab", "c") != key_of("a", "bc")
    assert key_of(b"a", "b") == key_of("a", b"b")
