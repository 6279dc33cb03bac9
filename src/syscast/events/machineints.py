"""The machine's integers by name: annotations of fields, and casts that check the range.

Type checkers take each for ``int``: a field annotated ``u16`` takes and gives any int, and
``u16(x)`` is an int. At run time each is a class of its own, so that an annotation can be told
from another, and calling it gives a plain int or OverflowError.
"""

# ruff: noqa: N801, PYI042 - u8 and the like are the names of the machine's types

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, ClassVar, TypeAlias


class MachineInt(int):
    """Base of the classes; never instantiated, since a cast gives a plain int.

    Attributes:
        bits: Width.
        signed: Two's complement.
    """

    bits: ClassVar[int] = 64
    signed: ClassVar[bool] = True

    def __new__(cls, value: object) -> int:  # type: ignore[misc]
        """Give the value as an int.

        Raises:
            OverflowError: The value does not fit.
            TypeError: It is no integer.
        """
        number = index(value)  # type: ignore[arg-type]  # raises TypeError itself
        low = -(1 << (cls.bits - 1)) if cls.signed else 0
        if not low <= number < low + (1 << cls.bits):
            raise OverflowError(f"{number} does not fit {cls.__name__}")
        return number


if TYPE_CHECKING:
    u8: TypeAlias = int
    u16: TypeAlias = int
    u32: TypeAlias = int
    u64: TypeAlias = int
    i8: TypeAlias = int
    i16: TypeAlias = int
    i32: TypeAlias = int
    i64: TypeAlias = int
else:

    class u8(MachineInt):
        """An integer of 0 to 255."""

        bits, signed = 8, False

    class u16(MachineInt):
        """An integer of 0 to 65535."""

        bits, signed = 16, False

    class u32(MachineInt):
        """An integer of 0 to 2**32 - 1."""

        bits, signed = 32, False

    class u64(MachineInt):
        """An integer of 0 to 2**64 - 1."""

        bits, signed = 64, False

    class i8(MachineInt):
        """An integer of -128 to 127."""

        bits, signed = 8, True

    class i16(MachineInt):
        """An integer of -32768 to 32767."""

        bits, signed = 16, True

    class i32(MachineInt):
        """An integer of -2**31 to 2**31 - 1."""

        bits, signed = 32, True

    class i64(MachineInt):
        """An integer of -2**63 to 2**63 - 1."""

        bits, signed = 64, True
