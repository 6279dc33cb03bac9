"""Tables with a fixed number of elements, which are indexed by integers as lists are."""

from __future__ import annotations

import contextlib
import ctypes
import os
from typing import TYPE_CHECKING, Self, cast

from syscast.bcc.percpu import PerCpu
from syscast.bcc.structs import from_bytes
from syscast.bcc.tablebase import TableBase
from syscast.kernel.descriptors import Fd

if TYPE_CHECKING:
    from _ctypes import _CData as CData
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Protocol

    from syscast.bcc.tablebase import Key

    class HasFd(Protocol):
        """What has a descriptor of that name: a function that was loaded."""

        fd: int


class ArrayBase(TableBase):
    """Elements from 0 to ``max_entries`` - 1; a negative index counts from the end."""

    def __len__(self) -> int:
        return self.max_entries

    def __iter__(self) -> Iterator[CData]:
        size = self._map.spec.key_size
        for index in range(self.max_entries):
            yield from_bytes(self.Key, index.to_bytes(size, "little"))

    def __getitem__(self, key: Key) -> CData:
        return super().__getitem__(self._index(key))

    def __setitem__(self, key: Key, leaf: CData | int | bytes) -> None:
        super().__setitem__(self._index(key), leaf)

    def __delitem__(self, key: Key) -> None:
        self.clearitem(key)

    def clearitem(self, key: Key) -> None:
        """Set an element to zero."""
        self[key] = self.Leaf()

    def clear(self) -> None:
        """Set every element to zero."""
        for index in range(self.max_entries):
            self.clearitem(index)

    def _index(self, key: Key) -> Key:
        if isinstance(key, bytes):
            return key
        index = key if isinstance(key, int) else getattr(key, "value", None)
        if not isinstance(index, int):
            raise TypeError(f"table {self._name!r}: use a key: {key!r} is no index")
        if index < 0:
            index += self.max_entries
        if not 0 <= index < self.max_entries:
            raise IndexError("Array index out of range")
        return index


class Array(ArrayBase):
    """BPF_ARRAY and BPF_HISTOGRAM."""

    _batched = True


class PerCpuArray(PerCpu, ArrayBase):
    """An array with a value for each CPU."""

    def getvalue(self, key: Key) -> CData:
        """The values of all CPUs; raises IndexError."""
        return super().getvalue(self._index(key))

    def clearitem(self, key: Key) -> None:
        """Set an element to zero on every CPU."""
        self[key] = self.Leaf()


class Slots(ArrayBase):
    """An array whose elements can be empty: what is in them refers to something in the kernel."""

    def __delitem__(self, key: Key) -> None:
        TableBase.__delitem__(self, self._index(key))

    def clearitem(self, key: Key) -> None:
        """Empty an element."""
        self._map.delete(self._key_bytes(self._index(key)))

    def iteritems(self) -> Iterator[tuple[CData, CData]]:
        """Indices and values of the elements that can be read and are not empty, one by one."""
        for key in self:
            with contextlib.suppress(KeyError):
                yield key, self[key]


class ProgArray(Slots):
    """Programs for tail calls: ``table[i] = b.load_func(...)``."""

    def __setitem__(self, key: Key, leaf: CData | HasFd | int | bytes) -> None:
        super().__setitem__(key, _descriptor(leaf))


class FileDesc:
    """Owns a descriptor.

    Attributes:
        fd: Its number.
    """

    def __init__(self, fd: int) -> None:
        """Take ownership; raises Exception for a number below 0."""
        if fd < 0:
            raise Exception(f"Invalid file descriptor {fd}")  # noqa: TRY002 - the class that bcc raises
        self._owned = Fd(fd, "file of a table")

    @property
    def fd(self) -> int:
        """The number, for as long as it is open; -1 afterwards."""
        return -1 if self._owned.closed else self._owned.fileno()

    def clean_up(self) -> None:
        """Close it; a second call does nothing."""
        self._owned.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clean_up()

    def __del__(self) -> None:
        owned: Fd | None = getattr(self, "_owned", None)
        if owned is not None:
            owned.close()


class CgroupArray(Slots):
    """Control groups: ``table[i] = "/sys/fs/cgroup/x"``, a descriptor or a `FileDesc`."""

    def __setitem__(self, key: Key, leaf: CData | FileDesc | int | bytes | str) -> None:
        if isinstance(leaf, (str, bytes)):
            with Fd(os.open(leaf, os.O_RDONLY | os.O_CLOEXEC), "control group") as opened:
                super().__setitem__(key, opened.fileno())
            return
        super().__setitem__(key, _descriptor(leaf))


class DevMap(Slots):
    """Network devices by index."""


class CpuMap(Slots):
    """Queues of CPUs: values are the queue's length."""


class XskMap(Slots):
    """AF_XDP sockets."""


class MapInMapArray(Slots):
    """Maps: values are set to a map's descriptor, and read as a map's id."""


def _descriptor(leaf: CData | HasFd | FileDesc | int | bytes) -> CData | int | bytes:
    number = getattr(leaf, "fd", None)
    return ctypes.c_int(number) if isinstance(number, int) else cast("CData", leaf)
