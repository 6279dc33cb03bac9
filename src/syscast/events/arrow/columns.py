"""Which Arrow columns events of some schemas have.

There is one flat table, also for events of several classes: the column ``event`` names the class,
then the envelope, then the fields in the classes' order. A field that two classes have under one
name and with one meaning is one column; else each class has its own, called
``<field>_<Class>``. Where a row's class has no such field, the column is null.

Nothing is lost in the form with ``raw``: what a column cannot say exactly (bytes that are no
UTF-8, bytes behind a string's NUL) stands in a second column beside it, null in all other rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import msgspec

from syscast.errors import UsageError
from syscast.events.envelope import KEYS
from syscast.events.schema import envelope_key, ordered

# msgspec reads annotations when a class is made.
from syscast.spec.meta import FieldMeta, SchemaMeta

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Addresses: TypeAlias = Literal["text", "binary"]

_ENVELOPE = {
    "event": FieldMeta("event", "enum", 0, 2),
    "time": FieldMeta("time", "time", 0, 8),
    "probe": FieldMeta("probe", "enum", 34, 2),
    "cpu": FieldMeta("cpu", "int", 36, 4),
    "pid": FieldMeta("pid", "int", 24, 4),
    "tid": FieldMeta("tid", "int", 28, 4),
    "comm": FieldMeta("comm", "str", 40, 16),
    "cgroup_id": FieldMeta("cgroup_id", "int", 16, 8),
    "seq": FieldMeta("seq", "int", 8, 8),
}
_EXACT = {
    "boot_time": FieldMeta("time", "int", 0, 8),
    "program": FieldMeta("program", "int", 34, 2),
}
"""What the form with ``raw`` adds to the envelope."""

_C_TYPES = {
    "bool": "bool",
    "ipv4": "__be32",
    "ipv6": "struct in6_addr",
    "ip": "struct { u16 family; u16 zero; u8 address[16]; }",
    "port": "u16",
    "pointer": "void *",
    "function": "u64",
    "time": "u64",
}


class Form(msgspec.Struct, frozen=True):
    """What is up to the user.

    Attributes:
        raw: Whether to add the columns that make the form exact.
        addresses: ``text``, or ``binary``: 4 or 16 bytes in network order.
        dictionaries: Whether names of events, probes and enum members are dictionary<int32, utf8>
            columns, or plain utf8.
    """

    raw: bool = False
    addresses: Addresses = "text"
    dictionaries: bool = True


class Member(msgspec.Struct, frozen=True):
    """One event class of a table.

    Attributes:
        label: Its name in the column ``event``; two classes of one name get different ones.
        schema: Its layout; the id is of no meaning here.
        envelope: Whether its records have a header.
        declared: The class, ``module:name``, where the user declared one.
    """

    label: str
    schema: SchemaMeta
    envelope: bool = True
    declared: str = ""

    @property
    def identity(self) -> bytes:
        """See `identity`."""
        return identity(self.schema, envelope=self.envelope, declared=self.declared)


class Column(msgspec.Struct, frozen=True):
    """One column.

    Attributes:
        name: In the table.
        source: ``event``, a value of the record header (``boot_time`` and ``program`` among
            them), ``field``, or ``raw``.
        field: What it holds.
        members: Numbers of the classes that have it.
    """

    name: str
    source: str
    field: FieldMeta
    members: tuple[int, ...]

    @property
    def c_type(self) -> str:
        """The kernel's type of the value."""
        return c_type(self.field)


class Described(NamedTuple):
    """An event class as far as columns go."""

    name: str
    schema: SchemaMeta
    envelope: bool = True
    declared: str = ""


class Table(msgspec.Struct, frozen=True):
    """The columns of some event classes; stands in the Arrow schema's metadata as JSON.

    Attributes:
        members: The classes; the codes of the column ``event`` are their places here.
    """

    form: Form
    members: tuple[Member, ...]
    columns: tuple[Column, ...]

    def numbers(self) -> Mapping[bytes, int]:
        """Number of each class, by `identity`."""
        found: dict[bytes, int] = {}
        for number, each in enumerate(self.members):
            found.setdefault(each.identity, number)
        return found

    def to_json(self) -> bytes:
        """Write all of it, for `table_from_json`."""
        return msgspec.json.encode(self)


