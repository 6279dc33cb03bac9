"""Raw system calls, for those that Python's own library does not wrap.

Imports ctypes (3 ms), which only ``arrowstream`` does besides. Calls release the GIL and keep errno apart per thread.
"""

from __future__ import annotations

import ctypes
import os
import struct

from syscast.errors import NotSupportedError

# From arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
_NUMBERS = {
    "x86_64": {
        "bpf": 321,
        "perf_event_open": 298,
        "capget": 125,
        "membarrier": 324,
        "setns": 308,
        "timerfd_create": 283,
        "timerfd_settime": 286,
    },
    "aarch64": {
        "bpf": 280,
        "perf_event_open": 241,
        "capget": 90,
        "membarrier": 283,
        "setns": 268,
        "timerfd_create": 85,
        "timerfd_settime": 86,
    },
}
_NO_ARGUMENTS = (0, 0, 0, 0, 0, 0)

# The name of the machine's instruction set, not of a kernel version.
MACHINE = os.uname().machine  # noqa: TID251

_libc_syscall = ctypes.CDLL(None, use_errno=True).syscall
_libc_syscall.restype = ctypes.c_long
_libc_syscall.argtypes = [ctypes.c_long] * 7


def _numbers() -> dict[str, int]:
    if struct.calcsize("P") != 8 or MACHINE not in _NUMBERS:
        return {}
    return _NUMBERS[MACHINE]


_HERE = _numbers()


def syscall(name: str, *arguments: int) -> int:
    """Make one system call.

    Args:
        name: The call, one of those in the table of this module.
        arguments: Up to six register values; the buffers whose addresses they are must outlive
            the call.

    Returns:
        What the call returns, or ``-errno``.

    Raises:
        NotSupportedError: This machine is neither x86_64 nor aarch64 with a 64-bit Python.
    """
    number = _HERE.get(name)
    if number is None:
        raise NotSupportedError(
            f"syscall '{name}': call: no number known for a {struct.calcsize('P') * 8}-bit "
            f"Python on {MACHINE} (x86_64 and aarch64 are supported)"
        )
    result: int = _libc_syscall(number, *arguments, *_NO_ARGUMENTS[len(arguments) :])
    return result if result >= 0 else -ctypes.get_errno()


def address(buffer: bytes | bytearray) -> int:
    """Where the buffer's first byte lies; 0 for an empty one.

    The address holds for as long as the buffer lives and keeps its size.
    """
    if not buffer:
        return 0
    if isinstance(buffer, bytes):
        return ctypes.c_void_p.from_buffer(ctypes.c_char_p(buffer)).value or 0
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))
