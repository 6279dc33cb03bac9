"""Thin helpers: with the library, and without it."""

import sys

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from syscast.errors import UsageError
from syscast.events.arrow.columns import Described, Form, table_of
from syscast.events.arrow.stream import Stream

HEAD = (b"python3", 0)


@pytest.fixture
def batch(world):
    records = [(world.Opened, HEAD, (b"/tmp/x", 7, 9)), (world.Opened, HEAD, (b"", 8, 9))]
    return world.made(records)


def test_to_the_libraries(batch):
    arrow = batch.to_arrow()
    assert isinstance(arrow, pa.RecordBatch)
    assert arrow.column("path").to_pylist() == ["/tmp/x", ""]
    polars = batch.to_polars()
    assert isinstance(polars, pl.DataFrame)
    assert polars["big"].to_list() == [7, 8]
    pandas = batch.to_pandas()
    assert isinstance(pandas, pd.DataFrame)
    assert pandas["path"].tolist() == ["/tmp/x", ""]
    assert pandas["time"][1] == pd.Timestamp(1_782_907_200_000_001_000, tz="UTC")
    assert batch.arrow(raw=True).to_polars()["boot_time"].to_list() == [0, 1000]


def test_a_stream_gives_all_that_comes(batch, world):
    table = table_of([Described("Opened", world.Opened.schema(2))], Form())
    stream = Stream(table, lambda: iter([batch, batch]))
    assert isinstance(stream.to_arrow(), pa.Table)
    assert stream.to_arrow().num_rows == 4
    assert len(stream.to_polars()) == len(stream.to_pandas()) == 4


@pytest.mark.parametrize(
    ("call", "missing", "cure"),
    [
        ("to_arrow", "pyarrow", "pip install pyarrow"),
        ("to_polars", "polars", "pip install polars"),
        ("to_pandas", "pandas", "pip install pandas pyarrow"),
        ("to_pandas", "pyarrow", "pip install pandas pyarrow"),
    ],
)
def test_a_library_that_is_missing_is_named(batch, monkeypatch, call, missing, cure):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UsageError, match=rf"'{call}': import: there is no {missing} .*{cure}"):
        getattr(batch, call)()
