import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscast.errors import UsageError
from syscast.events.arrow.back import block_of
from syscast.events.arrow.build import table_in
from syscast.events.foreign import ForeignDecoder
from syscast.events.records import Decoder
from syscast.spec.meta import FieldMeta, SchemaMeta

# struct event { u32 pid; char comm[16]; u64 when; char path[20]; }, 4 bytes of padding at the end
EVENT = SchemaMeta(
    0,
    "event",
    56,
    (
        FieldMeta("pid", "int", 0, 4),
        FieldMeta("comm", "str", 4, 16),
        FieldMeta("when", "int", 24, 8),
        FieldMeta("path", "str", 32, 20),
    ),
)
ODD = SchemaMeta(0, "odd", 12, (FieldMeta("a", "int", 0, 8), FieldMeta("b", "int", 8, 4)))


def record(pid=7, path=b"/etc"):
    return pid.to_bytes(4, "little") + b"sh".ljust(20, b"\0") + bytes(8) + path.ljust(24, b"\0")


def test_a_bare_struct_becomes_an_event_without_an_envelope():
    decoder = ForeignDecoder(EVENT)
    (event,) = decoder.events([record()])
    assert (event.pid, event.comm, event.when, event.path) == (7, "sh", 0, "/etc")
    assert event.envelope is None
    assert str(event) == "event pid=7 comm=sh when=0 path=/etc"
    assert (decoder.seen, decoder.decoded, decoder.read(0), decoder.sequence.gaps(0)) == (
        1,
    ) * 3 + (0,)
    decoder.clock_offset_ns = 5
    assert decoder.clock_offset_ns == 0


def test_a_record_may_end_within_its_last_text():
    decoder = ForeignDecoder(EVENT)
    events = decoder.events([record()[:36], record()[:33], record()[:32], record() + bytes(4)])
    assert [event.path for event in events] == ["/etc", "/", "/etc"]
    assert decoder.decode_errors == 1


def test_numbers_must_be_whole():
    decoder = ForeignDecoder(ODD)
    assert len(decoder.events([bytes(11), bytes(12), b"", bytes(40)])) == 1
    assert decoder.decode_errors == 3


@pytest.mark.parametrize("schema", [EVENT, ODD], ids=lambda schema: schema.name)
def test_blocks_and_batches(schema, ring):
    records = [bytes([number]) + bytes(schema.size - 1) for number in range(4)]
    block = ring([*records, b"no"])
    decoder, other = ForeignDecoder(schema), ForeignDecoder(schema)
    events = decoder.block_events(block)
    batch = other.batch(block)
    first = schema.fields[0].name
    assert [getattr(event, first) for event in events] == [0, 1, 2, 3]
    assert batch.array.dtype.names == tuple(field.name for field in schema.fields)
    assert batch.array[first].tolist() == [0, 1, 2, 3]
    assert batch.events() == events
    assert (decoder.seen, decoder.decode_errors) == (other.seen, other.decode_errors) == (5, 1)
    with pytest.raises(UsageError, match="its events have no envelope"):
        batch.times()


@given(st.lists(st.binary(max_size=70), max_size=5), st.binary(max_size=200))
def test_garbage_never_raises(records, block):
    decoder = ForeignDecoder(EVENT)
    decoder.events(records)
    decoder.block_events(block)
    decoder.batch(block)
    assert decoder.seen == decoder.decoded + decoder.decode_errors


def test_arrow_has_the_fields_and_no_envelope(ring):
    batch = ForeignDecoder(EVENT).batch(ring([record(), record(8, b"\xff")]))
    columns = pa.record_batch(batch.arrow(raw=True))
    columns.validate(full=True)
    assert columns.schema.names == ["event", "pid", "comm", "when", "path", "comm_raw", "path_raw"]
    assert columns.column("path").to_pylist() == ["/etc", "\\xff"]
    assert columns.column("path_raw").to_pylist() == [None, b"\xff"]
    assert columns.column("event").to_pylist() == ["event"] * 2
    with pytest.raises(UsageError, match="its events have no envelope"):
        batch.times()
    exported = batch.arrow(raw=True)
    table = table_in(exported.schema)
    decoder = Decoder([table.members[0].schema])
    again = decoder.block_tuples(block_of(exported.array, table))
    assert [raw[9:] for raw in again] == [event._raw[9:] for event in batch.events()]
