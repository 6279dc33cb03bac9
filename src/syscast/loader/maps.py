"""Create an object's maps, in the order that they need each other."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from syscast.errors import KernelError, NotSupportedError, PermissionDeniedError, UsageError
from syscast.kernel import bpfmaps
from syscast.kernel.bpfmaps import MapAttr
from syscast.loader.loaded import LoadedMap, slot
from syscast.spec.meta import CONTROL_MAP, EVENTS_MAP, SHARDS_MAP
from syscast.spec.numbers import MAP_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from syscast.kernel.descriptors import Fd
    from syscast.spec.objectspec import MapSpec

_Made = TypeVar("_Made")

ONE = "one"
AUTO = "auto"
DEFAULT_RING_SIZE = 4 << 20
_SPARE = 3
"""Where each CPU has a ring, a further one is there for those that come online later: until the reader
has made theirs. It has an eighth of the others' size."""
_MAX_RING_SIZE = 1 << 30
_NAME_MAX = 15

# Types whose keys and values the kernel does not let BTF describe, as libbpf knows them.
_WITHOUT_BTF = frozenset(
    {
        *("perf_event_array", "cgroup_array", "stack_trace", "array_of_maps", "hash_of_maps"),
        *("devmap", "devmap_hash", "cpumap", "xskmap", "sockmap", "sockhash", "queue", "stack"),
        *("prog_array", "ringbuf", "user_ringbuf", "reuseport_sockarray", "lpm_trie"),
    }
)


class RingChoice(NamedTuple):
    """How events leave the kernel.

    Attributes:
        size: Bytes of the rings, all CPUs together.
        perf: Whether it is perf rings instead of the ring buffer.
        common: Bytes of the ring ``events``, which all CPUs can use; 0 where that is ``size``.
        share: Bytes of each ring that belongs to a CPU.
        cpus: How many CPUs can have one; 0 where there is no map of them.
        overwrite: Whether a full ring loses its oldest records instead of the newest.
    """

    size: int
    perf: bool
    common: int = 0
    share: int = 0
    cpus: int = 0
    overwrite: bool = False


