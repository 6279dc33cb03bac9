"""``StateMaps``: the kernel's maps of one state object, and the owner of their descriptors.

Taking out what probes are adding to at the same moment needs care: a program that looked an element
up may still add to it when it was read and deleted, or when its memory is another key's already.
So there are two maps with data. Programs find the one to use in an outer map (an array of maps
with one element), once in each run, before they use it. To drain, the spare one is put into the outer map. When
that update returns, every program that may have found the old one has ended: "map update
operations on map-in-map map types always wait for all references to the old map to drop before
returning to userspace" (Linux kernel commit 1ae80cf31938 ("bpf: wait for running BPF programs when
updating map-in-map") (in v4.18)). Nobody writes to the old one any more; it is read, emptied and
becomes the spare. Programs that may sleep are not waited for, and syscast makes none.
"""

from __future__ import annotations

import errno
import os
from _thread import RLock  # threading costs a start 2 ms
from typing import TYPE_CHECKING

from syscast.errors import FullError, KernelError, UsageError
from syscast.kernel import bpfmaps
from syscast.loader.loaded import LoadedMap, slot
from syscast.loader.maps import MapMaker, RingChoice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syscast.spec.objectspec import MapSpec

_ARRAYS = frozenset({"array", "percpu_array"})
_BATCH = 1024

Rows = tuple[bytes, ...]


