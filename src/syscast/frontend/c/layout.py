"""Where the members of a struct or union lie, by the rules of the SysV and AAPCS64 ABIs, as gcc applies them.

Bit fields: a field goes right behind the one before it unless it would cross a boundary of its
declared type's size more often than that type is wide; then it starts at the next such boundary.
``int : 0`` moves to the next boundary. ``packed`` lets members lie at any byte and bit fields at
any bit, and so does ``#pragma pack(n)``, whatever n is. Both machines differ in one thing: on AAPCS64 an unnamed field aligns the record too, ``: 0``
even in a packed one, while SysV leaves the record's alignment to named ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from syscast.frontend.c.types import Array, Member, Record, TypeProblem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syscast.frontend.c.types import Body, CType

_LARGEST = 1 << 32


@dataclass(frozen=True, slots=True)
class Field:
    """A member as it is declared.

    Attributes:
        name: "" for an anonymous record and for unnamed bits.
        width: Of a bit field in bits, 0 for ``: 0``; None for an ordinary member.
        aligned: Of ``__attribute__((aligned(n)))``, in bytes; 0 without.
        packed: ``__attribute__((packed))`` of the member itself.
    """

    name: str
    type: CType
    width: int | None = None
    aligned: int = 0
    packed: bool = False


class _Layout:
    """Goes over the fields in order."""

    def __init__(self, kind: str, arch: str, *, packed: bool, most: int) -> None:
        self.union = kind == "union"
        self.packed = packed
        self.most = most or _LARGEST
        self.unnamed_aligns = arch == "aarch64"
        self.bits = 0
        self.widest = 0
        self.align = 1
        self.members: list[Member] = []

    def add(self, field: Field) -> None:
        start = 0 if self.union else self.bits
        if field.width is None:
            self._ordinary(field, start)
        elif field.width == 0:
            self._zero_width(field, start)
        else:
            self._bit_field(field, field.width, start)
        if self.union:
            self.widest = max(self.widest, self.bits)
            self.bits = 0

    def _ordinary(self, field: Field, start: int) -> None:
        ctype = field.type
        align = 1 if self.packed or field.packed else ctype.align
        align = min(max(align, field.aligned), self.most)
        self.align = max(self.align, align)
        size = 0 if isinstance(ctype, Array) and ctype.count is None else ctype.size
        at = _up(start, 8 * align)
        self.members.append(Member(field.name, ctype, at))
        self.bits = at + 8 * size

    def _bit_field(self, field: Field, width: int, start: int) -> None:
        unit = 8 * field.type.size
        bounded = self.most < _LARGEST
        packed = (self.packed or field.packed) and not bounded
        align = 8 if packed else 8 * min(field.type.align, self.most)
        aligned = min(field.aligned, self.most)
        if aligned:
            align = max(align, 8 * aligned)
            start = _up(start, 8 * aligned)
        if not packed and not bounded and start // align * align + unit < start + width:
            start = _up(start, align)
        self.members.append(Member(field.name, field.type, start, width))
        self.bits = start + width
        if field.name or self.unnamed_aligns:
            self.align = max(self.align, align // 8)

    def _zero_width(self, field: Field, start: int) -> None:
        self.bits = _up(start, 8 * max(field.type.align, field.aligned))
        if self.unnamed_aligns:
            self.align = max(self.align, min(field.type.align, self.most))


def lay_out(
    body: Body,
    fields: Iterable[Field],
    arch: str,
    *,
    packed: bool = False,
    aligned: int = 0,
    most: int = 0,
) -> None:
    """Define a record by its fields in order.

    Args:
        body: What becomes complete.
        fields: As declared.
        arch: ``x86_64`` or ``aarch64``.
        packed: The record's own ``packed``.
        aligned: The record's own ``aligned(n)``; 0 without.
        most: What ``#pragma pack(n)`` bounds the alignment of members by; 0 without.

    Raises:
        TypeProblem: A member's type is incomplete, or the record is too large.
    """
    layout = _Layout(body.kind, arch, packed=packed, most=most)
    for field in fields:
        _check(field)
        layout.add(field)
    align = max(layout.align, aligned)
    bits = layout.widest if layout.union else layout.bits
    size = _up((bits + 7) // 8, align)
    if size >= _LARGEST:
        raise TypeProblem(f"'{body.kind} {body.tag}' is larger than 4 GiB")
    body.packed = packed
    body.define(tuple(layout.members), size, align)


def _check(field: Field) -> None:
    ctype = field.type
    while isinstance(ctype, Array):
        ctype = ctype.of
    if isinstance(ctype, Record):
        ctype.body.layout()
    elif not ctype.complete and ctype.spelling == "void":
        raise TypeProblem(f"member '{field.name}' cannot be void")


def _up(value: int, align: int) -> int:
    return (value + align - 1) // align * align
