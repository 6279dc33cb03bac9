"""Symbols of stripped files: the small table inside them, and files of debugging symbols elsewhere.

The places are those of gdb ("Separate Debug Files") and of "MiniDebugInfo": ``.gnu_debugdata`` in the file,
``/usr/lib/debug/.build-id/XX/REST.debug``, and the name in ``.gnu_debuglink`` next to the file, in ``.debug``
there, and below ``/usr/lib/debug``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from zlib import crc32

from syscast.elf import FileBytes
from syscast.errors import FormatError
from syscast.symbols import binary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syscast.symbols.binary import Binary, Table

_ROOT = "/usr/lib/debug"
_MINIDEBUG_MOST = 1 << 28
_CHUNK = 1 << 20


def tables(of: Binary) -> list[Table]:
    """The symbol tables that belong to a stripped file; empty where nothing is found."""
    for path, crc in _places(of):
        found = _read(path, of, crc)
        if found:
            return found
    return _inside(of)


def _inside(of: Binary) -> list[Table]:
    """What ``.gnu_debugdata`` holds."""
    if not of.minidebug:
        return []
    import lzma  # noqa: PLC0415  (few files have it)

    try:
        data = lzma.LZMADecompressor().decompress(of.minidebug, _MINIDEBUG_MOST)
        return binary.tables_of(data, f"file '{of.path}', .gnu_debugdata")
    except (lzma.LZMAError, FormatError):
        return []


def _places(of: Binary) -> Iterator[tuple[str, int | None]]:
    """Where debugging symbols may lie, and the CRC that the file must have."""
    root = _root_of(of.path)
    if of.build_id:
        yield f"{root}{_ROOT}/.build-id/{of.build_id[:2]}/{of.build_id[2:]}.debug", None
    if of.debuglink is None or not of.path:
        return
    name, crc = of.debuglink
    if "/" in name:
        return
    directory = os.path.dirname(os.path.realpath(of.path) if not root else of.path)  # noqa: PTH120
    for place in (directory, f"{directory}/.debug"):
        yield f"{place}/{name}", crc
    yield f"{root}{_ROOT}{directory.removeprefix(root)}/{name}", crc


def _root_of(path: str) -> str:
    """``/proc/PID/root`` where a path leads into another mount namespace; else ``""``."""
    parts = path.split("/", 4)
    inside = len(parts) == 5 and parts[1] == "proc" and parts[3] == "root"
    return "/".join(parts[:4]) if inside else ""


def _read(path: str, of: Binary, crc: int | None) -> list[Table]:
    try:
        with open(path, "rb") as file:  # noqa: PTH123  (as kernel.textfiles)
            if crc is not None:
                if os.path.samestat(os.fstat(file.fileno()), os.stat(of.path)):  # noqa: PTH116
                    return []
                got = 0
                while chunk := file.read(_CHUNK):
                    got = crc32(chunk, got)
                if got != crc:
                    return []
            return binary.tables_of(FileBytes(file), f"file '{path}'")
    except (OSError, FormatError):
        return []
