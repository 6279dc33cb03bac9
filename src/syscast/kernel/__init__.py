"""The only room with raw system calls: bpf(2), perf_event_open(2), mmap(2), epoll, fork.

Nothing outside imports ctypes, mmap, fcntl, select or resource. The modules:

======================  ======================================================================
``syscalls``            ``syscall(2)`` through ctypes, and addresses of buffers
``descriptors``         ``Fd``, the owner of one file descriptor
``bpfcall``             one bpf(2) call and its errors
``bpfmaps``             maps: create, look up, update, batches, freeze
``bpfprogs``            programs: load, run once, attach; BTF load; statistics
``bpflinks``            links of all kinds
``bpfinfo``             what the kernel tells about programs, maps, links and BTF
``perf``                perf events as attach points and as rings
``memory``              shared memory of rings and arrays
``namespaces``          calls made in another network namespace
``polling``             waiting on many descriptors, woken from anywhere
``signals``             calls that no signal may interrupt
``rights``              which capability a refused call wanted
``textfiles``           files of /proc and /sys
``tracefs``, ``host``   what the machine says about itself
``spawn``               a command that is started, but does not run yet
``arrowstream``         C streams of Arrow arrays that Python makes one by one
``clocks``              two clocks at once, and when the wall clock is set
``functions``           names of kernel functions, for users' editors
======================  ======================================================================

Users also write ``from syscast.kernel import socket, file`` to give the kernel's structs a name
that type checkers accept. Any other name therefore yields a ``StructName``; the struct itself
is looked up in BTF when the probe is compiled. Modules here must not take names of kernel
structs.
"""

from __future__ import annotations

from keyword import iskeyword
from typing import Any

_MODULES = frozenset(
    {
        "arrowstream",
        "bpfcall",
        "bpfinfo",
        "bpflinks",
        "bpfmaps",
        "bpfprogs",
        "clocks",
        "descriptors",
        "functions",
        "host",
        "memory",
        "namespaces",
        "perf",
        "polling",
        "rights",
        "signals",
        "spawn",
        "syscalls",
        "textfiles",
        "tracefs",
    }
)


class StructName(str):
    """The name of a kernel type in an annotation, equal to the same annotation as a string.

    ``socket | None`` is the string ``"socket | None"``, so that evaluated and postponed
    annotations read the same.
    """

    __slots__ = ()

    def __or__(self, other: object) -> StructName:
        return StructName(f"{self} | {_spelled(other)}")

    def __ror__(self, other: object) -> StructName:
        return StructName(f"{_spelled(other)} | {self}")

    def __getattr__(self, name: str) -> int:
        """Give the value of an enumerator, where this is an enum's name.

        Raises:
            AttributeError: The running kernel has no such enum, or no such enumerator in it.
        """
        if not name.startswith("_"):
            from syscast.btf import source, types  # noqa: PLC0415  (for probes in plain Python)

            kernel = source.kernel()
            for type_id in kernel.find_all(self, types.Enum):
                held = kernel.type(type_id)
                for each in held.values if isinstance(held, types.Enum) else ():
                    if each.name == name:
                        return each.value
        raise AttributeError(f"kernel type '{self}' has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"syscast.kernel.{self}"


def _spelled(other: object) -> str:
    if isinstance(other, str):
        return str(other)
    return str(getattr(other, "__name__", other))


# Any is what lets a type checker accept the name as a type; there is no other way to say it.
def __getattr__(name: str) -> Any:  # type: ignore[explicit-any]  # noqa: ANN401
    # The import system asks here before it looks for a submodule.
    if name in _MODULES or not name.isidentifier() or name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Python keeps the name of `struct class` for itself.
    return StructName(name[:-1] if name.endswith("_") and iskeyword(name[:-1]) else name)
