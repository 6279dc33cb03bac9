"""Arrow schemas and arrays, made with nanoarrow from the record arrays of a batch.

Numbers are gathered by numpy, text by `syscast.events.arrow.cells`; nanoarrow takes the finished
buffers without copying and hands them on through the Arrow C data interface.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, cast

import nanoarrow as na
import numpy as np
import numpy.typing as npt
from msgspec.structs import replace
from nanoarrow.c_array import CArrayBuilder
from nanoarrow.device import DEVICE_CPU

from syscast.events.arrow import cells
from syscast.events.arrow.columns import table_from_json
from syscast.events.schema import envelope_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from syscast.events.arrow.columns import Column, Table
    from syscast.spec.meta import FieldMeta

Array: TypeAlias = npt.NDArray[np.void]
Values: TypeAlias = npt.NDArray[np.int64]
"""Of whatever type the column has: numpy's own name for that holds an Any."""

Buffers: TypeAlias = list[object]
"""numpy arrays."""

_NAMED = frozenset({"enum", "function"})
"""Kinds of numbers that are shown by their names."""

TABLE_KEY = "syscast.table"
"""Key of the schema's metadata that has the whole `Table` as JSON."""


class ArrowSchema(Protocol):
    """nanoarrow's ``CSchema``."""

    metadata: Mapping[bytes, bytes] | None

    def __arrow_c_schema__(self) -> object: ...

    def child(self, i: int) -> ArrowSchema:
        """One column's schema."""
        ...


class ArrowArray(Protocol):
    """nanoarrow's ``CArray``."""

    length: int
    dictionary: object

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]: ...
    def _addr(self) -> int: ...


class Piece(NamedTuple):
    """The records of one event class in a batch.

    Attributes:
        number: Of the class in the table.
        array: As `syscast.events.schema.record_dtype`, with the boot clock in ``time``.
        rows: Where they stand among all records of the batch, None if there are no others.
    """

    number: int
    array: Array
    rows: cells.Numbers | None


