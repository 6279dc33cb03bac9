"""Parameters of a kernel prototype: how wide they are and what the verifier makes of them.

Kinds turn them into ``ArgumentSource`` by adding where they lie.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf.record import Record
from syscast.btf.render import type_name
from syscast.btf.types import (
    Array,
    Const,
    Enum,
    Float,
    Fwd,
    Int,
    Ptr,
    Restrict,
    Struct,
    Typedef,
    TypeTag,
    Void,
    Volatile,
)
from syscast.errors import TargetError

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf

WORD = 8
_MAX_DEPTH = 64


class Parameter(Record):
    """One parameter, or a return value (then without a name).

    Attributes:
        name: ``argN`` where BTF has none.
        type_id: As declared.
        ctype: As C spells it.
        size: In bytes.
        signed: Of an integer.
        by_value: A struct or union passed by value.
        struct_pointer: A pointer to a struct or union whose members BTF knows.
        other_pointer: A pointer to a pointer, function, array or undeclared struct, or to an
            integer; the verifiers of some kernels refuse to load such an argument by type.
        user: A pointer tagged as one into user memory.
        percpu: A pointer tagged as an offset into per-CPU memory.
    """

    name: str
    type_id: int
    ctype: str
    size: int
    signed: bool = False
    by_value: bool = False
    struct_pointer: bool = False
    other_pointer: bool = False
    user: bool = False
    percpu: bool = False

    @property
    def slots(self) -> int:
        """Words of eight bytes that it takes."""
        return (self.size + WORD - 1) // WORD


def parameter(btf: Btf, type_id: int, name: str = "") -> Parameter:
    """Classify one parameter by its BTF type.

    Raises:
        TargetError: A type that cannot be passed.
    """
    ctype = type_name(btf, type_id)
    resolved = btf.resolve(type_id)
    match btf.type(resolved):
        case Int(size=size, signed=signed):
            return Parameter(name, type_id, ctype, size, signed)
        case Enum(size=size, signed=signed):
            return Parameter(name, type_id, ctype, size, signed)
        case Struct(size=size) | Float(size=size):
            return Parameter(name, type_id, ctype, size, by_value=True)
        case Ptr(type_id=pointee):
            tags = _tags(btf, pointee)
            to = btf.type(btf.resolve(pointee))
            return Parameter(
                name,
                type_id,
                ctype,
                WORD,
                struct_pointer=isinstance(to, Struct),
                other_pointer=not isinstance(to, (Struct, Void)),
                user="user" in tags,
                percpu="percpu" in tags,
            )
        case Array() | Fwd() | _:
            raise TargetError(f"parameter '{name}': classify: cannot be passed: {ctype}")


def _tags(btf: Btf, type_id: int) -> set[str]:
    """The type tags between a pointer and what it points to."""
    tags = set()
    for _ in range(_MAX_DEPTH):
        found = btf.type(type_id)
        if isinstance(found, TypeTag):
            tags.add(found.name)
        elif not isinstance(found, (Const, Volatile, Restrict, Typedef)):
            break
        type_id = found.type_id
    return tags
