"""The table of system calls: numbers, argument names, C types. Data only; see data/syscalls.tsv."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING

from syscast.btf.record import Record
from syscast.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATH = f"{os.path.dirname(__file__)}/data/syscalls.tsv"  # noqa: PTH120  # pathlib costs 5 ms
_PREFIXES = ("sys_enter_", "sys_exit_", "__x64_sys_", "__arm64_sys_", "__se_sys_", "sys_")
_COLUMN = {"x86_64": 1, "aarch64": 2}
_NONE = "-"


class SyscallArgument(Record):
    """One argument.

    Attributes:
        name: As in the kernel's source.
        ctype: C type, without ``__user``.
        string: A NUL-terminated string in user memory.
        out: Memory that the kernel fills.
    """

    name: str
    ctype: str
    string: bool
    out: bool

    @property
    def pointer(self) -> bool:
        """Whether its type is spelled as a pointer."""
        return self.ctype.endswith("*")


class Syscall(Record):
    """One system call.

    Attributes:
        name: As in ``unistd.h`` and the man pages.
        number: On the machine asked for.
        function: Of the kernel, without prefix; often the same as the name.
        returns: False for what never comes back.
        arguments: In order.
    """

    name: str
    number: int
    function: str
    returns: bool
    arguments: tuple[SyscallArgument, ...]

    @property
    def signature(self) -> str:
        """As C would declare it: ``long openat(int dfd, const char *filename, ...)``."""
        words = [
            f"{each.ctype}{'' if each.pointer else ' '}{each.name}" for each in self.arguments
        ]
        return f"{'long' if self.returns else 'void'} {self.name}({', '.join(words) or 'void'})"


def find(name: str, machine: str) -> Syscall:
    """Look a system call up.

    Args:
        name: ``openat``, also as ``sys_openat`` or by the kernel function's name (``newuname``).
        machine: ``x86_64`` or ``aarch64``.

    Raises:
        TargetError: There is none of this name on this machine; with near matches.
    """
    wanted = bare(name)
    for line in _lines():
        columns = line.split("\t")
        if wanted == columns[0] or wanted == columns[3]:
            found = _syscall(columns, machine)
            if found:
                return found
            raise TargetError(
                f"syscall '{wanted}': look up: {machine} does not have it", _near(wanted, machine)
            )
    raise TargetError(f"syscall '{wanted}': look up: no such system call", _near(wanted, machine))


def every(machine: str) -> Iterator[Syscall]:
    """All system calls of a machine, by number on x86_64."""
    for line in _lines():
        found = _syscall(line.split("\t"), machine)
        if found:
            yield found


def bare(name: str) -> str:
    """The name without the prefixes that the kernel and its tracepoints give it."""
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


@lru_cache(maxsize=1)
def _lines() -> list[str]:
    with open(_PATH, encoding="ascii") as file:  # noqa: PTH123  # pathlib costs 5 ms
        return [line for line in file.read().splitlines() if not line.startswith("#")]


def _syscall(columns: list[str], machine: str) -> Syscall | None:
    number = columns[_COLUMN[machine]] if machine in _COLUMN else _NONE
    if number == _NONE:
        return None
    texts = columns[5].split(", ") if len(columns) > 5 else []
    function = columns[0] if columns[3] == _NONE else columns[3]
    returns = columns[4] != "noreturn"
    return Syscall(
        columns[0], int(number), function, returns, tuple(_argument(text) for text in texts)
    )


def _argument(text: str) -> SyscallArgument:
    declaration, *marks = text.split("=")
    at = max(declaration.rfind(" "), declaration.rfind("*")) + 1
    ctype = declaration[:at].rstrip()
    return SyscallArgument(declaration[at:], ctype, "string" in marks, "out" in marks)


def _near(name: str, machine: str) -> list[str]:
    from syscast.btf.near import nearest  # noqa: PLC0415  # only errors need it

    return nearest(name, (each.name for each in every(machine)), 3)
