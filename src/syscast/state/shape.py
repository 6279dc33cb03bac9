"""How keys and values stand in a map: from a type of the user's to bytes and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast, get_args, get_origin

from syscast.errors import UsageError
from syscast.events.event import Event, fields_of
from syscast.events.fieldtypes import FieldType, resolve
from syscast.events.schema import layout, payload_struct
from syscast.events.values import KINDS, reader, writer
from syscast.state.structs import Struct, struct_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.events.values import Json, Raw
    from syscast.spec.meta import FieldMeta

U32 = FieldType("int", 4)
U64 = FieldType("int", 8)
I64 = FieldType("int", 8, signed=True)


class Shape:
    """The layout of one key or value.

    Attributes:
        fields: Name, kind, offset and size of each part; names are ``""`` for a single one.
        size: Bytes.
        form: ``one``, ``tuple`` or ``struct``.
        cls: The struct's or event's class.
        types: Of the parts.
    """

    def __init__(
        self,
        parts: Sequence[tuple[str, FieldType]],
        form: str,
        cls: type[Struct | Event] | None = None,
    ) -> None:
        schema = layout(0, "", parts)
        align = max((kind.align for _, kind in parts), default=1)
        used = max((each.offset + each.size for each in schema.fields), default=0)
        self.form = form
        self.cls = cls
        self.types: tuple[FieldType, ...] = tuple(kind for _, kind in parts)
        self.fields: tuple[FieldMeta, ...] = schema.fields
        self.size: int = (used + align - 1) & -align
        self._packer = payload_struct(schema, self.size)
        self._readers = [reader(kind) for kind in self.types]
        self._writers = [writer(kind) for kind in self.types]

    @property
    def parts(self) -> list[tuple[str, FieldType]]:
        """Name and type of each part."""
        return [(field.name, kind) for field, kind in zip(self.fields, self.types, strict=True)]

    # ------------------------------------------------------------ raw values

    def raws(self, value: object) -> list[Raw]:
        """Raw value of each part; raises TypeError, ValueError or OverflowError."""
        return [
            KINDS[kind.kind].encode(kind, each)
            for kind, each in zip(self.types, self._taken_apart(value), strict=True)
        ]

    def _taken_apart(self, value: object) -> Sequence[object]:
        if self.form == "one":
            return (value,)
        if self.cls is not None:
            if not isinstance(value, self.cls):
                raise TypeError(f"{value!r} is not a {self.cls.__name__}")
            return [getattr(value, field.name) for field in self.fields]
        if not isinstance(value, tuple) or len(value) != len(self.types):
            raise TypeError(f"{value!r} is not a tuple of {len(self.types)}")
        return cast("tuple[object, ...]", value)

    def pack(self, raws: Sequence[Raw]) -> bytes:
        """Bytes of raw values; padding is zero."""
        return self._packer.pack(*raws)

    def unpack(self, data: bytes) -> tuple[Raw, ...]:
        """Raw values."""
        return self._packer.unpack(data)

    def value(self, raws: Sequence[Raw]) -> object:
        """The Python value of raw ones."""
        read = [
            raw if make is None else make(raw)
            for raw, make in zip(raws, self._readers, strict=True)
        ]
        if self.form == "one":
            return read[0]
        if self.cls is None:
            return tuple(read)
        names = [field.name for field in self.fields]
        return self.cls(**dict(zip(names, read, strict=True)))

    def plain(self, raws: Sequence[Raw]) -> Json | list[Json]:
        """What JSON takes: one value, or a list of the parts."""
        written = [
            cast("Json", raw) if make is None else make(raw)
            for raw, make in zip(raws, self._writers, strict=True)
        ]
        return written[0] if self.form == "one" else written

    # ------------------------------------------------------------ values

    def encode(self, value: object) -> bytes:
        """Bytes of a Python value; raises TypeError, ValueError or OverflowError."""
        return self.pack(self.raws(value))

    def decode(self, data: bytes) -> object:
        """The Python value."""
        return self.value(self.unpack(data))

    @property
    def number(self) -> FieldType | None:
        """The type, where it is one integer."""
        kind = self.types[0]
        return kind if self.form == "one" and kind.kind == "int" else None

    def __str__(self) -> str:
        if self.cls is not None:
            return self.cls.__name__
        names = ", ".join(str(kind) for kind in self.types)
        return f"tuple[{names}]" if self.form == "tuple" else names


def shape_of(annotation: object, where: str) -> Shape:
    """The shape of a type as users write it: a field type, a tuple of them, a Struct or Event.

    Args:
        annotation: The evaluated type.
        where: Names it in messages: ``Hash: key``.

    Raises:
        UsageError: It has no layout.
    """
    # tuple[u8] passes for a class in isinstance().
    if isinstance(annotation, type) and get_origin(annotation) is None:
        if issubclass(annotation, Struct):
            return _checked(
                [(each.name, each.type) for each in struct_fields(annotation)], annotation, where
            )
        if issubclass(annotation, Event):
            return _checked(
                [(each.name, each.type) for each in fields_of(annotation)], annotation, where
            )
    if get_origin(annotation) is tuple:
        items = get_args(annotation)
        if not items or items == ((),) or items[-1] is ...:
            raise UsageError(f"{where}: a tuple needs the type of each item (tuple[u32, u16])")
        return Shape(
            [(f"_{n}", resolve(each, f"{where}: item {n}")) for n, each in enumerate(items)],
            "tuple",
        )
    return Shape([("", resolve(annotation, where))], "one")


def _checked(parts: list[tuple[str, FieldType]], cls: type[Struct | Event], where: str) -> Shape:
    if not parts:
        raise UsageError(f"{where}: {cls.__name__} has no fields")
    return Shape(parts, "struct", cls)


def of_parts(parts: Sequence[tuple[str, FieldType]]) -> Shape:
    """A tuple's shape from types that are resolved already."""
    return Shape(parts, "tuple")


def one(kind: FieldType) -> Shape:
    """The shape of a single value."""
    return Shape([("", kind)], "one")
