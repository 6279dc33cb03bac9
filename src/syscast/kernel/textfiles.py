"""Small files of /proc and /sys, read whole.

With plain ``open``: pathlib would cost 5 ms at start-up for nothing here.
"""

from __future__ import annotations

import errno
import os
from stat import S_ISREG
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import IO


def read_bytes(path: str) -> bytes:
    """The whole file; raises OSError."""
    with open(path, "rb") as file:  # noqa: PTH123  # see the module's docstring
        return file.read()


def open_regular(path: str) -> IO[bytes]:
    """Open a file that others may have made: never waits, as the end of a pipe would make it.

    Raises:
        OSError: It cannot be opened, or is no regular file (EINVAL).
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    file = os.fdopen(os.open(path, flags), "rb")
    if not S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a regular file", path)
    return file


def read_text(path: str) -> str | None:
    """The text without the white space around it, or None if it cannot be read.

    Bytes that are not UTF-8 become surrogates, as in Python's own file names.
    """
    try:
        return read_bytes(path).decode("utf-8", "surrogateescape").strip()
    except OSError:
        return None


def device_and_inode(path: str) -> tuple[int, int] | None:
    """What identifies a namespace or cgroup; None once it is gone."""
    try:
        found = os.stat(path)  # noqa: PTH116  # see the module's docstring
    except OSError:
        return None
    return found.st_dev, found.st_ino
