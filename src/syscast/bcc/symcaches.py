"""Addresses to names: of the kernel, and of what a process has in memory."""

from __future__ import annotations

import os

from syscast.bcc.arguments import Name, as_bytes
from syscast.symbols import kallsyms

KERNEL = -1
NOT_FOUND = -1
_UNKNOWN = b"[unknown]"


class SymbolCache:
    """The symbols of one process, or of the kernel for a negative number."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def resolve(self, addr: int, demangle: bool) -> tuple[bytes | None, int, bytes | None]:
        """What an address lies in.

        Args:
            addr: The address.
            demangle: C++ names as they are written.

        Returns:
            Name, bytes behind its start, and module; None for what is not known. Without a name the
            offset is that in the module.
        """
        del demangle
        found = kallsyms.kernel().at(addr)
        if found is None:
            return None, addr, None
        return os.fsencode(found.name), addr - found.address, os.fsencode(found.module or "kernel")

    def resolve_name(self, module: Name, name: Name) -> int:
        """Address of a symbol, -1 where it is not found."""
        del module
        return kernel_address(name)


CACHES: dict[int, SymbolCache] = {}
"""By process; what one ran first is kept, as bcc does."""


def cache_of(pid: int) -> SymbolCache:
    """The symbols of a process."""
    key = pid if pid >= 0 else KERNEL
    found = CACHES.get(key)
    if found is None:
        found = CACHES[key] = SymbolCache(key)
    return found


def sym(
    addr: int,
    pid: int,
    show_module: bool = False,
    show_offset: bool = False,
    demangle: bool = True,
) -> bytes:
    """The name of an address in a process, or in the kernel for a negative number.

    Args:
        addr: The address.
        pid: The process.
        show_module: Add the file's name, ``[libc.so.6]``.
        show_offset: Add the distance, ``+0x1f``.
        demangle: C++ names as they are written.

    Returns:
        ``[unknown]`` where it is not known.
    """
    name, offset, module = cache_of(pid).resolve(addr, demangle)
    return written(name, offset, module, show_module=show_module, show_offset=show_offset)


def written(
    name: bytes | None, offset: int, module: bytes | None, *, show_module: bool, show_offset: bool
) -> bytes:
    """A symbol in bcc's form."""
    text = name or _UNKNOWN
    if show_offset and name is not None:
        text += b"+0x%x" % offset
    if show_module and module is not None:
        text += b" [" + module.rpartition(b"/")[2] + b"]"
    return text


def ksym(addr: int, show_module: bool = False, show_offset: bool = False) -> bytes:
    """The name of an address in the kernel, as `sym`."""
    return sym(addr, KERNEL, show_module, show_offset, demangle=False)


def ksymname(name: Name) -> int:
    """The address of a symbol of the kernel, -1 where there is none."""
    return kernel_address(name)


def kernel_address(name: Name) -> int:
    found = kallsyms.kernel().find(os.fsdecode(as_bytes(name)))
    return found[0].address if found else NOT_FOUND


def add_module(modname: Name) -> None:
    """Make the symbols of a file known to stacks of build ids."""
    del modname
