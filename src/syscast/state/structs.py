"""``Struct``: a record of fields as a map's key or value.

Unlike an event it can change: ``pairs[k].bytes += n`` changes the field in the map.
"""

from __future__ import annotations

import sys
import typing
from typing import TYPE_CHECKING, cast

from syscast.errors import UsageError
from syscast.events.fields import MISSING, Annotations, declared
from syscast.events.values import reader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from syscast.events.fields import EventField

    Home: typing.TypeAlias = Callable[["Struct"], None]


class StructType(type):
    """The type of struct classes: collects their fields."""

    def __new__(  # noqa: D102 - as type
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, object]
    ) -> StructType:
        namespace.setdefault("__slots__", ())
        made = super().__new__(cls, name, bases, namespace)
        if bases:
            local_names = sys._getframe(1).f_locals  # noqa: SLF001 - as typing and Event do
            _declare(cast("type[Struct]", made), namespace, local_names)
        return made


@typing.dataclass_transform(kw_only_default=True, eq_default=True)
class Struct(metaclass=StructType):
    """A map's key or value made of fields, which are given by keyword.

    ::

        class Flow(sc.Struct):
            port: sc.u16
            bytes: sc.u64 = 0

    Two are equal, and have one hash, when their class and fields are; do not change one that is a
    dict's key. What a map returns writes changes of its fields back into the map.
    """

    __slots__ = ("_home", "_values")

    if TYPE_CHECKING:
        _values: dict[str, object]
        _home: Home | None
        _struct_fields: typing.ClassVar[tuple[EventField, ...]]

    _struct_fields = ()

    def __init__(self, **values: object) -> None:
        held: dict[str, object] = {}
        name = type(self).__name__
        for field in self._struct_fields:
            value = values.pop(field.name, field.default)
            if value is MISSING:
                raise TypeError(f"struct {name!r}: field {field.name!r} is missing")
            held[field.name] = _normal(name, field, value)
        if values:
            known = ", ".join(field.name for field in self._struct_fields)
            raise TypeError(f"struct {name!r}: no field {min(values)!r} (it has {known})")
        self._values = held
        self._home = None

    def to_dict(self) -> dict[str, object]:
        """Fields by name."""
        return dict(self._values)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values == other._values

    def __hash__(self) -> int:
        return hash((type(self), *self._values.values()))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self._values.items())
        return f"{type(self).__name__}({shown})"


def _normal(name: str, field: EventField, value: object) -> object:
    """A value as it comes back from memory."""
    try:
        raw = field.encode(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise type(error)(f"struct {name!r}: field {field.name!r}: {error}") from None
    read = reader(field.type)
    return raw if read is None else read(raw)


def _property(field: EventField) -> property:
    def get(self: Struct) -> object:
        return self._values[field.name]

    def change(self: Struct, value: object) -> None:
        values = self._values
        values[field.name] = _normal(type(self).__name__, field, value)
        if self._home is not None:
            self._home(self)

    return property(get, change)


_RESERVED = frozenset(dir(Struct)) | {"to_dict"}


def _declare(
    cls: type[Struct], namespace: Mapping[str, object], local_names: Mapping[str, object]
) -> None:
    where = f"struct {cls.__name__!r}"
    body = Annotations(where, cls.__module__, lambda: cls.__annotations__, local_names, namespace)
    parents = [base for base in cls.__bases__ if issubclass(base, Struct) and struct_fields(base)]
    if len(parents) > 1:
        raise UsageError(f"{where}: it inherits fields twice (use one base with fields)")
    fields = {field.name: field for base in parents for field in struct_fields(base)}
    fields |= {field.name: field for field in declared(body, _RESERVED)}
    cls._struct_fields = tuple(fields.values())
    for field in fields.values():
        setattr(cls, field.name, _property(field))


def struct_fields(cls: type[Struct]) -> tuple[EventField, ...]:
    """Fields of a struct class, in their order."""
    return cls._struct_fields


def settle(struct: Struct, home: Home) -> Struct:
    """Say where changes of a struct's fields go."""
    struct._home = home  # noqa: SLF001 - part of Struct
    return struct
