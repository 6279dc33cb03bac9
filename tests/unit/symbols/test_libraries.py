"""From names to files: the loader's cache, directories, programs, other roots."""

from __future__ import annotations

import os
import struct
import subprocess
import sys

import pytest

from syscast.errors import TargetError
from syscast.symbols import libraries, processmaps


def cache(entries):
    """A loader's cache as ldconfig writes it, behind an old one."""
    head, strings = 48 + 24 * len(entries), b""
    rows = b""
    for flags, name, path in entries:
        at = head + len(strings)
        strings += name + b"\0" + path + b"\0"
        rows += struct.pack("<iIIIQ", flags, at, at + len(name) + 1, 0, 0)
    new = struct.pack("<20sII20x", b"glibc-ld.so.cache1.1", len(entries), len(strings))
    return b"ld.so-1.7.0\0\0\0\0\0" + new + rows + strings


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A root directory of its own."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "opt").mkdir()
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "lib").symlink_to("/usr/lib")
    (tmp_path / "opt/libown.so.2.1").touch()
    (tmp_path / "opt/libown.so.2").symlink_to("libown.so.2.1")
    (tmp_path / "usr/lib/libplain-1.2.so").touch()
    tool = tmp_path / "usr/bin/tool"
    tool.touch(0o755)
    (tmp_path / "etc/ld.so.cache").write_bytes(
        cache(
            [
                (0x0003, b"libown.so.2", b"/opt/libown32.so.2"),
                (0x0303, b"libown.so.2", b"/opt/libown.so.2"),
                (0x0303, b"libgone.so.1", b"/opt/libgone.so.1"),
            ]
        )
    )
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setattr(processmaps, "root_of", lambda _: str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", ["own", "libown", "libown.so", "libown.so.2", "/opt/libown.so.2"])
def test_names_of_a_library(root, name):
    assert libraries.find(name, os.getpid()) == f"{root}/opt/libown.so.2.1"


def test_directories_and_programs(root):
    assert libraries.find("plain", os.getpid()) == f"{root}/usr/lib/libplain-1.2.so"
    assert libraries.find("tool", os.getpid()) == f"{root}/usr/bin/tool"


@pytest.mark.usefixtures("root")
def test_what_is_nowhere_is_named_with_what_is_near():
    with pytest.raises(TargetError, match="file 'gone': look up: no library or program"):
        libraries.find("gone", os.getpid())
    with pytest.raises(TargetError) as caught:
        libraries.find("owm", os.getpid())
    assert list(caught.value.near) == ["own"]
    with pytest.raises(TargetError, match="file '/opt/none': look up: there is none"):
        libraries.find("/opt/none", os.getpid())


@pytest.mark.parametrize(
    "data", [b"", b"ld.so-1.7.0", cache([])[:40], cache([(0x303, b"a", b"b")])[:90]]
)
def test_a_damaged_cache_holds_nothing(root, data):
    (root / "etc/ld.so.cache").write_bytes(data)
    with pytest.raises(TargetError):
        libraries.find("own", os.getpid())


def test_links_end_somewhere(tmp_path):
    (tmp_path / "a").symlink_to("/b")
    (tmp_path / "b").symlink_to("/a")
    (tmp_path / "up").symlink_to("../../../../x")
    assert processmaps.inside(str(tmp_path), "/a").startswith(str(tmp_path))
    assert processmaps.inside(str(tmp_path), "/up") == f"{tmp_path}/x"


def test_this_process_has_what_it_has_mapped():
    assert libraries.find("c", os.getpid()) == libraries.find("c")
    assert libraries.find(sys.executable) == os.path.realpath(sys.executable)
    with pytest.raises(
        TargetError, match="process '2000000000': look up: it is not there any more"
    ):
        libraries.find("c", 2_000_000_000)


def test_a_process_that_nobody_waited_for_is_gone():
    with subprocess.Popen(["true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(TargetError, match=f"process '{ended.pid}': look up: it is not there"):
            libraries.find("/bin/sh", ended.pid)


MAPS = rb"""55d0c0000000-55d0c0002000 r-xp 00001000 fe:01 1234                       /usr/bin/a b
7f0000000000-7f0000001000 rw-p 00000000 00:00 0
7f0000001000-7f0000002000 r--p 00000000 fe:01 77                         /tmp/x\012y (deleted)
7ffe00000000-7ffe00002000 r-xp 00000000 00:00 0                          [vdso]
"""


def test_maps_are_taken_apart():
    first, second, third, fourth = processmaps.parse(MAPS)
    assert first.path == "/usr/bin/a b"
    assert (first.start, first.end, first.offset) == (0x55D0C0000000, 0x55D0C0002000, 0x1000)
    assert first.executable
    assert (first.device, first.inode) == (0xFE << 20 | 1, 1234)
    assert (second.path, second.inode) == ("", 0)
    assert (third.path, third.deleted, third.executable) == ("/tmp/x\ny", True, False)
    assert fourth.path == "[vdso]"
    assert processmaps.path_of(7, third, "") == "/proc/7/map_files/7f0000001000-7f0000002000"
    assert processmaps.path_of(7, first, "/proc/7/root") == "/proc/7/root/usr/bin/a b"
