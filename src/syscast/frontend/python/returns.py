"""Where the values of ``return`` go: out of the probe, into emit(), nowhere, or into an expression.

A function that is called is lowered in place of the call. Each of its returns gives its value to
one object of this module, which ends the block there; the call's value is what they have in common.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import msgspec

from syscast.frontend.python.arithmetic import as_kind
from syscast.frontend.python.eventing import as_text, send
from syscast.frontend.python.values import (
    BoolValue,
    EventValue,
    IntValue,
    Lowered,
    PlaceValue,
    PtrValue,
    PyValue,
    StructValue,
    StrValue,
    TupleValue,
)
from syscast.ir.intervals import join
from syscast.ir.ops import Convert, CopyBytes, Fill, Finish, SlotAddr, SlotLoad, SlotStore
from syscast.ir.types import BOOL, I64, U64, Const, PtrType, Space

if TYPE_CHECKING:
    from syscast.frontend.python.context import Lowering
    from syscast.ir.builder import Mark
    from syscast.ir.intervals import Interval
    from syscast.ir.types import IrType, Slot, Value

_Scalar = IntValue | BoolValue | PtrValue | PlaceValue


class OfProbe:
    """The probe's own returns: an event is sent, and the run ends."""

    direct = False

    def give(self, low: Lowering, node: ast.AST, value: Lowered) -> None:
        """Send an event, or none for None."""
        if isinstance(value, EventValue):
            send(low, node, value)
        elif not _is_none(value):
            raise low.rejection(
                node,
                f"a probe returns an event or None, this is {low.describe(value)}",
                "return SomeEvent(...)",
            )
        low.add(Finish(span=low.span(node)))


class Sent:
    """The argument of ``emit()``.

    Attributes:
        end: Label of the block behind the statement.
    """

    direct = False

    def __init__(self, low: Lowering) -> None:
        self.end: str = low.builder.label("emitted")

    def send(self, low: Lowering, node: ast.AST, value: Lowered) -> None:
        """Send an event."""
        if not isinstance(value, EventValue):
            raise low.rejection(
                node,
                f"emit() takes an event, this is {low.describe(value)}",
                "write the event in place: emit(SomeEvent(field=...))",
            )
        send(low, node, value)

    def give(self, low: Lowering, node: ast.AST, value: Lowered) -> None:
        """Send an event and go on behind the statement."""
        self.send(low, node, value)
        low.jump(self.end)


class Unused:
    """The value of a statement that is nothing but an expression.

    Attributes:
        end: Label of the block behind the statement.
    """

    direct = False

    def __init__(self, low: Lowering) -> None:
        self.end: str = low.builder.label("next")

    def drop(self, low: Lowering, node: ast.AST, value: Lowered) -> None:
        """Drop a value; an event is no value to be dropped."""
        if isinstance(value, EventValue):
            raise low.rejection(node, "this event goes nowhere", "return it, or emit() it")

    def give(self, low: Lowering, node: ast.AST, value: Lowered) -> None:
        """Drop a value and go on behind the statement."""
        self.drop(low, node, value)
        low.jump(self.end)


class OnlyReturn:
    """The one return at a function's end: its value is the call's, whatever it is."""

    direct = True

    def __init__(self) -> None:
        self.value: Lowered = PyValue(None)

    def give(self, low: Lowering, node: ast.AST, value: Lowered) -> None:
        """Keep the value."""
        del low, node
        self.value = value


class Returned:
    """Several returns: their values meet in slots.

    Attributes:
        end: Label of the block behind the call.
    """

    direct = False

    def __init__(self, low: Lowering, name: str) -> None:
        self.end: str = low.builder.label("returned")
        low.joins += 1
        self._joined = _Joined(name, f"({low.context.section} {low.joins})", low.builder.mark())

    def give(self, low: Lowering, node: ast.AST, value: Lowered) -> None:
        """Store the value and leave."""
        self._joined.store(low, node, value)
        low.jump(self.end)

    def load(self, low: Lowering, node: ast.AST) -> Lowered:
        """The value behind the call."""
        return self._joined.load(low, node)


