"""What all tables with keys have in common: a mapping from ctypes keys to ctypes values.

Reading a table is a system call at a time, and other processes and programs change it meanwhile: a walk may skip or
repeat what changed.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, cast

from syscast.bcc import leaftext
from syscast.bcc.histograms import Histograms
from syscast.bcc.maptypes import number_of
from syscast.bcc.structs import from_bytes, table_type, to_bytes
from syscast.errors import KernelError
from syscast.kernel import bpfmaps

if TYPE_CHECKING:
    from _ctypes import _CData as CData
    from collections.abc import Hashable, Iterable, Iterator, Mapping

    from syscast.bcc.polling import Reader
    from syscast.bcc.programs import Closable
    from syscast.bcc.structs import CType
    from syscast.loader.loaded import LoadedMap
    from syscast.spec.tables import CDesc, TableMeta

Key: TypeAlias = "CData | int | bytes"

_BATCH = 1024


class Owner(Protocol):
    """What tables need of the BPF object that they belong to."""

    @property
    def perf_buffers(self) -> dict[Hashable, Reader]:
        """All perf buffers that its tables opened, by table and CPU."""
        ...

    @property
    def ring_buffers(self) -> dict[Hashable, Reader]:
        """All ring buffers that its tables opened, by table."""
        ...

    @property
    def open_perf_events(self) -> dict[tuple[int, int], Closable]:
        """Attached events by type and number; counters of tables by their map's descriptor, negative, and CPU."""
        ...

    @property
    def metas(self) -> Mapping[str, TableMeta]:
        """What the text says of its tables, in its order."""
        ...

    def map_named(self, name: str) -> LoadedMap | None:
        """A map of the text, also one that is no table."""
        ...


class Opened(NamedTuple):
    """A table of a text, in the kernel.

    Attributes:
        bpf: Whose it is.
        meta: What the text says of it.
        map: The map, owned by the BPF object.
    """

    bpf: Owner
    meta: TableMeta
    map: LoadedMap