def choose_ring(
    specs: Iterable[MapSpec],
    size: int,
    *,
    force_perf: bool,
    rings: str = ONE,
    overwrite: bool = False,
) -> RingChoice:
    """Decide about the rings of events.

    Args:
        specs: The object's maps.
        size: Bytes that the caller wants; 0 takes the object's, or else DEFAULT_RING_SIZE.
        force_perf: Use perf rings even where the kernel has the ring buffer.
        rings: ``one`` for all CPUs, ``per-cpu``, or ``auto``: one that can become many.
        overwrite: Whether a full ring loses its oldest records.

    Raises:
        UsageError: The size is out of range.
    """
    specs = tuple(specs)
    plain = _choose_plain(specs, size, force_perf=force_perf)._replace(overwrite=overwrite)
    sharded = rings != ONE and any(each.name == SHARDS_MAP for each in specs)
    if plain.perf or not sharded:
        return plain  # a perf ring is one CPU's anyway
    from syscast.kernel.host import PAGE_SIZE, online_cpus, possible_cpus  # noqa: PLC0415 - reads /sys

    share = max(1 << (plain.size // len(online_cpus())).bit_length() - 1, PAGE_SIZE)
    common = plain.size if rings == AUTO else max(share >> _SPARE, PAGE_SIZE)
    return plain._replace(common=common, share=share, cpus=possible_cpus())


def _choose_plain(specs: Iterable[MapSpec], size: int, *, force_perf: bool) -> RingChoice:
    """The one ring for all CPUs, or perf rings."""
    ring = next((each for each in specs if each.name == EVENTS_MAP), None)
    if ring is None or ring.type != "ringbuf":
        return RingChoice(size or DEFAULT_RING_SIZE, perf=False)
    rounded = ring_bytes(size or ring.max_entries or DEFAULT_RING_SIZE)
    if force_perf:
        return RingChoice(rounded, perf=True)
    from syscast.features.probing import probe  # noqa: PLC0415 - objects without a ring

    return RingChoice(rounded, perf=probe("ringbuf").outcome == "no")


def ring_bytes(size: int) -> int:
    """The next size that a ring can have: a power of two of whole pages.

    Raises:
        UsageError: It is not positive, or over 1 GiB.
    """
    if not 0 < size <= _MAX_RING_SIZE:
        raise UsageError(
            f"map '{EVENTS_MAP}': create: ring size {size} is out of range (1 to {_MAX_RING_SIZE} "
            f"bytes)"
        )
    from syscast.kernel.host import PAGE_SIZE  # noqa: PLC0415 - loaded by then

    return max(1 << (size - 1).bit_length(), PAGE_SIZE)


def with_memlock(call: Callable[[], _Made]) -> _Made:
    """Make a call; where it is refused, lift RLIMIT_MEMLOCK and make it again.

    Kernels before Linux kernel commit 97306be45fbe ("Merge branch 'switch to memcg-based memory
    accounting'") (in v5.11) charge maps and programs to that limit, and say EPERM when it is
    reached. It is lifted only then, because children inherit it.
    """
    try:
        return call()
    except PermissionDeniedError:
        from syscast.kernel.host import raise_memlock  # noqa: PLC0415 - only when refused

        if not raise_memlock():
            raise
        return call()


class MapMaker:
    """Creates maps of one object; what it made belongs to the caller's dict."""

    def __init__(self, object_name: str, btf: Fd | None, ring: RingChoice) -> None:
        self._object = object_name
        self._btf = btf
        self._ring = ring
        self._flags = bpfmaps.F_RB_OVERWRITE if ring.overwrite and not ring.perf else 0

    def make(self, specs: Iterable[MapSpec], into: dict[str, LoadedMap]) -> None:
        """Create, fill and freeze.

        Args:
            specs: All maps of the object, configured.
            into: Gets each map by its name as soon as it exists, so that the caller can close
                them if a later one fails. Maps that are in it already are not made.

        Raises:
            UsageError: A size out of range.
            KernelError: The kernel refused.
        """
        specs = [self._adapted(each) for each in specs if each.name not in into]
        for spec in specs:
            made = LoadedMap(self._create(spec), spec)
            into[spec.name] = made
            if spec.initial:
                made.update(0, spec.initial.ljust(spec.value_size, b"\0"))
            if spec.read_only:
                bpfmaps.freeze(made.fd)
        for spec in specs:
            for index, name in spec.slots if spec.inner else ():
                if name in into:
                    into[spec.name].update(index, slot(into[name].fd))

    def _adapted(self, spec: MapSpec) -> MapSpec:
        """The map as this machine needs it."""
        if spec.type == "ringbuf":
            if spec.name != EVENTS_MAP:
                return _resized(spec, ring_bytes(spec.max_entries))
            if not self._ring.perf:
                return _resized(spec, self._ring.common or self._ring.size, self._flags)
            spec = msgspec.structs.replace(spec, type="perf_event_array", max_entries=0)
        if spec.name == CONTROL_MAP and self._ring.perf:
            # Kernels without the ring buffer (before v5.8) may not know mapped arrays (v5.5) either.
            return msgspec.structs.replace(spec, flags=spec.flags & ~bpfmaps.F_MMAPABLE)
        if spec.name == SHARDS_MAP and self._ring.cpus and spec.inner is not None:
            inner = _resized(spec.inner, self._ring.share, self._flags)
            return msgspec.structs.replace(spec, max_entries=self._ring.cpus, inner=inner)
        if spec.type in {"perf_event_array", "cgroup_array"}:
            count = spec.max_entries
            if not count:
                from syscast.kernel.host import possible_cpus  # noqa: PLC0415 - reads /sys

                count = possible_cpus()
            return msgspec.structs.replace(spec, key_size=4, value_size=4, max_entries=count)
        return spec

    def _create(self, spec: MapSpec) -> Fd:
        inner = None
        if spec.inner is not None:
            inner = self._create(msgspec.structs.replace(spec.inner, key_type_id=0))
        try:
            return with_memlock(lambda: self._create_plain(spec, inner))
        except KernelError as error:
            raise explained(error, spec) from None
        finally:
            if inner is not None:
                inner.close()

    def _create_plain(self, spec: MapSpec, inner: Fd | None) -> Fd:
        attr = MapAttr(
            MAP_TYPES.get(spec.type, 0),
            spec.key_size,
            spec.value_size,
            spec.max_entries,
            spec.flags,
            kernel_name(self._object, spec.name),
            inner,
            map_extra=spec.extra,
        )
        described = spec.value_type_id or spec.key_type_id
        if self._btf is None or not described or spec.type in _WITHOUT_BTF:
            return bpfmaps.map_create(attr)
        typed = attr._replace(
            btf=self._btf,
            btf_key_type_id=spec.key_type_id,
            btf_value_type_id=spec.value_type_id,
        )
        try:
            return bpfmaps.map_create(typed)
        except PermissionDeniedError:
            raise
        except KernelError:
            # The description is a comfort: types that this kernel cannot describe do without.
            return bpfmaps.map_create(attr)


def _resized(spec: MapSpec, size: int, flags: int = 0) -> MapSpec:
    return msgspec.structs.replace(spec, max_entries=size, flags=spec.flags | flags)


def kernel_name(object_name: str, name: str) -> str:
    """A map's name in the kernel: data sections get as much of the object's as fits."""
    if not name.startswith("."):
        return name
    return object_name[: max(0, _NAME_MAX - len(name))] + name


def explained(error: KernelError, spec: MapSpec) -> KernelError:
    """Say what is known of an EINVAL or E2BIG, which the kernel gives for many things."""
    import errno  # noqa: PLC0415 - only when refused

    if isinstance(error, PermissionDeniedError) or error.errno not in {
        *(errno.EINVAL, errno.E2BIG, errno.ENOMEM, errno.EOPNOTSUPP),
    }:
        return error
    from syscast.features.probing import rows, supported  # noqa: PLC0415 - only when refused

    if spec.type in rows() and not supported(spec.type):
        return NotSupportedError(
            f"map '{spec.name}': create: this kernel has no maps of type {spec.type}",
            error.errno,
            error.command,
        )
    sizes = f"key {spec.key_size}, value {spec.value_size}, {spec.max_entries} entries"
    flags = f", flags 0x{spec.flags:x}" if spec.flags else ""
    cause = os.strerror(error.errno).lower()
    if error.errno == errno.ENOMEM and spec.type == "ringbuf":
        return KernelError(
            f"map '{spec.name}': create: {cause} (there are no {spec.max_entries} bytes for a ring; take a "
            "smaller ring size)",
            error.errno,
            error.command,
        )
    return KernelError(
        f"map '{spec.name}': create: {cause} (type {spec.type}, {sizes}{flags})",
        error.errno,
        error.command,
    )
