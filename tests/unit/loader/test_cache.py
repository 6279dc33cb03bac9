"""Answers kept on disk: used if they are certainly ours and whole, else ignored."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from syscast.loader import cache
from syscast.loader.resolve import Resolved

ANSWERS = (Resolved(b"12345678", 3, "nf_tables", ("a",), ((1, "b"),)), Resolved(b""))


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return cache.location(cache.key(b"object", b"kernel"))


def test_round_trip(path, tmp_path):
    assert cache.read(path) is None
    cache.write(path, ANSWERS)
    assert cache.read(path) == ANSWERS
    folder = tmp_path / "syscast/resolved"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in folder.iterdir()] == [Path(path).name]


def test_keys_tell_parts_apart():
    assert cache.key(b"ab", b"c") != cache.key(b"a", b"bc") != cache.key(b"abc")


@pytest.mark.parametrize("at", [0, 18, 30, 60, -1])
def test_a_damaged_file_is_ignored(path, at):
    cache.write(path, ANSWERS)
    data = bytearray(Path(path).read_bytes())
    data[at] ^= 1
    Path(path).write_bytes(data)
    assert cache.read(path) is None
    Path(path).write_bytes(data[:20])
    assert cache.read(path) is None


def test_a_file_that_others_may_write_is_ignored(path):
    cache.write(path, ANSWERS)
    Path(path).chmod(0o622)
    assert cache.read(path) is None


def test_a_directory_that_others_may_write_is_ignored(path):
    cache.write(path, ANSWERS)
    Path(path).parent.chmod(0o777)
    assert cache.read(path) is None
    cache.write(path + "x", ANSWERS)
    assert not Path(path + "x").exists()


def test_somebody_elses_file_is_ignored(path, monkeypatch):
    cache.write(path, ANSWERS)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert cache.read(path) is None


def test_a_link_is_ignored(path, tmp_path):
    cache.write(path, ANSWERS)
    Path(path).rename(tmp_path / "elsewhere")
    Path(path).symlink_to(tmp_path / "elsewhere")
    assert cache.read(path) is None


def test_no_home(monkeypatch):
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.location("x") is None
    monkeypatch.setenv("HOME", "/root")
    assert cache.location("x") == "/root/.cache/syscast/resolved/x"


def test_a_place_that_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (tmp_path / "file").write_text("")
    path = cache.location("x")
    cache.write(path, ANSWERS)
    assert cache.read(path) is None
