"""The fields of an event class: collected from annotations, or from an object's schema."""

from __future__ import annotations

import enum
import keyword
import typing
from typing import TYPE_CHECKING, Final, cast

import msgspec

from syscast.errors import UsageError
from syscast.events.fieldtypes import FieldType, resolve
from syscast.events.schema import ordered
from syscast.events.values import KINDS, Raw

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from syscast.spec.meta import FieldMeta, SchemaMeta


class _Missing(enum.Enum):
    MISSING = enum.auto()


MISSING: Final = _Missing.MISSING
"""A field's default where it has none."""


class EventField(msgspec.Struct, frozen=True):
    """One field of an event class.

    Attributes:
        name: In schemas, dicts and JSON.
        attribute: The Python attribute; differs from the name only in anonymous events.
        type: How it stands in a record.
        default: The value where a probe omits it, checked to fit; or `MISSING`.
    """

    name: str
    attribute: str
    type: FieldType
    default: object = MISSING

    def encode(self, value: object) -> Raw:
        """Turn a Python value into the raw one; see `syscast.events.values.Kind.encode`."""
        return KINDS[self.type.kind].encode(self.type, value)


class Annotations(typing.NamedTuple):
    """A class body as far as fields matter."""

    where: str
    module: str
    own: Callable[[], Mapping[str, object]]
    local_names: Mapping[str, object]
    namespace: Mapping[str, object]


def declared(body: Annotations, reserved: Collection[str]) -> Iterator[EventField]:
    """Read the fields of a class body, in its order.

    Raises:
        UsageError: An annotation is no field type or not known at run time, a default does not
            fit, or a name is taken.
    """
    for name, annotation in _evaluated(body).items():
        if typing.get_origin(annotation) is typing.ClassVar or annotation is typing.ClassVar:
            continue
        where = f"{body.where}: field {name!r}"
        if name in reserved:
            raise UsageError(f"{where}: every event has something of this name (rename the field)")
        field = EventField(
            name, name, resolve(annotation, where), body.namespace.get(name, MISSING)
        )
        if field.default is not MISSING:
            try:
                field.encode(field.default)
            except (TypeError, ValueError, OverflowError) as error:
                raise UsageError(f"{where}: its default does not fit: {error}") from None
        yield field


def _evaluated(body: Annotations) -> dict[str, object]:
    """Evaluate annotations, which are strings under ``from __future__ import annotations``."""
    try:
        namespace = {"__annotations__": dict(body.own()), "__module__": body.module}
        holder = type("Annotations", (), namespace)
        return typing.get_type_hints(holder, localns=dict(body.local_names), include_extras=True)
    except NameError as error:
        raise UsageError(
            f"{body.where}: annotations: {error} (import it outside of 'if TYPE_CHECKING')"
        ) from None
    except (SyntaxError, TypeError, AttributeError) as error:
        raise UsageError(f"{body.where}: annotations: {error}") from None


def from_schema(schema: SchemaMeta, reserved: Collection[str]) -> Iterator[EventField]:
    """Make the fields of an anonymous event.

    A name that is a keyword or that every event has takes a trailing ``_`` as an attribute.

    Raises:
        FormatError: The schema cannot be decoded.
    """
    fields = ordered(schema)
    taken = {field.name for field in fields}
    for field in fields:
        attribute = field.name
        while attribute in reserved or keyword.iskeyword(attribute):
            attribute += "_"
            while attribute in taken:
                attribute += "_"
        yield EventField(field.name, attribute, type_of(field))


def type_of(field: FieldMeta) -> FieldType:
    """The type of a field of a schema; an enum gets a class of its own."""
    if field.kind == "function":
        return FieldType(field.kind, field.size, names=field.labels)
    if field.kind != "enum":
        return FieldType(field.kind, field.size, field.signed)
    members: dict[str, int] = {}
    for value, label in field.labels.items():
        name = label
        if not name.isidentifier() or name.startswith("_") or name == "mro" or name in members:
            name = f"{label.strip('_')}_{value}".replace("-", "minus")
        members[name] = value
    # The functional form is the only one for labels known at run time; checkers misread it.
    make = cast("Callable[[str, dict[str, int]], type[enum.IntEnum]]", enum.IntEnum)
    made = make(field.name or "Enum", members)
    return FieldType("enum", field.size, field.signed, made)
