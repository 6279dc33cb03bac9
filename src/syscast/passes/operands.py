"""The operands of one Checked op while it is lowered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.errors import InternalError
from syscast.ir.intervals import fits, of_type
from syscast.ir.ops import BinaryOp, CheckedOp, Predicate
from syscast.ir.types import BOOL, I64, U64, Const

if TYPE_CHECKING:
    from syscast.ir.intervals import Interval
    from syscast.ir.ops import Checked
    from syscast.ir.types import IntType, Reg, Value
    from syscast.passes.editor import Editor

I64_RANGE = of_type(I64)
U64_RANGE = of_type(U64)


class Operands:
    """Both operands with their ranges, as 64-bit patterns of the result's type.

    Attributes:
        a, b: Of the result's type; a negative number in a U64 is its bit pattern.
        a_range, b_range: What the numbers can be, whatever the type.
        signed: Whether the result is I64.
    """

    def __init__(
        self, editor: Editor, checked: Checked, a_range: Interval, b_range: Interval
    ) -> None:
        self.editor = editor
        self.op: CheckedOp = checked.op
        self.result: Reg = checked.result
        self.site: int = checked.site
        self.a_range: Interval = a_range
        self.b_range: Interval = b_range
        self.signed: bool = checked.result.type == I64
        self.a: Value = self._pattern(checked.a)
        self.b: Value = self._pattern(checked.b)
        # A shift's count has a type of its own.
        counts = checked.op in {CheckedOp.LSHIFT, CheckedOp.RSHIFT}
        # From a constant, -x and ~x give an I64 of a u64, too.
        negates = checked.op is CheckedOp.SUB and isinstance(checked.a, Const)
        known = (a_range,) if counts or negates else (a_range, b_range)
        if self.signed and not all(fits(each, I64_RANGE) for each in known):
            raise InternalError(f"checked {self.op.value}: a u64 operand with an i64 result")
        if not self.signed and all(each[0] < 0 for each in (a_range, b_range)):
            raise InternalError(f"checked {self.op.value}: two i64 operands with a u64 result")

    @property
    def type(self) -> IntType:
        """The result's."""
        return I64 if self.signed else U64

    @property
    def range(self) -> Interval:
        """The result's."""
        return I64_RANGE if self.signed else U64_RANGE

    @property
    def b_constant(self) -> int | None:
        """The number of b, if it is known."""
        return self.b_range[0] if self.b_range[0] == self.b_range[1] else None

    def swapped(self) -> Operands:
        """The same with a and b exchanged."""
        new = object.__new__(Operands)
        new.editor, new.op, new.result, new.site = self.editor, self.op, self.result, self.site
        new.signed = self.signed
        new.a, new.b, new.a_range, new.b_range = self.b, self.a, self.b_range, self.a_range
        return new

    def give(self, op: BinaryOp, a: Value, b: Value | int) -> None:
        """The result is a machine operation."""
        self.editor.binary(op, a, b, into=self.result)

    def give_value(self, value: Value | int) -> None:
        """The result is a value."""
        self.editor.convert(self.editor.constant(value, self.type), self.type, into=self.result)

    def overflow_if(self, cond: Value) -> None:
        """Raise OverflowError if ``cond``."""
        self.raise_if(cond, "OverflowError")

    def raise_if(self, cond: Value, exception: str) -> None:
        """Raise an exception at the op's place if ``cond``."""
        self.editor.raise_if(cond, self.editor.sites.kind(self.site, exception))

    def negative(self, value: Value) -> Value:
        """Whether a pattern is that of a negative number."""
        return self.editor.compare(Predicate.SLT, self.editor.convert(value, I64), 0)

    def a_negative(self) -> Value:
        """Whether a is negative, from its range where that tells."""
        return self._negative(self.a, self.a_range)

    def b_negative(self) -> Value:
        """Whether b is negative, from its range where that tells."""
        return self._negative(self.b, self.b_range)

    def either(self, a: Value, b: Value) -> Value:
        """``a or b`` of two bools."""
        return self.editor.binary(BinaryOp.OR, a, b)

    def both(self, a: Value, b: Value) -> Value:
        """``a and b`` of two bools."""
        return self.editor.binary(BinaryOp.AND, a, b)

    def _negative(self, value: Value, interval: Interval) -> Value:
        if interval[0] >= 0:
            return Const(0, BOOL)
        if interval[1] < 0:
            return Const(1, BOOL)
        return self.negative(value)

    def _pattern(self, value: Value) -> Value:
        if isinstance(value, Const):
            return self.editor.constant(value.value, self.type)
        return self.editor.convert(value, self.type)