class Source(Protocol):
    """What `columns_of` needs of a batch."""

    def __len__(self) -> int: ...

    def pieces(self, table: Table) -> Sequence[Piece]:
        """The records by class."""
        ...

    def wall(self, boot: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        """Wall-clock times of boot times."""
        ...

    def probes(self) -> Mapping[int, str]:
        """Program id to probe."""
        ...


def schema_of(table: Table) -> ArrowSchema:
    """Make the Arrow schema of a table; its metadata has the table itself under `TABLE_KEY`."""
    children = {each.name: _type(each, table) for each in table.columns}
    whole = na.c_schema(na.struct(children)).modify(metadata={TABLE_KEY: table.to_json()})
    return cast("ArrowSchema", whole)


def table_in(schema: ArrowSchema) -> Table | None:
    """Find the table in an Arrow schema's metadata; None if syscast did not make it.

    Raises:
        msgspec.DecodeError: Something else stands there.
    """
    for key, value in (schema.metadata or {}).items():
        if key == TABLE_KEY.encode():
            return table_from_json(value)
    return None


def _type(column: Column, table: Table) -> object:
    field = column.field
    kind = "raw" if column.source.startswith("raw") else field.kind
    told = {"syscast.kind": kind, "syscast.type": column.c_type}
    if field.labels:
        told["syscast.labels"] = json.dumps({str(key): each for key, each in field.labels.items()})
    if len(column.members) < len(table.members):
        labels = [table.members[number].label for number in column.members]
        told["syscast.events"] = json.dumps(labels)
    made, extension = _plain_type(column, kind, table)
    if extension:
        told |= {"ARROW:extension:name": extension, "ARROW:extension:metadata": ""}
    return na.c_schema(made).modify(metadata=told)


def _plain_type(column: Column, kind: str, table: Table) -> tuple[object, str]:
    """Give the type and, for addresses as bytes, the name of the extension type."""
    field = column.field
    if kind in {"int", "port", "pointer"}:
        make = getattr(na, f"{'' if field.signed else 'u'}int{field.size * 8}")
        return make(), ""
    if kind in {"ipv4", "ipv6", "ip"} and table.form.addresses == "binary":
        return na.fixed_size_binary(4 if kind == "ipv4" else 16), f"syscast.{kind}"
    names = na.dictionary(na.int32(), na.string())
    types = {
        "time": na.timestamp("ns", "UTC"),
        "enum": names if table.form.dictionaries else na.string(),
        "function": names if table.form.dictionaries else na.string(),
        "raw": na.binary(),
        "bytes": na.fixed_size_binary(field.size),
        "bool": na.bool_(),
    }
    return types.get(kind, na.string()), ""


def columns_of(batch: Source, table: Table, schema: ArrowSchema | None = None) -> ArrowArray:
    """Make a struct array of a batch's events, in the order they were read.

    Args:
        batch: Its classes are among the table's.
        table: The columns.
        schema: Of the table, if it is at hand.
    """
    schema = schema if schema is not None else schema_of(table)
    builder = _Builder(batch, table)
    children = [
        builder.column(column, schema.child(number)) for number, column in enumerate(table.columns)
    ]
    made = na.c_array_from_buffers(
        schema, len(batch), [None], children=children, move=True, validation_level="none"
    )
    return cast("ArrowArray", made)


class _Builder:
    """Makes the columns of one batch."""

    def __init__(self, batch: Source, table: Table) -> None:
        self._batch = batch
        self._table = table
        self._count = len(batch)
        self._pieces = batch.pieces(table)
        self._texts: dict[str, cells.Text] = {}

    def column(self, column: Column, schema: ArrowSchema) -> ArrowArray:
        """Make one column."""
        valid = self._valid(column)
        if column.field.kind in _NAMED:
            codes, texts = self._codes(column)
            if self._table.form.dictionaries:
                made = _array(schema, self._count, valid, [codes.astype(np.int32)])
                _fill_dictionary(made, texts)
                return made
            rows = cells.chosen_rows([*texts, ""], _void(codes, valid, len(texts)))
            return _array(schema, self._count, valid, [rows.offsets(), rows.data])
        if column.source.startswith("raw "):
            return self._raw(column, schema, valid)
        buffers = _WRITERS[column.field.kind](self, column)
        return _array(schema, self._count, valid, buffers)

    def _valid(self, column: Column) -> cells.Flags | None:
        """Give the rows that have the column; None if all do."""
        held = [piece for piece in self._pieces if piece.number in column.members]
        if len(held) == len(self._pieces):
            return None
        found = np.zeros(self._count, np.bool_)
        for piece in held:
            found[slice(None) if piece.rows is None else piece.rows] = True
        return found

    def values(self, column: Column) -> Values:
        """Gather a column's values, zeros where there are none."""
        whole: Values | None = None
        for piece in self._pieces:
            if piece.number not in column.members:
                continue
            own = piece.array[self._key(column, piece)]
            if piece.rows is None:
                return own
            if whole is None:
                dtype = f"S{column.field.size}" if own.dtype.kind == "S" else own.dtype
                whole = np.zeros((self._count, *own.shape[1:]), dtype)
            whole[piece.rows] = own
        return _empty(column, self._count) if whole is None else whole

    def _key(self, column: Column, piece: Piece) -> str:
        if column.source == "field":
            return column.field.name
        taken = {field.name for field in self._table.members[piece.number].schema.fields}
        return envelope_key(column.field.name, taken)

    def _codes(self, column: Column) -> tuple[npt.NDArray[np.int64], list[str]]:
        """Give the place of each row's name in a list of names, and the list."""
        if column.source == "event":
            codes = np.zeros(self._count, np.int64)
            for piece in self._pieces:
                codes[slice(None) if piece.rows is None else piece.rows] = piece.number
            return codes, [member.label for member in self._table.members]
        if column.source == "probe":
            labels = dict(self._batch.probes())
            codes, texts = _coded(self.values(_program_column(column)), labels, _program)
            return self._functions(codes, texts)
        if column.field.kind == "function":
            return _coded(self.values(column), column.field.labels, hex)
        return _coded(self.values(column), names_of(column.field), str)

    def _functions(
        self, codes: npt.NDArray[np.int64], texts: list[str]
    ) -> tuple[npt.NDArray[np.int64], list[str]]:
        """Put the function's name in place of the probe's where a program is on many."""
        for piece in self._pieces:
            for field in self._table.members[piece.number].schema.fields:
                if field.kind == "function":
                    own, names = _coded(piece.array[field.name], field.labels, hex)
                    codes[slice(None) if piece.rows is None else piece.rows] = own + len(texts)
                    texts = [*texts, *names]
        places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        return np.array([places[text] for text in texts], np.int64)[codes], list(places)

    def times(self, column: Column) -> Buffers:
        """Wall-clock times."""
        boot = np.ascontiguousarray(cast("npt.NDArray[np.uint64]", self.values(column)))
        return [self._batch.wall(boot)]

    def numbers(self, column: Column) -> Buffers:
        """Integers, as they stand in the records."""
        return [np.ascontiguousarray(self.values(column))]

    def flags(self, column: Column) -> Buffers:
        """Bits."""
        return [np.packbits(self.values(column).astype(np.bool_), bitorder="little")]

    def text(self, column: Column) -> Buffers:
        """UTF-8."""
        rows = self._text(column).rows
        return [rows.offsets(), rows.data]

    def blob(self, column: Column) -> Buffers:
        """Bytes of one size."""
        return [_matrix(self.values(column))]

    def address(self, column: Column) -> Buffers:
        """Addresses, as text or bytes."""
        bytes_ = _matrix(self.values(column))
        kind = column.field.kind
        if self._table.form.addresses == "binary":
            return [_mapped(bytes_) if kind == "ip" else bytes_]
        write = {"ipv4": cells.ipv4_rows, "ipv6": cells.ipv6_rows, "ip": cells.ip_rows}[kind]
        rows = write(bytes_)
        valid = self._valid(column)
        if valid is not None:  # nothing stands for no address
            kept = np.repeat(valid, rows.lengths)
            rows = cells.Rows(np.where(valid, rows.lengths, 0), rows.data[kept])
        return [rows.offsets(), rows.data]

    def _text(self, column: Column) -> cells.Text:
        found = self._texts.get(column.name)
        if found is None:
            found = cells.text_rows(cast("npt.NDArray[np.bytes_]", self.values(column)))
            self._texts[column.name] = found
        return found

    def _raw(self, column: Column, schema: ArrowSchema, valid: cells.Flags | None) -> ArrowArray:
        """Make the column that says what another one cannot say."""
        shown = column.source.removeprefix("raw ")
        beside = next(each for each in self._table.columns if each.name == shown)
        values = self.values(beside)
        wanted: cells.Flags | None
        if column.field.kind == "str":
            wanted = self._text(beside).inexact
            strings = cast("npt.NDArray[np.bytes_]", values)
        else:
            matrix = _matrix(values)
            wanted = ~_exact_ip(matrix, self._table.form.addresses)
            strings = matrix.view(f"S{matrix.shape[1]}").reshape(-1)
        if wanted is None:
            wanted = np.zeros(self._count, np.bool_)
        if valid is not None:
            wanted &= valid
        rows = cells.raw_rows(strings, wanted)
        return _array(schema, self._count, wanted, [rows.offsets(), rows.data])


_WRITERS: dict[str, Callable[[_Builder, Column], Buffers]] = {
    "time": _Builder.times,
    "int": _Builder.numbers,
    "port": _Builder.numbers,
    "pointer": _Builder.numbers,
    "bool": _Builder.flags,
    "str": _Builder.text,
    "bytes": _Builder.blob,
    "ipv4": _Builder.address,
    "ipv6": _Builder.address,
    "ip": _Builder.address,
}


def names_of(field: FieldMeta) -> dict[int, str]:
    """Give an enum's names, one for each value: a name that is no name has its number instead."""
    found: dict[int, str] = {}
    taken: set[str] = set()
    for value, label in field.labels.items():
        number = label.removeprefix("-").isdecimal()
        found[value] = str(value) if number or label in taken else label
        taken.add(label)
    return found


def _coded(
    column: Values, names: Mapping[int, str], unknown: Callable[[int], str]
) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Number the values' names; what has none is named by its number."""
    limits = np.iinfo(column.dtype)
    low, high = int(limits.min), int(limits.max)
    known = sorted(value for value in names if low <= value <= high)
    table = np.array(known, column.dtype)
    codes = np.searchsorted(table, column)
    texts = [names[value] or unknown(value) for value in known]
    if known:
        missing = table[np.minimum(codes, len(known) - 1)] != column
    else:
        missing = np.ones(len(column), np.bool_)
    if missing.any():
        others = np.unique(column[missing])
        codes[missing] = len(known) + np.searchsorted(others, column[missing])
        texts += [unknown(value) for value in others.tolist()]
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    if len(places) < len(texts):  # the programs of one probe
        codes = np.array([places[text] for text in texts], np.int64)[codes]
    return codes, list(places)


def _program(number: int) -> str:
    return f"program {number}"


def _void(
    codes: npt.NDArray[np.int64], valid: cells.Flags | None, code: int
) -> npt.NDArray[np.int64]:
    return codes if valid is None else np.where(valid, codes, code)


def _program_column(column: Column) -> Column:
    return replace(column, field=replace(column.field, name="program"))


def _empty(column: Column, count: int) -> Values:
    """Give zeros for a column that no event of the batch has."""
    field = column.field
    if field.kind in {"int", "port", "pointer", "time", *_NAMED}:
        return np.zeros(count, f"<{'i' if field.signed else 'u'}{field.size}")
    if field.kind == "str":
        return np.zeros(count, f"S{field.size}")
    return np.zeros((count, field.size), np.uint8)


def _matrix(values: Values) -> cells.Bytes:
    """Give the bytes of fixed-size values, a row for each."""
    whole = np.ascontiguousarray(values)
    width = whole.dtype.itemsize * (whole.shape[1] if whole.ndim > 1 else 1)
    return whole.view(np.uint8).reshape(len(whole), width)


def _mapped(addresses: cells.Bytes) -> cells.Bytes:
    """Write addresses of either family as IPv6 ones, IPv4 v4-mapped."""
    made = addresses[:, 4:20].copy()
    short = cells.is_ipv4(addresses)
    made[short, :10] = 0
    made[short, 10:12] = 0xFF
    made[short, 12:] = addresses[short, 4:8]
    return made


def _exact_ip(addresses: cells.Bytes, form: str) -> cells.Flags:
    """Tell which values of the kind ``ip`` their column says in full."""
    clean = (addresses[:, 1:4] == 0).all(axis=1)
    short = (addresses[:, 0] == cells.AF_INET) & (addresses[:, 8:] == 0).all(axis=1)
    long = addresses[:, 0] == cells.AF_INET6
    if form == "binary":
        long &= ~cells.is_mapped(addresses[:, 4:20])
    return cast("cells.Flags", clean & (short | long))


def _array(
    schema: ArrowSchema, count: int, valid: cells.Flags | None, buffers: Buffers
) -> ArrowArray:
    """Make an array of its buffers; numpy's memory stays as long as anybody uses it."""
    bits = None if valid is None else np.packbits(valid, bitorder="little")
    nulls = 0 if valid is None else count - int(np.count_nonzero(valid))
    made = na.c_array_from_buffers(
        schema, count, [bits, *buffers], null_count=nulls, validation_level="none"
    )
    return cast("ArrowArray", made)


def _fill_dictionary(array: ArrowArray, texts: Sequence[str]) -> None:
    """Give a dictionary array its names: nanoarrow has made an empty dictionary."""
    rows = cells.chosen_rows(texts, np.arange(len(texts)))
    builder = CArrayBuilder(array.dictionary, DEVICE_CPU)
    builder.set_buffer(1, na.c_buffer(rows.offsets()), move=True)
    builder.set_buffer(2, na.c_buffer(rows.data), move=True)
    builder.set_length(len(texts))
    builder.set_null_count(0)
    builder.finish(validation_level="none")
