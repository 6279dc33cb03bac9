"""Decoding records into events or tuples: bytes in, objects out, no input or output of its own.

Damaged records are counted, never raised: a session must not end because of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import msgspec

from syscast.errors import UsageError
from syscast.events.block import is_uniform, walk
from syscast.events.clock import offset_at
from syscast.events.envelope import Origin
from syscast.events.event import declared_as, fields_of, make_event_class, make_events
from syscast.events.schema import FIRST_FIELD, RING_HEADER_SIZE, ordered, pad, record_struct
from syscast.events.sequence import SequenceTracker
from syscast.spec.meta import RECORD_HEADER_SIZE

if TYPE_CHECKING:
    import struct
    from collections.abc import Callable, Iterable, Mapping

    from syscast.events.arrow.columns import Described
    from syscast.events.batch import ArrayLayouts, Batch
    from syscast.events.block import Buffer
    from syscast.events.clock import Steps
    from syscast.events.envelope import RawRecord
    from syscast.events.event import Event
    from syscast.spec.meta import ProgramMeta, SchemaMeta

    Unpack = Callable[[Buffer, int], RawRecord]
    UnpackAll = Callable[[Buffer], Iterable[RawRecord]]

SCHEMA_AT = 32
"""Where the u16 schema id stands in a record."""

_TIME_WORD = RING_HEADER_SIZE // 8
_SEQ_WORD = (RING_HEADER_SIZE + 8) // 8
_IDS_WORD = (RING_HEADER_SIZE + SCHEMA_AT) // 8
"""The u64 of schema id, program id and CPU, counted from the ring header."""

_SCHEMA_ITEM = 5
"""Where an unpacked record has its schema id."""

_TAIL = 8
"""A perf buffer pads its records; fewer bytes than this may follow the payload."""


class _Layout(NamedTuple):
    """How to unpack the records of one schema."""

    schema: SchemaMeta
    size: int
    unpack: Unpack
    unpack_ring: UnpackAll


class Decoder:
    """Decodes the records of one object's programs.

    Attributes:
        schemas: Schema id to layout.
        classes: Schema id to event class.
        sequence: The gaps seen so far.
        seen: Records read, good and bad.
        decoded: Records decoded.
        decode_errors: Records that were short, long or of an unknown schema.
    """

    def __init__(
        self,
        schemas: Iterable[SchemaMeta],
        programs: Iterable[ProgramMeta] = (),
        classes: Mapping[int, type[Event]] | None = None,
        clock_offset_ns: int = 0,
    ) -> None:
        """Prepare to decode.

        Args:
            schemas: Of the object.
            programs: Of the object; they name the probes.
            classes: Schema id to the class to use; others get an anonymous one.
            clock_offset_ns: Wall clock minus boot clock.

        Raises:
            FormatError: A schema cannot be decoded.
            UsageError: A class has other fields than its schema.
        """
        self.schemas: dict[int, SchemaMeta] = {each.id: each for each in schemas}
        self.classes: dict[int, type[Event]] = {}
        self.sequence: SequenceTracker = SequenceTracker()
        self.seen: int = 0
        self.decoded: int = 0
        self.decode_errors: int = 0
        self._observed: Buffer | None = None  # a block whose numbers were noted before
        self._origin: Origin | None = Origin(
            clock_offset_ns,
            {each.id: each.probe for each in programs},
            {each.id: found for each in self.schemas.values() if (found := _function_of(each))},
        )
        self._layouts: dict[int, _Layout] = {}
        self._arrays: ArrayLayouts | None = None
        for schema in self.schemas.values():
            given = (classes or {}).get(schema.id)
            if given is not None:
                _check_class(given, schema)
            self.classes[schema.id] = given or make_event_class(schema)
            self._layouts[schema.id] = _layout(schema)

    @property
    def clock_offset_ns(self) -> int:
        """Wall clock minus boot clock; set it again when the wall clock was stepped."""
        return 0 if self._origin is None else self._origin.offset_ns

    @clock_offset_ns.setter
    def clock_offset_ns(self, offset: int) -> None:
        if self._origin is not None:
            self._origin = msgspec.structs.replace(self._origin, offset_ns=offset, steps=())

    def set_clock(self, offset: int, steps: Steps) -> None:
        """Say what the wall clock is: `syscast.events.clock.WallClock` has both."""
        if self._origin is not None:
            self._origin = msgspec.structs.replace(self._origin, offset_ns=offset, steps=steps)

    def wall(self, boot: int) -> int:
        """Turn a time of the records' clock into wall-clock time, both in ns."""
        if self._origin is None:
            return boot
        return boot + offset_at(boot, self._origin.offset_ns, self._origin.steps)

    def read(self, program: int) -> int:
        """Count the records of one program that were decoded."""
        return self.sequence.received(program)

    def events(self, records: Iterable[Buffer]) -> list[Event]:
        """Decode single records, given without ring headers, in their order."""
        return make_events(self.tuples(records), self.classes, self._origin)

    def tuples(self, records: Iterable[Buffer]) -> list[RawRecord]:
        """Unpack single records.

        A tuple holds the boot time in ns, sequence number, cgroup id, pid, tid, schema id,
        program id, CPU and comm (16 bytes), then the payload's raw values by offset: ints, and
        bytes for strings and addresses.
        """
        found: list[RawRecord] = []
        add = found.append
        layouts = self._layouts
        seen = 0
        for record in records:
            seen += 1
            size = len(record)
            if size < RECORD_HEADER_SIZE:
                continue
            layout = layouts.get(record[SCHEMA_AT] | record[SCHEMA_AT + 1] << 8)
            if layout is not None and 0 <= size - layout.size < _TAIL:
                add(layout.unpack(record, 0))
        self._count(seen, found)
        return found

    def block_events(self, block: Buffer) -> list[Event]:
        """Decode a block of whole ring records with their ring headers."""
        return make_events(self.block_tuples(block), self.classes, self._origin)

    def views(self, tuples: list[RawRecord]) -> list[Event]:
        """Make events of unpacked records."""
        return make_events(tuples, self.classes, self._origin)

    def block_tuples(self, block: Buffer) -> list[RawRecord]:
        """Unpack a block of whole ring records with their ring headers; see `tuples`."""
        schema_id = self.uniform(block)
        if schema_id is None:
            return self._mixed_tuples(block)
        layout = self._layouts[schema_id]
        found = list(layout.unpack_ring(block))
        self.seen += len(found)
        self.decoded += len(found)
        if block is self._observed:
            return found
        step = len(block) // len(found) // 8
        words = memoryview(block).cast("B").cast("Q")
        ids = words[_IDS_WORD::step].tobytes()
        if ids == ids[:8] * len(found):
            numbers, times = words[_SEQ_WORD::step].tolist(), words[_TIME_WORD::step]
            self.sequence.observe_run(words[_IDS_WORD], numbers, times)
        else:
            self.sequence.observe(found)
        return found

    def _mixed_tuples(self, block: Buffer) -> list[RawRecord]:
        view = memoryview(block).cast("B")
        words = view[: len(view) & ~7].cast("Q")
        found: list[RawRecord] = []
        add = found.append
        layouts = self._layouts
        starts, lengths = walk(view)
        for at, size in zip(starts, lengths, strict=True):
            if size < RECORD_HEADER_SIZE:
                continue
            layout = layouts.get(words[(at + SCHEMA_AT) >> 3] & 0xFFFF)
            if layout is not None and size == layout.size:
                add(layout.unpack(view, at))
        self._count(len(starts), found, observed=block is self._observed)
        return found

    def peek(self, record: Buffer) -> tuple[RawRecord, Event] | None:
        """Decode one record without counting it; None if it is damaged."""
        layout = self._layouts.get(record[SCHEMA_AT] | record[SCHEMA_AT + 1] << 8)
        if layout is None or not 0 <= len(record) - layout.size < _TAIL:
            return None
        raw = layout.unpack(record, 0)
        return raw, make_events([raw], self.classes, self._origin)[0]

    def set_aside(self, gone: int, records: list[RawRecord], rest: bytes) -> None:
        """Count records that were decoded and go no further.

        Args:
            gone: How many.
            records: All of their block, in their order: only so do numbers show what is missing.
            rest: The block without them, which may be decoded next.
        """
        self.seen += gone
        self.decoded += gone
        self.sequence.observe(records)
        self._observed = rest

    def batch(self, block: Buffer) -> Batch:
        """Decode a block of whole ring records into numpy arrays."""
        made = self.counted_batch(block)
        self.seen += made.read
        self.decoded += len(made)
        self.decode_errors += made.read - len(made)
        if block is not self._observed:
            made.observe(self.sequence)
        return made

    def counted_batch(self, block: Buffer) -> Batch:
        """Make a batch of records that were decoded before, and are not to be counted again."""
        from syscast.events.batch import ArrayLayouts, Batch  # noqa: PLC0415 - numpy costs 100 ms

        if self._arrays is None:
            self._arrays = ArrayLayouts(
                self.schemas, self.classes, header=self._origin is not None
            )
        return Batch(block, self._arrays, self._origin, self.uniform(block))

    def encoded(self, records: Iterable[RawRecord]) -> bytes:
        """Put unpacked records into a block as they came from the ring."""
        structs: dict[int, tuple[bytes, struct.Struct]] = {}
        parts: list[bytes] = []
        for record in records:
            number = cast("int", record[_SCHEMA_ITEM])
            if number not in structs:
                size = self._layouts[number].size
                whole = record_struct(self.schemas[number], stride=pad(size))
                structs[number] = (size.to_bytes(RING_HEADER_SIZE, "little"), whole)
            header, whole = structs[number]
            parts += (header, whole.pack(*record))
        return b"".join(parts)

    def described(self) -> list[Described]:
        """The event classes, as `syscast.events.arrow.columns.table_of` takes them."""
        from syscast.events.arrow.columns import Described  # noqa: PLC0415 - only Arrow needs it

        return [
            Described(
                self.classes[number].__name__,
                schema,
                self._origin is not None,
                declared_as(self.classes[number]),
            )
            for number, schema in self.schemas.items()
        ]

    def stride(self, schema_id: int) -> int:
        """Bytes that a record of a schema takes up in a ring."""
        return RING_HEADER_SIZE + pad(self._layouts[schema_id].size)

    def uniform(self, block: Buffer) -> int | None:
        """Give the schema id that all records of a block have, None if they differ or are bad."""
        at = RING_HEADER_SIZE + SCHEMA_AT
        if len(block) < at + 2:
            return None
        mark = bytes(memoryview(block)[at : at + 2])
        schema_id = int.from_bytes(mark, "little")
        layout = self._layouts.get(schema_id)
        if layout is None or not is_uniform(block, layout.size, SCHEMA_AT, mark):
            return None
        return schema_id

    def _count(self, seen: int, found: list[RawRecord], *, observed: bool = False) -> None:
        self.seen += seen
        self.decoded += len(found)
        self.decode_errors += seen - len(found)
        if not observed:
            self.sequence.observe(found)


