"""Tables with a value for each CPU.

A value is an array over all possible CPUs. The kernel rounds each element up to 8 bytes on the way; users see the
type that the program uses.
"""

from __future__ import annotations

import ctypes
from functools import reduce
from typing import TYPE_CHECKING, cast

from syscast.bcc.structs import array_of, from_bytes, to_bytes
from syscast.bcc.tablebase import TableBase

if TYPE_CHECKING:
    from _ctypes import _CData as CData
    from collections.abc import Callable, Iterator, Sequence

    from syscast.bcc.structs import CType
    from syscast.bcc.tablebase import Key, Opened

    Reducer = Callable[[CData, CData], CData]


class PerCpu(TableBase):
    """A table with a value for each CPU.

    Attributes:
        sLeaf: Class of one CPU's value; ``Leaf`` is an array of it.
        total_cpu: Elements of a value: CPUs that there can be.
        reducer: Makes one value of two; where given, ``table[key]`` is the reduction over all CPUs.
    """

    _batched = False

    def __init__(
        self,
        opened: Opened,
        keytype: CType | None = None,
        leaftype: CType | None = None,
        reducer: Reducer | None = None,
    ) -> None:
        super().__init__(opened, keytype, leaftype)
        self.reducer = reducer
        self.total_cpu: int = self._map.cpus
        self.sLeaf: CType = self.Leaf
        self.Leaf: CType = array_of(self.sLeaf, self.total_cpu)

    def getvalue(self, key: Key) -> CData:
        """The values of all CPUs; raises KeyError."""
        found = self._map.lookup(self._key_bytes(key))
        if found is None:
            raise KeyError(key)
        return self._leaf(found)

    def __getitem__(self, key: Key) -> CData:
        found = self.getvalue(key)
        if self.reducer is None:
            return found
        return reduce(self.reducer, self._each(found))

    def sum(self, key: Key) -> CData:
        """The sum over all CPUs; raises KeyError, and IndexError where values are no integers."""
        return self._single(sum(self._numbers(key)))

    def max(self, key: Key) -> CData:
        """The largest value of all CPUs; raises as `sum`."""
        return self._single(max(self._numbers(key)))

    def average(self, key: Key) -> CData:
        """The average over all CPUs, rounded towards zero; raises as `sum`."""
        total = sum(self._numbers(key))
        return self._single(int(total / self.total_cpu) if total < 0 else total // self.total_cpu)

    def _numbers(self, key: Key) -> Sequence[int]:
        if not issubclass(self.sLeaf, ctypes._SimpleCData):  # noqa: SLF001 - the only name of the base of integers
            raise IndexError("Leaf must be an integer type for default sum functions")
        return cast("Sequence[int]", list(self._each(self.getvalue(key))))

    def _single(self, number: int) -> CData:
        return cast("type[ctypes.c_int]", self.sLeaf)(number)

    def _each(self, leaf: CData) -> Iterator[CData]:
        return iter(cast("ctypes.Array[ctypes.Structure]", leaf))

    def _leaf(self, data: bytes) -> CData:
        size = self._map.spec.value_size
        stride = self._map.value_size // self._map.cpus
        if stride != size:
            data = b"".join(data[at : at + size] for at in range(0, len(data), stride))
        return from_bytes(self.Leaf, data)

    def _leaf_bytes(self, leaf: CData | int | bytes) -> bytes:
        if isinstance(leaf, (int, bytes)):
            raise TypeError(
                f"table {self._name!r}: set a value: it is not a value of every CPU ({leaf!r})"
            )
        return super()._leaf_bytes(self._wide(to_bytes(leaf)))

    def _wide(self, values: bytes) -> bytes:
        size = self._map.spec.value_size
        gap = bytes(-size % 8)
        if not gap:
            return values
        return b"".join(values[at : at + size] + gap for at in range(0, len(values), size))
