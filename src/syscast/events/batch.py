"""Batches: a block of ring records as numpy structured arrays.

A block of one schema is one array over a copy of the block: the ring headers lie hidden between
the records, so nothing is taken apart. A mixed block is walked once and gathered by schema.
Only this module needs numpy.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from syscast.errors import UsageError
from syscast.events.arrow.handing import Handing
from syscast.events.block import walk
from syscast.events.event import declared_as, make_events
from syscast.events.schema import RING_HEADER_SIZE, envelope_key, pad, record_dtype, record_struct
from syscast.spec.meta import RECORD_HEADER_SIZE

if TYPE_CHECKING:
    import struct
    from collections.abc import Iterable, Iterator, Mapping

    from syscast.events.arrow.build import ArrowSchema, Piece
    from syscast.events.arrow.columns import Addresses, Described, Form, Table
    from syscast.events.arrow.exports import Columns
    from syscast.events.block import Buffer
    from syscast.events.envelope import Origin, RawRecord
    from syscast.events.event import Event
    from syscast.events.lost import Lost
    from syscast.events.sequence import SequenceTracker
    from syscast.spec.meta import SchemaMeta

Array: TypeAlias = npt.NDArray[np.void]
_Words: TypeAlias = npt.NDArray[np.int64]
_Words64: TypeAlias = npt.NDArray[np.uint64]

_U64 = (1 << 64) - 1
_SEQ_WORD = (RING_HEADER_SIZE + 8) // 8
_IDS_WORD = (RING_HEADER_SIZE + 32) // 8
"""The u64 of schema id, program id and CPU, counted from the ring header."""

_TIME_WORD = RING_HEADER_SIZE // 8
_OBSERVED = (_SEQ_WORD, _IDS_WORD, _TIME_WORD)


class ArrayLayouts:
    """The numpy types of a decoder's schemas, made when first needed."""

    def __init__(
        self,
        schemas: Mapping[int, SchemaMeta],
        classes: Mapping[int, type[Event]],
        *,
        header: bool,
    ) -> None:
        self.schemas = schemas
        self.classes = classes
        self.header = header
        self._dtypes: dict[int, np.dtype[np.void]] = {}
        self._structs: dict[int, struct.Struct] = {}
        self._tables: dict[tuple[Form, int | None], tuple[Table, ArrowSchema]] = {}

    def size(self, schema_id: int) -> int:
        """Bytes of a record without its ring header."""
        return RECORD_HEADER_SIZE + self.schemas[schema_id].size

    def dtype(self, schema_id: int) -> np.dtype[np.void]:
        """The type of a whole ring record."""
        found = self._dtypes.get(schema_id)
        if found is None:
            stride = RING_HEADER_SIZE + pad(self.size(schema_id))
            schema = self.schemas[schema_id]
            lead = RING_HEADER_SIZE
            found = record_dtype(schema, lead=lead, stride=stride, header=self.header)
            self._dtypes[schema_id] = found
        return found

    def schema_id(self, cls: type[Event]) -> int:
        """Id of a class.

        Raises:
            UsageError: It is none of the decoder's.
        """
        for schema_id, each in self.classes.items():
            if each is cls:
                return schema_id
        known = ", ".join(sorted(each.__name__ for each in self.classes.values())) or "none"
        raise UsageError(f"batch: take the events {cls.__name__!r}: its event classes are {known}")

    def table(self, form: Form, schema_id: int | None) -> tuple[Table, ArrowSchema]:
        """The Arrow columns of one class or of all, and their Arrow schema."""
        found = self._tables.get((form, schema_id))
        if found is None:
            from syscast.events.arrow.build import schema_of  # noqa: PLC0415 - nanoarrow costs 15 ms
            from syscast.events.arrow.columns import table_of  # noqa: PLC0415

            table = table_of(self.described(schema_id), form)
            found = self._tables[form, schema_id] = (table, schema_of(table))
        return found

    def described(self, schema_id: int | None = None) -> list[Described]:
        """One class or all, as `table_of` takes them."""
        from syscast.events.arrow.columns import Described  # noqa: PLC0415

        return [
            Described(
                self.classes[each].__name__, schema, self.header, declared_as(self.classes[each])
            )
            for each, schema in self.schemas.items()
            if schema_id in {None, each}
        ]

    def unpacker(self, schema_id: int) -> struct.Struct:
        """The `struct` of a whole ring record."""
        found = self._structs.get(schema_id)
        if found is None:
            stride = RING_HEADER_SIZE + pad(self.size(schema_id))
            schema = self.schemas[schema_id]
            found = record_struct(schema, lead=RING_HEADER_SIZE, stride=stride)
            self._structs[schema_id] = found
        return found


