"""Queues and stacks: tables without keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.bcc import leaftext
from syscast.bcc.maptypes import number_of
from syscast.bcc.structs import from_bytes, table_type, to_bytes
from syscast.bcc.tablebase import place_of
from syscast.kernel import bpfmaps

if TYPE_CHECKING:
    from _ctypes import _CData as CData
    from collections.abc import Iterator

    from syscast.bcc.structs import CType
    from syscast.bcc.tablebase import Opened


class QueueStack:
    """BPF_QUEUE and BPF_STACK.

    Attributes:
        Leaf: ctypes class of the values.
    """

    BPF_EXIST = 2
    """Flag of `push`: make room by dropping the oldest value."""

    def __init__(self, opened: Opened, leaftype: CType | None = None) -> None:
        bpf, meta, held = opened
        self.bpf = bpf
        self.meta = meta
        self.map_fd: int = held.fd.fileno()
        self.map_id: int = place_of(bpf, meta)
        self.ttype: int = number_of(held.spec.type)
        self._map = held
        if leaftype is None:
            if meta.leaf is None:
                raise TypeError(f"table '{meta.name}': open: its values have no type")
            leaftype = table_type(meta.leaf)
        self.Leaf: CType = leaftype
        self.max_entries: int = held.spec.max_entries

    def get_fd(self) -> int:
        """The map's descriptor."""
        return self.map_fd

    def leaf_sprintf(self, leaf: CData) -> bytes:
        """A value as text."""
        return leaftext.spelled(leaf)

    def leaf_scanf(self, leaf_str: bytes | str) -> CData:
        """The value of a text; raises ValueError."""
        return leaftext.scanned(self.Leaf(), leaf_str)

    def push(self, leaf: CData, flags: int = 0) -> None:
        """Put a value in.

        Args:
            leaf: Of the class ``Leaf``.
            flags: 0 or ``BPF_EXIST``.

        Raises:
            KernelError: E2BIG: it is full.
        """
        bpfmaps.update(self._map.fd, b"", self._bytes(leaf), flags)

    def pop(self) -> CData:
        """Take the next value out; raises KeyError when it is empty."""
        return self._made(bpfmaps.lookup_and_delete(self._map.fd, b"", self._map.value_size))

    def peek(self) -> CData:
        """The next value, which stays; raises KeyError when it is empty."""
        return self._made(bpfmaps.lookup(self._map.fd, b"", self._map.value_size))

    def itervalues(self) -> Iterator[CData]:
        """Take all values out, one by one."""
        while True:
            try:
                yield self.pop()
            except KeyError:
                return

    def values(self) -> list[CData]:
        """Take all values out."""
        return list(self.itervalues())

    def _made(self, found: bytes | None) -> CData:
        if found is None:
            raise KeyError("the table is empty")
        return from_bytes(self.Leaf, found)

    def _bytes(self, leaf: CData) -> bytes:
        data = to_bytes(leaf)
        if len(data) != self._map.value_size:
            raise TypeError(
                f"{self._map.fd.what}: push: the value has {len(data)} bytes, not {self._map.value_size}"
            )
        return data
