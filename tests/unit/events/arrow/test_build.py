"""Batches as Arrow columns: what pyarrow reads in them is what the events say."""

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syscast.errors import UsageError
from syscast.events.arrow.build import TABLE_KEY
from syscast.events.arrow.columns import table_from_json
from syscast.events.event import Event, plain
from syscast.events.records import Decoder

HEAD = (b"python3", 0)
PLAIN = {"big_Every": "big", "big_Opened": "big"}


def told(event):
    """What JSON has, but with the types of columns."""
    found = plain(event)
    for field in event._fields:
        if field.type.kind in {"bytes", "pointer"}:
            found[field.name] = getattr(event, field.name)
        if field.type.kind == "enum":
            found[field.name] = str(found[field.name])
    return found


def rows(table):
    """Rows as dicts, without nulls and with times in ns."""
    batch = pa.record_batch(table)
    batch.validate(full=True)
    times = batch.column("time").cast(pa.int64()).to_pylist()
    found = []
    for row, time in zip(batch.drop_columns(["time"]).to_pylist(), times, strict=True):
        found.append(
            {key: value for key, value in (row | {"time": time}).items() if value is not None}
        )
    return found


def test_columns_say_what_the_events_say(world):
    batch = world.made(
        [
            (world.Every, HEAD, world.every()),
            (world.Every, (b"a\xffb", 2), world.every(family=99, tiny=1)),
        ]
    )
    found = rows(batch)
    assert found == [told(event) for event in batch.events()]
    assert found[0] == {
        "event": "Every",
        "time": world.offset,
        "probe": "opened",
        "cpu": 3,
        "pid": 1234,
        "tid": 1235,
        "comm": "python3",
        "cgroup_id": 77,
        "seq": 0,
        "tiny": -3,
        "flag": True,
        "path": "/etc/passwd",
        "mac": b"\1\2\3\4\5\0",
        "v4": "127.0.0.1",
        "v6": "::1",
        "either": "192.0.2.1",
        "port": 443,
        "where": 0xFFFF_8880_0000_0000,
        "family": "INET",
        "big": (1 << 64) - 1,
        "plain": -1,
    }
    assert (found[1]["probe"], found[1]["comm"], found[1]["family"]) == ("other", "a\\xffb", "99")


def test_types_and_what_the_kernel_calls_them(world):
    schema = pa.schema(world.made([(world.Every, HEAD, world.every())]))
    names = pa.dictionary(pa.int32(), pa.string())
    assert {field.name: field.type for field in schema} == {
        "event": names,
        "time": pa.timestamp("ns", "UTC"),
        "probe": names,
        "cpu": pa.uint32(),
        "pid": pa.uint32(),
        "tid": pa.uint32(),
        "comm": pa.string(),
        "cgroup_id": pa.uint64(),
        "seq": pa.uint64(),
        "tiny": pa.int8(),
        "flag": pa.bool_(),
        "path": pa.string(),
        "mac": pa.binary(6),
        "v4": pa.string(),
        "v6": pa.string(),
        "either": pa.string(),
        "port": pa.uint16(),
        "where": pa.uint64(),
        "family": names,
        "big": pa.uint64(),
        "plain": pa.int64(),
    }
    kinds = {
        field.name: (field.metadata[b"syscast.kind"], field.metadata[b"syscast.type"])
        for field in schema
    }
    assert kinds["v4"] == (b"ipv4", b"__be32")
    assert kinds["path"] == (b"str", b"char[32]")
    assert kinds["where"] == (b"pointer", b"void *")
    assert kinds["tiny"] == (b"int", b"s8")
    labels = json.loads(schema.field("family").metadata[b"syscast.labels"])
    assert labels == {"2": "INET", "10": "INET6"}
    table = table_from_json(schema.metadata[TABLE_KEY.encode()])
    assert [column.name for column in table.columns] == schema.names


def test_several_classes_are_one_table_with_nulls(world):
    opened = (b"/tmp/x", 7, 9)
    batch = world.made(
        [
            (world.Opened, HEAD, opened),
            (world.Every, HEAD, world.every()),
            (world.Opened, (b"sh", 1), (b"\xff", 8, 1)),
        ]
    )
    batch_of_arrow = pa.record_batch(batch)
    assert batch_of_arrow.column("event").to_pylist() == ["Opened", "Every", "Opened"]
    assert batch_of_arrow.column("path").to_pylist() == ["/tmp/x", "/etc/passwd", "\\xff"]
    assert batch_of_arrow.column("v4").to_pylist() == [None, "127.0.0.1", None]
    # One name with two meanings: a column for each.
    assert batch_of_arrow.column("big_Opened").to_pylist() == [7, None, 8]
    assert batch_of_arrow.column("big_Every").to_pylist() == [None, (1 << 64) - 1, None]
    # A field that is called as a value of the envelope.
    assert batch_of_arrow.column("pid").to_pylist() == [9, None, 1]
    assert batch_of_arrow.column("envelope_pid").to_pylist() == [1234] * 3
    events = json.loads(batch_of_arrow.schema.field("v4").metadata[b"syscast.events"])
    assert events == ["Every"]
    only = pa.record_batch(batch.arrow(world.Opened))
    assert only.column("big").to_pylist() == [7, 8]
    assert "v4" not in only.schema.names
    assert rows(batch.arrow(world.Opened)) == [
        told(event) for event in batch if type(event) is world.Opened
    ]
    with pytest.raises(UsageError, match="its event classes are Every, Opened"):
        batch.arrow(Event)


