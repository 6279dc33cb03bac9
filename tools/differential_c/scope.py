"""What a generated program has declared so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

INTS = (
    *("u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64", "bool", "char", "short", "int"),
    *("unsigned int", "long", "unsigned long", "long long", "unsigned char", "unsigned short"),
)
IN_MEMORY = tuple(each for each in INTS if each != "bool")
"""Types of what may be written byte by byte; of a bool, only 0 and 1 mean something."""
FIELDS = ("u8", "u16", "u32", "s8", "s16", "s32", "int", "unsigned int")


@dataclass(frozen=True)
class Member:
    """A struct's member: an integer (of ``bits`` bits if that is not 0), an array of ``count``, or a struct."""

    name: str
    type: str
    bits: int = 0
    count: int = 0
    struct: Struct | None = None

    def declaration(self) -> str:
        """As C."""
        bits = f" : {self.bits}" if self.bits else ""
        count = f"[{self.count}]" if self.count else ""
        return f"{self.type} {self.name}{count}{bits};"


@dataclass(frozen=True)
class Struct:
    """A struct or union type."""

    name: str
    members: tuple[Member, ...]

    def declaration(self) -> str:
        """As C."""
        return f"{self.name} {{ {' '.join(each.declaration() for each in self.members)} }};"


@dataclass
class Scope:
    """Names that a statement may use.

    Attributes:
        ints: Variables by name, with their types.
        frozen: Of these, the ones that must not be assigned (loop counters).
        arrays: Name to element type and count, a power of two.
        structs: Name to type.
        pointers: Name to the type pointed to, and how many elements there are.
        views: Name to struct type, for pointers to structs.
        sides: Variables that only side effects inside of expressions touch.
    """

    ints: dict[str, str] = field(default_factory=dict)
    frozen: set[str] = field(default_factory=set)
    arrays: dict[str, tuple[str, int]] = field(default_factory=dict)
    structs: dict[str, Struct] = field(default_factory=dict)
    pointers: dict[str, tuple[str, int]] = field(default_factory=dict)
    views: dict[str, Struct] = field(default_factory=dict)
    sides: list[str] = field(default_factory=list)

    def inner(self) -> Scope:
        """For a block inside."""
        return Scope(
            dict(self.ints),
            set(self.frozen),
            dict(self.arrays),
            dict(self.structs),
            dict(self.pointers),
            dict(self.views),
            list(self.sides),
        )


def pick(rng: random.Random, found: dict[str, object]) -> str:
    """One of the names."""
    return rng.choice(list(found))
