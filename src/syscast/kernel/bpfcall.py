"""One bpf(2) call: the attribute, the command's name, and the error if it is refused.

``union bpf_attr`` is written by offset with ``struct`` into a zeroed buffer. The kernel takes a
longer attribute than it knows as long as the rest is zero, so one size serves all kernels; and
one that sets a field which the kernel does not know is refused with E2BIG or EINVAL.
"""

from __future__ import annotations

import errno
from struct import pack_into
from typing import TYPE_CHECKING

from syscast.errors import KernelError, NotSupportedError
from syscast.kernel.descriptors import Fd
from syscast.kernel.syscalls import address, syscall

if TYPE_CHECKING:
    from collections.abc import Callable

# enum bpf_cmd, include/uapi/linux/bpf.h.
MAP_CREATE = 0
MAP_LOOKUP_ELEM = 1
MAP_UPDATE_ELEM = 2
MAP_DELETE_ELEM = 3
MAP_GET_NEXT_KEY = 4
PROG_LOAD = 5
OBJ_PIN = 6
OBJ_GET = 7
PROG_ATTACH = 8
PROG_DETACH = 9
PROG_TEST_RUN = 10
PROG_GET_NEXT_ID = 11
MAP_GET_NEXT_ID = 12
PROG_GET_FD_BY_ID = 13
MAP_GET_FD_BY_ID = 14
OBJ_GET_INFO_BY_FD = 15
PROG_QUERY = 16
RAW_TRACEPOINT_OPEN = 17
BTF_LOAD = 18
BTF_GET_FD_BY_ID = 19
TASK_FD_QUERY = 20
MAP_LOOKUP_AND_DELETE_ELEM = 21
MAP_FREEZE = 22
BTF_GET_NEXT_ID = 23
MAP_LOOKUP_BATCH = 24
MAP_LOOKUP_AND_DELETE_BATCH = 25
MAP_UPDATE_BATCH = 26
MAP_DELETE_BATCH = 27
LINK_CREATE = 28
LINK_UPDATE = 29
LINK_GET_FD_BY_ID = 30
LINK_GET_NEXT_ID = 31
ENABLE_STATS = 32
ITER_CREATE = 33
LINK_DETACH = 34
PROG_BIND_MAP = 35

NAMES = (
    *("BPF_MAP_CREATE", "BPF_MAP_LOOKUP_ELEM", "BPF_MAP_UPDATE_ELEM", "BPF_MAP_DELETE_ELEM"),
    *("BPF_MAP_GET_NEXT_KEY", "BPF_PROG_LOAD", "BPF_OBJ_PIN", "BPF_OBJ_GET"),
    *("BPF_PROG_ATTACH", "BPF_PROG_DETACH", "BPF_PROG_TEST_RUN", "BPF_PROG_GET_NEXT_ID"),
    *("BPF_MAP_GET_NEXT_ID", "BPF_PROG_GET_FD_BY_ID", "BPF_MAP_GET_FD_BY_ID"),
    *("BPF_OBJ_GET_INFO_BY_FD", "BPF_PROG_QUERY", "BPF_RAW_TRACEPOINT_OPEN", "BPF_BTF_LOAD"),
    *("BPF_BTF_GET_FD_BY_ID", "BPF_TASK_FD_QUERY", "BPF_MAP_LOOKUP_AND_DELETE_ELEM"),
    *("BPF_MAP_FREEZE", "BPF_BTF_GET_NEXT_ID", "BPF_MAP_LOOKUP_BATCH"),
    *("BPF_MAP_LOOKUP_AND_DELETE_BATCH", "BPF_MAP_UPDATE_BATCH", "BPF_MAP_DELETE_BATCH"),
    *("BPF_LINK_CREATE", "BPF_LINK_UPDATE", "BPF_LINK_GET_FD_BY_ID", "BPF_LINK_GET_NEXT_ID"),
    *("BPF_ENABLE_STATS", "BPF_ITER_CREATE", "BPF_LINK_DETACH", "BPF_PROG_BIND_MAP"),
)
"""The kernel's name of each command, by its number."""

