"""bcc's module ``syscall``: names of system calls by number, as bytes."""

from __future__ import annotations

from syscast.kernel.syscalls import MACHINE
from syscast.probes.syscall_table import every

syscalls: dict[int, bytes] = {each.number: each.name.encode() for each in every(MACHINE)}
"""The system calls of this machine."""


def syscall_name(syscall_num: int) -> bytes:
    """The name of a system call, ``[unknown: 999]`` for a number that has none."""
    return syscalls.get(syscall_num) or b"[unknown: %d]" % syscall_num
