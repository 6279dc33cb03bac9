"""What a load gives: programs and maps in the kernel, with one owner.

Closing the object closes every descriptor. The kernel keeps a program for as long as a link
holds it, and a map for as long as a program uses it.
"""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING, Self

from syscast.errors import KernelError, UsageError
from syscast.kernel import bpfmaps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from syscast.kernel.bpfinfo import MapInfo, ProgInfo
    from syscast.kernel.descriptors import Fd
    from syscast.spec.objectspec import MapSpec, ObjectSpec, ProgramSpec

_PER_CPU = frozenset({"percpu_hash", "percpu_array", "lru_percpu_hash", "percpu_cgroup_storage"})
_BATCH = 256


class LoadedMap:
    """A map in the kernel. Keys and values are bytes of exactly its sizes.

    Attributes:
        fd: Owned by the object.
        spec: As it was created: sizes filled in, and a ring that had to become a perf event
            array has the type ``perf_event_array``.
        value_size: Bytes of a value as user space sees it: for per-CPU maps the values of all
            possible CPUs one after another, each rounded up to 8 bytes.
        cpus: How many values there are under one key; 1 unless the map is per CPU.
    """

    __slots__ = ("cpus", "fd", "spec", "value_size")

    def __init__(self, fd: Fd, spec: MapSpec) -> None:
        self.fd: Fd = fd
        self.spec: MapSpec = spec
        self.cpus: int = 1
        self.value_size: int = spec.value_size
        if spec.type in _PER_CPU:
            from syscast.kernel.host import possible_cpus  # noqa: PLC0415 - reads /sys

            self.cpus = possible_cpus()
            self.value_size = (spec.value_size + 7 & -8) * self.cpus

    def lookup(self, key: bytes | int) -> bytes | None:
        """The value under a key, or None.

        Args:
            key: Bytes, or an int for maps with integer keys.

        Raises:
            UsageError: The key has another size than the map's.
            KernelError: Refused.
        """
        return bpfmaps.lookup(self.fd, self._key(key), self.value_size)

    def lookup_cpus(self, key: bytes | int) -> tuple[bytes, ...] | None:
        """The values under a key of a per-CPU map, by CPU number; or None; raises as `lookup`."""
        value = self.lookup(key)
        if value is None:
            return None
        stride = self.value_size // self.cpus
        size = self.spec.value_size
        return tuple(value[at : at + size] for at in range(0, self.value_size, stride))

    def update(self, key: bytes | int, value: bytes, flags: int = bpfmaps.ANY) -> None:
        """Set the value under a key.

        Args:
            key: As in `lookup`.
            value: `value_size` bytes.
            flags: ``kernel.bpfmaps.ANY``, ``NOEXIST`` or ``EXIST``.

        Raises:
            UsageError: Key or value have another size than the map's.
            KernelError: Refused.
        """
        if len(value) != self.value_size:
            raise UsageError(
                f"map '{self.spec.name}': update: the value has {len(value)} bytes, not "
                f"{self.value_size}"
            )
        bpfmaps.update(self.fd, self._key(key), value, flags)

    def delete(self, key: bytes | int) -> bool:
        """Remove a key; tells whether it was there; raises as `lookup`."""
        return bpfmaps.delete(self.fd, self._key(key))

    def take(self, key: bytes | int) -> bytes | None:
        """Remove a key of a hash map and give its value, or None; raises as `lookup`.

        Kernels without the feature ``hash_lookup_and_delete`` refuse it.
        """
        return bpfmaps.lookup_and_delete(self.fd, self._key(key), self.value_size)

    def keys(self) -> Iterator[bytes]:
        """All keys; raises KernelError."""
        return bpfmaps.keys(self.fd, self.spec.key_size)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All keys and values, in blocks where the kernel can; raises KernelError.

        What other processes or programs change meanwhile may or may not be in it.
        """
        key_size, value_size = self.spec.key_size, self.value_size
        count = min(_BATCH, max(self.spec.max_entries, 1))
        blocks = bpfmaps.lookup_batch(self.fd, key_size, value_size, count)
        try:
            first = next(blocks, None)
        except KernelError:
            # No batches for this type of map, or in this kernel.
            for key in self.keys():
                value = self.lookup(key)
                if value is not None:
                    yield key, value
            return
        while first is not None:
            keys, values = first
            for number in range(len(keys) // key_size):
                at = number * value_size
                key = keys[number * key_size : (number + 1) * key_size]
                yield key, values[at : at + value_size]
            first = next(blocks, None)

    def info(self) -> MapInfo:
        """What the kernel says of the map; raises KernelError."""
        from syscast.kernel.bpfinfo import map_info  # noqa: PLC0415 - not on the way to events

        return map_info(self.fd)

    def _key(self, key: bytes | int) -> bytes:
        size = self.spec.key_size
        if isinstance(key, int):
            try:
                return key.to_bytes(size, "little", signed=key < 0)
            except OverflowError:
                pass
        elif len(key) == size:
            return key
        raise UsageError(f"map '{self.spec.name}': use key {key!r}: a key has {size} bytes")

    def __repr__(self) -> str:
        return f"<LoadedMap {self.spec.name!r}, {self.spec.type}>"


class LoadedProgram:
    """A program in the kernel.

    Attributes:
        fd: Owned by the object; a link never closes it.
        spec: What it was loaded from, overrides included.
    """

    __slots__ = ("fd", "spec")

    def __init__(self, fd: Fd, spec: ProgramSpec) -> None:
        self.fd: Fd = fd
        self.spec: ProgramSpec = spec

    def info(self) -> ProgInfo:
        """What the kernel says of the program; raises KernelError."""
        from syscast.kernel.bpfinfo import prog_info  # noqa: PLC0415 - not on the way to events

        return prog_info(self.fd)

    def __repr__(self) -> str:
        return f"<LoadedProgram {self.spec.name!r}, {self.spec.section}>"


class LoadedObject:
    """Everything of one object that is in the kernel; owns its descriptors.

    Attributes:
        spec: The object's blueprint.
        maps: By name.
        programs: By name, in the order of the object.
        ring_size: Bytes of the ring ``events``; for perf rings of all CPUs together.
        uses_perf: Whether ``events`` is a perf event array.
        closed: Whether its descriptors were closed.
    """

    def __init__(
        self,
        spec: ObjectSpec,
        maps: Mapping[str, LoadedMap],
        programs: Mapping[str, LoadedProgram],
        *,
        ring_size: int,
        uses_perf: bool,
    ) -> None:
        self.spec = spec
        self.maps = maps
        self.programs = programs
        self.ring_size = ring_size
        self.uses_perf = uses_perf
        self.closed: bool = False

    def close(self) -> None:
        """Close every descriptor; a second call does nothing."""
        self.closed = True
        for program in self.programs.values():
            program.fd.close()
        for each in self.maps.values():
            each.fd.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def slot(fd: Fd) -> bytes:
    """The value that puts a map or program into a map of them."""
    return pack("<I", fd.fileno())
