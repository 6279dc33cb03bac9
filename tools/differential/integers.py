"""Integers of the language's two machine kinds: the exact result, or OverflowError where it does not fit.

The rules are section 5 of the design, written again and not taken from the compiler: `+ - * // %` and the bit operators give U64
where an operand is U64, a shift has its left operand's kind, a negation is I64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

I64_MIN, I64_MAX, U64_MAX = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1
_WIDTH = 64


class Machine(int):
    """An integer of one of the machine kinds."""

    __slots__ = ()
    low = 0
    high = 0

    @classmethod
    def fitted(cls, value: int) -> Self:
        """The value in this kind, or OverflowError."""
        if cls.low <= value <= cls.high:
            return cls(value)
        raise OverflowError(f"{int(value)} does not fit {cls.__name__}")

    def __neg__(self) -> int:
        return I64.fitted(-int(self))

    def __invert__(self) -> int:
        return I64.fitted(~int(self))

    def __pos__(self) -> int:
        return self

    def __abs__(self) -> int:
        return type(self).fitted(abs(int(self)))

    def __pow__(self, exponent: int, modulus: int | None = None) -> int:  # type: ignore[override]
        assert modulus is None
        return type(self).fitted(int(self) ** int(exponent))

    def __divmod__(self, other: int) -> tuple[int, int]:
        return self // other, self % other

    def __rdivmod__(self, other: int) -> tuple[int, int]:
        return other // self, other % self

    def __lshift__(self, count: int) -> int:
        return _shifted_left(type(self), int(self), int(count))

    def __rlshift__(self, value: int) -> int:
        return _shifted_left(kind_of(value), value, int(self))

    def __rshift__(self, count: int) -> int:
        return type(self).fitted(int(self) >> int(count))

    def __rrshift__(self, value: int) -> int:
        return kind_of(value).fitted(value >> int(self))


class I64(Machine):
    """A signed machine integer."""

    __slots__ = ()
    low, high = I64_MIN, I64_MAX


class U64(Machine):
    """An unsigned machine integer."""

    __slots__ = ()
    low, high = 0, U64_MAX


def kind_of(value: int) -> type[Machine]:
    """The kind of a value, which for a plain number goes by its size."""
    return U64 if type(value) is U64 or value > I64_MAX else I64


def _shifted_left(kind: type[Machine], value: int, count: int) -> Machine:
    if count < 0:
        raise ValueError("negative shift count")
    if count >= _WIDTH:  # Python's answer, without a number of 2 ** 63 bits
        return kind.fitted(0 if value == 0 else 1 << _WIDTH)
    return kind.fitted(value << count)


def _install(name: str) -> None:
    exact: Callable[[int, int], int] = getattr(int, f"__{name}__")

    def forward(self: Machine, other: int) -> int:
        wide = type(self) is U64 or type(other) is U64 or other > I64_MAX
        return (U64 if wide else I64).fitted(exact(self, other))

    def reflected(self: Machine, other: int) -> int:
        wide = type(self) is U64 or other > I64_MAX
        return (U64 if wide else I64).fitted(exact(other, self))

    setattr(Machine, f"__{name}__", forward)
    setattr(Machine, f"__r{name}__", reflected)


for _name in ("add", "sub", "mul", "floordiv", "mod", "and", "or", "xor"):
    _install(_name)
