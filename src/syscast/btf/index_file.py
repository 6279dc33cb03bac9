"""The index on disk: written once per kernel, then read a block at a time.

A file holds the image of ``index`` behind a header with the key it was made for and a CRC-32 of
each block; the header carries a CRC of itself. Opening checks owner, size, key and header; a block is checked
as it is read. Whatever is wrong, the file counts as absent and is written anew: a cache
may lose time, never change an answer.

The directory is ``${XDG_CACHE_HOME:-~/.cache}/syscast/btf``, for its owner alone. Nothing is
written where somebody else owns it or may write to it (``sudo`` keeps a user's ``HOME``), and no
file of somebody else is read.
"""

from __future__ import annotations

import os
import struct
from array import array
from typing import TYPE_CHECKING
from zlib import crc32

from syscast.btf.blob import BLOCK, FileBlob
from syscast.btf.index import Index, Shape
from syscast.errors import FormatError

if TYPE_CHECKING:
    from pathlib import Path

_MAGIC = b"syscBTF1"
_FIXED = "=8sIIIII"  # magic, CRC of all that follows, size of the header, count, bits, named
_FIXED_SIZE = struct.calcsize(_FIXED)
_CHECKED_FROM = 12
_KEY_SIZE = 128
_MAX_BITS = 20
_MAX_NUMBER = 1 << 28
_KEPT = 100


def location(name: str) -> str | None:
    """Return the path of an index by its file name; None where the environment gives no home."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not base.startswith("/"):  # the XDG specification tells to ignore a relative path
        home = os.environ.get("HOME", "")
        if not home.startswith("/"):
            return None
        base = f"{home}/.cache"
    return f"{base}/syscast/btf/{name}"


def read(path: str, key: str) -> Index | None:
    """Open the index at ``path``; None where it is absent, corrupt, foreign or of another key."""
    try:
        blob = FileBlob(path)
    except OSError:
        return None
    try:
        made = _read(blob, _key_bytes(key))
    except (FormatError, OSError):
        made = None
    if made is None:
        blob.close()
    return made


def write(path: str, key: str, image: bytes, shape: Shape) -> None:
    """Write an index, by a rename, so that no reader sees half of it; failures are ignored."""
    from pathlib import Path  # noqa: PLC0415 - 3 ms that only the first start of a kernel pays

    checks = array("I", (crc32(image[at : at + BLOCK]) for at in range(0, len(image), BLOCK)))
    size = _FIXED_SIZE + _KEY_SIZE + 4 * len(checks)
    rest = struct.pack("=IIII", size, shape.count, shape.bits, shape.named)
    rest += _key_bytes(key) + checks.tobytes()
    data = struct.pack("=8sI", _MAGIC, crc32(rest)) + rest
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory = target.parent.stat(follow_symlinks=False)
        if directory.st_uid != os.geteuid() or directory.st_mode & 0o022:
            return
        with open(temporary, "wb", opener=lambda name, _: os.open(name, flags, 0o600)) as file:
            file.write(data)
            file.write(image)
        temporary.replace(target)
        _prune(target.parent)
    except OSError:
        return
    finally:
        _unlink(temporary)


def _prune(directory: Path) -> None:
    """Remove the oldest files beyond a number that no one machine needs."""
    files = sorted(directory.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[_KEPT:]:
        path.unlink(missing_ok=True)


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def _key_bytes(key: str) -> bytes:
    raw = key.encode()
    if len(raw) > _KEY_SIZE:
        raise ValueError("the key of an index is too long")
    return raw.ljust(_KEY_SIZE, b"\0")


def _read(blob: FileBlob, key: bytes) -> Index | None:
    found = blob.stat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        return None
    raw = blob.read(0, _FIXED_SIZE + _KEY_SIZE)
    magic, check, size, *numbers = struct.unpack_from(_FIXED, raw)
    shape = Shape(*numbers)
    if magic != _MAGIC or raw[_FIXED_SIZE:] != key:
        return None
    if shape.bits > _MAX_BITS or max(shape.count, shape.named) > _MAX_NUMBER:
        return None
    blocks = -(-shape.size // BLOCK)
    header = blob.read(0, size) if size == len(raw) + 4 * blocks else b""
    if crc32(header[_CHECKED_FROM:]) != check or blob.size != size + shape.size:
        return None
    checks = array("I")
    checks.frombytes(header[len(raw) :])
    blob.narrow(size, shape.size, checks)
    return Index(blob, shape)