def table_from_json(text: bytes) -> Table:
    """Read what `Table.to_json` wrote; raises `msgspec.DecodeError` if it is something else."""
    return msgspec.json.decode(text, type=Table)


def c_type(field: FieldMeta) -> str:
    """Write the kernel's type of a field: ``u32``, ``char[16]``, ``__be32``."""
    if field.kind in {"int", "enum"}:
        return f"{'s' if field.signed else 'u'}{field.size * 8}"
    if field.kind in {"str", "bytes"}:
        return f"{'char' if field.kind == 'str' else 'u8'}[{field.size}]"
    return _C_TYPES.get(field.kind, field.kind)


def identity(schema: SchemaMeta, *, envelope: bool, declared: str = "") -> bytes:
    """Give what is the same for equal event classes, whatever their ids.

    Two modules may have classes of one name and equal fields: they are not the same.
    """
    return msgspec.msgpack.encode((msgspec.structs.replace(schema, id=0), envelope, declared))


def check_form(form: Form) -> Form:
    """Refuse what is no form.

    Raises:
        UsageError: ``addresses`` is something else.
    """
    if form.addresses not in {"text", "binary"}:
        raise UsageError(
            f"batch 'addresses': set: {form.addresses!r} is no way to write them "
            "(use 'text' or 'binary')"
        )
    return form


def table_of(classes: Iterable[Described], form: Form) -> Table:
    """Lay out the columns of some event classes, equal ones once.

    Raises:
        FormatError: A schema cannot be decoded.
        UsageError: The form is none.
    """
    members = _members(classes)
    groups = _groups(members)
    taken = {group.name for group in groups}
    columns: list[Column] = []
    everyone = tuple(range(len(members)))
    told = tuple(number for number in everyone if members[number].envelope)
    for name in ("event", *KEYS):
        holders = everyone if name == "event" else told
        if holders:
            key = envelope_key(name, taken)
            columns.append(Column(key, name, _ENVELOPE[name], holders))
    columns += groups
    if check_form(form).raw:
        columns += _exact(columns, told)
    return Table(form, members, tuple(columns))


def _members(classes: Iterable[Described]) -> tuple[Member, ...]:
    found: dict[bytes, Member] = {}
    labels: set[str] = set()
    for each in classes:
        label = _free(each.name, labels)
        made = Member(label, each.schema, each.envelope, each.declared)
        if found.setdefault(made.identity, made) is made:
            labels.add(label)
    return tuple(found.values())


def _groups(members: tuple[Member, ...]) -> list[Column]:
    """Give the columns of all fields: shared where the classes mean the same."""
    holders: dict[str, list[tuple[int, FieldMeta]]] = {}
    for number, member in enumerate(members):
        for field in ordered(member.schema):
            holders.setdefault(field.name, []).append((number, field))
    columns: list[Column] = []
    taken = set(holders)
    for name, each in holders.items():
        common = _common([field for _, field in each])
        if common is not None:
            numbers = tuple(number for number, _ in each)
            columns.append(Column(name, "field", common, numbers))
            continue
        for number, field in each:
            own = _free(f"{name}_{members[number].label}", taken)
            taken.add(own)
            columns.append(Column(own, "field", field, (number,)))
    return columns


def _common(fields: list[FieldMeta]) -> FieldMeta | None:
    """Give the type that holds the values of all; None if there is none."""
    first = fields[0]
    if all(each.kind == first.kind == "str" for each in fields):
        return max(fields, key=lambda each: each.size)
    alike = {
        (each.kind, each.size, each.signed, tuple(sorted(each.labels.items()))) for each in fields
    }
    return first if len(alike) == 1 else None


def _exact(columns: list[Column], told: tuple[int, ...]) -> list[Column]:
    """Give the columns that the form with ``raw`` adds."""
    taken = {each.name for each in columns}
    added = []
    for name, field in _EXACT.items() if told else ():
        key = _free(name, taken)
        taken.add(key)
        added.append(Column(key, name, field, told))
    for each in columns:
        if each.field.kind in ("str", "ip"):
            key = _free(f"{each.name}_raw", taken)
            taken.add(key)
            added.append(Column(key, f"raw {each.name}", each.field, each.members))
    return added


def _free(name: str, taken: set[str]) -> str:
    wanted, number = name, 2
    while wanted in taken:
        wanted, number = f"{name}_{number}", number + 1
    return wanted
