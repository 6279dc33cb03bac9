"""Compiled objects on disk, by what went into them: a second start needs no LLVM.

``${XDG_CACHE_HOME:-~/.cache}/syscast/objects/KEY`` holds a digest of key and content, then the
content. What is in the directory gets loaded into the kernel, so only the owner's files count:
directory and file must belong to the effective user and be writable by no one else. Anything else,
and any file whose hash is wrong, is as good as absent. A cache that cannot be written is none:
programs run without it.
"""

# This is in the way of every start, and pathlib would cost 5 ms of it.
# ruff: noqa: PTH103, PTH105, PTH108, PTH111, PTH116, PTH117, PTH118

from __future__ import annotations

import contextlib
import os
import stat

from syscast.spec.digest import SIZE, digest

_MAX_ENTRIES = 1024
_DROPPED_AT_ONCE = 128
_NOT_OURS = stat.S_IWGRP | stat.S_IWOTH


def default_directory() -> str:
    """Where objects are kept."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):  # the XDG base directory specification: relative ones are invalid
        base = os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "syscast", "objects")


def key_of(*parts: bytes | str) -> str:
    """A key from everything that an object depends on; no two lists of parts give one key."""
    raw = [part.encode() if isinstance(part, str) else part for part in parts]
    return digest(*raw).hex()


class Cache:
    """Objects by key.

    Args:
        directory: Made at the first `put`.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory

    @classmethod
    def default(cls) -> Cache:
        """The user's cache."""
        return cls(default_directory())

    def get(self, key: str) -> bytes | None:
        """The object, or None if there is none that can be trusted."""
        try:
            if not _owned(os.stat(self.directory)):
                return None
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            fd = os.open(os.path.join(self.directory, key), flags)
            try:
                status = os.fstat(fd)
                if not (stat.S_ISREG(status.st_mode) and _owned(status)):
                    return None
                data = os.read(fd, status.st_size)
            finally:
                os.close(fd)
        except OSError:
            return None
        content = data[SIZE:]
        return content if data[:SIZE] == _hash(key, content) else None

    def put(self, key: str, data: bytes) -> None:
        """Keep an object; the file appears whole or not at all."""
        temporary = os.path.join(self.directory, f".{key}.{os.getpid()}")
        try:
            os.makedirs(self.directory, mode=0o700, exist_ok=True)
            if not _owned(os.stat(self.directory)):
                return
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
                file.write(_hash(key, data) + data)
            os.replace(temporary, os.path.join(self.directory, key))
            self._trim()
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)

    def _trim(self) -> None:
        """Drop the oldest when there are too many."""
        with os.scandir(self.directory) as entries:
            found = list(entries)
        if len(found) <= _MAX_ENTRIES:
            return
        found.sort(key=lambda entry: entry.stat(follow_symlinks=False).st_mtime)
        for entry in found[:_DROPPED_AT_ONCE]:
            with contextlib.suppress(OSError):
                os.unlink(entry.path)


def _owned(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & _NOT_OURS


def _hash(key: str, content: bytes) -> bytes:
    return digest(key.encode(), content)
