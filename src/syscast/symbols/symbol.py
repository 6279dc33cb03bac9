"""``Symbol``: what an address lies in."""

from __future__ import annotations

from typing import NamedTuple


class Symbol(NamedTuple):
    """What an address lies in.

    Attributes:
        name: Of the function; ``""`` where it is not known.
        module: The file, a kernel module, or what stands in its place: ``[vdso]``, ``[kernel]``, ``[jit]``;
            ``""`` where nothing is known.
        offset: Bytes from the function's start; without a name, from the module's.
    """

    name: str
    module: str
    offset: int

    def __str__(self) -> str:
        module = self.module.rpartition("/")[2].strip("[]")
        where = f" [{module}]" if module else ""
        if self.name:
            return f"{self.name}+0x{self.offset:x}{where}"
        return f"0x{self.offset:x}{where}"


def unknown(address: int) -> Symbol:
    """An address of which nothing is known."""
    return Symbol("", "", address)
