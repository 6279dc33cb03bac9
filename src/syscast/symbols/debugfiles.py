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
from syscast.kernel.textfiles import open_regular
from syscast.symbols.table import tables_of

if TYPE_CHECKING:
    from syscast.symbols.table import Table

_ROOT = "/usr/lib/debug"
_MINIDEBUG_MOST = 1 << 28
_CHUNK = 1 << 20
_LARGEST = 1 << 32
"""Bytes of a file that is read whole to compute its CRC."""


def tables(
    path: str, build_id: str, debuglink: tuple[str, int] | None, minidebug: bytes
) -> list[Table]:
    """The symbol tables that belong to a stripped file; empty where nothing is found.

    Args:
        path: The file; ``""`` for one that is only in memory.
        build_id: In hex, or ``""``.
        debuglink: Name of the file with the debugging symbols, and its CRC.
        minidebug: The content of ``.gnu_debugdata``.
    """
    root = _root_of(path)
    if build_id:
        found = _read(f"{root}{_ROOT}/.build-id/{build_id[:2]}/{build_id[2:]}.debug")
        if found:
            return found
    if debuglink is not None and path and "/" not in debuglink[0]:
        name, crc = debuglink
        for place in _places(path, root):
            found = _read(f"{place}/{name}", path, crc)
            if found:
                return found
    return _inside(path, minidebug)


def _inside(path: str, minidebug: bytes) -> list[Table]:
    """What ``.gnu_debugdata`` holds."""
    if not minidebug:
        return []
    import lzma  # noqa: PLC0415  (few files have it)

    try:
        data = lzma.LZMADecompressor().decompress(minidebug, _MINIDEBUG_MOST)
        return tables_of(data, f"file '{path}', .gnu_debugdata")
    except (lzma.LZMAError, FormatError):
        return []


def _places(path: str, root: str) -> tuple[str, str, str]:
    """The directories of a debug link."""
    directory = os.path.dirname(path if root else os.path.realpath(path))  # noqa: PTH120
    return directory, f"{directory}/.debug", f"{root}{_ROOT}{directory.removeprefix(root)}"


def _root_of(path: str) -> str:
    """``/proc/PID/root`` where a path leads into another mount namespace; else ``""``."""
    parts = path.split("/", 4)
    inside = len(parts) == 5 and parts[1] == "proc" and parts[3] == "root"
    return "/".join(parts[:4]) if inside else ""


def _read(path: str, of: str = "", crc: int = 0) -> list[Table]:
    """A file's tables; of a debug link only where it is another file, and the one that is meant."""
    try:
        with open_regular(path) as file:
            if of:
                found = os.fstat(file.fileno())
                if found.st_size > _LARGEST or os.path.samestat(found, os.stat(of)):  # noqa: PTH116
                    return []
                got = 0
                while chunk := file.read(_CHUNK):
                    got = crc32(chunk, got)
                if got != crc:
                    return []
            return tables_of(FileBytes(file), f"file '{path}'")
    except (OSError, FormatError):
        return []
