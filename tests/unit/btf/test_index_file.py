import os
import struct
from pathlib import Path

import pytest

from syscast.btf import index_file, source
from syscast.btf.index import essential
from syscast.btf.types import Func, Struct


@pytest.fixture
def kernel_file(small, tmp_path):
    """A file with BTF, large enough for an index of several blocks."""
    small.sock()
    for number in range(3000):
        small.function(f"function_{number}", ("x", small.int))
    path = tmp_path / "btf"
    path.write_bytes(small.encode())
    return path


def cached():
    folder = Path(os.environ["XDG_CACHE_HOME"], "syscast", "btf")
    return sorted(folder.iterdir()) if folder.exists() else []


def open_and_count(path, monkeypatch):
    """Open BTF; return it and how often an index was built for that."""
    builds = []
    original = source.Btf.index_image

    def counted(btf):
        builds.append(btf)
        return original(btf)

    monkeypatch.setattr(source.Btf, "index_image", counted)
    btf = source.from_file(path)
    return btf, builds


def ask(btf):
    sock = btf.find("sock", Struct)
    return (
        btf.type(sock),
        btf.function("function_2999"),
        btf.find_all("inet_listen"),
        len(list(btf.names(Func))),
        len(btf),
    )


def test_the_second_start_builds_nothing(kernel_file, monkeypatch):
    cold, builds = open_and_count(kernel_file, monkeypatch)
    assert len(builds) == 1
    assert len(cached()) == 1
    warm, builds = open_and_count(kernel_file, monkeypatch)
    assert ask(warm) == ask(cold)
    assert builds == []


def test_the_cache_is_for_its_owner_alone(kernel_file):
    source.from_file(kernel_file)
    (index,) = cached()
    assert index.stat().st_mode & 0o777 == 0o600
    assert index.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in index.parent.iterdir()] == [index.name]  # no temporary file


def test_other_content_gets_another_index(kernel_file, small, monkeypatch):
    source.from_file(kernel_file)
    small.function("one_more")
    kernel_file.write_bytes(small.encode())
    btf, builds = open_and_count(kernel_file, monkeypatch)
    assert len(builds) == 1
    assert btf.find("one_more", Func)
    assert len(cached()) == 2


@pytest.mark.parametrize("at", ["magic", "check", "shape", "key", "block check", "size"])
def test_a_corrupt_header_is_noticed_at_once(kernel_file, monkeypatch, at):
    good, _ = open_and_count(kernel_file, monkeypatch)
    (index,) = cached()
    raw = bytearray(index.read_bytes())
    offset = {"magic": 0, "check": 8, "size": 12, "shape": 16, "key": 30, "block check": 157}[at]
    raw[offset] ^= 0x55
    index.write_bytes(raw)
    btf, builds = open_and_count(kernel_file, monkeypatch)
    assert len(builds) == 1
    assert ask(btf) == ask(good)
    _, builds = open_and_count(kernel_file, monkeypatch)
    assert builds == []  # it was written anew


@pytest.mark.parametrize("part", [0, 1, 2, 3, 4])
def test_a_corrupt_block_is_noticed_when_read(kernel_file, monkeypatch, part):
    good, _ = open_and_count(kernel_file, monkeypatch)
    (index,) = cached()
    raw = bytearray(index.read_bytes())
    (header_size,) = struct.unpack_from("=I", raw, 12)
    step = (len(raw) - header_size) // 5
    for at in range(header_size + part * step, header_size + (part + 1) * step, 7):
        raw[at] ^= 0x55
    index.write_bytes(raw)
    btf, builds = open_and_count(kernel_file, monkeypatch)
    assert builds == []
    assert ask(btf) == ask(good)
    assert len(builds) == 1


@pytest.mark.parametrize("size", [0, 1, 30, 200, -4, -1])
def test_a_truncated_file_is_ignored(kernel_file, monkeypatch, size):
    good, _ = open_and_count(kernel_file, monkeypatch)
    (index,) = cached()
    raw = index.read_bytes()
    index.write_bytes(raw[:size])
    btf, builds = open_and_count(kernel_file, monkeypatch)
    assert len(builds) == 1
    assert ask(btf) == ask(good)


def test_a_longer_file_is_ignored(kernel_file, monkeypatch):
    source.from_file(kernel_file)
    (index,) = cached()
    index.write_bytes(index.read_bytes() + b"x")
    _, builds = open_and_count(kernel_file, monkeypatch)
    assert len(builds) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_ignored(kernel_file, monkeypatch):
    source.from_file(kernel_file)
    (index,) = cached()
    os.chown(index, 1234, 1234)
    _, builds = open_and_count(kernel_file, monkeypatch)
    assert len(builds) == 1


def test_a_file_that_others_may_write_is_ignored(kernel_file, monkeypatch):
    source.from_file(kernel_file)
    (index,) = cached()
    index.chmod(0o666)
    _, builds = open_and_count(kernel_file, monkeypatch)
    assert len(builds) == 1


def test_nothing_is_written_where_others_may_write(kernel_file):
    folder = Path(os.environ["XDG_CACHE_HOME"], "syscast", "btf")
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert ask(source.from_file(kernel_file))
    assert cached() == []


def test_no_home_no_cache(kernel_file, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/path")
    monkeypatch.delenv("HOME")
    assert index_file.location("x") is None
    assert ask(source.from_file(kernel_file))


def test_home_without_xdg(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert index_file.location("x") == "/home/somebody/.cache/syscast/btf/x"


def test_a_cache_that_cannot_be_made_is_no_error(kernel_file, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert ask(source.from_file(kernel_file))


def test_a_symbolic_link_is_not_written_through(kernel_file, tmp_path):
    source.from_file(kernel_file)
    (index,) = cached()
    target = tmp_path / "precious"
    target.write_text("data")
    index.unlink()
    index.with_name(f".{index.name}.{os.getpid()}").symlink_to(target)
    source.from_file(kernel_file)
    assert target.read_text() == "data"


def test_old_indexes_are_removed(kernel_file, monkeypatch):
    monkeypatch.setattr(index_file, "_KEPT", 2)
    folder = Path(os.environ["XDG_CACHE_HOME"], "syscast", "btf")
    folder.mkdir(parents=True, mode=0o700)
    for number in range(4):
        old = folder / f"old{number}"
        old.write_text("")
        os.utime(old, (number, number))
    source.from_file(kernel_file)
    names = [path.name for path in cached()]
    assert len(names) == 2
    assert "old3" in names


@pytest.mark.parametrize(
    ("name", "stripped"),
    [
        ("sock", "sock"),
        ("sock___old", "sock"),
        ("sock___old___older", "sock___old"),
        ("sock___", "sock___"),
        ("sock____x", "sock____x"),
        ("___sock", "___sock"),
        ("a___b", "a"),
        ("a____b___c", "a____b"),
        ("", ""),
    ],
)
def test_essential_names(name, stripped):
    assert essential(name.encode()).decode() == stripped
