"""Arrow columns of the form with ``raw`` back to records, exactly.

The records stand in a block as a ring has them, so that what decodes rings decodes them too. The
schema id of a record is then the number of its class in the table.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

import nanoarrow as na
import numpy as np
import numpy.typing as npt

from syscast.errors import FormatError
from syscast.events.arrow import cells
from syscast.events.arrow.build import names_of
from syscast.events.schema import HEADER_FIELDS, RING_HEADER_SIZE, envelope_key, pad, record_dtype
from syscast.spec.meta import RECORD_HEADER_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from syscast.events.arrow.build import ArrowArray, Values
    from syscast.events.arrow.columns import Column, Table
    from syscast.spec.meta import FieldMeta

    class View(Protocol):
        """nanoarrow's ``CArrayView``."""

        offset: int
        length: int
        n_children: int
        n_buffers: int
        dictionary: View | None

        def child(self, i: int) -> View:
            """One column."""
            ...

        def buffer(self, i: int) -> Sequence[int]:
            """One buffer, which has the buffer protocol."""
            ...


_ADDRESS = 40
"""Bytes of the longest address as text, and more."""

Array: TypeAlias = npt.NDArray[np.void]

_PLAIN = {name: code for name, code in HEADER_FIELDS if name in {"cpu", "pid", "tid", "seq"}}
_PLAIN["cgroup_id"] = "<u8"


class _Strings(NamedTuple):
    """A column of text or bytes.

    Attributes:
        starts: Where each row starts in ``data``.
        lengths: Of the rows, 0 where there is none.
        data: Of all rows, and perhaps of others.
        valid: The rows that there are.
    """

    starts: cells.Numbers
    lengths: cells.Numbers
    data: cells.Bytes
    valid: cells.Flags

    def matrix(self, width: int) -> cells.Bytes:
        """Give the first bytes of each row, NUL behind them."""
        made = np.zeros((len(self.lengths), width), np.uint8)
        lengths = np.minimum(self.lengths, width)
        if len(lengths) and lengths[0] and (self.lengths == lengths[0]).all():
            first, size = int(self.starts[0]), int(lengths[0])
            if int(self.starts[-1]) == first + (len(lengths) - 1) * size:  # side by side
                end = first + len(lengths) * size
                made[:, :size] = self.data[first:end].reshape(len(lengths), size)
                return made
        ends = np.cumsum(lengths)
        rows = np.repeat(np.arange(len(lengths)), lengths)
        within = np.arange(int(lengths.sum())) - np.repeat(ends - lengths, lengths)
        made[rows, within] = self.data[np.repeat(self.starts, lengths) + within]
        return made


def block_of(
    array: ArrowArray, table: Table, *, boot: bool = False, ids: Sequence[int] | None = None
) -> bytes:
    """Write the records of a struct array that `syscast.events.arrow.build.columns_of` made.

    Args:
        array: Of the table's schema, from whatever source.
        table: Its form has ``raw``.
        boot: Whether records have the boot clock's time in them, or the wall clock's.
        ids: The schema id of each class, by number; the number itself if None.

    Raises:
        FormatError: The array has other columns, or values that no record has.
    """
    view = cast("View", na.c_array(array).view())
    return block_of_view(view, table, boot=boot, ids=ids)


def block_of_view(
    view: View, table: Table, *, boot: bool = False, ids: Sequence[int] | None = None
) -> bytes:
    """`block_of`, of columns that were found without nanoarrow."""
    if not table.form.raw:
        raise FormatError("arrow columns: read the records: the columns do not say them exactly")
    if view.n_children != len(table.columns):
        raise FormatError(
            f"arrow columns: read the records: {view.n_children} columns, "
            f"not the {len(table.columns)} of the table"
        )
    try:
        return _Reader(view, table, boot=boot, ids=ids).block()
    except (ValueError, IndexError, TypeError, KeyError, OverflowError) as error:
        raise FormatError(f"arrow columns: read the records: {error}") from None


