"""Decoding what objects of others send: a bare struct, without syscast's record header.

Such a record is put behind a header of zeros, and then goes the way of all records. Its events
have no envelope: nothing says when and for whom they happened, unless the struct does.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from syscast.events.block import walk
from syscast.events.records import Decoder
from syscast.events.schema import ordered, pad
from syscast.spec.meta import RECORD_HEADER, RECORD_HEADER_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syscast.events.batch import Batch
    from syscast.events.block import Buffer
    from syscast.events.envelope import RawRecord
    from syscast.events.event import Event
    from syscast.spec.meta import SchemaMeta

_PERF_TAIL = 8


class ForeignDecoder(Decoder):
    """Decodes records that are one struct; all of them count for the program with id 0.

    A record that ends within the last field, when that is text or bytes, is taken as one whose
    rest is zeros: programs send no more of a long buffer than they filled.
    """

    def __init__(self, schema: SchemaMeta, cls: type[Event] | None = None) -> None:
        """Prepare to decode; errors as for `Decoder`."""
        super().__init__([schema], (), {} if cls is None else {schema.id: cls})
        self._origin = None
        self._schema = schema
        self._sent = 0
        self._least = schema.size
        fields = ordered(schema)
        if fields and fields[-1].kind in {"str", "bytes"}:
            self._least = fields[-1].offset + 1

    def tuples(self, records: Iterable[Buffer]) -> list[RawRecord]:
        """Unpack single records; all header values but schema id and number are 0."""
        return super().tuples([self._whole(record) for record in records])

    def block_tuples(self, block: Buffer) -> list[RawRecord]:
        """Unpack a block of whole ring records with their ring headers."""
        return self.tuples(_split(block))

    def batch(self, block: Buffer) -> Batch:
        """Decode a block into an array; it has columns for the struct's fields only."""
        size = RECORD_HEADER_SIZE + self._schema.size
        tail = bytes(pad(size) - size)
        parts: list[bytes] = []
        for record in _split(block):
            whole = self._whole(record)
            parts += (struct.pack("<II", len(whole), 0), whole, tail if whole else b"")
        return super().batch(b"".join(parts))

    def _whole(self, record: Buffer) -> bytes:
        """Put a record behind a header; give nothing if it cannot be one."""
        if not self._least <= len(record) < self._schema.size + _PERF_TAIL:
            return b""
        header = struct.pack(RECORD_HEADER, 0, self._number(), 0, 0, 0, self._schema.id, 0, 0, b"")
        return header + bytes(record[: self._schema.size]).ljust(self._schema.size, b"\0")

    def _number(self) -> int:
        self._sent += 1
        return self._sent - 1


def _split(block: Buffer) -> list[memoryview]:
    view = memoryview(block).cast("B")
    starts, lengths = walk(view)
    found = zip(starts, lengths, strict=True)
    return [view[start : start + length] if length > 0 else view[:0] for start, length in found]
