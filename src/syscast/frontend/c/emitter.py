"""Makes the ops of one function: registers, slots, blocks, and findings at the node that is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import msgspec

from syscast.frontend.c.rejected import Rejected
from syscast.frontend.c.values import Place
from syscast.ir import ops
from syscast.ir.builder import Builder
from syscast.ir.types import BOOL, I64, Const, IntType, PtrType, Space

if TYPE_CHECKING:
    from pycparser import c_ast

    from syscast.diagnostics import Diagnostic, Span
    from syscast.frontend.c.types import CType
    from syscast.frontend.c.unitfacts import UnitFacts
    from syscast.ir.types import IrType, Reg, Slot, Value

ANY = PtrType(Space.ANY)
"""Every C pointer."""


def wrapped(value: int, type_: IntType) -> Const:
    """A constant, its upper bits cut off as the machine does."""
    value &= (1 << type_.bits) - 1
    if type_.signed and value >> (type_.bits - 1):
        value -= 1 << type_.bits
    return Const(value, type_)


class Emitter:
    """Builds one IR function.

    Attributes:
        unit: What the text declares, and where its nodes stand.
        builder: Takes the ops; another one while something is lowered only to learn its type.
        node: What is being lowered: ops and findings get its place.
        emitted: How many ops were made, those that were thrown away too.
    """

    def __init__(self, unit: UnitFacts) -> None:
        self.unit = unit
        self.builder: Builder = Builder()
        self.node: c_ast.Node | None = None
        self.emitted: int = 0

    # ------------------------------------------------------------ ops

    def span(self, node: c_ast.Node | None = None) -> Span | None:
        """Where a node stands in the user's text; without one, what is being lowered."""
        node = self.node if node is None else node
        return None if node is None else self.unit.span(node)

    def emit(self, op: ops.Op) -> None:
        """Append an op, at the place of the node that is being lowered."""
        if op.span is None:
            op = msgspec.structs.replace(op, span=self.span())
        self.emitted += 1
        if self.builder.terminated:  # behind a return, break, continue or goto
            self.builder.start(self.builder.label("unreachable"))
        self.builder.add(op)

    def reg(self, type_: IrType) -> Reg:
        """A fresh register."""
        return self.builder.register(type_)

    def label(self, hint: str) -> str:
        """A fresh label."""
        return self.builder.label(hint)

    def start(self, label: str) -> None:
        """Begin a block; one that is open jumps to it."""
        if not self.builder.terminated:
            self.emit(ops.Jump(label))
        self.builder.start(label)

    def jump(self, label: str, *, unroll: bool = False) -> None:
        """End the block; ``unroll`` as in `syscast.ir.ops.Jump`."""
        if not self.builder.terminated:
            self.emit(ops.Jump(label, unroll))

    def branch(self, cond: Value, then: str, other: str) -> None:
        """End the block by a bool."""
        if isinstance(cond, Const):
            self.jump(then if cond.value else other)
        else:
            self.emit(ops.Branch(cond, then, other))

    def convert_to(self, value: Value, type_: IrType) -> Value:
        """The value in another IR type, C's way; constants stay constants where they can."""
        if value.type == type_:
            return value
        if isinstance(value, Const) and not isinstance(type_, PtrType):
            return wrapped(value.value, type_)
        if isinstance(value, Const) and value.value == 0:
            return Const(0, type_)
        result = self.reg(type_)
        self.emit(ops.Convert(result, value))
        return result

    def compare(self, pred: ops.Predicate, a: Value, b: Value) -> Value:
        """``a pred b`` as a bool."""
        result = self.reg(BOOL)
        self.emit(ops.Compare(result, pred, a, b))
        return result

    def select(self, cond: Value, a: Value, b: Value) -> Value:
        """``cond ? a : b`` of two values of one type."""
        if isinstance(cond, Const):
            return a if cond.value else b
        result = self.reg(a.type)
        self.emit(ops.Select(result, cond, a, b))
        return result

    def at(self, ptr: Value, delta: Value | int) -> Value:
        """``ptr`` moved by a number of bytes."""
        if isinstance(delta, int):
            if not delta:
                return ptr
            delta = Const(delta, I64)
        result = self.reg(ANY)
        self.emit(ops.Offset(result, ptr, delta))
        return result

    def slot_address(self, slot: Slot) -> Value:
        """The address of a slot."""
        result = self.reg(ANY)
        self.emit(ops.SlotAddr(result, slot))
        return result

    def buffer(self, ctype: CType, name: str) -> Place:
        """A fresh buffer of this program, its content undefined."""
        return self.room(ctype, ctype.size, name)

    def room(self, ctype: CType, size: int, name: str) -> Place:
        """A fresh buffer of a size, seen as a type."""
        slot = self.builder.slot(name, None, size)
        return Place(ctype, ptr=self.slot_address(slot), own=True)

    # ------------------------------------------------------------ findings

    def diagnostic(self, node: c_ast.Node | None, message: str, hint: str = "") -> Diagnostic:
        """A finding at a node."""
        return self.unit.diagnostic(self.node if node is None else node, message, hint)

    def error(self, node: c_ast.Node | None, message: str, hint: str = "") -> NoReturn:
        """Give up the statement: the text is wrong here.

        Raises:
            Rejected: Always.
        """
        raise Rejected(self.diagnostic(node, message, hint))

    def warn(self, node: c_ast.Node | None, message: str, hint: str = "") -> None:
        """Tell the user something that does not stop the compilation."""
        self.unit.warn(self.diagnostic(node, message, hint))
