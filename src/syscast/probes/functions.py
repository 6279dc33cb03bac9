"""Kernel functions by name: the prototype from BTF, or the reason why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf.types import Func
from syscast.errors import TargetError

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.btf.types import FuncProto


def find(kind: str, name: str, types: Btf) -> tuple[int, FuncProto]:
    """The id of a function in BTF, and its prototype.

    Raises:
        TargetError: BTF has no such function; says why as far as the kernel's symbols tell.
    """
    if types.find(name, Func) is None:
        raise TargetError(f"{kind} '{name}': look up: {reason(name)}", types.near(name, Func))
    return types.function(name)


def module_of(types: Btf) -> str:
    """The module that BTF belongs to, ``""`` for the kernel's own."""
    return types.name if types.base is not None else ""


def owner(types: Btf, btf_id: int) -> str:
    """The module that declares a type: ``""`` where it is in the base."""
    return types.name if types.base is not None and btf_id >= types.start_id else ""


def reason(name: str) -> str:
    """Why BTF has no function of this name."""
    return f"the kernel's BTF has no function '{name}'"
