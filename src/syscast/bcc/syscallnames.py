"""What the kernel calls the functions of system calls: ``__x64_sys_clone`` and its like."""

from __future__ import annotations

import os
from functools import cache

from syscast.bcc.arguments import Name, as_bytes
from syscast.symbols import kallsyms

PREFIXES: tuple[bytes, ...] = (
    b"sys_",
    b"__x64_sys_",
    b"__x32_compat_sys_",
    b"__ia32_compat_sys_",
    b"__arm64_sys_",
    b"__s390x_sys_",
    b"__s390_sys_",
    b"__riscv_sys_",
)
_PROBE = "bpf"  # a call that every kernel with BPF has


@cache
def prefix() -> bytes:
    """The prefix of this kernel; ``sys_`` where none of those known is found."""
    symbols = kallsyms.kernel()
    for each in PREFIXES:
        if symbols.find(os.fsdecode(each) + _PROBE):
            return each
    return PREFIXES[0]


def function_of(name: Name) -> bytes:
    """The kernel function of a system call: ``clone`` gives ``__x64_sys_clone``."""
    return prefix() + as_bytes(name)


def fixed(name: Name) -> bytes:
    """The name of this kernel for one that has the prefix of any; other names stay."""
    raw = as_bytes(name)
    for each in PREFIXES:
        if raw.startswith(each):
            return function_of(raw.removeprefix(each))
    return raw
