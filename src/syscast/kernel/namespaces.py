"""Doing something in another network namespace, without taking the process there.

setns(2) moves the calling thread only, and a thread may not be needed afterwards: so a thread of its own goes,
makes one call and ends. What it opens (a socket, the file of an iterator) stays in that namespace.
"""

from __future__ import annotations

import errno
import threading
from typing import TYPE_CHECKING, TypeVar

from syscast.errors import KernelError
from syscast.kernel.syscalls import syscall

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.kernel.descriptors import Fd

CLONE_NEWNET = 0x40000000

_Made = TypeVar("_Made")


def in_network_of(namespace: Fd, make: Callable[[], _Made]) -> _Made:
    """Make a call in a network namespace and give what it gives.

    Args:
        namespace: A file such as ``/proc/PID/ns/net``.
        make: Called in a thread of its own.

    Raises:
        PermissionDeniedError: CAP_SYS_ADMIN is missing.
        KernelError: The file is no network namespace (EINVAL); and whatever ``make`` raises.
    """
    made: list[_Made] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            code = syscall("setns", namespace.fileno(), CLONE_NEWNET)
            if code < 0:
                raise _refused(namespace, -code)  # noqa: TRY301  # carried over to the caller
            made.append(make())
        except BaseException as error:  # noqa: BLE001  # raised again in the caller's thread
            failed.append(error)

    thread = threading.Thread(target=run, name="syscast-setns")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]


def _refused(namespace: Fd, code: int) -> KernelError:
    from syscast.kernel.rights import cure_for  # noqa: PLC0415  # only when refused

    cure = "it is no network namespace" if code == errno.EINVAL else cure_for("setns")
    return KernelError.from_errno(f"{namespace.what}: enter", code, "setns", cure)
