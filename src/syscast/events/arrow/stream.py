"""A stream of Arrow arrays over batches that come one after the other, while it is read."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

import nanoarrow as na
from nanoarrow.c_array_stream import CArrayStream

from syscast.errors import UsageError
from syscast.events.arrow.build import columns_of, schema_of
from syscast.events.arrow.columns import table_of
from syscast.events.arrow.exports import Columns
from syscast.events.arrow.handing import Handing
from syscast.kernel.arrowstream import forget, redirect

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from syscast.events.arrow.build import ArrowArray, ArrowSchema, Source
    from syscast.events.arrow.columns import Described, Form, Table


def stream_of(
    classes: Iterable[Described],
    form: Form,
    batches: Callable[[], Iterator[Source]],
    *,
    once: bool = True,
) -> Stream:
    """Make a stream over batches of some event classes; raises as `table_of`."""
    return Stream(table_of(classes, form), batches, once=once)


class _End(bytearray):
    """Memory of a C stream, which it lets go when it is released: that ends the reading, too."""

    then: tuple[Callable[[], object], ...] = ()

    def __del__(self) -> None:
        for each in self.then:
            each()


class Stream(Handing):
    """Events as Arrow columns, batch by batch, under one schema.

    DuckDB, polars, pandas, pyarrow and whatever else knows the Arrow PyCapsule interface take it;
    or iterate over it: each step gives the columns of a batch. Nothing is read before somebody
    asks for the first batch. What was read is gone: a stream has one consumer, and who comes after it gets
    a UsageError; only the rows of a table are read anew for each.

    Attributes:
        table: The columns.
        schema: nanoarrow's ``CSchema`` of them.
    """

    def __init__(
        self, table: Table, batches: Callable[[], Iterator[Source]], *, once: bool = False
    ) -> None:
        """Make a stream.

        Args:
            table: Of all classes that the batches may have.
            batches: Begins to read.
            once: What was read is gone.
        """
        self.table = table
        self.schema: ArrowSchema = schema_of(table)
        self._batches = batches
        self._once = once
        self._begun = False

    def __repr__(self) -> str:
        """The columns, and that it is read once."""
        names = ", ".join(each.name for each in self.table.columns)
        once = "; read once" + (", and it was" if self._begun else "") if self._once else ""
        return f"<arrow stream of {names}{once}>"

    def __iter__(self) -> Iterator[Columns]:
        for array in self._arrays():
            yield Columns(self.schema, array)

    def __arrow_c_schema__(self) -> object:
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        arrays = self._arrays()
        end = _End(1)
        held = na.c_array_from_buffers(na.uint8(), 1, [None, end])
        schema = na.c_schema(self.schema.__arrow_c_schema__())  # a copy, to be moved
        stream = CArrayStream.from_c_arrays([held], schema, move=True, validate=False)
        number = redirect(stream._addr(), lambda: next(arrays, None))  # noqa: SLF001 - nanoarrow's name
        end.then = (arrays.close, partial(forget, number))
        return cast("object", stream.__arrow_c_stream__(requested_schema))

    def _arrays(self) -> Generator[ArrowArray]:
        if self._begun and self._once:
            raise UsageError(
                "arrow 'stream': read: this stream was read (keep its to_arrow(), or ask arrow() again)"
            )
        batches = self._batches()
        self._begun = True
        for batch in batches:
            if len(batch):
                yield columns_of(batch, self.table, self.schema)