class StateMaps:
    """A state's maps in the kernel.

    Args:
        name: Of the object that they are made for.
        data: The map with the data.
        outer: The map that names it; None for a state that is never drained.

    Raises:
        KernelError: The kernel refused one.
    """

    def __init__(self, name: str, data: MapSpec, outer: MapSpec | None) -> None:
        self._name = name
        self._spec = data
        self._owner = os.getpid()
        made: dict[str, LoadedMap] = {}
        try:
            specs = [data] if outer is None else [data, outer]
            MapMaker(name, None, RingChoice(0, perf=False)).make(specs, made)
        except BaseException:
            for each in made.values():
                each.fd.close()
            raise
        self._active = made[data.name]
        self._outer = made[outer.name] if outer is not None else None
        self._spare: LoadedMap | None = None
        self.cpus: int = self._active.cpus
        self._lock = RLock()
        self._closed = False

    def maps(self) -> dict[str, LoadedMap]:
        """The maps that an object's programs name; still owned here."""
        named = {self._spec.name: self._active}
        if self._outer is not None:
            named[self._outer.spec.name] = self._outer
        return named

    # ------------------------------------------------------------ elements

    def get(self, key: bytes) -> Rows | None:
        """The values under a key, one for each CPU; raises KernelError."""
        value = self._active.lookup(key)
        return None if value is None else self._rows(value)

    def put(self, key: bytes, rows: Rows) -> None:
        """Set the values under a key; raises FullError and KernelError."""
        stride = self._active.value_size // self.cpus
        data = b"".join([row.ljust(stride, b"\0") for row in rows]) if self.cpus > 1 else rows[0]
        try:
            self._active.update(key, data.ljust(self._active.value_size, b"\0"))
        except KernelError as error:
            if error.errno not in {errno.E2BIG, errno.ENOMEM}:
                raise
            raise FullError(
                f"map '{self._name}': add a key: it has {self._spec.max_entries} (max_entries)"
            ) from None

    def remove(self, key: bytes) -> bool:
        """Remove a key; tells whether it was there; raises KernelError."""
        return self._active.delete(key)

    def take(self, key: bytes) -> Rows | None:
        """Remove a key of a hash map and give the values that were under it; raises KernelError.

        Where the kernel cannot do both at once, what a program adds to the value between the two
        steps is lost.
        """
        from syscast.features.probing import supported  # noqa: PLC0415  (only `pop` asks for it)

        if supported("hash_lookup_and_delete"):
            value = self._active.take(key)
            return None if value is None else self._rows(value)
        rows = self.get(key)
        return rows if rows is not None and self.remove(key) else None

    def items(self) -> list[tuple[bytes, Rows]]:
        """All keys and values; raises KernelError."""
        return [(key, self._rows(value)) for key, value in self._active.items()]

    def empty(self) -> bool:
        """Whether a hash has no key at present; raises KernelError."""
        return next(iter(self._active.keys()), None) is None

    def drain(self) -> list[tuple[bytes, Rows]]:
        """Take everything out; raises KernelError, and UsageError in a forked child or when closed.

        Several threads may drain: each element is given to one of them.

        What programs write from now on goes into the other map. If the reading fails, what was not
        read is in the spare map, and is seen after the next exchange.
        """
        if self._outer is None:
            return self.items()
        if os.getpid() != self._owner:
            raise UsageError(
                f"map '{self._name}': drain: only the process that attached the probes can "
                "(this one was forked from it)"
            )
        with self._lock:
            try:
                return self._exchange(self._outer)
            except (KernelError, ValueError, OSError):
                if not self._closed:  # by a signal handler, in between
                    raise
            raise UsageError(f"map '{self._name}': drain: it is closed")

    def _exchange(self, outer: LoadedMap) -> list[tuple[bytes, Rows]]:
        spare = self._spare or self._make_spare()
        self._spare = spare
        outer.update(0, slot(spare.fd))
        self._active, self._spare = spare, self._active
        return [(key, self._rows(value)) for key, value in _emptied(self._spare)]

    def settled(self) -> list[tuple[bytes, Rows]]:
        """Everything, once no program writes any more; the programs must be detached.

        Nothing in a forked child: the maps, and which of them is in use, are its parent's business.
        """
        if os.getpid() != self._owner:
            return []
        if self._outer is not None:
            # Waits for the programs that still run.
            self._outer.update(0, slot(self._active.fd))
        return self.items()

    def _make_spare(self) -> LoadedMap:
        made: dict[str, LoadedMap] = {}
        MapMaker(self._name, None, RingChoice(0, perf=False)).make([self._spec], made)
        return made[self._spec.name]

    def _rows(self, value: bytes) -> Rows:
        size = self._spec.value_size
        if self.cpus == 1:
            return (value[:size],)
        stride = len(value) // self.cpus
        return tuple(value[at : at + size] for at in range(0, len(value), stride))

    def close(self) -> None:
        """Close every descriptor, once nobody drains; a second call does nothing."""
        if os.getpid() != self._owner:  # the lock may be held by a thread that is not here
            self._close()
            return
        with self._lock:
            self._close()

    def _close(self) -> None:
        self._closed = True
        for each in (self._active, self._spare, self._outer):
            if each is not None:
                each.fd.close()


def _emptied(taken: LoadedMap) -> Iterator[tuple[bytes, bytes]]:
    """Read a map that nobody writes to, and leave it empty."""
    if taken.spec.type in _ARRAYS:
        zero = bytes(taken.value_size)
        for key, value in list(taken.items()):
            if value != zero:
                taken.update(key, zero)
            yield key, value
        return
    key_size, value_size = taken.spec.key_size, taken.value_size
    count = min(_BATCH, taken.spec.max_entries)
    blocks = bpfmaps.lookup_batch(taken.fd, key_size, value_size, count, remove=True)
    try:
        for keys, values in blocks:
            for number in range(len(keys) // key_size):
                at = number * value_size
                yield (
                    keys[number * key_size : (number + 1) * key_size],
                    values[at : at + value_size],
                )
    except KernelError as error:
        # Before Linux kernel commit 057996380a42 ("bpf: Add batch ops to all htab bpf map") (in
        # v5.6) there are no batches: one by one is as right where nobody writes.
        if error.errno not in {errno.EINVAL, errno.EOPNOTSUPP, 524}:
            raise
    for key in list(taken.keys()):
        found = taken.lookup(key)
        if found is not None and taken.delete(key):
            yield key, found