def test_programs_of_one_probe_have_one_name(world):
    batch = world.made(
        [(world.Opened, (b"sh", number), (b"", 0, 0)) for number in (0, 1, 2, 9, 0)]
    )
    column = pa.record_batch(batch).column("probe")
    assert column.to_pylist() == ["opened", "opened", "other", "program 9", "opened"]
    assert column.dictionary.to_pylist() == ["opened", "other", "program 9"]


def test_without_dictionaries(world):
    batch = world.made(
        [(world.Opened, HEAD, (b"", 0, 0)), (world.Every, HEAD, world.every(family=3))]
    )
    table = pa.record_batch(batch.arrow(dictionaries=False))
    table.validate(full=True)
    assert table.column("family").type == pa.string()
    assert table.column("family").to_pylist() == [None, "3"]
    assert table.column("event").to_pylist() == ["Opened", "Every"]
    assert table.column("probe").to_pylist() == ["opened", "opened"]


def test_addresses_as_bytes(world):
    mapped = bytes(10) + b"\xff\xff\1\2\3\4"
    either = [b"\2\0\0\0" + b"\1\2\3\4" + bytes(12), b"\x0a\0\0\0" + b"\x20\1" + bytes(14)]
    batch = world.made(
        [
            (world.Every, HEAD, world.every(v4=b"\1\2\3\4", v6=mapped, either=each))
            for each in either
        ]
    )
    found = pa.record_batch(batch.arrow(addresses="binary"))
    assert found.column("v4").to_pylist() == [b"\1\2\3\4"] * 2
    assert found.column("v6").to_pylist() == [mapped] * 2
    assert found.column("either").to_pylist() == [mapped, b"\x20\1" + bytes(14)]
    assert found.schema.field("v4").metadata[b"ARROW:extension:name"] == b"syscast.ipv4"
    with pytest.raises(UsageError, match="'hex' is no way to write them"):
        batch.arrow(addresses="hex")


def test_raw_says_what_text_cannot(world):
    dirty = b"\2\0\0\0\1\2\3\4" + b"\1" * 12
    batch = world.made(
        [
            (world.Every, HEAD, world.every()),
            (world.Every, (b"a\xff", 0), world.every(path=b"caf\xc3\xa9\xc3", either=dirty)),
            (world.Every, (b"ab\0cd", 0), world.every(path=b"\0x")),
        ]
    )
    found = pa.record_batch(batch.arrow(raw=True))
    found.validate(full=True)
    assert found.column("path").to_pylist() == ["/etc/passwd", "caf\u00e9\\xc3", ""]
    assert found.column("path_raw").to_pylist() == [None, b"caf\xc3\xa9\xc3", b"\0x"]
    assert found.column("comm_raw").to_pylist() == [None, b"a\xff", b"ab\0cd"]
    assert found.column("either_raw").to_pylist() == [None, dirty, None]
    assert found.column("boot_time").to_pylist() == [0, 1000, 2000]
    assert found.column("program").to_pylist() == [0, 0, 0]


def test_an_empty_batch_has_the_columns(world):
    decoder = Decoder(
        [world.Every.schema(1), world.Opened.schema(2)], world.programs, world.classes
    )
    found = pa.record_batch(decoder.batch(b""))
    assert (found.num_rows, found.schema) == (
        0,
        pa.schema(world.made([(world.Opened, HEAD, (b"", 0, 0))], classes=world.classes)),
    )
    assert pa.record_batch(decoder.batch(b"").arrow(world.Opened)).num_rows == 0


def test_the_memory_is_the_consumers(world):
    batch = world.made([(world.Every, HEAD, world.every())] * 3)
    found = pa.record_batch(batch)
    del batch
    assert found.column("path").to_pylist() == ["/etc/passwd"] * 3


values = st.fixed_dictionaries(
    {},
    optional={
        "path": st.binary(max_size=32),
        "v4": st.binary(min_size=4, max_size=4),
        "v6": st.binary(min_size=16, max_size=16)
        | st.lists(
            st.sampled_from([b"\0\0", b"\0\1", b"\x0f\0", b"\xff\xff"]), min_size=8, max_size=8
        ).map(b"".join),
        "either": st.binary(min_size=20, max_size=20)
        | st.binary(min_size=16, max_size=16).map(lambda raw: b"\2\0\0\0" + raw),
        "family": st.integers(0, 65535) | st.sampled_from([2, 10]),
        "tiny": st.integers(-128, 127),
        "flag": st.booleans(),
    },
)


def without_qualified(found):
    """Undo the names that columns of several classes have."""
    plainly = [{PLAIN.get(key, key): value for key, value in row.items()} for row in found]
    for row in plainly:
        if row["event"] == "Every" and "envelope_pid" in row:
            row["pid"] = row.pop("envelope_pid")
    return plainly


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.binary(max_size=16), values), max_size=6), st.booleans())
def test_any_values(world, drawn, mixed):
    records = [(world.Every, (comm, 0), world.every(**each)) for comm, each in drawn]
    if mixed:
        records += [
            (world.Opened, (comm, 1), (each.get("path", b""), 1, 2)) for comm, each in drawn
        ]
    batch = world.made(records, classes=world.classes if mixed else {1: world.Every})
    assert without_qualified(rows(batch)) == [told(event) for event in batch.events()]
