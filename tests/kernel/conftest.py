"""Guards around every kernel test: it leaves no fd, no BPF program or link, and nothing in the kernel's log.

In a test VM (SYSCAST_VM is set) all three are checked. On a shared machine programs and log lines of others come and go, so that only
this process' own fds are checked there.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import platform
import struct
import time
from pathlib import Path

import pytest

from vmtest.console import classify

IN_VM = bool(os.environ.get("SYSCAST_VM"))
PATIENCE = 3.0  # seconds; the kernel frees programs and links after RCU grace periods
# bpf(2) commands, from include/uapi/linux/bpf.h
BPF_PROG_GET_NEXT_ID = 11
BPF_LINK_GET_NEXT_ID = 31
SYS_BPF = {"x86_64": 321, "aarch64": 280}

_libc = ctypes.CDLL(None, use_errno=True)


def _open_fds() -> dict[int, str]:
    """This process' fds and what they are."""
    found = {}
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the fd of the listing itself is closed by now
            found[int(path.name)] = str(path.readlink())
    return found


def _bpf_ids(command: int) -> set[int]:
    """Ids of all BPF objects of one sort, straight from the kernel: syscast's own bookkeeping is not asked."""
    ids: set[int] = set()
    attributes = bytearray(64)
    start = 0
    while True:
        struct.pack_into("=II", attributes, 0, start, 0)
        buffer = (ctypes.c_char * len(attributes)).from_buffer(attributes)
        if _libc.syscall(SYS_BPF[platform.machine()], command, buffer, len(attributes)) < 0:
            return ids  # ENOENT: no further one
        del buffer
        start = struct.unpack_from("=I", attributes, 4)[0]
        ids.add(start)


class KernelLog:
    """Reads the messages that the kernel logs from now on."""

    def __init__(self) -> None:
        self.fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.lseek(self.fd, 0, os.SEEK_END)

    def troubles(self) -> list[str]:
        """New messages that show kernel trouble (see vmtest.console)."""
        found = []
        while True:
            try:
                record = os.read(self.fd, 8192)
            except BlockingIOError:
                return found
            except BrokenPipeError:
                continue  # overwritten before it was read
            text = record.partition(b";")[2].split(b"\n", 1)[0].decode(errors="replace")
            if classify(text) is not None:
                found.append(text)


@pytest.fixture(scope="session")
def kernel_log():
    """The session's view of the kernel's log; None where the log belongs to others as well."""
    if not IN_VM:
        yield None
        return
    log = KernelLog()
    yield log
    os.close(log.fd)


def _leftovers(fds, programs, links):
    """What is there now and was not before, as lines."""
    lines = [
        f"fd {number}: {what}" for number, what in _open_fds().items() if fds.get(number) != what
    ]
    if IN_VM:
        lines += [
            f"BPF program {number}" for number in sorted(_bpf_ids(BPF_PROG_GET_NEXT_ID) - programs)
        ]
        lines += [
            f"BPF link {number}" for number in sorted(_bpf_ids(BPF_LINK_GET_NEXT_ID) - links)
        ]
    return lines


@pytest.fixture(autouse=True)
def nothing_left_behind(request, kernel_log):
    """Fail a test that leaves something behind."""
    if request.node.get_closest_marker("kernel") is None:
        yield
        return
    fds = _open_fds()
    programs = _bpf_ids(BPF_PROG_GET_NEXT_ID) if IN_VM else set()
    links = _bpf_ids(BPF_LINK_GET_NEXT_ID) if IN_VM else set()
    yield
    deadline = time.monotonic() + PATIENCE
    gc.collect()
    while (left := _leftovers(fds, programs, links)) and time.monotonic() < deadline:
        time.sleep(0.05)
    troubles = kernel_log.troubles() if kernel_log is not None else []
    problems = [f"left behind: {line}" for line in left] + [
        f"kernel log: {line}" for line in troubles
    ]
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)


@pytest.fixture
def vm_kernel():
    """Name of the kernel under test as the matrix calls it (`5.10`, `newest`), or None outside of a VM.

    For reports only: tests probe features, never versions.
    """
    return os.environ.get("SYSCAST_VM_KERNEL")
