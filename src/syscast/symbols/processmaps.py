"""/proc/PID/maps: what of which file a process has in memory, proc_pid_maps(5)."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from syscast.kernel.textfiles import device_and_inode, read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINE = re.compile(
    rb"^([0-9a-f]+)-([0-9a-f]+) (....) ([0-9a-f]+) ([0-9a-f]+):([0-9a-f]+) (\d+) *(.*)$",
    re.MULTILINE,
)
_DELETED = " (deleted)"


class Region(NamedTuple):
    """One line.

    Attributes:
        start: First address.
        end: One behind the last.
        executable: Whether code in it can run.
        offset: Of the start in the file, bytes.
        device: Major << 20 | minor.
        inode: 0 where there is no file.
        path: As the process sees it, or a name such as ``[heap]``.
        deleted: The file has no name any more.
    """

    start: int
    end: int
    executable: bool
    offset: int
    device: int
    inode: int
    path: str
    deleted: bool


def regions(pid: int) -> list[Region]:
    """All regions of a process, by address; raises OSError."""
    return list(parse(read_bytes(f"/proc/{pid}/maps")))


def parse(data: bytes) -> Iterator[Region]:
    """Take the file's bytes apart."""
    for found in _LINE.finditer(data):
        path = found[8].replace(b"\\012", b"\n").decode("utf-8", "surrogateescape")
        yield Region(
            int(found[1], 16),
            int(found[2], 16),
            found[3][2:3] == b"x",
            int(found[4], 16),
            int(found[5], 16) << 20 | int(found[6], 16),
            int(found[7]),
            path.removesuffix(_DELETED),
            path.endswith(_DELETED),
        )


def root_of(pid: int) -> str:
    """Where this process finds the files of another: ``""``, or ``/proc/PID/root``."""
    own = device_and_inode("/proc/self/ns/mnt")
    if own == device_and_inode(f"/proc/{pid}/ns/mnt") and _same_root(pid):
        return ""
    return f"/proc/{pid}/root"


def _same_root(pid: int) -> bool:
    return device_and_inode("/proc/self/root/") == device_and_inode(f"/proc/{pid}/root/")


def path_of(pid: int, region: Region, root: str | None = None) -> str:
    """A path by which this process can open what a region maps.

    Args:
        pid: The process.
        region: One of its regions, of a file.
        root: From `root_of`, where it was asked for already.
    """
    if region.deleted:
        return f"/proc/{pid}/map_files/{region.start:x}-{region.end:x}"
    return (root_of(pid) if root is None else root) + region.path


def inside(root: str, path: str) -> str:
    """A path with its symbolic links followed as a process with this root directory would.

    Args:
        root: ``""`` for this process' own.
        path: Absolute.
    """
    if not root:
        return os.path.realpath(path)
    seen = 0
    parts = [part for part in path.split("/") if part][::-1]
    done: list[str] = []
    while parts:
        part = parts.pop()
        if part in {".", ".."}:
            if part == "..":
                done = done[:-1]
            continue
        here = "/".join([root, *done, part])
        try:
            link = os.readlink(here)  # noqa: PTH115  (as kernel.textfiles)
        except OSError:
            done.append(part)
            continue
        seen += 1
        if seen > 40:  # as the kernel (MAXSYMLINKS)
            break
        if link.startswith("/"):
            done = []
        parts += [each for each in link.split("/") if each][::-1]
    return "/".join([root, *done])


def seen_inside(path: str) -> str:
    """A path as the process has it: without ``/proc/PID/root``."""
    return re.sub(r"^/proc/\d+/root(?=/)", "", path)