class _Reader:
    """Reads the columns of one array."""

    def __init__(self, view: View, table: Table, *, boot: bool, ids: Sequence[int] | None) -> None:
        self._ids = range(len(table.members)) if ids is None else ids
        self._view = view
        self._table = table
        self._start = view.offset
        self._count = view.length
        self._places = {column.source: n for n, column in enumerate(table.columns)}
        self._names = {column.name: n for n, column in enumerate(table.columns)}
        self._time = "boot_time" if boot else "time"
        self._read: dict[int, Values] = {}

    def block(self) -> bytes:
        """Write all records, in the order of the rows."""
        labels = {member.label: n for n, member in enumerate(self._table.members)}
        numbers = self._coded(self._table.columns[self._places["event"]], labels, "<i8")
        pieces = [
            (rows, self._records(number, rows))
            for number in range(len(self._table.members))
            if len(rows := np.flatnonzero(numbers == number))
        ]
        if len(pieces) == 1:
            return pieces[0][1].tobytes()
        sizes = np.zeros(self._count, np.int64)
        for rows, records in pieces:
            sizes[rows] = records.dtype.itemsize // 8
        starts = np.cumsum(sizes) - sizes
        words = np.zeros(int(sizes.sum()), np.uint64)
        for rows, records in pieces:
            own = records.view(np.uint64).reshape(len(rows), -1)
            words[starts[rows][:, np.newaxis] + np.arange(own.shape[1])] = own
        return words.tobytes()

    def _records(self, number: int, rows: cells.Numbers) -> Array:
        member = self._table.members[number]
        size = RECORD_HEADER_SIZE + member.schema.size
        stride = RING_HEADER_SIZE + pad(size)
        dtype = record_dtype(member.schema, lead=RING_HEADER_SIZE, stride=stride)
        records: Array = np.zeros(len(rows), dtype)
        taken = {field.name for field in member.schema.fields}
        records.view(np.uint32).reshape(len(rows), -1)[:, 0] = size
        records[envelope_key("schema", taken)] = self._ids[number]
        if member.envelope:
            for name in (*_PLAIN, "program", "comm", self._time):
                column = self._table.columns[self._places[name]]
                key = "time" if name == "boot_time" else name
                records[envelope_key(key, taken)] = self._values(column, column.field)[rows]
        fields = {field.name: field for field in member.schema.fields}
        for column in self._table.columns:
            if column.source == "field" and number in column.members:
                field = fields[column.field.name]
                records[field.name] = self._values(column, field)[rows]
        return records

    def _values(self, column: Column, field: FieldMeta) -> Values:
        """Read a column in the form of records; kept, since classes share columns."""
        place = self._names[column.name]
        found = self._read.get(place)
        if found is None:
            found = self._read[place] = _READERS[column.field.kind](self, column, field)
        return found

    def _child(self, column: Column) -> View:
        return self._view.child(self._names[column.name])

    def integers(self, column: Column, field: FieldMeta) -> Values:
        """Integers of any width."""
        code = f"<{'i' if field.signed else 'u'}{field.size}"
        return self._fixed(self._child(column), code)

    def flags(self, column: Column, _field: FieldMeta) -> Values:
        """Bits."""
        view = self._child(column)
        return _bits(view, 1, view.offset + self._start, self._count).astype(np.int64)

    def enums(self, column: Column, field: FieldMeta) -> Values:
        """Names, or numbers as text."""
        code = f"<{'i' if field.signed else 'u'}{field.size}"
        return self._coded(column, {each: n for n, each in names_of(field).items()}, code)

    def functions(self, column: Column, field: FieldMeta) -> Values:
        """Names of functions, or numbers in hex; of functions of one name, the first."""
        numbers = {name: number for number, name in reversed(field.labels.items())}
        return self._coded(column, numbers, "<u8")

    def strings(self, column: Column, _field: FieldMeta) -> Values:
        """Text, or the bytes that stand beside it."""
        width = column.field.size
        matrix = self._strings(self._child(column)).matrix(width)
        return _as_strings(self._corrected(column, matrix))

    def blobs(self, column: Column, field: FieldMeta) -> Values:
        """Bytes of one size."""
        return cast("Values", self._sized(self._child(column), field.size))

    def addresses(self, column: Column, _field: FieldMeta) -> Values:
        """Addresses as text or bytes, or the bytes that stand beside them."""
        kind = column.field.kind
        size = 4 if kind == "ipv4" else 16
        if self._table.form.addresses == "binary":
            packed = self._sized(self._child(column), size)
            matrix = _either(packed) if kind == "ip" else packed
        else:
            matrix = _parsed(self._strings(self._child(column)).matrix(_ADDRESS), kind)
        if kind == "ip":
            matrix = self._corrected(column, matrix)
        if kind == "ipv4":
            return cast("Values", np.ascontiguousarray(matrix).view(">u4")[:, 0])
        return cast("Values", matrix)

    def _corrected(self, column: Column, matrix: cells.Bytes) -> cells.Bytes:
        """Put in the rows that stand beside a column, because it cannot say them."""
        beside = self._table.columns[self._places[f"raw {column.name}"]]
        raw = self._strings(self._child(beside))
        if raw.valid.any():
            exact = raw.matrix(matrix.shape[1])
            matrix[raw.valid] = exact[raw.valid]
        return matrix

    def _coded(self, column: Column, values: dict[str, int], code: str) -> Values:
        """Read a column of names as the values that they stand for."""
        view = self._child(column)
        names = view.dictionary
        strings = (
            self._strings(view) if names is None else _strings(names, names.offset, names.length)
        )
        width = max(1, int(strings.lengths.max(initial=0)))
        texts, places = _texts(strings.matrix(width))
        if names is not None:
            valid = _valid(view, view.offset + self._start, self._count)
            codes = self._fixed(view, "<i4")
            places = np.append(places, 0)[np.where(valid, codes, -1)]
        # A row that has no such column has no name: what stands there is not used.
        table = self._named(texts or [""], {"": 0} | values, column, code)
        return table[places]

    def _named(
        self, texts: Sequence[str], values: dict[str, int], column: Column, code: str
    ) -> Values:
        try:
            numbers = [values[text] if text in values else int(text, 0) for text in texts]
            return cast("Values", np.array(numbers, code))
        except (ValueError, OverflowError):
            raise FormatError(
                f"arrow column {column.name!r}: read: a name that its type does not have"
            ) from None

    def _fixed(self, view: View, code: str) -> Values:
        start = view.offset + self._start
        return _buffer(view, 1, code)[start : start + self._count]

    def _sized(self, view: View, size: int) -> cells.Bytes:
        start = view.offset + self._start
        whole = cast("cells.Bytes", _buffer(view, 1, "<u1")).reshape(-1, size)
        return whole[start : start + self._count]

    def _strings(self, view: View) -> _Strings:
        return _strings(view, view.offset + self._start, self._count)


