"""What an expression of the probe language is worth while it is lowered."""

from __future__ import annotations

import msgspec

from syscast.ir.intervals import Interval, of_type
from syscast.ir.types import BOOL, I64, U64, Const, IntType, Space, Value
from syscast.spec.meta import SchemaMeta


class IntValue(msgspec.Struct, frozen=True):
    """An integer of machine kind I64 or U64.

    Attributes:
        natural: The type it was read as, for anonymous events' fields.
        enum: BTF id of the enum it came from, 0 if none.
        network: It was stored in network order (``__be32``); the value is in host order.
        name: What it was read from, for messages and field kinds.
        known: Where it is known to lie, low and high inclusive; None for all of its kind.
        mixed: In Python it may be a bool, whose text is another.
    """

    value: Value
    natural: IntType
    enum: int = 0
    network: bool = False
    name: str = ""
    known: Interval | None = None
    mixed: bool = False

    @property
    def kind(self) -> IntType:
        """I64 or U64."""
        return U64 if self.value.type == U64 else I64

    @property
    def interval(self) -> Interval:
        """Where the value lies, low and high inclusive."""
        if isinstance(self.value, Const):
            return self.value.value, self.value.value
        return self.known or of_type(self.kind)


def plain(value: IntValue) -> IntValue:
    """As an int, whatever it was in Python: of ``int(x)``, ``+x``, ``x ** 1``."""
    return msgspec.structs.replace(value, mixed=False) if value.mixed else value


class BoolValue(msgspec.Struct, frozen=True):
    """A truth value."""

    value: Value


class PtrValue(msgspec.Struct, frozen=True):
    """A pointer into kernel or user memory.

    Attributes:
        pointee: BTF id of what it points to, as declared (0: void or unknown).
        array: It points to this many bytes of character data (tracepoint arrays), 0 if unknown.
        text: It points to a NUL-terminated string, whatever its C type.
    """

    value: Value
    pointee: int
    space: Space
    array: int = 0
    text: bool = False


class PlaceValue(msgspec.Struct, frozen=True):
    """A struct, union or array inside a struct: a place, not yet a value.

    Attributes:
        base: Pointer to the root struct.
        root: BTF id of the root struct.
        path: Member path from the root, see ir.ops.FieldRef.
        type_id: BTF type of the place.
    """

    base: Value
    space: Space
    root: int
    path: tuple[int, ...]
    bit_offset: int
    type_id: int
    name: str


class StrValue(msgspec.Struct, frozen=True):
    """A string in a buffer of this program.

    Attributes:
        address: Pointer to the buffer.
        size: Capacity in bytes, the NUL included; the rest is zero.
    """

    address: Value
    size: int


class PyValue(msgspec.Struct, frozen=True):
    """A Python object known when compiling: a constant, a class, a function of the language."""

    value: object


class EventValue(msgspec.Struct, frozen=True):
    """An event about to be sent: schema id and its lowered fields in order; see StructValue."""

    schema: int
    fields: tuple[tuple[str, Value], ...]
    origin: str = ""


class TupleValue(msgspec.Struct, frozen=True):
    """A tuple written in place: only taken apart, or used whole where one is expected."""

    items: tuple[Lowered, ...]


class StructValue(msgspec.Struct, frozen=True):
    """A struct about to become a map's key or value: its class and its lowered fields in order.

    Attributes:
        cls: Its class.
        fields: Their names and values.
        origin: The expression it was copied from where that is in a map, for messages.
    """

    cls: type
    fields: tuple[tuple[str, Value], ...]
    origin: str = ""


class ElementValue(msgspec.Struct, frozen=True):
    """``m[k]`` of ``m[k].a``: a struct in a map of ``state``, read and written where it is.

    Only `Lowering.in_place` gives one. Everything else gets a copy: the map may change next.
    """

    pointer: Value
    state: object


class ItemValue(msgspec.Struct, frozen=True):
    """``hist[k]``: one key of an aggregation, about to be added to."""

    state: object
    key: Lowered
    node: object


class MethodValue(msgspec.Struct, frozen=True):
    """A method about to be called: ``text.startswith``."""

    receiver: Lowered
    name: str


class RecordValue(msgspec.Struct, frozen=True):
    """An event that is complete but not sent yet, as a filter sees it."""

    event: EventValue
    schema: SchemaMeta


Lowered = (
    IntValue
    | BoolValue
    | PtrValue
    | PlaceValue
    | StrValue
    | PyValue
    | EventValue
    | TupleValue
    | MethodValue
    | RecordValue
    | StructValue
    | ElementValue
    | ItemValue
)

_I64_MIN, _I64_END, _U64_END = -(1 << 63), 1 << 63, 1 << 64


def constant(value: int) -> IntValue | None:
    """A Python integer as a constant; None when it fits neither machine kind."""
    if _I64_MIN <= value < _I64_END:
        return IntValue(Const(value, I64), I64)
    if _I64_END <= value < _U64_END:
        return IntValue(Const(value, U64), U64)
    return None


def boolean(value: bool) -> BoolValue:  # noqa: FBT001  (the value is the boolean)
    """A Python truth value as a constant."""
    return BoolValue(Const(int(value), BOOL))
