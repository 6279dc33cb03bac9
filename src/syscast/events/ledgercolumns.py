"""The ledger as an Arrow table: a row for each of its rows, so that other programs can read it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, cast

import nanoarrow as na
from msgspec.structs import fields

from syscast.events.ledger import LedgerRow

if TYPE_CHECKING:
    from syscast.events.arrow.build import ArrowArray, ArrowSchema
    from syscast.events.ledger import Ledger


@cache
def ledger_schema() -> ArrowSchema:
    """Make the schema: a column for each attribute of `LedgerRow`; unknown numbers are null."""
    return cast("ArrowSchema", na.c_schema(na.struct(dict(_columns()))))


def ledger_array(ledger: Ledger, schema: ArrowSchema) -> ArrowArray:
    """Make the rows."""
    columns = [
        na.c_array([getattr(row, name) for row in ledger.rows], kind) for name, kind in _columns()
    ]
    made = na.c_array_from_buffers(schema, len(ledger.rows), [None], children=columns)
    return cast("ArrowArray", made)


@cache
def _columns() -> list[tuple[str, object]]:
    """The attributes that are text or numbers."""
    found = []
    for field in fields(LedgerRow):
        if field.type is str:
            found.append((field.name, na.string()))
        elif field.type in {int, int | None}:
            found.append((field.name, na.int64()))
    return found
