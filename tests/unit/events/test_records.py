import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syscast.errors import FormatError, UsageError
from syscast.events.block import BUSY, DISCARD
from syscast.events.event import Event
from syscast.events.fieldtypes import Port, u32
from syscast.events.records import Decoder
from syscast.events.schema import record_struct
from syscast.spec.meta import RECORD_HEADER_SIZE, FieldMeta, ProgramMeta, SchemaMeta

PROGRAMS = [ProgramMeta("p0", 0, "inet_listen", "kprobe", "inet_listen")]
HOST = b"\x7f\0\0\1"


class Opened(Event):
    flags: u32
    port: Port


@pytest.fixture
def schemas(listen):
    return [listen.schema(1), Opened.schema(2)]


@pytest.fixture
def decoder(schemas, listen):
    return Decoder(schemas, PROGRAMS, {1: listen, 2: Opened}, clock_offset_ns=5000)


def test_records_become_events_of_their_classes(decoder, schemas, pack, listen):
    records = [
        pack(schemas[0], (HOST, 80, 5)),
        memoryview(pack(schemas[1], (3, 443), seq=1)),
        bytearray(pack(schemas[0], (HOST, 81, 6), seq=2)),
    ]
    events = decoder.events(records)
    assert events == [
        listen(addr="127.0.0.1", port=80, backlog=5),
        Opened(flags=3, port=443),
        listen(addr="127.0.0.1", port=81, backlog=6),
    ]
    assert events[0].probe == "inet_listen"
    assert events[0].time == 6000
    assert (decoder.seen, decoder.decoded, decoder.decode_errors) == (3, 3, 0)
    assert decoder.sequence.gaps(0) == 0


def test_a_schema_without_a_class_gives_anonymous_events(schemas, pack):
    decoder = Decoder(schemas)
    event = decoder.events([pack(schemas[1], (3, 443), program=9)])[0]
    assert type(event).__name__ == "Opened"
    assert type(event) is not Opened
    assert (event.flags, event.port, event.probe) == (3, 443, "program 9")


def test_bad_records_are_counted_and_the_rest_goes_on(decoder, schemas, pack, listen):
    good = pack(schemas[0], (HOST, 80, 5))
    bad = [
        b"",
        b"short",
        good[:-1],
        good + bytes(8),
        pack(schemas[0], (HOST, 80, 5), schema=9),
        bytes(RECORD_HEADER_SIZE),
    ]
    assert decoder.events([*bad, good]) == [listen(addr="127.0.0.1", port=80, backlog=5)]
    assert (decoder.seen, decoder.decoded, decoder.decode_errors) == (7, 1, 6)


def test_the_padding_of_a_perf_buffer_is_no_error(decoder, schemas, pack):
    assert len(decoder.events([pack(schemas[0], (HOST, 80, 5)) + bytes(4)])) == 1


def test_tuples_hold_what_the_kernel_wrote(decoder, schemas, pack):
    record = pack(schemas[0], (HOST, 80, 5), seq=3, cpu=1, comm=b"a\xff")
    assert decoder.tuples([record]) == [
        (1000, 3, 77, 1234, 1235, 1, 0, 1, b"a\xff".ljust(16, b"\0"), HOST, 80, 5)
    ]
    assert decoder.sequence.gaps(0) == 3


def test_blocks_give_what_single_records_give(schemas, pack, ring, listen):
    uniform = [pack(schemas[0], (HOST, port, 5), seq=port) for port in range(9)]
    mixed = [*uniform, pack(schemas[1], (3, 443), seq=9), b"garbage"]
    for records in (uniform, mixed, [], uniform[:1]):
        single = Decoder(schemas, PROGRAMS, {1: listen, 2: Opened})
        block = Decoder(schemas, PROGRAMS, {1: listen, 2: Opened})
        wanted = single.events(records)
        assert block.block_events(ring(records)) == wanted
        assert block.block_tuples(memoryview(ring(records))) == single.tuples(records)
        assert (block.seen, block.decode_errors) == (single.seen, single.decode_errors)


def test_a_payload_that_is_no_multiple_of_8_is_padded_in_the_ring(pack, ring):
    schema = SchemaMeta(1, "odd", 12, (FieldMeta("a", "int", 8, 4),))
    records = [pack(schema, (number,), seq=number) for number in range(3)]
    events = Decoder([schema]).block_events(ring(records))
    assert [event.a for event in events] == [0, 1, 2]


def test_discarded_records_are_skipped_and_busy_ones_end_the_block(decoder, schemas, pack, ring):
    records = [pack(schemas[0], (HOST, port, 5), seq=port) for port in range(4)]
    events = decoder.block_events(ring(records, {1: DISCARD}))
    assert [event.port for event in events] == [0, 2, 3]
    assert decoder.sequence.gaps(0) == 1
    assert decoder.seen == 3
    events = decoder.block_events(ring(records, {2: BUSY}))
    assert [event.port for event in events] == [0, 1]


def test_a_stepped_wall_clock_holds_for_later_events(decoder, schemas, pack):
    record = pack(schemas[0], (HOST, 80, 5))
    before = decoder.events([record])[0]
    decoder.clock_offset_ns = 7000
    after = decoder.events([record])[0]
    assert (before.time, after.time) == (6000, 8000)
    assert decoder.clock_offset_ns == 7000


def test_a_class_that_differs_from_the_object_is_refused(schemas, listen):
    with pytest.raises(UsageError, match="event 'Opened': decode: its fields differ"):
        Decoder(schemas, (), {1: Opened})
    with pytest.raises(FormatError, match="has no known layout"):
        Decoder([SchemaMeta(1, "bad", 8, (FieldMeta("a", "int", 0, 7),))])
    Decoder(schemas, (), {1: listen, 77: Opened})  # a class that this object lacks


@given(st.lists(st.binary(max_size=120), max_size=6))
def test_garbage_is_counted_never_raised(records):
    schema = Opened.schema(2)
    decoder = Decoder([schema], PROGRAMS, {2: Opened})
    events = decoder.events(records)
    assert decoder.seen == len(records)
    assert decoder.decode_errors == len(records) - len(events)


HEADERS = st.binary(min_size=32, max_size=32)


@settings(max_examples=200)
@given(HEADERS, HEADERS, st.binary(min_size=8, max_size=8))
def test_any_record_of_the_right_shape_can_be_shown(first, second, payload):
    """Hostile headers and comms: nothing that an event offers may raise."""
    schema = Opened.schema(2)
    record = first + b"\2\0" + second[:22] + payload
    decoder = Decoder([schema], PROGRAMS, {2: Opened}, clock_offset_ns=1 << 62)
    (event,) = decoder.events([record])
    assert str(event).isprintable()
    assert repr(event)
    event.to_json().encode()
    event.comm.encode()
    assert 0 <= event.time < 1 << 64
    assert event == event  # noqa: PLR0124 - equality itself is tested
    hash(event)


@given(st.binary(max_size=300))
def test_garbage_blocks_never_raise(block):
    schema = Opened.schema(2)
    decoder = Decoder([schema], PROGRAMS, {2: Opened})
    decoder.block_events(block)
    assert decoder.seen == decoder.decoded + decoder.decode_errors


def test_a_record_is_as_long_as_its_struct(schemas):
    assert record_struct(schemas[0]).size == RECORD_HEADER_SIZE + schemas[0].size
