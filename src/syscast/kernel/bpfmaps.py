"""Maps: create, look up, update, delete, walk, in batches, freeze.

Keys and values are bytes of exactly the map's sizes; a per-CPU map's value is the value rounded
up to 8 bytes, times the number of possible CPUs (``host.possible_cpus``).
"""

from __future__ import annotations

import errno
from struct import unpack_from
from typing import TYPE_CHECKING, NamedTuple

from syscast.kernel import bpfcall
from syscast.kernel.bpfcall import attribute, call, checked, failure, opened, put32, put64
from syscast.kernel.syscalls import address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syscast.kernel.descriptors import Fd

# enum bpf_map_type, the ones that syscast itself makes.
TYPE_HASH = 1
TYPE_ARRAY = 2
TYPE_PROG_ARRAY = 3
TYPE_PERF_EVENT_ARRAY = 4
TYPE_PERCPU_HASH = 5
TYPE_PERCPU_ARRAY = 6
TYPE_STACK_TRACE = 7
TYPE_CGROUP_ARRAY = 8
TYPE_LRU_HASH = 9
TYPE_QUEUE = 22
TYPE_RINGBUF = 27
TYPE_TASK_STORAGE = 29

# Flags of an update.
ANY = 0
NOEXIST = 1
EXIST = 2
F_LOCK = 4

# Flags of a map.
F_NO_PREALLOC = 1 << 0
F_RDONLY = 1 << 3
F_WRONLY = 1 << 4
F_RDONLY_PROG = 1 << 7
F_WRONLY_PROG = 1 << 8
F_MMAPABLE = 1 << 10
F_RB_OVERWRITE = (
    1 << 19
)  # commit feeaf1346f80 ("bpf: Add overwrite mode for BPF ring buffer") (in v6.19)


class MapAttr(NamedTuple):
    """What BPF_MAP_CREATE takes.

    Attributes:
        map_type: ``BPF_MAP_TYPE_*``.
        key_size: Bytes.
        value_size: Bytes.
        max_entries: Elements; for a ring buffer its bytes.
        flags: ``BPF_F_*``.
        name: Cut to 15 characters.
        inner_map: Model of the maps inside a map of maps.
        numa_node: Used with ``BPF_F_NUMA_NODE``.
        btf: BTF that describes key and value.
        btf_key_type_id: In ``btf``.
        btf_value_type_id: In ``btf``.
        btf_vmlinux_value_type_id: For struct_ops.
        map_extra: u64, by map type.
    """

    map_type: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int = 0
    name: str = ""
    inner_map: Fd | None = None
    numa_node: int = 0
    btf: Fd | None = None
    btf_key_type_id: int = 0
    btf_value_type_id: int = 0
    btf_vmlinux_value_type_id: int = 0
    map_extra: int = 0


def map_create(attr: MapAttr, cure: str = "") -> Fd:
    """BPF_MAP_CREATE; raises KernelError, with ``cure`` in its message."""
    inner = attr.inner_map.fileno() if attr.inner_map else 0
    buffer = attribute()
    put32(buffer, 0, attr.map_type, attr.key_size, attr.value_size, attr.max_entries)
    put32(buffer, 16, attr.flags, inner, attr.numa_node)
    bpfcall.put_name(buffer, 28, attr.name)
    put32(buffer, 48, attr.btf.fileno() if attr.btf else 0)
    put32(buffer, 52, attr.btf_key_type_id, attr.btf_value_type_id)
    put32(buffer, 60, attr.btf_vmlinux_value_type_id)
    put64(buffer, 64, attr.map_extra)
    return opened(bpfcall.MAP_CREATE, buffer, f"map '{attr.name}': create", cure)


def object_id(fd: Fd) -> int:
    """Id of a map or a program, unique while it lives; raises KernelError.

    Both info structs begin with u32 type and u32 id; the kernel fills as much as there is room for.
    """
    told = bytearray(8)
    buffer = attribute()
    put32(buffer, 0, fd.fileno(), len(told))
    put64(buffer, 8, address(told))
    checked(bpfcall.OBJ_GET_INFO_BY_FD, buffer, f"{fd.what}: get id")
    return int.from_bytes(told[4:], "little")


def _element(fd: Fd, key: int, value: int, flags: int) -> bytearray:
    buffer = attribute()
    put32(buffer, 0, fd.fileno())
    put64(buffer, 8, key, value, flags)
    return buffer


def lookup(fd: Fd, key: bytes, value_size: int, flags: int = 0) -> bytes | None:
    """The value under a key, or None; raises KernelError."""
    value = bytearray(value_size)
    buffer = _element(fd, address(key), address(value), flags)
    result = call(bpfcall.MAP_LOOKUP_ELEM, buffer)
    if result == -errno.ENOENT:
        return None
    if result < 0:
        raise failure(bpfcall.MAP_LOOKUP_ELEM, -result, f"{fd.what}: look up")
    return bytes(value)


