"""The types that BTF describes, one class per kind, as the kernel's ``btf.rst`` defines them.

A type refers to others by id, an index into the ``Btf`` it came from; id 0 is ``void``. Sizes and
the offsets of ``SecVar`` are in bytes; every other offset is in bits, as in BTF itself.
"""

from __future__ import annotations

from typing import TypeAlias

from syscast.btf.record import Record

INT_SIGNED = 1
INT_CHAR = 2
INT_BOOL = 4

LINKAGE_STATIC = 0
LINKAGE_GLOBAL = 1
LINKAGE_EXTERN = 2


class Void(Record):
    """``void``: what id 0 stands for."""


class Int(Record):
    """An integer of ``size`` bytes; ``bits`` of them count, from bit ``offset``."""

    name: str
    size: int
    encoding: int
    bits: int
    offset: int = 0

    @property
    def signed(self) -> bool:
        """Whether the top bit is a sign."""
        return bool(self.encoding & INT_SIGNED)

    @property
    def char(self) -> bool:
        """Whether it is marked as a character (compilers rarely do)."""
        return bool(self.encoding & INT_CHAR)

    @property
    def bool(self) -> bool:
        """Whether it is ``_Bool``."""
        return self.encoding & INT_BOOL != 0


class Ptr(Record):
    """A pointer to ``type_id``."""

    type_id: int


class Array(Record):
    """``count`` elements; 0 is a flexible array (or a true zero-length one)."""

    element_id: int
    index_id: int
    count: int


class Member(Record):
    """A field of a struct or union; ``bitfield_size`` is 0 for an ordinary one."""

    name: str
    type_id: int
    bit_offset: int
    bitfield_size: int = 0


class Struct(Record):
    """A struct or union of ``size`` bytes; an anonymous one has the name ``""``."""

    name: str
    size: int
    members: tuple[Member, ...]
    is_union: bool = False


class EnumValue(Record):
    """One enumerator; the value already has the sign of its enum."""

    name: str
    value: int


class Enum(Record):
    """An enum; ``wide`` tells kind ENUM64 from ENUM, whatever the size."""

    name: str
    size: int
    values: tuple[EnumValue, ...]
    signed: bool = False
    wide: bool = False


class Fwd(Record):
    """A struct or union that is only declared."""

    name: str
    is_union: bool = False


class Typedef(Record):
    """Another name of ``type_id``."""

    name: str
    type_id: int


class Volatile(Record):
    """``volatile`` of ``type_id``."""

    type_id: int


class Const(Record):
    """``const`` of ``type_id``."""

    type_id: int


class Restrict(Record):
    """``restrict`` of ``type_id``."""

    type_id: int


class TypeTag(Record):
    """A tag such as ``user``, ``rcu`` or ``percpu`` on a type, most often below a ``Ptr``.

    ``attribute`` is set where the tag spells a whole compiler attribute.
    """

    name: str
    type_id: int
    attribute: bool = False


class Func(Record):
    """A function; ``type_id`` is its ``FuncProto``."""

    name: str
    type_id: int
    linkage: int = LINKAGE_STATIC


class Param(Record):
    """A parameter; the name is ``""`` in the prototypes of pointers to functions."""

    name: str
    type_id: int


class FuncProto(Record):
    """The type of a function; ``variadic`` stands for a last ``...``, which is not in ``params``."""

    return_id: int
    params: tuple[Param, ...]
    variadic: bool = False


class Var(Record):
    """A global variable."""

    name: str
    type_id: int
    linkage: int = LINKAGE_GLOBAL


class SecVar(Record):
    """Where a ``Var`` lies in its section, in bytes."""

    type_id: int
    offset: int
    size: int


class DataSec(Record):
    """A data section and its variables."""

    name: str
    size: int
    vars: tuple[SecVar, ...]


class Float(Record):
    """A floating-point number of ``size`` bytes."""

    name: str
    size: int


class DeclTag(Record):
    """A tag on a declaration; ``component`` numbers a member or parameter, -1 is the whole."""

    name: str
    type_id: int
    component: int = -1
    attribute: bool = False


BtfType: TypeAlias = (
    Void
    | Int
    | Ptr
    | Array
    | Struct
    | Enum
    | Fwd
    | Typedef
    | Volatile
    | Const
    | Restrict
    | TypeTag
    | Func
    | FuncProto
    | Var
    | DataSec
    | Float
    | DeclTag
)

Kind: TypeAlias = type[BtfType]
"""A class of this module, standing for a kind: ``Struct`` for structs and unions."""
