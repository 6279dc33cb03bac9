"""Reading flatbuffers that may come from anywhere: the metadata of Arrow's messages.

Every offset is tested before it is followed, so the worst that a file can do is to be refused.
nanoarrow trusts what it is given: a few random bytes in a schema's metadata end the process. So
recordings are written with it and read here. See Arrow's ``format/Message.fbs`` and
``Schema.fbs``, and flatbuffers' "Internals" for the encoding.
"""

from __future__ import annotations

import struct

_U16 = struct.Struct("<H")
_I32 = struct.Struct("<i")
_U32 = struct.Struct("<I")
_I64 = struct.Struct("<q")


class Table:
    """One table: fields by number."""

    __slots__ = ("_at", "_data", "_fields", "_size")

    def __init__(self, data: memoryview, at: int) -> None:
        """Take the table at a place.

        Raises:
            ValueError: There can be none.
        """
        self._data = data
        self._at = at
        fields = at - _at(_I32, data, at)
        self._fields = fields
        self._size = _at(_U16, data, fields)

    @classmethod
    def root(cls, data: memoryview) -> Table:
        """The outermost table; raises ValueError."""
        return cls(data, _at(_U32, data, 0))

    def byte(self, number: int, default: int = 0) -> int:
        """A u8."""
        at = self._place(number)
        if at is None:
            return default
        _check(self._data, at, 1)
        return self._data[at]

    def long(self, number: int) -> int:
        """An i64, 0 where it is left out."""
        at = self._place(number)
        return 0 if at is None else _at(_I64, self._data, at)

    def has(self, number: int) -> bool:
        """Whether a field is there."""
        return self._place(number) is not None

    def table(self, number: int) -> Table:
        """A table; raises ValueError where it is left out."""
        at = self._target(number)
        if at is None:
            raise ValueError(f"field {number} of a message is missing")
        return Table(self._data, at)

    def text(self, number: int) -> bytes:
        """A string or a vector of bytes."""
        at = self._target(number)
        if at is None:
            return b""
        size = _at(_U32, self._data, at)
        _check(self._data, at + 4, size)
        return bytes(self._data[at + 4 : at + 4 + size])

    def tables(self, number: int) -> list[Table]:
        """A vector of tables."""
        at = self._target(number)
        if at is None:
            return []
        count = _at(_U32, self._data, at)
        _check(self._data, at + 4, 4 * count)
        places = range(at + 4, at + 4 + 4 * count, 4)
        return [Table(self._data, place + _at(_U32, self._data, place)) for place in places]

    def pairs(self, number: int) -> list[tuple[int, int]]:
        """A vector of structs of two i64."""
        at = self._target(number)
        if at is None:
            return []
        count = _at(_U32, self._data, at)
        _check(self._data, at + 4, 16 * count)
        return list(struct.iter_unpack("<qq", self._data[at + 4 : at + 4 + 16 * count]))

    def _place(self, number: int) -> int | None:
        """Where a field stands; None where it is left out."""
        entry = 4 + 2 * number
        if entry + 2 > self._size:
            return None
        offset = _at(_U16, self._data, self._fields + entry)
        return self._at + offset if offset else None

    def _target(self, number: int) -> int | None:
        """Where what a field points to stands."""
        at = self._place(number)
        return None if at is None else at + _at(_U32, self._data, at)


def _at(what: struct.Struct, data: memoryview, at: int) -> int:
    _check(data, at, what.size)
    found: int = what.unpack_from(data, at)[0]
    return found


def _check(data: memoryview, at: int, size: int) -> None:
    if not 0 <= at <= len(data) - size:
        raise ValueError("a message points out of itself")
