"""Arrow arrays as IPC messages, and back, by nanoarrow."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, cast

import nanoarrow as na
from nanoarrow.ipc import InputStream, StreamWriter

from syscast.events.frames import END

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syscast.events.arrow.build import ArrowArray, ArrowSchema
    from syscast.events.block import Buffer

BROKEN: tuple[type[Exception], ...] = (RuntimeError, ValueError, TypeError, ArithmeticError)
"""What nanoarrow raises over bytes that are no message."""


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


def read_metadata(message: Buffer) -> dict[str, bytes]:
    """Read the metadata of a schema's message.

    Raises:
        Exception: Any of `BROKEN`.
    """
    with InputStream.from_readable(io.BytesIO(bytes(message) + END)) as source:
        found = na.c_array_stream(source).get_schema().metadata
        pairs = cast("Mapping[bytes, bytes]", found or {}).items()
        return {key.decode("utf-8", "replace"): bytes(value) for key, value in pairs}


def read_batch(schema: bytes, message: Buffer) -> ArrowArray:
    """Read the one array of a message.

    Args:
        schema: The schema's message, as we would write it.
        message: The array's.

    Raises:
        Exception: Any of `BROKEN`.
    """
    data = b"".join((schema, message, END))
    with InputStream.from_readable(io.BytesIO(data)) as source:
        found = list(na.c_array_stream(source))
    if len(found) != 1:
        raise ValueError(f"{len(found)} arrays in one message")
    return cast("ArrowArray", found[0])
