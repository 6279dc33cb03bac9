"""Columns back to records: every value that a record had, from the columns alone."""

import struct

import nanoarrow as na
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from syscast.errors import FormatError
from syscast.events.arrow.back import block_of
from syscast.events.arrow.build import schema_of, table_in
from syscast.events.records import Decoder
from syscast.events.schema import record_struct
from syscast.spec.meta import FieldMeta, SchemaMeta

ADDRESSES = st.sampled_from(["text", "binary"])
WORDS = st.sampled_from([b"\0\0", b"\0\1", b"\x0f\0", b"\xff\xff"])
MAPPED = (bytes(10) + b"\xff\xff\1\2\3\4",) * 2

values = st.fixed_dictionaries(
    {},
    optional={
        "path": st.binary(max_size=32) | st.sampled_from([b"\\xff", b"x\0y", b"\xc3\xa9" * 16]),
        "mac": st.binary(min_size=6, max_size=6),
        "v4": st.binary(min_size=4, max_size=4),
        "v6": st.binary(min_size=16, max_size=16)
        | st.lists(WORDS, min_size=8, max_size=8).map(b"".join)
        | st.sampled_from(MAPPED),
        "either": st.binary(min_size=20, max_size=20)
        | st.binary(min_size=16, max_size=16).map(lambda raw: b"\2\0\0\0" + raw)
        | st.binary(min_size=4, max_size=4).map(lambda raw: b"\2\0\0\0" + raw + bytes(12))
        | st.sampled_from(MAPPED).map(lambda raw: b"\x0a\0\0\0" + raw),
        "port": st.integers(0, 65535),
        "where": st.integers(0, (1 << 64) - 1),
        "family": st.integers(0, 65535) | st.sampled_from([2, 10]),
        "big": st.integers(0, (1 << 64) - 1),
        "plain": st.integers(-(1 << 63), (1 << 63) - 1),
        "tiny": st.integers(-128, 127),
        "flag": st.booleans(),
    },
)


def renumbered(table):
    """The table's classes under the ids that `block_of` gives them."""
    return [replace(member.schema, id=number) for number, member in enumerate(table.members)]


def returned(batch, **form):
    """Columns and back: tuples of before and after, without schema ids, in the wall clock."""
    columns = batch.arrow(raw=True, **form)
    table = table_in(columns.schema)
    decoder = Decoder(renumbered(table))
    found = decoder.block_tuples(block_of(columns.array, table))
    assert decoder.decode_errors == 0
    return [raw[:5] + raw[6:] for raw in found]


def before(batch, offset):
    """The tuples of a batch's events."""
    tuples = [event._raw for event in batch.events()]
    return [(raw[0] + offset, *raw[1:5], *raw[6:]) for raw in tuples]


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(st.binary(max_size=16), st.integers(0, 3), values), max_size=6),
    st.booleans(),
    ADDRESSES,
    st.booleans(),
)
def test_every_value_comes_back(world, drawn, mixed, addresses, dictionaries):
    records = []
    for comm, program, each in drawn:
        records.append((world.Every, (comm, program), world.every(**each)))
        if mixed:
            opened = (each.get("path", b"") * 2, 1, each.get("port", 2))
            records.append((world.Opened, (comm, program), opened))
    batch = world.made(records, classes=world.classes if mixed else {1: world.Every})
    found = returned(batch, addresses=addresses, dictionaries=dictionaries)
    assert found == before(batch, world.offset)


def test_from_a_file_of_pyarrow_and_a_slice_of_it(world, tmp_path):
    records = [(world.Every, (b"a\xff", 1), world.every(port=number)) for number in range(9)]
    batch = world.made(records)
    with pa.OSFile(str(tmp_path / "x.arrow"), "wb") as file:
        table = pa.table(batch.arrow(raw=True))
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    with pa.memory_map(str(tmp_path / "x.arrow")) as file:
        read = pa.ipc.open_file(file).read_all().to_batches()[0].slice(3, 4)
    table = table_in(na.c_schema(read.schema))
    decoder = Decoder(renumbered(table), (), {0: world.Every})
    events = decoder.block_events(block_of(na.c_array(read), table))
    assert events == batch.events()[3:7]
    assert [event.comm for event in events] == ["a\\xff"] * 4


def test_the_boot_clock(world):
    batch = world.made([(world.Opened, (b"", 0), (b"", 0, 0))] * 2)
    columns = batch.arrow(raw=True)
    block = block_of(columns.array, table_in(columns.schema), boot=True)
    assert struct.unpack_from("<Q", block, len(block) // 2 + 8) == (1000,)


def test_what_is_no_such_array_is_refused(world):
    batch = world.made([(world.Every, (b"", 0), world.every())])
    columns = batch.arrow(raw=True)
    table = table_in(columns.schema)
    with pytest.raises(FormatError, match="the columns do not say them exactly"):
        block_of(batch.arrow().array, table_in(batch.arrow().schema))
    with pytest.raises(FormatError, match="columns, not the 26 of the table"):
        block_of(batch.arrow().array, table)
    named = pa.record_batch(columns)
    place = named.schema.get_field_index("family")
    other = named.set_column(place, "family", pa.array(["FOO"]).dictionary_encode())
    with pytest.raises(FormatError, match="'family': read: a name that its type does not have"):
        block_of(na.c_array(other), table)
    place = named.schema.get_field_index("v4")
    other = named.set_column(place, "v4", pa.array(["1.2.3"]))
    with pytest.raises(FormatError, match="Expected 4 octets"):
        block_of(na.c_array(other), table)
    assert table_in(na.c_schema(na.struct({"a": na.int32()}))) is None
    assert schema_of(table).metadata is not None


def test_functions_by_name(world):
    names = {1: "tcp_sendmsg", 2: "tcp_recvmsg"}
    schema = SchemaMeta(4, "Many", 8, (FieldMeta("function", "function", 0, 8, labels=names),))
    layout = record_struct(schema)
    block = b""
    for number, function in enumerate((2, 1, 2, 7)):
        head = (number, number, 0, 1, 1, schema.id, 1, 0, b"sh")
        block += struct.pack("<II", layout.size, 0) + layout.pack(*head, function)
    batch = Decoder([schema], world.programs).batch(block)
    shown = ["tcp_recvmsg", "tcp_sendmsg", "tcp_recvmsg", "0x7"]
    assert [event.probe for event in batch.events()] == shown
    found = pa.record_batch(batch)
    assert found.column("function").to_pylist() == found.column("probe").to_pylist() == shown
    assert returned(batch) == before(batch, 0)
    assert returned(batch, dictionaries=False) == before(batch, 0)
