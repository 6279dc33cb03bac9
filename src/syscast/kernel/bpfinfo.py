"""What the kernel tells about its programs, maps, links and BTF, and how to find them by id.

The info structs grew over time. The kernel writes as much as it knows and says how much that
was; fields beyond it are None here, never 0.
"""

from __future__ import annotations

import errno
from struct import calcsize, unpack_from
from typing import TYPE_CHECKING, NamedTuple

from syscast.errors import KernelError
from syscast.kernel import bpfcall
from syscast.kernel.bpfcall import attribute, call, checked, failure, opened, put32, put64
from syscast.kernel.syscalls import address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syscast.kernel.descriptors import Fd

LINK_RAW_TRACEPOINT = 1
LINK_TRACING = 2
LINK_ITER = 4
LINK_PERF_EVENT = 7
LINK_KPROBE_MULTI = 8
LINK_UPROBE_MULTI = 12

_PERF_KPROBE = 3
_PERF_KRETPROBE = 4


class _Info:
    """One filled info struct."""

    def __init__(self, fd: Fd, size: int, fill: bytearray | None = None) -> None:
        self._data = fill if fill is not None else bytearray(size)
        buffer = attribute()
        put32(buffer, 0, fd.fileno(), size)
        put64(buffer, 8, address(self._data))
        checked(bpfcall.OBJ_GET_INFO_BY_FD, buffer, f"{fd.what}: get info")
        self.known: int
        (self.known,) = unpack_from("<I", buffer, 4)

    def has(self, offset: int, form: str) -> bool:
        return offset + calcsize(f"<{form}") <= self.known

    def get(self, offset: int, form: str = "I") -> int:
        return int(unpack_from(f"<{form}", self._data, offset)[0])

    def maybe(self, offset: int, form: str = "I") -> int | None:
        return self.get(offset, form) if self.has(offset, form) else None

    def text(self, offset: int, size: int) -> str:
        return self._data[offset : offset + size].partition(b"\0")[0].decode("ascii", "replace")

    def hex(self, offset: int, size: int) -> str:
        return self._data[offset : offset + size].hex()


class ProgInfo(NamedTuple):
    """``struct bpf_prog_info``; None where the kernel does not tell.

    Attributes:
        prog_type: ``BPF_PROG_TYPE_*``.
        id: Unique while the program lives.
        tag: Hash of the instructions, 16 hex digits.
        name: Up to 15 characters.
        load_time: CLOCK_BOOTTIME in nanoseconds.
        uid: Who loaded it.
        gpl_compatible: Whether its license is.
        xlated_len: Bytes of instructions after the verifier.
        jited_len: Bytes of machine code; 0 without JIT.
        btf_id: Its BTF, or 0.
        run_time_ns: Sum, while statistics are enabled.
        run_cnt: Runs, while statistics are enabled.
        recursion_misses: Runs that the kernel left out.
        verified_insns: Instructions that the verifier walked.
    """

    prog_type: int
    id: int
    tag: str
    name: str
    load_time: int
    uid: int
    gpl_compatible: bool
    xlated_len: int
    jited_len: int
    btf_id: int | None
    run_time_ns: int | None
    run_cnt: int | None
    recursion_misses: int | None
    verified_insns: int | None


def prog_info(fd: Fd) -> ProgInfo:
    """Info of a program; raises KernelError."""
    info = _Info(fd, 232)
    return ProgInfo(
        prog_type=info.get(0),
        id=info.get(4),
        tag=info.hex(8, 8),
        name=info.text(64, 16),
        load_time=info.get(40, "Q"),
        uid=info.get(48),
        gpl_compatible=bool(info.get(84) & 1),
        xlated_len=info.get(20),
        jited_len=info.get(16),
        btf_id=info.maybe(128),
        run_time_ns=info.maybe(192, "Q"),
        run_cnt=info.maybe(200, "Q"),
        recursion_misses=info.maybe(208, "Q"),
        verified_insns=info.maybe(216),
    )


def prog_map_ids(fd: Fd) -> tuple[int, ...]:
    """Ids of the maps that a program uses; raises KernelError."""
    count = _Info(fd, 232).get(52)
    table = bytearray(4 * count)
    fill = bytearray(232)
    put32(fill, 52, count)
    put64(fill, 56, address(table))
    _Info(fd, 232, fill)
    return unpack_from(f"<{count}I", table)


class MapInfo(NamedTuple):
    """``struct bpf_map_info``; None where the kernel does not tell.

    Attributes:
        map_type: ``BPF_MAP_TYPE_*``.
        id: Unique while the map lives.
        key_size: Bytes.
        value_size: Bytes, for one CPU.
        max_entries: Elements, or bytes of a ring.
        flags: ``BPF_F_*``.
        name: Up to 15 characters.
        btf_id: Its BTF, or 0.
        btf_key_type_id: In that BTF.
        btf_value_type_id: In that BTF.
        map_extra: By map type.
    """

    map_type: int
    id: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int
    name: str
    btf_id: int | None
    btf_key_type_id: int | None
    btf_value_type_id: int | None
    map_extra: int | None


def map_info(fd: Fd) -> MapInfo:
    """Info of a map; raises KernelError."""
    info = _Info(fd, 88)
    return MapInfo(
        map_type=info.get(0),
        id=info.get(4),
        key_size=info.get(8),
        value_size=info.get(12),
        max_entries=info.get(16),
        flags=info.get(20),
        name=info.text(24, 16),
        btf_id=info.maybe(64),
        btf_key_type_id=info.maybe(68),
        btf_value_type_id=info.maybe(72),
        map_extra=info.maybe(80, "Q"),
    )


