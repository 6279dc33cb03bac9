import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscast.errors import FormatError
from syscast.events.event import make_event_class
from syscast.events.fieldtypes import FieldType
from syscast.events.schema import layout, ordered, record_dtype, record_struct
from syscast.spec.meta import RECORD_HEADER_SIZE, FieldMeta, SchemaMeta

KINDS = st.sampled_from(
    [
        *(FieldType("int", size, signed) for size in (1, 2, 4, 8) for signed in (True, False)),
        FieldType("bool", 1),
        FieldType("str", 16),
        FieldType("str", 3),
        FieldType("bytes", 6),
        FieldType("ipv4", 4),
        FieldType("ipv6", 16),
        FieldType("ip", 20),
        FieldType("port", 2),
        FieldType("pointer", 8),
    ]
)


@given(st.lists(KINDS, max_size=12))
def test_struct_and_numpy_agree_with_the_layout(kinds):
    schema = layout(7, "E", [(f"f{number}", kind) for number, kind in enumerate(kinds)])
    assert schema.size % 8 == 0
    assert record_struct(schema).size == RECORD_HEADER_SIZE + schema.size
    dtype = record_dtype(schema)
    assert dtype.itemsize == RECORD_HEADER_SIZE + schema.size
    end = 0
    for field, kind in zip(schema.fields, kinds, strict=True):
        assert field.offset >= end
        assert field.offset % kind.align == 0
        end = field.offset + field.size
        assert dtype.fields[field.name][1] == RECORD_HEADER_SIZE + field.offset
        assert dtype.fields[field.name][0].itemsize == field.size


def test_the_numpy_types_of_each_kind(every):
    dtype = record_dtype(every.schema(1))
    found = {name: dtype.fields[name][0].str for name in every.__match_args__}
    assert found == {
        "tiny": "|i1", "flag": "|b1", "path": "|S32", "mac": "|V6", "v4": ">u4", "v6": "|V16",
        "either": "|V20", "port": "<u2", "where": "<u8", "family": "<u2", "big": "<u8",
        "plain": "<i8",
    }  # fmt: skip
    assert dtype.fields["v6"][0].subdtype == (np.dtype("u1"), (16,))
    assert dtype.names[:9] == (
        "time", "seq", "cgroup_id", "pid", "tid", "schema", "program", "cpu", "comm",
    )  # fmt: skip


def test_columns_of_the_envelope_make_way_for_fields():
    schema = SchemaMeta(1, "E", 8, (FieldMeta("pid", "int", 0, 4),))
    dtype = record_dtype(schema)
    assert dtype.fields["pid"][1] == RECORD_HEADER_SIZE
    assert dtype.fields["envelope_pid"][1] == 24


FIELDS = st.builds(
    FieldMeta,
    st.text(max_size=4),
    st.sampled_from(["int", "bool", "str", "bytes", "ipv4", "ipv6", "ip", "port", "enum", "x"]),
    st.integers(-4, 40),
    st.integers(-2, 24),
    st.booleans(),
    st.dictionaries(st.integers(-4, 4), st.text(max_size=4), max_size=3),
)


@given(st.lists(FIELDS, max_size=4), st.integers(-8, 64), st.binary(min_size=64, max_size=64))
def test_any_schema_decodes_or_is_a_format_error(fields, size, payload):
    schema = SchemaMeta(1, "E", size, tuple(fields))
    try:
        cls = make_event_class(schema)
    except FormatError:
        return
    assert len(ordered(schema)) == len(cls.__match_args__)
    record = bytes(RECORD_HEADER_SIZE) + payload[: schema.size]
    assert len(record_struct(schema).unpack(record)) == 9 + len(fields)
    record_dtype(schema)


def test_the_message_names_schema_and_field():
    bad = SchemaMeta(1, "Listen", 8, (FieldMeta("addr", "ipv4", 0, 5),))
    with pytest.raises(FormatError, match="schema 'Listen': read: field 'addr' has no known"):
        record_struct(bad)
