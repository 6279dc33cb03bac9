"""The base of all events.

An event is a thin view: it keeps its unpacked record and what the session's records share, and
turns a value into its Python form when the attribute is read. So a busy stream pays for the
fields that are looked at only. Events made by hand hold the same raw values, without an envelope.
"""

from __future__ import annotations

import sys
import typing
from collections import deque
from itertools import repeat
from operator import itemgetter
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

import msgspec

from syscast.errors import UsageError
from syscast.events.envelope import KEYS, NO_HEADER, Envelope, Origin, RawRecord
from syscast.events.fields import MISSING, Annotations, EventField, declared, from_schema
from syscast.events.schema import FIRST_FIELD, envelope_key, layout
from syscast.events.text import clock_text, decode_text, escape
from syscast.events.values import reader, text, writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from syscast.events.values import Json, Raw
    from syscast.spec.meta import SchemaMeta

    _State: TypeAlias = tuple["type[Event] | SchemaMeta", RawRecord, Origin | None]
    _Restore: TypeAlias = Callable[["type[Event] | SchemaMeta", RawRecord, Origin | None], "Event"]


class EventType(type):
    """The type of event classes: gives them empty ``__slots__`` and collects their fields."""

    def __new__(  # noqa: D102 - as type
        cls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, object],
        *,
        schema: SchemaMeta | None = None,
    ) -> EventType:
        namespace.setdefault("__slots__", ())
        made = super().__new__(cls, name, bases, namespace)
        if bases:  # not Event itself
            local_names = sys._getframe(1).f_locals  # noqa: SLF001 - as typing and dataclasses do
            _declare(cast("type[Event]", made), namespace, local_names, schema)
        return made


