"""Small files of /proc and /sys, read whole.

With plain ``open``: pathlib would cost 5 ms at start-up for nothing here.
"""

from __future__ import annotations

import os


def read_bytes(path: str) -> bytes:
    """The whole file; raises OSError."""
    with open(path, "rb") as file:  # noqa: PTH123  # see the module's docstring
        return file.read()


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
