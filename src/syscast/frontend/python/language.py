"""The names of the probe language, as real Python objects.

A compiled probe never runs them: the front end knows them by identity. Called from plain Python
they answer for the calling process, so that a probe can be tried without a kernel.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final, TypeVar, overload

from syscast.errors import LimitError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from syscast.events.event import Event
    from syscast.running import task_struct

_T = TypeVar("_T")
_U32: Final = (1 << 32) - 1
_U64: Final = (1 << 64) - 1


class Current:
    """The task that runs the probe; see ``current``."""

    @property
    def pid(self) -> int:
        """Process id: the kernel's thread group id, in the initial pid namespace."""
        return os.getpid()

    @property
    def tid(self) -> int:
        """Thread id: the kernel's pid."""
        import threading  # noqa: PLC0415  (only when a probe runs in plain Python)

        return threading.get_native_id()

    @property
    def ppid(self) -> int:
        """Process id of the real parent."""
        return os.getppid()

    @property
    def uid(self) -> int:
        """Real user id in the initial user namespace."""
        return os.getuid()

    @property
    def gid(self) -> int:
        """Real group id in the initial user namespace."""
        return os.getgid()

    @property
    def comm(self) -> str:
        """Command name of the thread, at most 15 bytes (comm in proc(5))."""
        with open("/proc/thread-self/comm", encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
            return file.read().rstrip("\n")

    @property
    def cpu(self) -> int:
        """Number of the CPU that runs the probe."""
        raise _only_in_probe("current.cpu")

    @property
    def cgroup_id(self) -> int:
        """Id of the task's cgroup v2: the inode number of its directory."""
        raise _only_in_probe("current.cgroup_id")

    @property
    def netns(self) -> int:
        """Inode number of the task's network namespace, as in /proc/PID/ns/net."""
        return os.stat("/proc/self/ns/net").st_ino  # noqa: PTH116

    @property
    def task(self) -> task_struct:
        """The task itself: a kernel pointer to ``struct task_struct``."""
        raise _only_in_probe("current.task")

    @property
    def parent(self) -> task_struct:
        """The real parent: a kernel pointer to ``struct task_struct``."""
        raise _only_in_probe("current.parent")


current: Final = Current()


def _only_in_probe(name: str) -> UsageError:
    return UsageError(f"{name} exists only inside a probe that the kernel runs")


def now() -> int:
    """Time in ns on the boot clock (CLOCK_BOOTTIME, which counts through suspend), u64."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def emit(event: Event) -> None:
    """Send an event and go on; a probe may send several.

    Args:
        event: ``SomeEvent(field=...)``, written in place.
    """
    del event
    raise _only_in_probe("emit()")


def user_str(pointer: object, size: int = 256) -> str:
    """A NUL-terminated string from the traced process's memory.

    Args:
        pointer: A ``char *`` of user space.
        size: Capacity in bytes with the NUL; longer strings are cut. A constant of 1 to 4096.
    """
    del pointer, size
    raise _only_in_probe("user_str()")


def kernel_str(pointer: object, size: int = 256) -> str:
    """A NUL-terminated string from kernel memory.

    Args:
        pointer: A ``char *`` of the kernel.
        size: Capacity in bytes with the NUL; longer strings are cut. A constant of 1 to 4096.
    """
    del pointer, size
    raise _only_in_probe("kernel_str()")


@overload
def cast(type_name: type[_T], pointer: object) -> _T: ...


@overload
def cast(  # type: ignore[explicit-any]  # checkers cannot tell a struct from its name in a string
    type_name: str, pointer: object
) -> Any: ...  # noqa: ANN401


def cast(type_name: object, pointer: object) -> object:
    """The same address seen as a pointer to another kernel type.

    Args:
        type_name: ``struct NAME`` or ``union NAME``, or the name that `syscast.kernel` gives:
            with stubs, type checkers then know the result's members. Or an ``IntEnum`` class:
            the number stays as it is, named or not.
        pointer: A kernel pointer; a number for an ``IntEnum``.
    """
    del type_name
    return pointer


@overload
def container_of(pointer: object, type_name: type[_T], member: str) -> _T: ...


@overload
def container_of(  # type: ignore[explicit-any]  # as for cast
    pointer: object, type_name: str, member: str
) -> Any: ...  # noqa: ANN401


def container_of(pointer: object, type_name: object, member: str) -> object:
    """The struct around a member, as the kernel's macro of that name.

    Args:
        pointer: To the member: a kernel pointer, or the member itself.
        type_name: ``struct NAME``, or the name that `syscast.kernel` gives.
        member: Its name in that struct; ``a.b`` for one inside a member.
    """
    del pointer, type_name, member
    raise _only_in_probe("container_of()")


def path_of(thing: object, size: int = 256) -> str:
    """The full path of a file, as the running task sees it.

    It is what the links in ``/proc/PID/fd`` show: through mounts up to the task's root directory,
    ``" (deleted)"`` behind files that have no name any more, ``pipe:[123]``, ``socket:[123]`` and
    ``anon_inode:[eventfd]`` for what is in no directory. A path that does not fit loses its
    beginning, and so does not start with a slash.

    Args:
        thing: A ``struct file *`` or a ``struct path``; of a ``struct dentry *`` the path ends at
            the root of its file system.
        size: Capacity in bytes with the NUL. A constant of 16 to 4096.
    """
    del thing, size
    raise _only_in_probe("path_of()")


def wrap32(value: int) -> int:
    """A whole expression modulo 2**32: see `wrap64`."""
    return value & _U32


def wrap64(value: int) -> int:
    """A whole expression modulo 2**64: ``wrap64(a * b + c)`` has no OverflowError.

    What ``+ - * << & | ^ ~`` and the sign make inside is computed modulo as well; whatever else
    stands inside, such as a call or ``//``, is computed exactly first.
    """
    return value & _U64


@overload
def bounded(what: bool, limit: int) -> bool: ...  # noqa: FBT001 - a loop's condition


@overload
def bounded(what: Iterable[_T], limit: int) -> Iterator[_T]: ...


def bounded(what: Iterable[_T] | bool, limit: int) -> Iterator[_T] | bool:  # noqa: FBT001
    """State how often a loop goes round at most.

    ``for i in bounded(range(n), limit=64)``, ``while bounded(n > 0, limit=64)``. A loop that would go on past it ends the run with a counted `LimitError`. Called from plain
    Python, a condition is given back as it is, whose rounds nobody counts.

    Args:
        what: What a ``for`` goes over, or the condition of a ``while``.
        limit: Rounds at most; a constant.
    """
    return what if isinstance(what, bool) else _at_most(what, limit)


def _at_most(items: Iterable[_T], limit: int) -> Iterator[_T]:
    for number, item in enumerate(items):
        if number >= limit:
            raise LimitError(f"loop: went past its limit of {limit} rounds")
        yield item


@overload
def list_entries(head: object, type_name: type[_T], member: str, limit: int) -> Iterator[_T]: ...


@overload
def list_entries(  # type: ignore[explicit-any]  # as for cast
    head: object, type_name: str, member: str, limit: int
) -> Iterator[Any]: ...


def list_entries(head: object, type_name: object, member: str, limit: int) -> Iterator[object]:
    """Go over the structs of a linked list.

    ``for task in list_entries(head, "struct task_struct", "tasks", limit=64)``

    Args:
        head: The list's ``struct list_head``, a place or a pointer to it. It is no entry itself.
        type_name: ``struct NAME`` of the entries, or the name that `syscast.kernel` gives.
        member: The ``struct list_head`` in each entry that links it.
        limit: Entries at most; a longer list ends the run with a counted `LimitError`.

    Yields:
        A kernel pointer to each entry.
    """
    del head, type_name, member, limit
    raise _only_in_probe("list_entries()")


@overload
def hlist_entries(head: object, type_name: type[_T], member: str, limit: int) -> Iterator[_T]: ...


@overload
def hlist_entries(  # type: ignore[explicit-any]  # as for cast
    head: object, type_name: str, member: str, limit: int
) -> Iterator[Any]: ...


def hlist_entries(head: object, type_name: object, member: str, limit: int) -> Iterator[object]:
    """As `list_entries`, over a ``struct hlist_head`` whose entries are linked by ``struct hlist_node``."""
    del head, type_name, member, limit
    raise _only_in_probe("hlist_entries()")