class Batch(Handing):
    """Events that were read together.

    ``time`` in the arrays is the wall clock in ns since 1970, as everywhere; see `times`.

    Attributes:
        read: Records in the block, bad ones among them, discarded ones not.
        lost: What is missing among the events and was noticed with them.
    """

    def __init__(
        self, block: Buffer, layouts: ArrayLayouts, origin: Origin | None, uniform: int | None
    ) -> None:
        """Take a block; `syscast.events.records.Decoder.batch` does it.

        Args:
            block: Whole ring records with their ring headers; copied unless it is ``bytes``.
            layouts: Of the schemas.
            origin: What the records share; None where they have no envelope.
            uniform: The schema id of all records, None if they differ.
        """
        self.lost: tuple[Lost, ...] = ()
        self._block = block if isinstance(block, bytes) else bytes(block)
        self._words = np.frombuffer(self._block, "<u8", len(self._block) // 8)
        self._layouts = layouts
        self._origin = origin
        self._uniform = uniform
        self._arrays: dict[type[Event], Array] | None = None
        self._places: _Words = np.empty(0, np.int64)
        self._schemas: _Words = self._places
        self.read: int
        if uniform is not None:
            self.read = self._length = len(self._block) // layouts.dtype(uniform).itemsize
        else:
            self.read, self._places, self._schemas = _find(self._block, self._words, layouts)
            self._length = len(self._places)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events())

    def __repr__(self) -> str:
        names = ", ".join(cls.__name__ for cls in self.arrays)
        return f"<Batch of {len(self)} events: {names}>"

    @property
    def schemas(self) -> Mapping[int, SchemaMeta]:
        """Schema id to layout of all classes that may be in it: the decoder's own mapping."""
        return self._layouts.schemas

    @property
    def nbytes(self) -> int:
        """Bytes of the records, ring headers included."""
        return len(self._block)

    @property
    def arrays(self) -> Mapping[type[Event], Array]:
        """A structured array per event class in the batch; columns as in `record_dtype`."""
        if self._arrays is None:
            self._arrays = {self._layouts.classes[each]: self._array(each) for each in self._ids()}
        return self._arrays

    @property
    def array(self) -> Array:
        """The array of a batch of one event class.

        Raises:
            UsageError: The batch holds several classes.
        """
        return self._only()[1]

    def times(self, cls: type[Event] | None = None) -> npt.NDArray[np.datetime64]:
        """Wall-clock times as ``datetime64[ns]`` (UTC) of one class, by default the only one.

        Raises:
            UsageError: No class is given and the batch holds several, or its events have no
                envelope.
            KeyError: The batch holds no event of the class.
        """
        if self._origin is None:
            raise UsageError("batch: take the times: its events have no envelope")
        cls, array = self._only() if cls is None else (cls, self.arrays[cls])
        column = array[envelope_key("time", cls.__match_args__)]
        return cast("npt.NDArray[np.datetime64]", column.view("datetime64[ns]"))

    def events(self) -> list[Event]:
        """Make the events as objects, in the order they were read."""
        classes = self._layouts.classes
        if self._uniform is not None:
            records = self._layouts.unpacker(self._uniform).iter_unpack(self._block)
            return make_events(cast("Iterable[RawRecord]", records), classes, self._origin)
        unpackers = {each: self._layouts.unpacker(each).unpack_from for each in self._ids()}
        found = zip((self._places * 8).tolist(), self._schemas.tolist(), strict=True)
        mixed = (unpackers[each](self._block, place) for place, each in found)
        return make_events(cast("Iterable[RawRecord]", mixed), classes, self._origin)

    def chosen(self, wanted: npt.NDArray[np.bool_]) -> Batch:
        """Give a batch of some of the events only.

        Args:
            wanted: Which, in the order they were read.
        """
        layouts, origin = self._layouts, self._origin
        if self._uniform is not None:
            rows = self._words.reshape(len(self), -1)[wanted]
            made = Batch(rows.tobytes(), layouts, origin, self._uniform if len(rows) else None)
        else:
            found = zip(self._places[wanted].tolist(), self._schemas[wanted].tolist(), strict=True)
            block = self._block
            parts = [block[at * 8 : at * 8 + layouts.dtype(each).itemsize] for at, each in found]
            made = Batch(b"".join(parts), layouts, origin, None)
        made.lost = self.lost
        return made

    def first(self, count: int) -> Batch:
        """Give a batch of the first events only."""
        return self.chosen(np.arange(len(self)) < count)

    def to_dicts(self) -> list[dict[str, object]]:
        """Give `Event.to_dict` of each event, in the order they were read."""
        return [event.to_dict() for event in self.events()]

    def arrow(
        self,
        cls: type[Event] | None = None,
        *,
        raw: bool = False,
        addresses: Addresses = "text",
        dictionaries: bool = True,
    ) -> Columns:
        """Give the events as Arrow columns, in the order they were read; see docs/data-plane.md.

        The batch itself is the same to whoever takes Arrow data, without options.

        Args:
            cls: Only the events of this class, and its columns.
            raw: Whether to add columns for what the others do not say exactly: the bytes of text
                that is no UTF-8, the boot clock.
            addresses: ``text``, or ``binary`` for 4 or 16 bytes in network order.
            dictionaries: Whether names of events, probes and enum members are dictionaries.

        Raises:
            UsageError: There is no such form, or no such class.
        """
        from syscast.events.arrow.columns import Form  # noqa: PLC0415 - only who asks needs it

        return self._columns(Form(raw, addresses, dictionaries), cls)

    def __arrow_c_schema__(self) -> object:
        return self.arrow().__arrow_c_schema__()

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        return self.arrow().__arrow_c_array__(requested_schema)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.arrow().__arrow_c_stream__(requested_schema)

    def pieces(self, table: Table) -> list[Piece]:
        """Give the records by class, for `syscast.events.arrow.build`."""
        from syscast.events.arrow.build import Piece  # noqa: PLC0415 - nanoarrow costs 15 ms
        from syscast.events.arrow.columns import identity  # noqa: PLC0415

        numbers = table.numbers()
        found: list[Piece] = []
        for each in self._ids():
            schema = self._layouts.schemas[each]
            told = self._origin is not None
            declared = declared_as(self._layouts.classes[each])
            number = numbers.get(identity(schema, envelope=told, declared=declared))
            if number is None and declared:  # the table knows no classes
                number = numbers.get(identity(schema, envelope=told))
            if number is not None:
                rows = None if self._uniform is not None else self._rows(each)
                found.append(Piece(number, self._view(each), rows))
        return found

    def wall(self, boot: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        """Turn boot times into wall-clock times."""
        if self._origin is None:
            return boot
        if not self._origin.steps:
            return boot + np.uint64(self._origin.offset_ns & _U64)
        since = np.array([each for each, _ in self._origin.steps], np.uint64)
        offsets = [self._origin.offset_ns, *(offset for _, offset in self._origin.steps)]
        table = np.array([offset & _U64 for offset in offsets], np.uint64)
        found: npt.NDArray[np.uint64] = boot + table[np.searchsorted(since, boot, side="right")]
        return found

    def programs(self) -> Counter[int]:
        """How many of the events each program sent, by id; without an envelope, all are of 0."""
        if self._origin is None:
            return Counter({0: len(self)})
        at = _IDS_WORD
        if self._uniform is not None:
            words = self._words[at :: self._layouts.dtype(self._uniform).itemsize // 8]
        else:
            words = self._words[self._places + at]
        numbers, counts = np.unique(words >> np.uint64(16) & np.uint64(0xFFFF), return_counts=True)
        return Counter(dict(zip(numbers.tolist(), counts.tolist(), strict=True)))

    def probes(self) -> Mapping[int, str]:
        """Program id to probe."""
        return {} if self._origin is None else self._origin.probes

    def as_read(self) -> npt.NDArray[np.uint64]:
        """Boot clock in ns of each record, in the order they were read."""
        at = _OBSERVED[-1]
        if self._uniform is not None:
            return self._words[at :: self._layouts.dtype(self._uniform).itemsize // 8]
        return self._words[self._places + at]

    def observe(self, tracker: SequenceTracker) -> None:
        """Note the sequence numbers, in the order they were read."""
        if self._uniform is not None:
            step = self._layouts.dtype(self._uniform).itemsize // 8
            tracker.observe_words(*(self._words[at::step] for at in _OBSERVED))
        else:
            tracker.observe_words(*(self._words[self._places + at] for at in _OBSERVED))

    def _ids(self) -> list[int]:
        if self._uniform is not None:
            return [self._uniform]
        return [int(each) for each in np.unique(self._schemas)]

    def _array(self, schema_id: int) -> Array:
        array = self._view(schema_id)
        if self._uniform is not None:
            array = np.frombuffer(bytearray(self._block), array.dtype)
        if self._origin is None:
            return array
        column = envelope_key("time", self._layouts.classes[schema_id].__match_args__)
        array[column] = self.wall(array[column])
        return array

    def _view(self, schema_id: int) -> Array:
        """Give the records of a class as they are: read-only in a uniform batch."""
        dtype = self._layouts.dtype(schema_id)
        if self._uniform is not None:
            return np.frombuffer(self._block, dtype)
        width = dtype.itemsize // 8
        windows = np.lib.stride_tricks.sliding_window_view(self._words, width)
        view: Array = windows[self._places[self._rows(schema_id)]].reshape(-1).view(dtype)
        return view

    def _rows(self, schema_id: int) -> _Words:
        return np.flatnonzero(self._schemas == schema_id)

    def _columns(self, form: Form, cls: type[Event] | None) -> Columns:
        from syscast.events.arrow.build import columns_of  # noqa: PLC0415 - nanoarrow costs 15 ms
        from syscast.events.arrow.exports import Columns  # noqa: PLC0415

        batch = self
        schema_id = None
        if cls is not None:
            schema_id = self._layouts.schema_id(cls)
            if self._uniform != schema_id:
                block = self._view(schema_id).tobytes() if schema_id in self._ids() else b""
                batch = Batch(block, self._layouts, self._origin, schema_id)
        table, schema = self._layouts.table(form, schema_id)
        return Columns(schema, columns_of(batch, table, schema))

    def _only(self) -> tuple[type[Event], Array]:
        classes = self._layouts.classes
        if not self.arrays and len(classes) == 1:
            schema_id, cls = next(iter(classes.items()))
            return cls, np.empty(0, self._layouts.dtype(schema_id))
        if len(self.arrays) != 1:
            names = ", ".join(sorted(cls.__name__ for cls in self.arrays)) or "none"
            raise UsageError(f"batch: take the only array: its event classes are {names}")
        return next(iter(self.arrays.items()))


def _find(block: bytes, words: _Words64, layouts: ArrayLayouts) -> tuple[int, _Words, _Words]:
    """Walk a mixed block.

    Returns:
        How many records there are, then for the good ones the index of the word where the ring
        header stands, and the schema id.
    """
    starts, lengths = walk(block)
    sizes = np.array(lengths, np.int64)
    places = (np.array(starts, np.int64) - RING_HEADER_SIZE) // 8
    whole = sizes >= RECORD_HEADER_SIZE
    places, sizes = places[whole], sizes[whole]
    ids = (words[places + _IDS_WORD] & np.uint64(0xFFFF)).astype(np.int64)
    good = np.zeros(len(ids), np.bool_)
    for schema_id in layouts.schemas:
        # A ring record has its exact size: only perf buffers pad, and they come one by one.
        good |= (ids == schema_id) & (sizes == layouts.size(schema_id))
    return len(starts), places[good], ids[good]
