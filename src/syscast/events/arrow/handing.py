"""Handing Arrow columns to libraries that may be installed or not."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from syscast.errors import UsageError

if TYPE_CHECKING:
    from types import ModuleType

    import pandas as pd
    import polars as pl
    import pyarrow as pa


class Handing:
    """What has Arrow columns: methods for those who would rather not name the other side."""

    __slots__ = ()

    def to_arrow(self) -> pa.RecordBatch | pa.Table:
        """Give a ``pyarrow.RecordBatch``; of a stream a ``pyarrow.Table`` of all that comes.

        Raises:
            UsageError: pyarrow is not installed.
        """
        library = _library("pyarrow", "to_arrow", "pyarrow")
        make = library.record_batch if hasattr(self, "__arrow_c_array__") else library.table
        return cast("pa.RecordBatch | pa.Table", make(self))

    def to_polars(self) -> pl.DataFrame:
        """Give a ``polars.DataFrame``.

        Raises:
            UsageError: polars is not installed.
        """
        return cast("pl.DataFrame", _library("polars", "to_polars", "polars").DataFrame(self))

    def to_pandas(self) -> pd.DataFrame:
        """Give a ``pandas.DataFrame``, by pyarrow.

        Raises:
            UsageError: pandas or pyarrow is not installed.
        """
        for name in ("pandas", "pyarrow"):
            _library(name, "to_pandas", "pandas pyarrow")
        return cast("pd.DataFrame", self.to_arrow().to_pandas())


def _library(name: str, what: str, packages: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise UsageError(
            f"batch '{what}': import: there is no {name} here (pip install {packages})"
        ) from None