class BtfInfo(NamedTuple):
    """``struct bpf_btf_info``: id, bytes, and for the kernel's own the module's name."""

    id: int
    size: int
    name: str
    kernel: bool


def btf_info(fd: Fd) -> BtfInfo:
    """Info of a BTF object; raises KernelError."""
    name = bytearray(64)
    fill = bytearray(32)
    put64(fill, 16, address(name))
    put32(fill, 24, len(name))
    try:
        info = _Info(fd, 32, fill)
    except KernelError as error:
        # Linux kernel commit 5329722057d4 ("bpf: Assign ID to vmlinux BTF and return extra info
        # for BTF in GET_OBJ_INFO") (in v5.11): before it there was neither name nor kernel BTF.
        if error.errno != errno.E2BIG:
            raise
        info = _Info(fd, 16)
    text = name.partition(b"\0")[0].decode("ascii", "replace")
    return BtfInfo(info.get(12), info.get(8), text, bool(info.maybe(28) or 0))


def btf_data(fd: Fd) -> bytes:
    """The BTF bytes themselves; raises KernelError."""
    size = _Info(fd, 32).get(8)
    data = bytearray(size)
    fill = bytearray(32)
    put64(fill, 0, address(data))
    put32(fill, 8, size)
    _Info(fd, 32, fill)
    return bytes(data)


class LinkInfo(NamedTuple):
    """``struct bpf_link_info``; None where the kernel or the kind of link does not tell.

    Attributes:
        link_type: ``BPF_LINK_TYPE_*``.
        id: Unique while the link lives.
        prog_id: The program behind it.
        attach_type: Of a tracing link.
        target_btf_id: Of a tracing link: the function or typedef.
        targets: Of a multi link: how many.
        flags: Of a multi link.
        missed: Runs that the kernel left out at this attachment (kprobes).
    """

    link_type: int
    id: int
    prog_id: int
    attach_type: int | None = None
    target_btf_id: int | None = None
    targets: int | None = None
    flags: int | None = None
    missed: int | None = None


# Linux kernel commit 3acf8ace6823 ("bpf: Add missed value to kprobe perf link info") (in v6.7,
# and in 6.6-stable) grew bpf_link_info to this size.
_SIZE_WITH_MISSED = 56
# Linux kernel commit e2b2cd592adb ("bpf: Add missed value to kprobe_multi link info") (in v6.7)
# did not grow it. The next growth, in v6.8, proves that the counter is there.
_SIZE_WITH_MULTI_MISSED = 64


def link_info(fd: Fd) -> LinkInfo:
    """Info of a link; raises KernelError."""
    info = _Info(fd, 64)
    kind = info.get(0)
    base = LinkInfo(kind, info.get(4), info.get(8))
    if kind == LINK_TRACING:
        return base._replace(attach_type=info.maybe(16), target_btf_id=info.maybe(24))
    if kind == LINK_KPROBE_MULTI and info.has(24, "II"):
        missed = info.get(32, "Q") if info.has(_SIZE_WITH_MULTI_MISSED - 8, "Q") else None
        return base._replace(targets=info.get(24), flags=info.get(28), missed=missed)
    if kind == LINK_UPROBE_MULTI:
        return base._replace(targets=info.maybe(52), flags=info.maybe(56))
    if kind == LINK_PERF_EVENT and info.maybe(16) in {_PERF_KPROBE, _PERF_KRETPROBE}:
        return base._replace(missed=info.maybe(_SIZE_WITH_MISSED - 8, "Q"))
    return base


def link_info_size(link: Fd) -> int:
    """Bytes of ``bpf_link_info`` that this kernel knows; raises KernelError."""
    return _Info(link, 128).known


_NEXT = {
    "program": bpfcall.PROG_GET_NEXT_ID,
    "map": bpfcall.MAP_GET_NEXT_ID,
    "btf": bpfcall.BTF_GET_NEXT_ID,
    "link": bpfcall.LINK_GET_NEXT_ID,
}
_OPEN = {
    "program": bpfcall.PROG_GET_FD_BY_ID,
    "map": bpfcall.MAP_GET_FD_BY_ID,
    "btf": bpfcall.BTF_GET_FD_BY_ID,
    "link": bpfcall.LINK_GET_FD_BY_ID,
}


def ids(kind: str) -> Iterator[int]:
    """Ids of all objects of a kind: ``program``, ``map``, ``btf`` or ``link``.

    Raises:
        PermissionDeniedError: Needs CAP_SYS_ADMIN.
    """
    command = _NEXT[kind]
    buffer = attribute()
    while True:
        result = call(command, buffer)
        if result == -errno.ENOENT:
            return
        if result < 0:
            raise failure(command, -result, f"{kind}: list")
        (number,) = unpack_from("<I", buffer, 4)
        yield number
        buffer = attribute()
        put32(buffer, 0, number)


def by_id(kind: str, number: int) -> Fd:
    """Open an object by id; raises KernelError (ENOENT once it is gone)."""
    buffer = attribute()
    put32(buffer, 0, number)
    return opened(_OPEN[kind], buffer, f"{kind} {number}: open by id")


def module_btf(module: str) -> Fd | None:
    """The BTF of a loaded module, or ``vmlinux``, for ``attach_btf_obj`` and ``fd_array``.

    Raises:
        PermissionDeniedError: Needs CAP_SYS_ADMIN.
    """
    for number in ids("btf"):
        try:
            fd = by_id("btf", number)
        except KernelError as error:
            if error.errno != errno.ENOENT:
                raise
            continue
        info = btf_info(fd)
        if info.kernel and info.name == module:
            return fd
        fd.close()
    return None
