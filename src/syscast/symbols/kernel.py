"""Addresses of the kernel to names and back, by /proc/kallsyms."""

from __future__ import annotations

from syscast.symbols import kallsyms
from syscast.symbols.symbol import Symbol, unknown

KERNEL = "[kernel]"
_FIRST = 1 << 63
"""Kernel addresses begin above it, on x86-64 and on aarch64."""
_LONGEST = 1 << 20
"""Bytes behind a symbol that can still be its function: what lies farther is code of BPF programs."""


def resolve(address: int) -> Symbol:
    """What an address of the kernel or of a module lies in."""
    if address < _FIRST:
        return unknown(address)
    try:
        found = kallsyms.kernel().at(address)
    except OSError:
        found = None
    if found is None or address - found.address > _LONGEST:
        return unknown(address)
    return Symbol(found.name, found.module or KERNEL, address - found.address)


def address_of(name: str) -> int | None:
    """The address of a symbol; None where there is none, or addresses are hidden."""
    try:
        found = kallsyms.kernel().find(name)
    except OSError:
        return None
    return next((each.address for each in found if each.address), None)
