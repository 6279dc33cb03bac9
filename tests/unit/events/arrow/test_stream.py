"""Streams of batches: real consumers take them, while they come."""

import threading

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from syscast.errors import UsageError
from syscast.events.arrow.columns import Described, Form, table_of
from syscast.events.arrow.stream import Stream

HEAD = (b"python3", 0)


@pytest.fixture
def stream(world):
    """A stream of two classes in three batches, each with another dictionary; `asked` counts."""
    described = [
        Described(cls.__name__, cls.schema(number)) for number, cls in world.classes.items()
    ]
    asked = []

    def batches():
        for family in (2, 3, 10):
            asked.append(family)
            records = [
                (world.Every, HEAD, world.every(family=family)),
                (world.Opened, (b"\xff", 2), (b"/tmp", family, 0)),
            ]
            yield world.made(records, classes=world.classes)

    made = Stream(table_of(described, Form()), batches)
    made.asked = asked
    return made


def test_pyarrow_reads_batch_by_batch(stream):
    reader = pa.RecordBatchReader.from_stream(stream)
    assert reader.schema == pa.schema(stream)
    assert stream.asked == []  # nothing is read before the first batch is asked for
    first = reader.read_next_batch()
    assert stream.asked == [2]
    assert first.column("family").to_pylist() == ["INET", None]
    assert [batch.column("family")[0].as_py() for batch in reader] == ["3", "INET6"]
    with pytest.raises(StopIteration):
        reader.read_next_batch()


def test_duckdb(stream):
    events = stream  # noqa: F841 - duckdb finds it by its name
    found = duckdb.sql(
        "select event, family, comm, count(*) from events group by all order by all nulls first"
    ).fetchall()
    assert found == [
        ("Every", "3", "python3", 1),
        ("Every", "INET", "python3", 1),
        ("Every", "INET6", "python3", 1),
        ("Opened", None, "\\xff", 3),
    ]
    times = duckdb.sql("select distinct epoch_ns(time) from events order by 1").fetchall()
    assert times == [(1_782_907_200_000_000_000,), (1_782_907_200_000_001_000,)]


def test_polars(stream):
    frame = pl.DataFrame(stream)
    assert frame["family"].to_list() == ["INET", None, "3", None, "INET6", None]
    assert frame["time"].dtype == pl.Datetime("ns", "UTC")
    assert frame["path"].to_list() == ["/etc/passwd", "/tmp"] * 3
    frame = pl.from_arrow(stream)
    counts = frame.struct.unnest() if isinstance(frame, pl.Series) else frame
    assert counts["event"].to_list() == ["Every", "Opened"] * 3


def test_pandas(stream):
    frame = pd.DataFrame.from_arrow(stream)
    assert frame["family"].astype(object).where(frame["family"].notna(), None).tolist() == [
        "INET",
        None,
        "3",
        None,
        "INET6",
        None,
    ]
    assert str(frame["time"].dtype) == "datetime64[ns, UTC]"
    assert str(frame["event"].dtype) == "category"


def test_iterating_gives_columns(stream):
    assert [len(columns) for columns in stream] == [2, 2, 2]
    assert pa.record_batch(next(iter(stream))).num_rows == 2


def test_an_error_between_batches_reaches_the_consumer(stream, world):
    closed = []

    def batches():
        try:
            yield world.made([(world.Every, HEAD, world.every())], classes=world.classes)
            raise ValueError("the ring broke")
        finally:
            closed.append(True)

    broken = Stream(stream.table, batches)
    reader = pa.RecordBatchReader.from_stream(broken)
    assert reader.read_next_batch().num_rows == 1
    with pytest.raises(OSError, match="the ring broke"):
        reader.read_next_batch()
    assert closed == [True]
    interrupted = Stream(stream.table, lambda: iter(_interrupted()))
    with pytest.raises(Exception, match="KeyboardInterrupt"):
        pa.RecordBatchReader.from_stream(interrupted).read_all()


def _interrupted():
    raise KeyboardInterrupt
    yield


def test_a_consumer_that_leaves_early_closes_the_batches(stream, world):
    closed = []

    def batches():
        try:
            while True:
                yield world.made([(world.Every, HEAD, world.every())], classes=world.classes)
        finally:
            closed.append(True)

    endless = Stream(stream.table, batches)
    reader = pa.RecordBatchReader.from_stream(endless)
    reader.read_next_batch()
    del reader
    assert closed == [True]
    found = duckdb.sql("select count(*) from (select * from endless limit 10)").fetchall()
    assert found == [(10,)]


def test_in_another_thread(stream):
    found = []
    reader = pa.RecordBatchReader.from_stream(stream)
    thread = threading.Thread(target=lambda: found.append(reader.read_all()))
    thread.start()
    thread.join()
    assert found[0].num_rows == 6


def test_what_was_read_is_not_read_again_as_nothing(stream, world):
    def batches():
        yield world.made([(world.Every, HEAD, world.every())], classes=world.classes)

    events = Stream(stream.table, batches, once=True)
    assert repr(events).startswith("<arrow stream of event, time, probe, ")
    assert repr(events).endswith("; read once>")
    assert events.to_arrow().num_rows == 1
    assert repr(events).endswith("; read once, and it was>")
    with pytest.raises(UsageError, match=r"this stream was read .*ask arrow\(\) again"):
        next(iter(events))
    with pytest.raises(Exception, match="this stream was read"):
        pa.RecordBatchReader.from_stream(events).read_all()
    with pytest.raises(Exception, match="this stream was read"):
        duckdb.sql("select count(*) from events").fetchall()
