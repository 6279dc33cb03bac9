import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscast.errors import UsageError
from syscast.events.block import DISCARD
from syscast.events.event import Event
from syscast.events.fieldtypes import Port, u32, u64
from syscast.events.records import Decoder

HOST = b"\x7f\0\0\1"
OFFSET = 1_782_907_200_000_000_000


class Opened(Event):
    flags: u32
    port: Port


class Timed(Event):
    time: u64
    pid: u32


@pytest.fixture
def make(listen, pack):
    """Make a decoder and records: 0 for Listen, 1 for Opened, 2 for one of an unknown schema."""
    schemas = {0: listen.schema(1), 1: Opened.schema(2)}

    def build(which, **header):
        records = []
        for number, each in enumerate(which):
            fields = (HOST, 8000 + number, 5) if each == 0 else (number, 443)
            schema = schemas[0 if each == 0 else 1]
            more = {"schema": 99} if each == 2 else {}
            known = {"seq": number, "time": number, "comm": b"a\xffb"} | more
            records.append(pack(schema, fields, **(known | header)))
        used = [schemas[each] for each in sorted(set(which) & {0, 1})] or list(schemas.values())
        return Decoder(used, (), {1: listen, 2: Opened}, OFFSET), records

    return build


def test_a_uniform_block_is_one_array(make, ring, listen):
    decoder, records = make([0] * 5)
    batch = decoder.batch(ring(records))
    assert len(batch) == batch.read == 5
    array = batch.array
    assert list(batch.arrays) == [listen]
    assert array["port"].tolist() == [8000, 8001, 8002, 8003, 8004]
    assert array["addr"].tolist() == [0x7F000001] * 5
    assert array["seq"].tolist() == [0, 1, 2, 3, 4]
    assert array["comm"].tolist() == [b"a\xffb"] * 5
    assert array["time"].tolist() == [OFFSET + number for number in range(5)]
    assert batch.times().tolist() == batch.times(listen).tolist()
    assert batch.times()[0] == np.datetime64(OFFSET, "ns")
    assert (decoder.seen, decoder.decoded, decoder.decode_errors) == (5, 5, 0)
    assert "5 events: Listen" in repr(batch)


def test_arrays_belong_to_the_batch(make, ring):
    decoder, records = make([0] * 3)
    block = bytearray(ring(records))
    batch = decoder.batch(memoryview(block))
    block[:] = bytes(len(block))  # the ring goes on
    assert batch.array["port"].tolist() == [8000, 8001, 8002]
    batch.array["port"] = 1
    assert [event.port for event in batch] == [8000, 8001, 8002]


def test_a_mixed_block_gives_an_array_per_class(make, ring, listen):
    decoder, records = make([0, 1, 1, 0, 1])
    batch = decoder.batch(ring(records))
    assert len(batch) == 5
    assert batch.arrays[listen]["port"].tolist() == [8000, 8003]
    assert batch.arrays[Opened]["flags"].tolist() == [1, 2, 4]
    assert batch.times(Opened).tolist() == [OFFSET + number for number in (1, 2, 4)]
    with pytest.raises(UsageError, match="its event classes are Listen, Opened"):
        _ = batch.array
    with pytest.raises(UsageError):
        batch.times()
    assert decoder.sequence.gaps(0) == 0
    assert decoder.sequence.disorder == {}


@pytest.mark.parametrize("which", [[0] * 4, [0, 1, 0, 1], [0, 2, 2, 1], [2, 2], []], ids=str)
def test_objects_are_those_of_the_block(make, ring, which):
    decoder, records = make(which)
    other, _ = make(which)
    batch = decoder.batch(ring(records))
    events = other.block_events(ring(records))
    assert batch.events() == list(batch) == events
    assert [event.envelope for event in batch] == [event.envelope for event in events]
    assert batch.to_dicts() == [event.to_dict() for event in events]
    assert (decoder.seen, decoder.decode_errors) == (other.seen, other.decode_errors)
    assert decoder.sequence.gaps(0) == other.sequence.gaps(0)


def test_discarded_records_are_no_part_of_it(make, ring):
    decoder, records = make([0] * 4)
    batch = decoder.batch(ring(records, {1: DISCARD}))
    assert batch.array["seq"].tolist() == [0, 2, 3]
    assert decoder.sequence.gaps(0) == 1
    assert decoder.decode_errors == 0


def test_an_empty_batch_of_one_class_still_has_columns(make):
    decoder, _ = make([0])
    batch = decoder.batch(b"")
    assert len(batch) == 0
    assert len(batch.array["port"]) == 0
    assert batch.to_dicts() == []
    assert "0 events" in repr(batch)


def test_gaps_are_seen_over_cpus_and_batches(listen, pack, ring):
    schema = listen.schema(1)
    decoder = Decoder([schema], (), {1: listen})
    for numbers in ([(0, 0), (0, 1), (1, 0)], [(4, 0), (1, 1)]):
        records = [pack(schema, (HOST, 1, 1), seq=number, cpu=cpu) for number, cpu in numbers]
        decoder.batch(ring(records))
    assert decoder.sequence.gaps(0) == 2
    assert decoder.sequence.missing(0, {0: 6, 1: 2}) == 3


def test_a_field_may_have_the_name_of_a_column(pack, ring):
    schema = Timed.schema(1)
    decoder = Decoder([schema], (), {1: Timed}, OFFSET)
    batch = decoder.batch(ring([pack(schema, (7, 8), time=9)]))
    assert batch.array["time"].tolist() == [7]
    assert batch.array["envelope_time"].tolist() == [OFFSET + 9]
    assert batch.array["pid"].tolist() == [8]
    assert batch.times().tolist() == [OFFSET + 9]


def test_all_kinds_stand_in_their_columns(every, pack, ring):
    schema = every.schema(1)
    fields = (-5, True, b"/tmp", b"\1\2\3\4\5\6", HOST, bytes(16), bytes(20), 80, 1, 10, 2, -3)
    array = Decoder([schema], (), {1: every}).batch(ring([pack(schema, fields)])).array
    assert array["tiny"][0] == -5
    assert array["flag"][0]
    assert array["path"][0] == b"/tmp"
    assert array["mac"][0].tolist() == [1, 2, 3, 4, 5, 6]
    assert array["v6"].shape == (1, 16)
    assert array["family"][0] == 10
    assert array["plain"][0] == -3


@given(st.binary(max_size=400))
def test_garbage_never_raises(block):
    decoder = Decoder([Opened.schema(0), Timed.schema(1)], (), {0: Opened, 1: Timed})
    batch = decoder.batch(block)
    assert len(batch.events()) == len(batch)
    assert sum(len(array) for array in batch.arrays.values()) == len(batch)
    assert decoder.seen == decoder.decoded + decoder.decode_errors