def _layout(schema: SchemaMeta) -> _Layout:
    size = RECORD_HEADER_SIZE + schema.size
    stride = RING_HEADER_SIZE + pad(size)
    ring = record_struct(schema, lead=RING_HEADER_SIZE, stride=stride)
    return _Layout(
        schema,
        size,
        cast("Unpack", record_struct(schema).unpack_from),
        cast("UnpackAll", ring.iter_unpack),
    )


def _function_of(schema: SchemaMeta) -> tuple[int, dict[int, str]] | None:
    """Where an unpacked record has the number of the function it comes from, and the names."""
    for at, each in enumerate(ordered(schema), FIRST_FIELD):
        if each.kind == "function":
            return at, each.labels
    return None


def _check_class(cls: type[Event], schema: SchemaMeta) -> None:
    """Refuse a class whose raw values stand elsewhere than the object's."""
    declared = [(each.name, each.type.kind, each.type.size) for each in fields_of(cls)]
    stored = [(each.name, each.kind, each.size) for each in ordered(schema)]
    if len(stored) > len(declared) and stored[-1][1] == "function":
        del stored[-1]  # behind the class's own: what only the envelope shows
    if declared != stored:
        raise UsageError(
            f"event {cls.__name__!r}: decode: its fields differ from those of the object "
            "(build the object again)"
        )
