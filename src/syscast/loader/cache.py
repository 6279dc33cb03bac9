"""Answers of ``resolve``, kept on disk per object and kernel.

A warm start can so do without the relocation machinery and the types it reads. The file's name
is a digest of all that the answers depend on; the file holds a digest of itself. It is read only
if it and its directory belong to the caller and nobody else may write there; anything else
counts as absent, and failures to write are ignored: the cache saves time, and decides nothing.
"""

from __future__ import annotations

import contextlib
import os
import stat

import msgspec

from syscast.loader.resolve import Resolved
from syscast.spec.digest import SIZE, digest

_FORMAT = b"syscast resolved 2\n"
_SIZE_MAX = 64 << 20
_KEPT = 200


def key(*parts: bytes) -> str:
    """A name for what the parts, in this order, give."""
    return digest(*parts).hex()


def location(name: str) -> str | None:
    """The path of an entry; None where the environment gives no home."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not base.startswith("/"):  # the XDG specification tells to ignore a relative path
        home = os.environ.get("HOME", "")
        if not home.startswith("/"):
            return None
        base = f"{home}/.cache"
    return f"{base}/syscast/resolved/{name}"


def read(path: str) -> tuple[Resolved, ...] | None:
    """The answers in a file; None if it is absent, foreign, open to others, or damaged."""
    try:
        if not _is_private(os.lstat(path.rpartition("/")[0])):
            return None
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        with open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or not _is_private(found):
                return None
            data = file.read(_SIZE_MAX)
    except OSError:
        return None
    head = len(_FORMAT) + SIZE
    body = data[head:]
    if data[:head] != _FORMAT + digest(body):
        return None
    try:
        return msgspec.msgpack.decode(body, type=tuple[Resolved, ...])
    except msgspec.DecodeError:
        return None


def write(path: str, resolved: tuple[Resolved, ...]) -> None:
    """Keep answers, by a rename, and drop the oldest ones beyond a number."""
    from pathlib import Path  # noqa: PLC0415 - 5 ms that only the first load of an object pays

    body = msgspec.msgpack.encode(resolved)
    target = Path(path)
    with contextlib.suppress(OSError):
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_private(target.parent.lstat()):
            return
        fresh = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(fresh, flags, 0o600), "wb") as file:
                file.write(_FORMAT + digest(body) + body)
            fresh.rename(target)
        finally:
            fresh.unlink(missing_ok=True)
        entries = sorted(target.parent.iterdir(), key=lambda each: each.lstat().st_mtime)
        for each in entries[:-_KEPT]:
            each.unlink(missing_ok=True)


def _is_private(found: os.stat_result) -> bool:
    others_may_write = stat.S_IMODE(found.st_mode) & (stat.S_IWGRP | stat.S_IWOTH)
    return found.st_uid == os.geteuid() and not others_may_write