def lookup_and_delete(fd: Fd, key: bytes, value_size: int) -> bytes | None:
    """Take a value out (hash, queue and stack maps), or None; raises KernelError."""
    value = bytearray(value_size)
    buffer = _element(fd, address(key), address(value), 0)
    result = call(bpfcall.MAP_LOOKUP_AND_DELETE_ELEM, buffer)
    if result == -errno.ENOENT:
        return None
    if result < 0:
        raise failure(bpfcall.MAP_LOOKUP_AND_DELETE_ELEM, -result, f"{fd.what}: take")
    return bytes(value)


def update(fd: Fd, key: bytes, value: bytes, flags: int = ANY) -> None:
    """Set the value under a key; raises KernelError (EEXIST, ENOENT and E2BIG by ``flags``)."""
    buffer = _element(fd, address(key), address(value), flags)
    checked(bpfcall.MAP_UPDATE_ELEM, buffer, f"{fd.what}: update", "the map is full, or read-only")


def delete(fd: Fd, key: bytes) -> bool:
    """Remove a key; tells whether it was there; raises KernelError."""
    result = call(bpfcall.MAP_DELETE_ELEM, _element(fd, address(key), 0, 0))
    if result < 0 and result != -errno.ENOENT:
        raise failure(bpfcall.MAP_DELETE_ELEM, -result, f"{fd.what}: delete")
    return result >= 0


def next_key(fd: Fd, key: bytes | None, key_size: int) -> bytes | None:
    """The key after another one, the first after None; None at the end; raises KernelError."""
    following = bytearray(key_size)
    buffer = _element(fd, address(key) if key else 0, address(following), 0)
    result = call(bpfcall.MAP_GET_NEXT_KEY, buffer)
    if result == -errno.ENOENT:
        return None
    if result < 0:
        raise failure(bpfcall.MAP_GET_NEXT_KEY, -result, f"{fd.what}: walk")
    return bytes(following)


def keys(fd: Fd, key_size: int) -> Iterator[bytes]:
    """All keys. One that is deleted behind the walk makes a hash map start over."""
    key = next_key(fd, None, key_size)
    while key is not None:
        yield key
        key = next_key(fd, key, key_size)


def lookup_batch(
    fd: Fd, key_size: int, value_size: int, count: int, *, remove: bool = False
) -> Iterator[tuple[bytes, bytes]]:
    """All elements in blocks of up to ``count``: keys and values, each one after another.

    Args:
        fd: The map.
        key_size: Bytes.
        value_size: Bytes, for all CPUs where the map is per CPU.
        count: Elements to ask for; grows where a hash bucket holds more (ENOSPC).
        remove: Delete what is returned (BPF_MAP_LOOKUP_AND_DELETE_BATCH).

    Raises:
        KernelError: EINVAL where the map type or the kernel has no batches.
    """
    command = bpfcall.MAP_LOOKUP_AND_DELETE_BATCH if remove else bpfcall.MAP_LOOKUP_BATCH
    # The kernel's cursor is a key for some maps and a u32 for others.
    cursor = bytearray(max(key_size, 8))
    first = True
    while True:
        found_keys, found_values = bytearray(key_size * count), bytearray(value_size * count)
        buffer = attribute()
        where = address(cursor)
        put64(buffer, 0, 0 if first else where, where, address(found_keys), address(found_values))
        put32(buffer, 32, count, fd.fileno())
        result = call(command, buffer)
        if result == -errno.ENOSPC:
            count *= 2
            continue
        if result < 0 and result != -errno.ENOENT:
            raise failure(command, -result, f"{fd.what}: read a batch")
        first = False
        (got,) = unpack_from("<I", buffer, 32)
        if got:
            yield bytes(found_keys[: got * key_size]), bytes(found_values[: got * value_size])
        if result < 0:
            return


def update_batch(fd: Fd, all_keys: bytes, values: bytes, count: int, flags: int = ANY) -> None:
    """Set ``count`` elements; raises KernelError, with earlier ones already set."""
    buffer = attribute()
    put64(buffer, 16, address(all_keys), address(values))
    put32(buffer, 32, count, fd.fileno())
    put64(buffer, 40, flags)
    checked(bpfcall.MAP_UPDATE_BATCH, buffer, f"{fd.what}: update a batch")


def delete_batch(fd: Fd, all_keys: bytes, count: int) -> None:
    """Remove ``count`` keys; raises KernelError (ENOENT at the first that is not there)."""
    buffer = attribute()
    put64(buffer, 16, address(all_keys))
    put32(buffer, 32, count, fd.fileno())
    checked(bpfcall.MAP_DELETE_BATCH, buffer, f"{fd.what}: delete a batch")


def freeze(fd: Fd) -> None:
    """BPF_MAP_FREEZE: from now on user space cannot write; raises KernelError."""
    buffer = attribute()
    put32(buffer, 0, fd.fileno())
    checked(bpfcall.MAP_FREEZE, buffer, f"{fd.what}: freeze")