class _Joined:
    """One value out of several returns, or one item of a tuple.

    What the first return gives decides the slot; where a later one needs it wider, that is noted
    in ``low.wide`` under a name of this join, and the whole probe is lowered again.
    """

    def __init__(self, name: str, key: str, mark: Mark) -> None:
        self._name = name
        self._key = key
        self._mark = mark
        self._slot: Slot | None = None
        self._shape: Lowered | None = None
        self._items: tuple[_Joined, ...] = ()
        self._range: Interval | None = None
        self._mixed = False

    def store(self, low: Lowering, node: ast.AST, value: Lowered) -> None:
        """Take the value of one return."""
        anchor = _expression_at(node)
        value = low.known(anchor, value)
        shape = self._shape
        if _is_none(value) and isinstance(shape, PtrValue):
            return  # the slot holds NULL from the start
        if shape is not None and _is_none(shape) and isinstance(value, PtrValue):
            self._shape = shape = None
        if isinstance(shape, IntValue | BoolValue) and isinstance(value, IntValue | BoolValue):
            value = self._same_kind(low, anchor, shape, value)
        elif _is_text(value) and (shape is None or isinstance(shape, StrValue)):
            self._store_text(low, anchor, value)
            return
        if shape is None:
            value = self._begin(low, anchor, value)
            self._shape = value
        elif not _alike(shape, value):
            raise low.rejection(
                node,
                f"{self._name}() gives {low.describe(value)} here, {low.describe(shape)} elsewhere",
                "return one sort of value on every path",
            )
        if isinstance(value, TupleValue):
            for part, item in zip(self._items, value.items, strict=True):
                part.store(low, node, item)
        elif isinstance(value, _Scalar):
            self._store_scalar(low, anchor, value)

    def _begin(self, low: Lowering, node: ast.expr, value: Lowered) -> Lowered:
        """Make room for the first value."""
        if isinstance(value, EventValue):
            raise low.rejection(
                node,
                f"{self._name}() returns events, and its call stands inside an expression",
                f"`return {self._name}(...)` or `emit({self._name}(...))`",
            )
        if isinstance(value, StructValue):
            raise low.rejection(
                node,
                f"{self._name}() returns a struct, and has more than one return",
                "keep the struct in a variable and return that once, at the end",
            )
        if isinstance(value, TupleValue):
            self._items = tuple(
                _Joined(self._name, f"{self._key}.{number}", self._mark)
                for number in range(len(value.items))
            )
        if isinstance(value, BoolValue) and f"{self._key} int" in low.wide:
            value = low.integer(node, value)
            self._mixed = True
        if isinstance(value, _Scalar):
            type_: IrType = _register(value).type
            if isinstance(value, IntValue) and self._key in low.wide:
                type_ = U64
            self._slot = low.builder.slot("returned", type_, 1 if type_ == BOOL else 8)
            if isinstance(value, PtrValue):
                low.builder.insert(self._mark, SlotStore(self._slot, Const(0, type_)))
        return value

    def _same_kind(
        self,
        low: Lowering,
        node: ast.expr,
        shape: IntValue | BoolValue,
        value: IntValue | BoolValue,
    ) -> IntValue | BoolValue:
        """Bools stay bools; a bool among integers is one, as in Python."""
        if isinstance(shape, BoolValue) and isinstance(value, IntValue):
            self._mixed = True
            low.wide.add(f"{self._key} int")  # the next attempt begins with an integer
            return BoolValue(low.truth(node, value))
        self._mixed |= isinstance(shape, IntValue) and isinstance(value, BoolValue)
        return low.integer(node, value) if isinstance(shape, IntValue) else value

    def _store_scalar(self, low: Lowering, node: ast.expr, value: _Scalar) -> None:
        assert self._slot is not None
        type_ = self._slot.type
        stored = _register(value)
        if isinstance(value, IntValue):
            self._range = join(self._range or value.interval, value.interval)
            self._mixed |= value.mixed
            if stored.type != type_:
                if stored.type == U64:
                    low.wide.add(self._key)
                stored = as_kind(low, node, stored, type_ == U64)
            if isinstance(self._shape, IntValue) and self._shape.natural != value.natural:
                self._shape = IntValue(self._shape.value, U64 if type_ == U64 else I64)
        elif stored.type != type_:
            assert isinstance(type_, PtrType)
            viewed = low.reg(type_)
            low.add(Convert(viewed, stored, span=low.span(node)))
            stored = viewed
        low.add(SlotStore(self._slot, stored, span=low.span(node)))

    def _store_text(self, low: Lowering, node: ast.expr, value: Lowered) -> None:
        """Copy a string into a buffer that is as large as the largest one."""
        size = value.size if isinstance(value, StrValue) else _constant_size(value)
        if self._slot is None:
            noted = [
                key.rpartition(" ") for key in low.wide if key.startswith(f"{self._key} size ")
            ]
            room = max([size, *(int(number) for _, _, number in noted)])
            self._slot = low.builder.slot("returned", None, room)
            self._shape = StrValue(Const(0, PtrType(Space.STACK)), room)
        room = self._slot.size
        if size > room:
            low.wide.add(f"{self._key} size {size}")
            return  # lowered again, with more room
        address = low.reg(PtrType(Space.STACK))
        low.add(SlotAddr(address, self._slot))
        text = as_text(low, node, value, size)
        assert text is not None
        span = low.span(node)
        if size < room:
            low.add(Fill(address, room, span=span))
        low.add(CopyBytes(address, text.address, size, span=span))

    def load(self, low: Lowering, node: ast.AST) -> Lowered:
        """The value where the returns meet."""
        slot, shape = self._slot, self._shape
        if isinstance(shape, TupleValue):
            return TupleValue(tuple(item.load(low, node) for item in self._items))
        if slot is None or shape is None:
            return shape or PyValue(None)
        if isinstance(shape, StrValue):
            address = low.reg(PtrType(Space.STACK))
            low.add(SlotAddr(address, slot))
            return StrValue(address, slot.size)
        assert slot.type is not None
        value = low.reg(slot.type)
        low.add(SlotLoad(value, slot, span=low.span(node)))
        found = _described(shape, value, self._range)
        if isinstance(found, IntValue):
            return msgspec.structs.replace(found, mixed=self._mixed)
        return found