_READERS: dict[str, Callable[[_Reader, Column, FieldMeta], Values]] = {
    "time": _Reader.integers,
    "int": _Reader.integers,
    "port": _Reader.integers,
    "pointer": _Reader.integers,
    "bool": _Reader.flags,
    "enum": _Reader.enums,
    "function": _Reader.functions,
    "str": _Reader.strings,
    "bytes": _Reader.blobs,
    "ipv4": _Reader.addresses,
    "ipv6": _Reader.addresses,
    "ip": _Reader.addresses,
}


def _buffer(view: View, number: int, code: str) -> Values:
    """Give a buffer as numbers, without a copy; nothing where there is none."""
    buffer = view.buffer(number)
    if not len(buffer):
        return np.empty(0, code)
    size = np.dtype(code).itemsize
    whole = np.frombuffer(cast("bytes", buffer), np.uint8)
    return cast("Values", whole[: len(whole) // size * size].view(code))


def _bits(view: View, number: int, start: int, count: int) -> cells.Flags:
    """Give bits of a buffer."""
    whole = np.unpackbits(cast("cells.Bytes", _buffer(view, number, "<u1")), bitorder="little")
    return whole[start : start + count].astype(np.bool_)


def _valid(view: View, start: int, count: int) -> cells.Flags:
    """Give the rows that are not null."""
    return _bits(view, 0, start, count) if len(view.buffer(0)) else np.ones(count, np.bool_)


def _strings(view: View, start: int, count: int) -> _Strings:
    valid = _valid(view, start, count)
    ends = _buffer(view, 1, "<i4")[start : start + count + 1].astype(np.int64)
    if not len(ends):
        ends = np.zeros(1, np.int64)
    data = cast("cells.Bytes", _buffer(view, 2, "<u1"))
    return _Strings(ends[:-1], np.where(valid, ends[1:] - ends[:-1], 0), data, valid)


def _as_strings(matrix: cells.Bytes) -> Values:
    """Give rows of bytes as numpy's strings."""
    whole = np.ascontiguousarray(matrix)
    return cast("Values", whole.view(f"S{matrix.shape[1]}").reshape(-1))


def _texts(matrix: cells.Bytes) -> tuple[list[str], cells.Numbers]:
    """Give the different texts of rows, and which one each row has."""
    if len(matrix) and (matrix == matrix[0]).all():  # sorting takes far longer
        texts, places = _as_strings(matrix[:1]), np.zeros(len(matrix), np.int64)
    else:
        texts, places = np.unique(_as_strings(matrix), return_inverse=True)
    found = cast("list[bytes]", texts.tolist())
    return [each.decode("utf-8", "replace") for each in found], places


def _parsed(matrix: cells.Bytes, kind: str) -> cells.Bytes:
    """Read addresses, each different one once, as they stand in records."""
    texts, places = _texts(matrix)
    read = {"ipv4": _ipv4, "ipv6": _ipv6, "ip": _ip}[kind]
    size = {"ipv4": 4, "ipv6": 16, "ip": 20}[kind]
    whole = b"".join(read(text) if text else bytes(size) for text in texts)
    return np.frombuffer(whole, np.uint8).reshape(-1, size)[places]


def _ipv4(text: str) -> bytes:
    return ipaddress.IPv4Address(text).packed


def _ipv6(text: str) -> bytes:
    return ipaddress.IPv6Address(text).packed


def _ip(text: str) -> bytes:
    if ":" in text:
        return struct.pack("<I", cells.AF_INET6) + _ipv6(text)
    return struct.pack("<I", cells.AF_INET) + _ipv4(text) + bytes(12)


def _either(packed: cells.Bytes) -> cells.Bytes:
    """Write IPv6 addresses, IPv4 ones among them v4-mapped, as values of the kind ``ip``."""
    made = np.zeros((len(packed), 20), np.uint8)
    short = cells.is_mapped(packed)
    made[:, 0] = np.where(short, cells.AF_INET, cells.AF_INET6)
    made[short, 4:8] = packed[short, 12:]
    made[~short, 4:] = packed[~short]
    return made
