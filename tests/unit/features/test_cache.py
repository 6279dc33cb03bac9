from __future__ import annotations

import os
import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscast.features import INCONCLUSIVE, NO, YES, Result, cache

ANSWERS = {"ringbuf": Result(YES), "fentry": Result(NO, "link: EPERM\tor so\n", 1)}


def test_answers_come_back_and_inconclusive_ones_do_not(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "sub" / "answers")
    cache.write(path, {**ANSWERS, "uprobe": Result(INCONCLUSIVE, "no rights", 13)})
    assert cache.read(path) == {
        "ringbuf": Result(YES),
        "fentry": Result(NO, "link: EPERM or so", 1),
    }
    assert pathlib.Path(path).stat().st_mode & 0o777 == 0o600
    assert pathlib.Path(path).parent.stat().st_mode & 0o777 == 0o700


def test_files_of_earlier_boots_go(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = cache.location()
    assert path is not None
    folder = pathlib.Path(path).parent
    folder.mkdir(parents=True, mode=0o700)
    (folder / "0000-of-an-earlier-boot").write_bytes(b"x")
    cache.write(path, ANSWERS)
    assert [found.name for found in folder.iterdir()] == [pathlib.Path(path).name]


@pytest.mark.parametrize("damage", ["flip", "cut", "mode", "link", "owner", "folder", "type"])
def test_a_file_that_is_not_ours_alone_counts_as_absent(
    tmp_path: pathlib.Path, damage: str
) -> None:
    folder = tmp_path / "private"
    path = folder / "answers"
    cache.write(str(path), ANSWERS)
    assert cache.read(str(path))
    data = path.read_bytes()
    if damage == "flip":
        path.write_bytes(data.replace(b"ringbuf\tyes", b"ringbug\tyes"))
    elif damage == "cut":
        path.write_bytes(data[:-3])
    elif damage == "mode":
        path.chmod(0o666)
    elif damage == "link":
        path.rename(folder / "other")
        path.symlink_to(folder / "other")
    elif damage == "owner":
        if os.geteuid() != 0:
            pytest.skip("needs root to give a file away")
        os.chown(path, 1000, 1000)
    elif damage == "folder":
        folder.chmod(0o777)
    else:
        path.unlink()
        os.mkfifo(path)
    assert cache.read(str(path)) == {}


def test_nothing_is_written_where_others_may_write(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    cache.write(str(folder / "answers"), ANSWERS)
    assert list(folder.iterdir()) == []
    # A place that cannot be written to is no error.
    cache.write("/proc/no/such/place", ANSWERS)


@given(st.binary(max_size=200))
def test_any_bytes_decode_to_nothing(data: bytes) -> None:
    assert cache.decode(data) == {}


def test_without_a_home_there_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    assert cache.location() is None