def _described(shape: Lowered, value: Value, known: Interval | None) -> Lowered:
    if isinstance(shape, BoolValue):
        return BoolValue(value)
    if isinstance(shape, IntValue):
        return IntValue(value, shape.natural, shape.enum, shape.network, shape.name, known)
    if isinstance(shape, PtrValue):
        return PtrValue(value, shape.pointee, shape.space, shape.array, shape.text)
    assert isinstance(shape, PlaceValue)
    return PlaceValue(
        value, shape.space, shape.root, shape.path, shape.bit_offset, shape.type_id, shape.name
    )


def _register(value: _Scalar) -> Value:
    return value.base if isinstance(value, PlaceValue) else value.value


def _is_none(value: Lowered) -> bool:
    return isinstance(value, PyValue) and value.value is None


def _is_text(value: Lowered) -> bool:
    return isinstance(value, StrValue) or (
        isinstance(value, PyValue) and isinstance(value.value, str | bytes)
    )


def _constant_size(value: Lowered) -> int:
    assert isinstance(value, PyValue)
    held = value.value
    assert isinstance(held, str | bytes)
    return len(held.encode(errors="surrogateescape") if isinstance(held, str) else held) + 1


def _alike(a: Lowered, b: Lowered) -> bool:
    """Whether one slot, or one Python object, serves both values."""
    if isinstance(a, PtrValue) and isinstance(b, PtrValue):
        return (a.pointee, a.space, a.array, a.text) == (b.pointee, b.space, b.array, b.text)
    if isinstance(a, PlaceValue) and isinstance(b, PlaceValue):
        return (a.root, a.path, a.space) == (b.root, b.path, b.space)
    if isinstance(a, PyValue) and isinstance(b, PyValue):
        return a.value is b.value
    if isinstance(a, TupleValue) and isinstance(b, TupleValue):
        return len(a.items) == len(b.items)
    return type(a) is type(b)


def _expression_at(node: ast.AST) -> ast.expr:
    """An expression at the place of any node, for findings."""
    if isinstance(node, ast.expr):
        return node
    return ast.copy_location(ast.Constant(None), node)
