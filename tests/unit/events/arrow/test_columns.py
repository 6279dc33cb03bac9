"""Which columns there are: shared, apart, renamed."""

import msgspec
import pytest

from syscast.events.arrow.build import names_of
from syscast.events.arrow.columns import (
    Described,
    Form,
    c_type,
    identity,
    table_from_json,
    table_of,
)
from syscast.spec.meta import FieldMeta, SchemaMeta

ENVELOPE = ["event", "time", "probe", "cpu", "pid", "tid", "comm", "cgroup_id", "seq"]


def schema(name, *fields, number=1):
    """A payload of fields of 8 bytes each, or of the size that is given."""
    placed = []
    at = 0
    for field in fields:
        placed.append(msgspec.structs.replace(field, offset=at))
        at += field.size + 7 & -8
    return Described(name, SchemaMeta(number, name, at, tuple(placed)))


def number(name, size=8, *, signed=False):
    return FieldMeta(name, "int", 0, size, signed)


def text(name, size):
    return FieldMeta(name, "str", 0, size)


def names(*classes, **form):
    return [column.name for column in table_of(classes, Form(**form)).columns]


def test_fields_of_one_meaning_share_a_column():
    read = schema("Read", text("path", 64), number("size"))
    opened = schema("Opened", text("path", 128), number("flags", 4))
    table = table_of([read, opened], Form())
    assert [column.name for column in table.columns] == [*ENVELOPE, "path", "size", "flags"]
    path = table.columns[-3]
    assert (path.members, path.field.size, path.c_type) == ((0, 1), 128, "char[128]")


def test_fields_of_two_meanings_do_not():
    read = schema("Read", number("size", 4))
    sent = schema("Sent", number("size"), number("size_Read"))
    assert names(read, sent)[9:] == ["size_Read_2", "size_Sent", "size_Read"]
    signed = schema("Sent", number("size", 4, signed=True))
    assert names(read, signed)[9:] == ["size_Read", "size_Sent"]


def test_equal_classes_are_one_and_others_of_one_name_are_told_apart():
    one = schema("Read", number("size"))
    same = schema("Read", number("size"), number=7)
    other = schema("Read", number("count"))
    table = table_of([one, same, other], Form())
    assert [member.label for member in table.members] == ["Read", "Read_2"]
    numbers = table.numbers()
    assert numbers[identity(same.schema, envelope=True)] == 0
    assert numbers[identity(other.schema, envelope=True)] == 1


def test_fields_may_be_called_like_the_envelope_or_like_the_columns_beside_it():
    odd = schema("Odd", number("time"), number("event"), text("path", 8), number("path_raw"))
    found = names(odd, raw=True)
    assert found[:3] == ["envelope_event", "envelope_time", "probe"]
    assert found[9:13] == ["time", "event", "path", "path_raw"]
    assert found[13:] == ["boot_time", "program", "comm_raw", "path_raw_2"]


def test_events_without_an_envelope_have_none():
    assert names(schema("Bare", number("size"))._replace(envelope=False)) == ["event", "size"]


def test_a_table_in_words_is_the_same_table():
    field = FieldMeta("kind", "enum", 0, 4, labels={1: "ONE", 2: "TWO"})
    table = table_of([schema("Kinds", field)], Form(raw=True, addresses="binary"))
    assert table_from_json(table.to_json()) == table
    with pytest.raises(msgspec.DecodeError):
        table_from_json(b'{"form": 1}')


def test_the_names_of_an_enum_are_different_and_no_numbers():
    field = FieldMeta("kind", "enum", 0, 4, labels={1: "ONE", 2: "ONE", 3: "7", -1: "-1", 4: "x"})
    assert names_of(field) == {1: "ONE", 2: "2", 3: "3", -1: "-1", 4: "x"}


@pytest.mark.parametrize(
    ("field", "type_"),
    [
        (number("x", 2), "u16"),
        (number("x", 8, signed=True), "s64"),
        (FieldMeta("x", "enum", 0, 4), "u32"),
        (FieldMeta("x", "bytes", 0, 6), "u8[6]"),
        (FieldMeta("x", "ipv6", 0, 16), "struct in6_addr"),
        (FieldMeta("x", "pointer", 0, 8), "void *"),
    ],
)
def test_types_of_the_kernel(field, type_):
    assert c_type(field) == type_
