"""Arrow arrays as IPC messages, by nanoarrow."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, cast

import nanoarrow as na
from nanoarrow.ipc import StreamWriter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syscast.events.arrow.build import ArrowArray, ArrowSchema


class MessageWriter:
    """Writes one schema and arrays of it as messages."""

    def __init__(self, schema: ArrowSchema) -> None:
        self._bytes = io.BytesIO()
        self._writer = StreamWriter.from_writable(self._bytes)
        self._writer.write_stream(na.c_array_stream([], schema=schema))
        written = self._taken()  # an array without rows stands behind it
        (size,) = struct.unpack_from("<I", written, 4)
        self.schema: bytes = written[: 8 + size]

    def batch(self, array: ArrowArray) -> bytes:
        """Write an array of the schema."""
        self._writer.write_stream(array, write_schema=False)
        return self._taken()

    def _taken(self) -> bytes:
        data = self._bytes.getvalue()
        self._bytes.seek(0)
        self._bytes.truncate()
        return data


def with_metadata(schema: ArrowSchema, metadata: Mapping[str, str]) -> ArrowSchema:
    """Add metadata to a schema."""
    found = {key.decode(): bytes(value) for key, value in (schema.metadata or {}).items()}
    return cast("ArrowSchema", na.c_schema(schema).modify(metadata={**found, **metadata}))
