"""Types of IR values."""

from __future__ import annotations

from enum import Enum

import msgspec


class Space(Enum):
    """What a pointer points into, and so how it may be read."""

    KERNEL = "kernel"  # a kernel address with a BTF type
    USER = "user"  # an address of the traced process
    STACK = "stack"  # a slot of this program, wherever the stack_budget pass puts it
    MAP = "map"  # a map's value, or NULL
    RECORD = "record"  # a record reserved for an event
    CTX = "ctx"  # the program's context
    ANY = "any"  # a C pointer: the pass provenance finds out what it points to


class IntType(msgspec.Struct, frozen=True):
    """A machine integer of 1 (bool), 8, 16, 32 or 64 bits."""

    bits: int
    signed: bool

    def __str__(self) -> str:
        return "bool" if self.bits == 1 else f"{'i' if self.signed else 'u'}{self.bits}"


class PtrType(msgspec.Struct, frozen=True):
    """A pointer.

    Attributes:
        space: What it points into.
        pointee: BTF type id of what it points to (0: void or unknown).
        trusted: The verifier knows this pointer by its BTF type, so plain loads through it are
            allowed; set on a probe's BTF-typed arguments, derived by the pass kernel_reads.
    """

    space: Space
    pointee: int = 0
    trusted: bool = False

    def __str__(self) -> str:
        of = f" {self.pointee}" if self.pointee else ""
        return f"ptr<{self.space.value}{of}{' trusted' if self.trusted else ''}>"


IrType = IntType | PtrType

BOOL = IntType(1, signed=False)
U8 = IntType(8, signed=False)
U16 = IntType(16, signed=False)
U32 = IntType(32, signed=False)
U64 = IntType(64, signed=False)
I8 = IntType(8, signed=True)
I16 = IntType(16, signed=True)
I32 = IntType(32, signed=True)
I64 = IntType(64, signed=True)


class Reg(msgspec.Struct, frozen=True):
    """A value made once, by one op; numbers are unique inside a function."""

    id: int
    type: IrType

    def __str__(self) -> str:
        return f"%{self.id}"


class Const(msgspec.Struct, frozen=True):
    """An integer constant; ``value`` is inside the type's range. A pointer's only one is 0."""

    value: int
    type: IrType

    def __str__(self) -> str:
        return f"{self.value}:{self.type}"


Value = Reg | Const


class Slot(msgspec.Struct, frozen=True):
    """Room for a local: a scalar (``size`` is 8 or less) or a byte buffer.

    Attributes:
        type: The scalar's type; None for a buffer.
        size: In bytes.
        kept: Lives across the yield of a call probe (the pass calls keeps it per task).
    """

    id: int
    name: str
    type: IrType | None
    size: int
    kept: bool = False

    def __str__(self) -> str:
        return f"${self.id}.{self.name}"
