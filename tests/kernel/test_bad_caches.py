"""Caches that are damaged, that belong to somebody else, or that cannot be: they cost time, never the result."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from processes import FIRST_TOKEN

pytestmark = [pytest.mark.kernel, pytest.mark.native]

USER = 1000


def syscast(*args, **options):
    return subprocess.run(
        [sys.executable, "-m", "syscast", *map(str, args)],
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
        **options,
    )


def damage_cut(path):
    path.write_bytes(path.read_bytes()[:-7])


def damage_bytes(path):
    data = bytearray(path.read_bytes())
    for at in range(len(data) // 2, min(len(data), len(data) // 2 + 64)):
        data[at] ^= 0xA5
    path.write_bytes(data)


def damage_empty(path):
    path.write_bytes(b"")


def damage_link(path):
    other = path.with_name(f"{path.name}.elsewhere")
    path.rename(other)
    path.symlink_to(other)


def damage_directory(path):
    path.unlink()
    path.mkdir()


def damage_open_to_all(path):
    path.chmod(0o666)


def damage_foreign(path):
    os.chown(path, USER, USER)


def damage_foreign_directory(path):
    os.chown(path.parent, USER, USER)


DAMAGES = [
    damage_cut,
    damage_bytes,
    damage_empty,
    damage_link,
    damage_directory,
    damage_open_to_all,
    damage_foreign,
    damage_foreign_directory,
]


@pytest.fixture(scope="module")
def good_cache(tmp_path_factory):
    """A cache as a first run leaves it."""
    found = tmp_path_factory.mktemp("cache")
    env = {**os.environ, "XDG_CACHE_HOME": str(found)}
    done = syscast(*CACHED, env=env)
    assert done.returncode == 0, done.stderr
    return found, done.stdout


CACHED = [
    *["trace", "--json", "syscall:getpriority", "who", "ret", "--", sys.executable, "-c"],
    f"import os, ctypes; ctypes.CDLL(None).getpriority(0, {FIRST_TOKEN})",
]


def essence(text):
    """What is the same on each run."""
    return [(row["who"], row["ret"], row["seq"]) for row in map(json.loads, text.splitlines())]


def files(cache):
    return sorted(path for path in cache.rglob("*") if path.is_file())


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_is_ignored_and_rebuilt(damage, good_cache, tmp_path):
    whole, out = good_cache
    cache = tmp_path / "cache"
    shutil.copytree(whole, cache)
    names = {path.relative_to(cache) for path in files(cache)}
    assert {name.parts[1] for name in names} >= {"objects", "btf"}
    for path in files(cache):
        damage(path)
    env = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    done = syscast(*CACHED, env=env)
    assert done.returncode == 0, done.stderr
    assert essence(done.stdout) == essence(out) == [(FIRST_TOKEN, -3, 0)]
    assert len(done.stderr.splitlines()) == 1, done.stderr
    if damage in {damage_cut, damage_bytes, damage_empty, damage_foreign, damage_open_to_all}:
        for name in names:
            if name.parts[1] == "objects":
                assert (cache / name).read_bytes() == (whole / name).read_bytes()
                found = (cache / name).stat()
                assert (found.st_uid, found.st_mode & 0o777) == (0, 0o600)


@pytest.mark.parametrize("place", ["file", "no home", "relative"])
def test_no_place_for_a_cache(place, tmp_path):
    env = dict(os.environ)
    if place == "file":
        (tmp_path / "file").write_text("")
        env["XDG_CACHE_HOME"] = str(tmp_path / "file")
    elif place == "relative":
        env["XDG_CACHE_HOME"] = "relative/place"
        env["HOME"] = "/nonexistent"
    else:
        env.pop("XDG_CACHE_HOME", None)
        env["HOME"] = "/nonexistent"
    done = syscast(*CACHED, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert essence(done.stdout) == [(FIRST_TOKEN, -3, 0)]
    assert not (tmp_path / "relative").exists()
