"""Kernel functions by name: the prototype from BTF, or the reason why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf.types import Func
from syscast.errors import TargetError
from syscast.probes import duplicates, registers, syscall_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.btf.lookup import Btf
    from syscast.btf.types import FuncProto
    from syscast.symbols.explain import Explanation

_NEAR = 4


def find(name: str, types: Btf) -> tuple[int, FuncProto]:
    """The id of a function in BTF, and its prototype.

    Raises:
        TargetError: BTF has no such function, or several have the name; says why as far as the
            kernel's symbols tell.
    """
    btf_id = types.find(name, Func)
    if btf_id is None:
        raise missing(name, types)
    if not owner(types, btf_id):
        refuse_duplicate(name, types)
    return types.function(name)


def refuse_duplicate(name: str, types: Btf) -> None:
    """Raise TargetError where several functions of the running kernel have this name."""
    from syscast.btf import source  # noqa: PLC0415  # not for the BTF of other kernels

    kernel = types.base or types
    if kernel is not source.kernel() or name not in duplicates.names(kernel.key):
        return
    found = explanation(name)
    text = found.text if found is not None else "several functions have this name"
    raise TargetError(f"function '{name}': look up: {text}")


def missing(name: str, types: Btf) -> TargetError:
    """The error for a function that is not in BTF."""
    found = explanation(name)
    if found is None:
        text = "the kernel has it, but not in its BTF, so its arguments are not known"
        near = types.near(name, Func)
    else:
        text, near = found.text, list(found.near)
    return TargetError(f"function '{name}': look up: {text}", (near + _syscalls(name))[:_NEAR])


def explanation(name: str) -> Explanation | None:
    """Why the running kernel cannot trace a function; None where it could, or does not tell."""
    from syscast.symbols.explain import why_not  # noqa: PLC0415  # reads all symbols

    try:
        return why_not(name)
    except OSError:
        return None


def _syscalls(name: str) -> list[str]:
    """A system call that reads alike, for those who meant one."""
    try:
        syscall_table.find(name, registers.here().machine)
    except TargetError as error:
        return [f"syscall:{near}" for near in error.near[:1]]
    return [f"syscall:{syscall_table.bare(name)}"]


def owner(types: Btf, btf_id: int) -> str:
    """The module that declares a type: ``""`` where it is in the base."""
    return types.name if types.base is not None and btf_id >= types.start_id else ""


def copies_with_code(name: str) -> Sequence[str]:
    """The symbols of exactly this name that are functions, by module; for names BTF lacks."""
    from syscast.symbols import kallsyms  # noqa: PLC0415  # reads all symbols

    try:
        found = kallsyms.kernel().find(name)
    except OSError:
        return ()
    return [symbol.module for symbol in found if symbol.is_function]
