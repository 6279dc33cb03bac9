"""What others take through the Arrow PyCapsule interface: the columns of one batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import nanoarrow as na

from syscast.events.arrow.handing import Handing

if TYPE_CHECKING:
    from syscast.events.arrow.build import ArrowArray, ArrowSchema


class Columns(Handing):
    """Events as Arrow columns.

    DuckDB, polars, pandas, pyarrow and whatever else knows the Arrow PyCapsule interface take it.

    Attributes:
        schema: nanoarrow's ``CSchema``.
        array: nanoarrow's ``CArray``, a struct array.
    """

    def __init__(self, schema: ArrowSchema, array: ArrowArray) -> None:
        self.schema = schema
        self.array = array

    def __len__(self) -> int:
        return self.array.length

    def __arrow_c_schema__(self) -> object:
        return self.schema.__arrow_c_schema__()

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        return self.array.__arrow_c_array__(requested_schema)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        stream = na.c_array_stream(self.array)
        return cast("object", stream.__arrow_c_stream__(requested_schema))
