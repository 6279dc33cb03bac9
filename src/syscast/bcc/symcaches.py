"""Addresses to names: of the kernel, of what a process has in memory, of places in files by build id."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from syscast.bcc.arguments import Name, as_bytes
from syscast.errors import TargetError
from syscast.symbols import kernel
from syscast.symbols.buildids import BuildIds
from syscast.symbols.user import JIT, UserSymbols

if TYPE_CHECKING:
    from typing import TypeAlias

    from syscast.bcc.stacktraces import bpf_stack_build_id
    from syscast.symbols.symbol import Symbol

    Resolved: TypeAlias = tuple[bytes | None, int, bytes | None]

KERNEL = -1
NOT_FOUND = -1
_UNKNOWN = b"[unknown]"


class SymbolCache:
    """The symbols of one process, or of the kernel for a negative number."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._user = UserSymbols(pid) if pid >= 0 else None

    def resolve(self, addr: int, demangle: bool) -> Resolved:
        """What an address lies in.

        Args:
            addr: The address.
            demangle: C++ names as they are written.

        Returns:
            Name, bytes behind its start, and module; None for what is not known. Without a name the
            offset is that in the module.
        """
        if self._user is None:
            found = kernel.resolve(addr)
            return _parts(found, found.module.strip("[]"))
        found = self._user.resolve(addr, demangle=demangle)
        module = f"/tmp/perf-{self._pid}.map" if found.module == JIT else found.module  # noqa: S108 - a name
        return _parts(found, module)

    def resolve_name(self, module: Name | None, name: Name) -> int:
        """Address of a symbol, -1 where it is not found.

        Args:
            module: The file's name, or None for any.
            name: As in the symbol table.
        """
        wanted = os.fsdecode(as_bytes(name))
        if self._user is None:
            found = kernel.address_of(wanted)
        else:
            found = self._user.address(os.fsdecode(as_bytes(module or b"")), wanted)
        return NOT_FOUND if found is None else found


CACHES: dict[int, SymbolCache] = {}
"""By process; they are kept, as bcc keeps them."""

_build_ids = BuildIds()


def cache_of(pid: int) -> SymbolCache:
    """The symbols of a process."""
    key = pid if pid >= 0 else KERNEL
    found = CACHES.get(key)
    if found is None:
        found = CACHES[key] = SymbolCache(key)
    return found


def sym(
    addr: int | bpf_stack_build_id,
    pid: int,
    show_module: bool = False,
    show_offset: bool = False,
    demangle: bool = True,
) -> bytes:
    """The name of an address in a process, or in the kernel for a negative number.

    Args:
        addr: The address, or what a stack with build ids has in its place.
        pid: The process.
        show_module: Add the file's name, ``[libc.so.6]``.
        show_offset: Add the distance, ``+0x1f``.
        demangle: C++ names as they are written.

    Returns:
        ``[unknown]`` where it is not known.
    """
    if isinstance(addr, int):
        name, offset, module = cache_of(pid).resolve(addr, demangle)
    else:
        found = _build_ids.resolve(bytes(addr.build_id).hex(), addr.offset, demangle=demangle)
        name, offset, module = _parts(found, found.module)
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
    return cache_of(KERNEL).resolve_name(None, name)


def add_module(modname: Name) -> int:
    """Make the symbols of a file known to stacks of build ids; 0, or -1 where it has none."""
    try:
        return 0 if _build_ids.add(os.fsdecode(as_bytes(modname))) else NOT_FOUND
    except TargetError:
        return NOT_FOUND


def _parts(found: Symbol, module: str) -> Resolved:
    name = os.fsencode(found.name) if found.name else None
    return name, found.offset, os.fsencode(module) if module else None