ATTR_SIZE = 168
"""Bytes of the largest member in use (that of BPF_PROG_LOAD)."""

# The kernel's own errno, include/linux/errno.h, which leaks out of bpf(2); libc has no text for it.
_ENOTSUPP = 524

OBJ_NAME_LEN = 16
"""``BPF_OBJ_NAME_LEN``: bytes of a map's or program's name with its NUL."""

_memlock_lifted: list[bool] = []


def attribute() -> bytearray:
    """A zeroed ``union bpf_attr``."""
    return bytearray(ATTR_SIZE)


def put32(attr: bytearray, offset: int, *values: int) -> None:
    """Write u32 fields that follow each other (negative values as s32)."""
    pack_into(f"<{len(values)}I", attr, offset, *[value & 0xFFFFFFFF for value in values])


def put64(attr: bytearray, offset: int, *values: int) -> None:
    """Write u64 fields that follow each other."""
    pack_into(f"<{len(values)}Q", attr, offset, *[value & 0xFFFFFFFFFFFFFFFF for value in values])


def put_name(attr: bytearray, offset: int, name: str) -> None:
    """Write an object name, with what the kernel does not take replaced, cut to 15 bytes."""
    allowed = "".join(c if c.isascii() and (c.isalnum() or c in "_.") else "_" for c in name)
    text = allowed[: OBJ_NAME_LEN - 1].encode("ascii")
    attr[offset : offset + len(text)] = text


def call(command: int, attr: bytearray) -> int:
    """Make the call; returns its result, or ``-errno``. EINTR is retried."""
    where = address(attr)
    while True:
        result = syscall("bpf", command, where, len(attr))
        if result != -errno.EINTR:
            return result


def charged(command: int, attr: bytearray) -> int:
    """As ``call``, for what costs kernel memory: EPERM is retried with RLIMIT_MEMLOCK lifted.

    Kernels before the accounting by memory cgroup (v5.11) count BPF memory as locked, and the
    usual limit of 64 KiB is far too low. It is lifted once a process, as libbpf does.
    """
    result = call(command, attr)
    if result == -errno.EPERM and not _memlock_lifted:
        from syscast.kernel import host, rights  # noqa: PLC0415  # only when refused

        if rights.missing_for(NAMES[command]):
            return result
        _memlock_lifted.append(host.raise_memlock())
        result = call(command, attr)
    return result


def checked(command: int, attr: bytearray, subject: str, cure: str = "") -> int:
    """Make the call.

    Args:
        command: One of the constants above.
        attr: From ``attribute``; out fields are written into it.
        subject: Object, name and act for the error: ``map 'events': create``.
        cure: The likely cure of a refusal that is not for a lack of rights.

    Raises:
        PermissionDeniedError: EPERM or EACCES; the message names the capability.
        KernelError: Any other refusal.
    """
    result = charged(command, attr) if command == MAP_CREATE else call(command, attr)
    if result < 0:
        raise failure(command, -result, subject, cure)
    return result


def failure(command: int, code: int, subject: str, cure: str = "") -> KernelError:
    """The error for a refused command."""
    if code in {errno.EPERM, errno.EACCES}:
        from syscast.kernel.rights import cure_for  # noqa: PLC0415  # only when refused

        cure = cure_for(NAMES[command]) or cure
    if code == _ENOTSUPP:
        reason = f"the kernel does not support it{f' ({cure})' if cure else ''}"
        return NotSupportedError(f"{subject}: {reason}", code, NAMES[command])
    return KernelError.from_errno(subject, code, NAMES[command], cure)


def opened(command: int, attr: bytearray, subject: str, cure: str = "") -> Fd:
    """Make a call that returns a descriptor (the kernel opens all of bpf's close-on-exec)."""
    return Fd(checked(command, attr, subject, cure), subject.rpartition(": ")[0] or subject)


def until(command: Callable[[], int], deadline: float) -> int:
    """Repeat a call for as long as it answers EAGAIN, until a ``time.monotonic`` deadline."""
    import time  # noqa: PLC0415  # only programs that are loaded need it

    while True:
        result = command()
        if result != -errno.EAGAIN or time.monotonic() >= deadline:
            return result
