"""Functions whose name several functions of the kernel have: the kernel would take any of them.

BTF made by older pahole keeps such names, and fentry and kprobe.multi attach to the first symbol: hits of the
others would be missed without a word. The names are a fact of a kernel's build, so they are
found once (0.1 s) and kept in ``${XDG_CACHE_HOME:-~/.cache}/syscast/duplicates``, one file a kernel.
A file that is damaged, somebody else's or open to others counts as absent.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections import Counter
from zlib import crc32

_SIZE_MAX = 1 << 20
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
# A symbol of the kernel itself: no module in brackets behind it.
_OWN_FUNCTION = rb" [tTwW] ([^\s.]+)\n"

_known: dict[str, frozenset[str]] = {}


def names(key: str) -> frozenset[str]:
    """The names that more than one function of the running kernel has.

    Args:
        key: Of the kernel's BTF; names the file.
    """
    found = _known.get(key)
    if found is None:
        path = _location(key)
        found = _read(path) if path else None
        if found is None:
            found = _find()
            if path and found is not None:
                _write(path, found)
        found = _known[key] = found or frozenset()
    return found


def _find() -> frozenset[str] | None:
    """Count the symbols; None where they cannot be read."""
    from syscast.kernel.textfiles import read_bytes  # noqa: PLC0415  # once a kernel

    try:
        counts = Counter(re.findall(_OWN_FUNCTION, read_bytes("/proc/kallsyms")))
    except OSError:
        return None
    return frozenset(name.decode("ascii", "replace") for name, n in counts.items() if n > 1)


def _location(key: str) -> str | None:
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not base.startswith("/"):  # the XDG specification tells to ignore a relative path
        home = os.environ.get("HOME", "")
        if not home.startswith("/"):
            return None
        base = f"{home}/.cache"
    return f"{base}/syscast/duplicates/{key}" if key else None


def _read(path: str) -> frozenset[str] | None:
    try:
        if not _is_private(os.lstat(path.rpartition("/")[0])):
            return None
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(number, "rb") as file:  # noqa: PTH123  # a descriptor
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or not _is_private(found):
                return None
            head, _, body = file.read(_SIZE_MAX).partition(b"\n")
    except OSError:
        return None
    if head != _check(body):
        return None
    return frozenset(body.decode("ascii", "replace").split())


def _write(path: str, found: frozenset[str]) -> None:
    from pathlib import Path  # noqa: PLC0415  # 5 ms, once a kernel

    body = "\n".join(sorted(found)).encode()
    target = Path(path)
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_private(target.parent.lstat()):
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(fresh, flags, 0o600), "wb") as file:
                file.write(_check(body) + b"\n" + body)
            fresh.rename(target)
        finally:
            fresh.unlink(missing_ok=True)


def _check(body: bytes) -> bytes:
    return b"%08x" % crc32(body)


def _is_private(found: os.stat_result) -> bool:
    return found.st_uid == os.geteuid() and not found.st_mode & _OTHERS_WRITE
