"""What C expressions come to: values, and places that hold values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syscast.frontend.c.types import BitField, CType
    from syscast.ir.types import Slot, Value


@dataclass(frozen=True, slots=True)
class CValue:
    """An rvalue.

    Attributes:
        ctype: Its type; never an array or a function.
        value: Of an integer type the register or constant of its width, ``_Bool`` being a U8 of 0
            or 1; of a pointer a ``ptr<any>``; of a struct, union or 128-bit integer the address of
            memory that holds it, which is read where the value is used; None for ``void``.
    """

    ctype: CType
    value: Value | None

    @property
    def made(self) -> Value:
        """The IR value of what is not void."""
        assert self.value is not None
        return self.value


@dataclass(frozen=True, slots=True)
class Place:
    """An lvalue: a scalar slot, or memory at ``ptr + offset``.

    Attributes:
        ctype: Type of what it holds.
        slot: A scalar local whose address nobody takes; then there is no `ptr`.
        ptr: A ``ptr<any>``.
        offset: In bytes.
        own: The memory is a buffer of this program, so that plain loads are right.
        bits: Of a bit field: where it is, from ``ptr + offset`` on.
        packet: A member of a struct marked ``deprecated("packet")``: read and written by bcc's
            packet functions, `ptr` being the cursor.
        constant: Declared const.
    """

    ctype: CType
    slot: Slot | None = None
    ptr: Value | None = None
    offset: int = 0
    own: bool = False
    bits: BitField | None = None
    packet: bool = False
    constant: bool = False


Operand = CValue | Place
"""What an expression comes to before a place is read or an array decays to its address."""