@typing.dataclass_transform(kw_only_default=True, frozen_default=True)
class Event(metaclass=EventType):
    """One thing that happened, with typed fields.

    Subclass it with annotations; the fields are given by keyword, and a default is what stands
    where a probe omits the field::

        class Listen(Event):
            addr: IPv4
            port: Port
            backlog: u32 = 0

    Events are immutable, equal when their class and fields are, hashable, usable in ``match`` and
    picklable. A probe's event has an envelope: `Envelope`'s values stand as attributes of the
    event too, except where the class has a field of that name. An event made by hand has none:
    `envelope` is None there, and the attributes raise AttributeError.
    """

    __slots__ = ("_origin", "_raw")

    if TYPE_CHECKING:
        # Plain attributes for checkers, so that a field may take such a name.
        time: int
        """Wall clock, ns since 1970."""
        probe: str
        cpu: int
        pid: int
        tid: int
        comm: str
        cgroup_id: int
        seq: int
        _origin: Origin | None
        _raw: RawRecord
        __match_args__: typing.ClassVar[tuple[str, ...]]
        _fields: typing.ClassVar[tuple[EventField, ...]]
        _readers: typing.ClassVar[tuple[Callable[[Event], object], ...]]
        _writers: typing.ClassVar[tuple[tuple[int, Callable[[Raw], Json] | None], ...]]
        _schema: typing.ClassVar[SchemaMeta | None]
        _loss: typing.ClassVar[bool]

    _fields = ()
    _readers = ()
    _writers = ()
    _schema = None
    _loss = False
    __match_args__ = ()

    def __init__(self, **values: object) -> None:
        raw: tuple[int | bytes, ...] = tuple(
            [_encoded(type(self).__name__, field, values) for field in self._fields]
        )
        if values:
            known = ", ".join(field.name for field in self._fields)
            raise TypeError(
                f"event {type(self).__name__!r}: no field {min(values)!r} (it has {known})"
            )
        _set_raw(self, cast("RawRecord", NO_HEADER + raw))
        _set_origin(self, None)

    @classmethod
    def schema(cls, schema_id: int) -> SchemaMeta:
        """Lay out the payload under the given id: natural alignment, a multiple of 8 bytes."""
        if cls._schema is not None:
            return msgspec.structs.replace(cls._schema, id=schema_id)
        return layout(schema_id, cls.__name__, ((each.name, each.type) for each in cls._fields))

    @property
    def envelope(self) -> Envelope | None:
        """When and where it happened; None for an event made by hand."""
        return None if self._origin is None else self._origin.envelope(self._raw)

    def to_dict(self) -> dict[str, object]:
        """Give the event's class name as ``event``, the envelope, then the fields.

        A value of the envelope whose name is also a field's is called ``envelope_<name>``.
        """
        found: dict[str, object] = {**self._labelled()}
        for field, read in zip(self._fields, self._readers, strict=True):
            found[field.name] = read(self)
        return found

    def to_json(self) -> str:
        r"""Write `to_dict` as one JSON object on one line.

        Integers are exact, addresses are text, enums are names, pointers are hex text, bytes are
        hex digits; bytes of a string that are no UTF-8 stand as ``\xNN``.
        """
        return msgspec.json.encode(plain(self)).decode()

    def _labelled(self) -> dict[str, Json]:
        """Give the class's name and the envelope under the keys of `to_dict`."""
        found: dict[str, Json] = {"event": type(self).__name__}
        origin, raw = self._origin, self._raw
        if origin is not None:
            found["time"] = origin.time(raw)
            found["probe"] = origin.probe(raw)
            found["cpu"] = raw[7]
            found["pid"] = raw[3]
            found["tid"] = raw[4]
            found["comm"] = decode_text(raw[8])
            found["cgroup_id"] = raw[2]
            found["seq"] = raw[1]
        taken = found.keys() & set(self.__match_args__)
        if taken:
            return {envelope_key(key, taken): value for key, value in found.items()}
        return found

    def _values(self) -> tuple[object, ...]:
        return tuple([read(self) for read in self._readers])

    def _plains(self) -> list[Json]:
        raw = self._raw
        return [
            cast("Json", raw[index]) if write is None else write(raw[index])
            for index, write in self._writers
        ]

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"event {type(self).__name__!r}: set {name!r}: events are immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"event {type(self).__name__!r}: del {name!r}: events are immutable")

    def __reduce__(self) -> tuple[_Restore, _State]:
        made_of = type(self) if self._schema is None else self._schema
        return _restore, (made_of, self._raw, self._origin)

    def __repr__(self) -> str:
        shown = [
            f"{field.name}={value!r}"
            if field.type.kind == "str"
            else f"{field.name}={text(value)}"
            for field, value in zip(self._fields, self._plains(), strict=True)
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    def __str__(self) -> str:
        """Write one line for people, safe for terminals."""
        shown = fields_text(self)
        if self._origin is None:
            return f"{type(self).__name__} {shown}".rstrip()
        clock = clock_text(self._origin.time(self._raw))
        task = f"{escape(decode_text(self._raw[8]))}[{self._raw[3]}]"
        return f"{clock} {task} {escape(self._origin.probe(self._raw))}: {shown}".rstrip(": ")


_set_raw: Callable[[Event, RawRecord], None] = Event.__dict__["_raw"].__set__
_set_origin: Callable[[Event, Origin | None], None] = Event.__dict__["_origin"].__set__


def _encoded(name: str, field: EventField, values: dict[str, object]) -> int | bytes:
    value = values.pop(field.name, field.default)
    if value is MISSING:
        raise TypeError(f"event {name!r}: field {field.name!r} is missing")
    try:
        return field.encode(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise type(error)(f"event {name!r}: field {field.name!r}: {error}") from None


def _envelope_reader(read: Callable[[Origin, RawRecord], object]) -> property:
    def get(event: Event) -> object:
        if event._origin is None:  # noqa: SLF001 - part of Event
            raise AttributeError(
                f"event {type(event).__name__!r}: it has no envelope (it was made by hand)"
            )
        return read(event._origin, event._raw)  # noqa: SLF001 - part of Event

    return property(get)


for _key, _read in (
    ("time", Origin.time),
    ("probe", Origin.probe),
    ("cpu", lambda _origin, raw: raw[7]),
    ("pid", lambda _origin, raw: raw[3]),
    ("tid", lambda _origin, raw: raw[4]),
    ("comm", lambda _origin, raw: decode_text(raw[8])),
    ("cgroup_id", lambda _origin, raw: raw[2]),
    ("seq", lambda _origin, raw: raw[1]),
):
    setattr(Event, _key, _envelope_reader(cast("Callable[[Origin, RawRecord], object]", _read)))


def _field_reader(index: int, field: EventField) -> Callable[[Event], object]:
    read = reader(field.type)
    if read is None:
        return lambda event: event._raw[index]  # noqa: SLF001 - part of Event
    return lambda event: read(event._raw[index])  # noqa: SLF001 - part of Event


_Made = TypeVar("_Made", bound=Event)
_SCHEMA_ID = itemgetter(5)
_TO_QUOTE = frozenset(' ="')
_RESERVED = frozenset(dir(Event)) - set(KEYS)


def _declare(
    cls: type[Event],
    namespace: Mapping[str, object],
    local_names: Mapping[str, object],
    schema: SchemaMeta | None,
) -> None:
    """Give a new class its fields."""
    if schema is not None:
        fields = {field.name: field for field in from_schema(schema, _RESERVED)}
    else:
        where = f"event {cls.__name__!r}"
        body = Annotations(
            where, cls.__module__, lambda: cls.__annotations__, local_names, namespace
        )
        parents = [base for base in cls.__bases__ if issubclass(base, Event) and base._fields]
        if len(parents) > 1:
            raise UsageError(f"{where}: it inherits fields twice (use one base with fields)")
        fields = {field.name: field for base in parents for field in base._fields}
        fields |= {field.name: field for field in declared(body, _RESERVED)}
    numbered = tuple(enumerate(fields.values(), FIRST_FIELD))
    cls._fields = tuple(fields.values())
    cls._readers = tuple(_field_reader(index, field) for index, field in numbered)
    cls._writers = tuple((index, writer(field.type)) for index, field in numbered)
    for field, read in zip(cls._fields, cls._readers, strict=True):
        setattr(cls, field.attribute, property(read))
    cls._schema = schema
    setattr(cls, "__match_args__", tuple(fields))  # noqa: B010 - checkers make their own


def fields_of(cls: type[Event]) -> tuple[EventField, ...]:
    """Give the fields of an event class in their order."""
    return cls._fields


def boot_time(event: Event) -> int:
    """Boot clock in ns, to sort by; 0 for an event made by hand."""
    return event._raw[0]  # noqa: SLF001 - part of Event


def declared_as(cls: type[Event]) -> str:
    """``module:name`` of a class that was declared; "" for one that was made of a schema."""
    return "" if cls._schema is not None else f"{cls.__module__}:{cls.__qualname__}"


def sender(event: Event) -> str:
    """The probe as the ledger names it; "" for an event made by hand."""
    origin = event._origin  # noqa: SLF001 - part of Event
    return "" if origin is None else origin.sender(event._raw)  # noqa: SLF001 - part of Event


def is_loss(event: Event) -> bool:
    """Whether it is a `syscast.Lost`; asking does not import that class."""
    return event._loss  # noqa: SLF001 - part of Event


def field_texts(event: Event) -> list[str]:
    """Write each field's value for people: on one line, safe for terminals."""
    return [text(value) for value in event._plains()]  # noqa: SLF001 - part of Event


def fields_text(event: Event) -> str:
    """Write the fields as ``name=value`` with spaces between, safe for terminals."""
    shown = []
    for field, value in zip(event._fields, field_texts(event), strict=True):
        quoted = field.type.kind == "str" and (not value or set(value) & _TO_QUOTE)
        shown.append(f"{escape(field.name)}={_quote(value) if quoted else value}")
    return " ".join(shown)


def _quote(value: str) -> str:
    return '"' + value.replace('"', '\\"') + '"'


def plain(event: Event) -> dict[str, Json]:
    """Give `Event.to_dict` with values that JSON takes; see `Event.to_json`."""
    found = event._labelled()  # noqa: SLF001 - part of Event
    found.update(zip(event.__match_args__, event._plains(), strict=True))  # noqa: SLF001 - part of Event
    return found


def make_events(
    records: Iterable[RawRecord], classes: Mapping[int, type[Event]], origin: Origin | None
) -> list[Event]:
    """Wrap unpacked records; the classes are found by schema id.

    Without an origin the events have no envelope.
    """
    records = records if isinstance(records, list) else list(records)
    kinds: Iterable[type[Event]]
    if len(classes) == 1:
        kinds = repeat(next(iter(classes.values())), len(records))
    else:
        kinds = map(classes.__getitem__, map(_SCHEMA_ID, records))
    # No line of Python runs for a single event: a loop would take half as long again.
    made: list[Event] = list(map(object.__new__, kinds))
    deque(map(_set_raw, made, records), maxlen=0)
    deque(map(_set_origin, made, repeat(origin)), maxlen=0)
    return made


def from_raw(cls: type[_Made], raw: RawRecord) -> _Made:
    """Make an event without an envelope of an unpacked record."""
    event = object.__new__(cls)
    _set_raw(event, raw)
    _set_origin(event, None)
    return event


_anonymous: dict[bytes, type[Event]] = {}


def make_event_class(schema: SchemaMeta) -> type[Event]:
    """Make the class of an anonymous event; equal schemas give the same class.

    Raises:
        FormatError: The schema cannot be decoded.
    """
    key = msgspec.msgpack.encode(msgspec.structs.replace(schema, id=0))
    found = _anonymous.get(key)
    if found is None:
        made = EventType(schema.name, (Event,), {"__module__": __name__}, schema=schema)
        found = _anonymous[key] = cast("type[Event]", made)
    return found


def _restore(made_of: type[Event] | SchemaMeta, raw: RawRecord, origin: Origin | None) -> Event:
    cls = made_of if isinstance(made_of, type) else make_event_class(made_of)
    event: Event = object.__new__(cls)
    _set_raw(event, raw)
    _set_origin(event, origin)
    return event
