"""Where in which file a uprobe goes: libraries by name, functions by name, address or expression."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from syscast.bcc.arguments import Name, as_bytes
from syscast.bcc.failures import failure
from syscast.errors import TargetError
from syscast.symbols import binary, libraries


class UserPlace(NamedTuple):
    """A byte of a file.

    Attributes:
        path: As this process opens the file.
        offset: In the file.
    """

    path: str
    offset: int


def find_library(libname: Name, pid: int = 0) -> bytes | None:
    """Path of a library by its name (``c``), as a process sees it; None if there is none."""
    name = os.fsdecode(as_bytes(libname))
    if "/" in name:
        return os.fsencode(name)
    try:
        found = libraries.find(name, max(pid, 0))
    except TargetError:
        return None
    # The search goes on to programs, which bcc looks for with find_exe.
    return os.fsencode(found) if ".so" in found.rpartition("/")[2] else None


def find_exe(bin_path: str | bytes) -> str | bytes | None:
    """Path of an executable file: as given, or in ``PATH``; None if there is none.

    Args:
        bin_path: Path or name; the answer is of the same type.
    """
    name = os.fsdecode(bin_path)
    places = [""] if "/" in name else os.environ.get("PATH", "").split(os.pathsep)
    for place in places:
        path = os.path.join(place.strip('"'), name)  # noqa: PTH118 - pathlib costs a start 5 ms
        if os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113
            return os.fsencode(path) if isinstance(bin_path, bytes) else path
    return None


def functions_and_addresses(name: Name, sym_re: Name) -> list[tuple[bytes, int]]:
    """Functions of a file whose names start with what an expression matches, and their addresses.

    Raises:
        Exception: The file cannot be read.
    """
    pattern = re.compile(as_bytes(sym_re))
    found: dict[bytes, int] = {}
    try:
        path = libraries.find(os.fsdecode(as_bytes(name)))
        for each in binary.read(path).functions():
            symbol = os.fsencode(each.name)
            if symbol not in found and pattern.match(symbol):
                found[symbol] = each.address
    except TargetError as error:
        raise failure(f"Error enumerating symbols in {as_bytes(name)!r}: {error}") from None
    return list(found.items())


def place_of(name: bytes, sym: bytes, addr: int | None, pid: int, sym_off: int) -> UserPlace:
    """Find a place.

    Args:
        name: Of the library or program, or its path.
        sym: Name of a function, or
        addr: its address in the file's own tables.
        pid: A process whose files are meant, or -1.
        sym_off: Bytes behind the function's start.

    Raises:
        Exception: As bcc's.
    """
    try:
        path = libraries.find(os.fsdecode(name), max(pid, 0))
        made = binary.read(path)
    except TargetError as error:
        refused = failure(
            f"could not determine address of symbol {_words(sym, addr)} in {_text(name)}"
        )
        refused.add_note(str(error))
        raise refused from None
    address = addr
    if not address:
        found = made.find(os.fsdecode(sym))
        address = found[0].address if found else None
    offset = made.file_offset(address) if address else None
    if offset is None:
        raise failure(
            f"could not determine address of symbol {_words(sym, addr)} in {_text(name)}"
        )
    return UserPlace(path, offset + sym_off)


def _words(sym: bytes, addr: int | None) -> str:
    return _text(sym) if sym else f"0x{addr or 0:x}"


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")
