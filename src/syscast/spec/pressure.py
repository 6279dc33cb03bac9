"""Keys that rate limits, and counts of what found the ring full, are kept by: how programs and the reader lay them out.

A key is the program's id (u32), the event's schema id (u32; 0 for a limit, which holds for all events of a probe
together), then each part, aligned to 8 bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

# A msgspec type is resolved at run time, so this import cannot move under TYPE_CHECKING.
from syscast.spec.meta import FieldMeta, SchemaMeta

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMITS_MAP = "limits"
"""LRU hash: key -> u64, the time (boot clock, ns) up to which the key has used up what it may send."""

AGGREGATED_MAP = "aggregated"
"""Array of one map: the hash that programs count in now."""

AGGREGATED_SIZE = 24
"""Of a value of that hash: u64 count, u64 first, u64 last (boot clock, ns)."""

HEAD_SIZE = 8
"""Of the ids."""

PIECES = {"comm": 16, "pid": 8, "tid": 8, "uid": 8, "cgroup": 8, "cpu": 8}
"""Parts that are the running task's, and their bytes: char[16], u64 each."""


class Piece(msgspec.Struct, frozen=True):
    """One part of a key.

    Attributes:
        offset: In the key, bytes.
        size: Its bytes.
        field: The event's field; None where it is the task's.
    """

    name: str
    offset: int
    size: int
    field: FieldMeta | None = None

    @property
    def end(self) -> int:
        """Where the next part starts."""
        return self.offset + self.size + 7 & -8


def layout(schema: SchemaMeta, by: Sequence[str]) -> tuple[Piece, ...]:
    """Where each part of an event's key lies; a field goes before what the task has of its name.

    Raises:
        KeyError: Neither the event nor a task has such a part.
    """
    fields = {field.name: field for field in schema.fields}
    pieces: list[Piece] = []
    at = HEAD_SIZE
    for name in by:
        field = fields.get(name)
        pieces.append(Piece(name, at, field.size if field is not None else PIECES[name], field))
        at = pieces[-1].end
    return tuple(pieces)
