"""C type names, as tracefs and the table of system calls spell them, looked up in BTF."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf.types import Enum, Int, Struct, Typedef

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf

# How compilers name the integers in debug information.
_INTEGERS = {
    "unsigned": "unsigned int",
    "long": "long int",
    "unsigned long": "long unsigned int",
    "short": "short int",
    "unsigned short": "short unsigned int",
    "long long": "long long int",
    "unsigned long long": "long long unsigned int",
    "bool": "_Bool",
}


def find_type(types: Btf, ctype: str) -> int:
    """The BTF id of a type that is no pointer: ``const struct sockaddr``, ``pid_t``; 0 if none."""
    plain = ctype.removeprefix("const ").strip()
    tag, _, name = plain.partition(" ")
    if tag in {"struct", "union"}:
        return types.find(name, Struct) or 0
    if tag == "enum":
        return types.find(name, Enum) or 0
    return types.find(plain, Typedef) or types.find(_INTEGERS.get(plain, plain), Int) or 0


def find_pointee(types: Btf, ctype: str) -> int:
    """What a pointer of one star points to: ``const struct sockaddr *``; 0 if BTF knows it not."""
    base = ctype.strip().removesuffix("*").strip()
    return 0 if base.endswith("*") or base in {"void", "const void"} else find_type(types, base)


def integer(types: Btf, type_id: int) -> tuple[int, bool] | None:
    """Size in bytes and sign of an integer or enum type; None for anything else."""
    found = types.type(types.resolve(type_id)) if type_id else None
    return (found.size, found.signed) if isinstance(found, (Int, Enum)) else None
