"""Compiled objects on disk, by what went into them: a second start needs no LLVM.

``${XDG_CACHE_HOME:-~/.cache}/syscast/objects/KEY`` holds a SHA-256 of key and content, then the
content. What is in the directory gets loaded into the kernel, so only the owner's files count:
directory and file must belong to the effective user and be writable by no one else. Anything else,
and any file whose hash is wrong, is as good as absent. A cache that cannot be written is none:
programs run without it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from pathlib import Path

_HASH_SIZE = 32
_MAX_ENTRIES = 1024
_DROPPED_AT_ONCE = 128
_NOT_OURS = stat.S_IWGRP | stat.S_IWOTH


def default_directory() -> Path:
    """Where objects are kept."""
    home = os.environ.get("XDG_CACHE_HOME")
    base = Path(home) if home and Path(home).is_absolute() else Path.home() / ".cache"
    return base / "syscast" / "objects"


def key_of(*parts: bytes | str) -> str:
    """A key from everything that an object depends on; no two lists of parts give one key."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()


class Cache:
    """Objects by key.

    Args:
        directory: Made at the first `put`; `default_directory` by default.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory or default_directory()

    def get(self, key: str) -> bytes | None:
        """The object, or None if there is none that can be trusted."""
        try:
            if not _owned(self.directory.stat()):
                return None
            fd = os.open(self.directory / key, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        with os.fdopen(fd, "rb") as file:
            if not _owned(os.fstat(file.fileno())):
                return None
            data = file.read()
        content = data[_HASH_SIZE:]
        return content if data[:_HASH_SIZE] == _hash(key, content) else None

    def put(self, key: str, data: bytes) -> None:
        """Keep an object; the file appears whole or not at all."""
        temporary = self.directory / f".{key}.{os.getpid()}"
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _owned(self.directory.stat()):
                return
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
                file.write(_hash(key, data) + data)
            temporary.replace(self.directory / key)
            self._trim()
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()

    def _trim(self) -> None:
        """Drop the oldest when there are too many."""
        with os.scandir(self.directory) as entries:
            found = list(entries)
        if len(found) <= _MAX_ENTRIES:
            return
        found.sort(key=lambda entry: entry.stat(follow_symlinks=False).st_mtime)
        for entry in found[:_DROPPED_AT_ONCE]:
            with contextlib.suppress(OSError):
                Path(entry.path).unlink()


def _owned(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & _NOT_OURS


def _hash(key: str, content: bytes) -> bytes:
    return hashlib.sha256(key.encode() + b"\0" + content).digest()