class TableBase(Histograms, MutableMapping["Key", "CData"]):
    """A table.

    Attributes:
        Key: ctypes class of its keys.
        Leaf: ctypes class of its values.
        map_id: Its place among the text's tables.
        map_fd: The map's descriptor, owned by the BPF object.
        ttype: ``BPF_MAP_TYPE_*``.
        flags: ``BPF_F_*`` it was created with.
        max_entries: Elements that it has room for.
    """

    # Whether `items` reads blocks: not where reading an element means more than copying it.
    _batched = False

    def __init__(
        self, opened: Opened, keytype: CType | None = None, leaftype: CType | None = None
    ) -> None:
        """Take a table as it is described, or with other classes for keys and values."""
        bpf, meta, held = opened
        self.bpf = bpf
        self.meta = meta
        self.map_fd: int = held.fd.fileno()
        self.map_id: int = place_of(bpf, meta)
        self._map = held
        self.Key: CType = keytype or _class_of(meta.key, held.spec.key_size)
        self.Leaf: CType = leaftype or _class_of(meta.leaf, held.spec.value_size)
        self.ttype: int = number_of(held.spec.type)
        self.flags: int = held.spec.flags
        self.max_entries: int = held.spec.max_entries
        self._name = meta.name

    def get_fd(self) -> int:
        """The map's descriptor."""
        return self.map_fd

    def key_sprintf(self, key: CData) -> bytes:
        """A key as text, such as ``{ 0x1 "bash" }``."""
        return leaftext.spelled(key)

    def leaf_sprintf(self, leaf: CData) -> bytes:
        """A value as text."""
        return leaftext.spelled(leaf)

    def key_scanf(self, key_str: bytes | str) -> CData:
        """The key of a text; raises ValueError."""
        return leaftext.scanned(self.Key(), key_str)

    def leaf_scanf(self, leaf_str: bytes | str) -> CData:
        """The value of a text; raises ValueError."""
        return leaftext.scanned(self.Leaf(), leaf_str)

    def __getitem__(self, key: Key) -> CData:
        found = self._map.lookup(self._key_bytes(key))
        if found is None:
            raise KeyError(key)
        return self._leaf(found)

    def __setitem__(self, key: Key, leaf: CData | int | bytes) -> None:
        self._map.update(self._key_bytes(key), self._leaf_bytes(leaf))

    def __delitem__(self, key: Key) -> None:
        if not self._map.delete(self._key_bytes(key)):
            raise KeyError(key)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    # A mapping would compare what is inside, with a system call for each key.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __iter__(self) -> Iterator[CData]:
        key = self._next(None)
        while key is not None:
            yield from_bytes(self.Key, key)
            key = self._next(key)

    def iter(self) -> Iterator[CData]:
        """The keys, one by one."""
        return self.__iter__()

    # Programs for bcc rely on lists, which hold still while the table changes.
    def keys(self) -> Iterator[CData]:  # type: ignore[override]
        """The keys, one by one."""
        return self.__iter__()

    def itervalues(self) -> Iterator[CData]:
        """The values, one by one."""
        for _, leaf in self.iteritems():
            yield leaf

    def iteritems(self) -> Iterator[tuple[CData, CData]]:
        """Keys and values, one by one; what is gone by the time it is read is left out."""
        for key in self:
            try:
                leaf = self[key]
            except KeyError:
                continue
            yield key, leaf

    def items(self) -> list[tuple[CData, CData]]:  # type: ignore[override]
        """Keys and values; where the kernel can, in few system calls."""
        return list(self._batches(remove=False) if self._batched else self.iteritems())

    def values(self) -> list[CData]:  # type: ignore[override]
        """The values."""
        return [leaf for _, leaf in self.items()]

    def clear(self) -> None:
        """Delete every key."""
        for key in list(self._map.keys()):
            self._map.delete(key)

    def zero(self) -> None:
        """Set every value to zero."""
        for key in list(self.keys()):
            self[key] = self.Leaf()

    def next(self, key: Key) -> CData:
        """The key behind another one; raises StopIteration at the end."""
        found = self._next(self._key_bytes(key))
        if found is None:
            raise StopIteration
        return from_bytes(self.Key, found)

    def items_lookup_batch(self) -> Iterator[tuple[CData, CData]]:
        """Keys and values, in few system calls where the kernel can."""
        return self._batches(remove=False)

    def items_lookup_and_delete_batch(self) -> Iterator[tuple[CData, CData]]:
        """Take keys and values out, in few system calls where the kernel can."""
        return self._batches(remove=True)

    def items_update_batch(self, ct_keys: CData, ct_values: CData) -> None:
        """Set many values.

        Args:
            ct_keys: An array of keys: ``(table.Key * n)(...)``.
            ct_values: As many values.

        Raises:
            ValueError: There are more keys than values, or the other way round.
            KernelError: Refused, with earlier ones already set.
        """
        keys, values = to_bytes(ct_keys), self._wide(to_bytes(ct_values))
        key_size, value_size = self._map.spec.key_size, self._map.value_size
        count = len(keys) // key_size
        if len(keys) % key_size or len(values) != count * value_size:
            raise ValueError(
                f"table '{self._name!r}': update a batch: as many keys as values are needed"
            )
        try:
            bpfmaps.update_batch(self._map.fd, keys, values, count)
        except KernelError as error:
            if not _without_batches(error):
                raise
            for at in range(count):
                value = values[at * value_size : (at + 1) * value_size]
                self._map.update(keys[at * key_size : (at + 1) * key_size], value)

    def items_delete_batch(self, ct_keys: CData | Iterable[CData | int] | None = None) -> None:
        """Delete many keys, or all.

        Args:
            ct_keys: An array of keys, ``(table.Key * n)(...)``, or None for all.

        Raises:
            KernelError: Refused; ENOENT at the first key that is not there.
        """
        if ct_keys is None:
            for _ in self._batches(remove=True):
                continue
            return
        keys = self._many_keys(ct_keys)
        size = self._map.spec.key_size
        try:
            bpfmaps.delete_batch(self._map.fd, keys, len(keys) // size)
        except KernelError as error:
            if not _without_batches(error):
                raise
            for at in range(0, len(keys), size):
                self._map.delete(keys[at : at + size])

    def _batches(self, *, remove: bool) -> Iterator[tuple[CData, CData]]:
        key_size, value_size = self._map.spec.key_size, self._map.value_size
        count = min(max(self.max_entries, 1), _BATCH)
        blocks = bpfmaps.lookup_batch(self._map.fd, key_size, value_size, count, remove=remove)
        try:
            block = next(blocks, None)
        except KernelError as error:
            if not _without_batches(error):
                raise
            yield from self._one_by_one(remove=remove)
            return
        while block is not None:
            keys, values = block
            for at in range(len(keys) // key_size):
                key = from_bytes(self.Key, keys[at * key_size : (at + 1) * key_size])
                yield key, self._leaf(values[at * value_size : (at + 1) * value_size])
            block = next(blocks, None)

    def _one_by_one(self, *, remove: bool) -> Iterator[tuple[CData, CData]]:
        for key, leaf in list(self.iteritems()):
            if not remove or self._map.delete(self._key_bytes(key)):
                yield key, leaf

    def _next(self, key: bytes | None) -> bytes | None:
        return bpfmaps.next_key(self._map.fd, key, self._map.spec.key_size)

    def _many_keys(self, keys: CData | Iterable[CData | int]) -> bytes:
        if isinstance(keys, (list, tuple)):
            return b"".join(map(self._key_bytes, keys))
        return to_bytes(cast("CData", keys))

    def _key_bytes(self, key: Key) -> bytes:
        size = self._map.spec.key_size
        if isinstance(key, int):
            return (key & (1 << size * 8) - 1).to_bytes(size, "little")
        return _fitted(key, size)

    def _leaf(self, data: bytes) -> CData:
        """A value from what the kernel gave."""
        return from_bytes(self.Leaf, data)

    def _leaf_bytes(self, leaf: CData | int | bytes) -> bytes:
        """What the kernel takes, from a value."""
        size = self._map.value_size
        if isinstance(leaf, int):
            return (leaf & (1 << size * 8) - 1).to_bytes(size, "little")
        return _fitted(leaf, size)

    def _wide(self, values: bytes) -> bytes:
        """Values one after another as the kernel takes them."""
        return values


def _fitted(value: CData | bytes, size: int) -> bytes:
    """The bytes of a value that a user gave, as many as the map has.

    Scripts use a c_int for a u64 and the other way round: bcc passes an address on, and the kernel reads what is
    there. Here what is missing is zero.
    """
    return (value if isinstance(value, bytes) else to_bytes(value))[:size].ljust(size, b"\0")


def place_of(bpf: Owner, meta: TableMeta) -> int:
    """A table's place among the text's."""
    return list(bpf.metas).index(meta.name) if meta.name in bpf.metas else -1


def _class_of(desc: CDesc | None, size: int) -> CType:
    """The class of a description; bytes where a text gives none."""
    import ctypes  # noqa: PLC0415 - rarely needed here

    return table_type(desc) if desc is not None else ctypes.c_ubyte * size


def _without_batches(error: KernelError) -> bool:
    """Whether the kernel has no batches for this type of map (524 is its ENOTSUPP)."""
    import errno  # noqa: PLC0415 - only when refused

    return error.errno in {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, 524}
