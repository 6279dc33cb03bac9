"""Frozen records that cost almost nothing to define and little to make.

Why not dataclasses: importing them and building some twenty classes costs over 20 ms, importing
msgspec 35 ms, and a warm start may spend 5 ms on all of BTF, in which it makes some thousand
records. A record class takes about 10 µs to build and a record 0.3 µs to make, since it is a
tuple inside. Type checkers see an ordinary frozen dataclass, and should: that a record can be
iterated is an accident.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, dataclass_transform

if TYPE_CHECKING:
    from typing import Self


class _RecordType(type):
    """Turns the annotations of a class body into fields; values in the body become defaults."""

    field_names: tuple[str, ...] = ()
    field_defaults: tuple[object, ...] = ()

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, object]
    ) -> _RecordType:
        annotations = namespace.get("__annotations__", {})
        if not isinstance(annotations, dict):  # pragma: no cover - cannot happen in a class body
            raise TypeError("annotations must be a dict")
        fields = tuple(str(field) for field in annotations)
        defaults = tuple(namespace[field] for field in fields if field in namespace)
        body = {**namespace, "__slots__": (), "__match_args__": fields}
        for number, field in enumerate(fields):
            body[field] = property(itemgetter(number))
        made = super().__new__(cls, name, bases or (tuple,), body)
        made.field_names = fields
        made.field_defaults = defaults
        return made


@dataclass_transform(frozen_default=True)
class Record(metaclass=_RecordType):
    """Base of immutable values: compared by class and fields, hashable, matchable, picklable.

    Write the fields as annotations in a module with ``from __future__ import annotations``.
    """

    if not TYPE_CHECKING:

        def __new__(cls, *args: object, **kwargs: object) -> Self:  # noqa: D102 - see the class
            if kwargs or len(args) != len(cls.field_names):
                args = _bind(cls, args, kwargs)
            return tuple.__new__(cls, args)

        def __eq__(self, other: object) -> bool:
            return type(other) is type(self) and tuple.__eq__(self, other)

        def __ne__(self, other: object) -> bool:
            return not self == other

        def __hash__(self) -> int:
            return hash((type(self), tuple.__hash__(self)))

        def __bool__(self) -> bool:
            return True

        def __repr__(self) -> str:
            fields = zip(type(self).field_names, self, strict=True)
            return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in fields)})"

        def __reduce__(self) -> tuple[type, tuple[object, ...]]:
            return type(self), tuple(self)


def _bind(
    cls: _RecordType, args: tuple[object, ...], kwargs: dict[str, object]
) -> tuple[object, ...]:
    """Put arguments and defaults in the order of the fields."""
    fields = cls.field_names
    first_default = len(fields) - len(cls.field_defaults)
    values = list(args)
    for number, field in enumerate(fields[len(args) :], len(args)):
        if field in kwargs:
            values.append(kwargs.pop(field))
        elif number >= first_default:
            values.append(cls.field_defaults[number - first_default])
        else:
            raise TypeError(f"{cls.__name__}: missing argument {field!r}")
    if kwargs or len(values) > len(fields):
        raise TypeError(f"{cls.__name__}: takes {', '.join(fields)}")
    return tuple(values)
