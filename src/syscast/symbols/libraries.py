"""From what a user calls a program or library to its file: a path, ``c``, ``libssl.so.3``, ``bash``.

Looked for, in this order: what the process has mapped, the dynamic loader's cache (ld.so.cache, ldconfig(8)), the
loader's default directories, programs in ``PATH``. All as the process sees its files, which in a container
are others than ours.
"""

from __future__ import annotations

import os
import re
import struct
from typing import TYPE_CHECKING

from syscast.errors import TargetError
from syscast.kernel.textfiles import open_regular
from syscast.symbols import processmaps

if TYPE_CHECKING:
    from collections.abc import Callable

_CACHE = "/etc/ld.so.cache"
_MAGIC = b"glibc-ld.so.cache1.1"
_HEAD = struct.Struct("<20sII20x")
_ENTRY = struct.Struct("<iIIIQ")
_MOST_ENTRIES = 1 << 16
_CACHE_MOST = 1 << 26
_WIDE = frozenset({0x0300, 0x0A00})
"""FLAG_X8664_LIB64 and FLAG_AARCH64_LIB64 of glibc's sysdeps/generic/ldconfig.h."""
_NEAR = 3


def find(name: str, pid: int = 0) -> str:
    """The path of a program or library, as this process can open it.

    Args:
        name: A path, a library's name with or without ``lib`` and ``.so``, or a program's name.
        pid: A process that has it, perhaps in a mount namespace of its own; 0 for none.

    Raises:
        TargetError: Nothing is found.
    """
    if pid and _is_gone(pid):
        raise TargetError(f"process '{pid}': look up: it is not there any more")
    root = processmaps.root_of(pid) if pid else ""
    if "/" in name:
        return _given(name, pid, root)
    found = (_mapped(name, pid) if pid else None) or library(name, root) or _program(name, root)
    if found is None:
        where = f" by process {pid}" if pid else ""
        raise TargetError(
            f"file '{name}': look up: no library or program of this name is found{where} "
            "(give its path)",
            _near(name, root),
        )
    return found


def _is_gone(pid: int) -> bool:
    """Whether a process has ended: one that nobody waited for has no files any more (proc_pid_root(5))."""
    try:
        os.readlink(f"/proc/{pid}/root")  # noqa: PTH115  (as kernel.textfiles)
    except (FileNotFoundError, ProcessLookupError):
        return True
    except OSError:  # another user's
        return False
    return False


def _given(path: str, pid: int, root: str) -> str:
    if not path.startswith("/"):
        path = os.path.abspath(path)  # noqa: PTH100  (as kernel.textfiles)
    if path.startswith("/proc/"):
        return path
    found = processmaps.inside(root, path)
    if os.path.exists(found):  # noqa: PTH110  (as kernel.textfiles)
        return found
    for region in processmaps.regions(pid) if pid else ():
        if region.path == path and region.inode:  # its name is gone, or hidden by a mount
            return processmaps.path_of(pid, region, root)
    raise TargetError(f"file '{path}': look up: there is none")


def library(name: str, root: str = "") -> str | None:
    """The path of a library by its name (``c``, ``libc``, ``libc.so.6``); None if there is none."""
    matches = _matcher(name)
    for soname, path in _cached(f"{root}{_CACHE}"):
        if matches(soname):
            found = processmaps.inside(root, path)
            if os.path.exists(found):  # noqa: PTH110  (as kernel.textfiles)
                return found
    for directory in _directories():
        try:
            files = sorted(os.listdir(f"{root}{directory}"))  # noqa: PTH208  (as kernel.textfiles)
        except OSError:
            continue
        for each in files:
            if matches(each):
                return processmaps.inside(root, f"{directory}/{each}")
    return None


def _matcher(name: str) -> Callable[[str], bool]:
    """Whether a file's name is the library that is meant."""
    if ".so" in name:
        return lambda each: each == name or each.startswith(f"{name}.")
    bare = re.escape(name.removeprefix("lib") if name != "lib" else name)
    pattern = re.compile(rf"lib{bare}(?:-[\d.]+)?\.so(?:\.[\d.]+)?")
    return lambda each: pattern.fullmatch(each) is not None


def _mapped(name: str, pid: int) -> str | None:
    """What a process has mapped under this name."""
    matches = _matcher(name)
    root = processmaps.root_of(pid)
    for region in processmaps.regions(pid):
        base = region.path.rpartition("/")[2]
        if region.inode and (matches(base) or base == name):
            return processmaps.path_of(pid, region, root)
    return None


def _cached(path: str) -> list[tuple[str, str]]:
    """(name, path) of the libraries of this machine's word size in the loader's cache."""
    try:
        with open_regular(path) as file:
            data = file.read(_CACHE_MOST)
    except OSError:
        return []
    start = data.find(_MAGIC)
    if start < 0 or len(data) < start + _HEAD.size:
        return []
    data = data[start:]
    count = min(_HEAD.unpack_from(data)[1], _MOST_ENTRIES, (len(data) - _HEAD.size) // _ENTRY.size)
    found = []
    for flags, key, value, _, _ in _ENTRY.iter_unpack(
        data[_HEAD.size : _HEAD.size + count * _ENTRY.size]
    ):
        if flags & 0xFF00 in _WIDE:
            found.append((_string(data, key), _string(data, value)))
    return found


def _string(data: bytes, at: int) -> str:
    end = data.find(b"\0", at)
    return data[at : max(end, at)].decode("utf-8", "surrogateescape")


def _directories() -> tuple[str, ...]:
    # The name of the machine's instruction set, not of a kernel version.
    triple = f"{os.uname().machine}-linux-gnu"  # noqa: TID251
    return f"/lib/{triple}", f"/usr/lib/{triple}", "/lib64", "/usr/lib64", "/lib", "/usr/lib"


def _program(name: str, root: str) -> str | None:
    """A program in the directories of PATH."""
    for directory in os.environ.get("PATH", "/usr/bin:/bin").split(":"):
        if directory.startswith("/"):
            found = processmaps.inside(root, f"{directory}/{name}")
            if os.access(found, os.X_OK) and os.path.isfile(found):  # noqa: PTH113  (as kernel.textfiles)
                return found
    return None


def _near(name: str, root: str) -> list[str]:
    from difflib import get_close_matches  # noqa: PLC0415  (only errors need it)

    known = {
        each.partition(".so")[0].removeprefix("lib") for each, _ in _cached(f"{root}{_CACHE}")
    }
    return get_close_matches(name.removeprefix("lib"), sorted(known), _NEAR)
