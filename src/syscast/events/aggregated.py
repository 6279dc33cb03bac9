"""``Aggregated``: events that found the ring full, counted by what they have in common."""

from __future__ import annotations

from struct import unpack
from typing import TYPE_CHECKING, Annotated, cast

from syscast.events.envelope import NO_HEADER
from syscast.events.event import Event, EventType, from_raw
from syscast.events.lost import duration_text
from syscast.events.machineints import u64
from syscast.events.schema import payload_struct
from syscast.spec.meta import FieldMeta, SchemaMeta
from syscast.spec.pressure import HEAD_SIZE, layout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from struct import Struct

    from syscast.events.envelope import RawRecord
    from syscast.spec.pressure import Piece

_PROBE_SIZE = 128


class Aggregated(Event):
    """Events of one probe and one key that could not be sent one by one.

    Those of a session have the key's parts as fields, too, between ``probe`` and ``count``: ``comm``, or what
    ``pressure="aggregate by ..."`` names. A part whose name is taken is called ``key_<name>``.

    Attributes:
        probe: Whose events they were.
        count: How many.
        start: Of the first, wall clock in ns since 1970.
        end: Of the last.
    """

    # Fields; Event declares one of these names for what its envelope has.
    probe: Annotated[str, 128]
    count: u64
    start: u64
    end: u64

    _loss = True  # it stands among events, and is none of them

    if not TYPE_CHECKING:

        @property
        def time(self) -> int:
            """``end``."""
            return self.end

    @property
    def key(self) -> dict[str, object]:
        """What the events have in common, by name."""
        own = {each.name for each in Aggregated._fields}
        return {
            field.name: read(self)
            for field, read in zip(self._fields, self._readers, strict=True)
            if field.name not in own
        }

    def __str__(self) -> str:
        """Say it in words: ``1,234 more events in 12 ms (comm=dd)``."""
        from syscast.events.event import field_texts  # noqa: PLC0415  (for people only)

        texts: dict[str, str] = dict(zip(self.__match_args__, field_texts(self), strict=True))
        shown = " ".join(f"{name}={texts[name]}" for name in self.key)
        events = "event" if self.count == 1 else "events"
        where = f" ({shown})" if shown else ""
        span = duration_text(self.end - self.start)
        return f"{self.count:,} more {events} in {span}{where}"


_TAKEN = ("probe", "count", "start", "end", "time", "key")


class Counts:
    """Turns what a program counted by key into `Aggregated` events.

    Args:
        schema: Of the program's events.
        by: Parts of the key.
        probe: The probe's name.
    """

    def __init__(self, schema: SchemaMeta, by: Sequence[str], probe: str) -> None:
        pieces = layout(schema, by)
        self._probe = probe.encode()
        self._parts: Struct = payload_struct(
            SchemaMeta(
                0, "key", 0, tuple(_field(each, each.name, each.offset) for each in pieces)
            ),
            pieces[-1].end if pieces else HEAD_SIZE,
        )
        fields = [FieldMeta("probe", "str", 0, _PROBE_SIZE)]
        at = _PROBE_SIZE
        for piece in pieces:
            name = f"key_{piece.name}" if piece.name in _TAKEN else piece.name
            fields.append(_field(piece, name, at))
            at += piece.size + 7 & -8
        for name in ("count", "start", "end"):
            fields.append(FieldMeta(name, "int", at, 8))
            at += 8
        made = SchemaMeta(0, "Aggregated", at, tuple(fields))
        namespace: dict[str, object] = {"__module__": __name__}
        self.type: type[Aggregated] = cast(
            "type[Aggregated]", EventType("Aggregated", (Aggregated,), namespace, schema=made)
        )

    def event(self, key: bytes, value: bytes, wall: Callable[[int], int]) -> Aggregated:
        """Make the event of one key.

        Args:
            key: As it lies in the map.
            value: As it lies in the map; see `syscast.spec.pressure`.
            wall: Boot clock to wall clock, in ns.
        """
        count, first, last = unpack("<QQQ", value)
        parts = self._parts.unpack_from(key)
        fields = (self._probe, *parts, count, wall(first), wall(last))
        return from_raw(self.type, cast("RawRecord", (last, *NO_HEADER[1:], *fields)))


def origin_of(key: bytes) -> tuple[int, int]:
    """Ids of the program that counted under a key, and of the event's schema."""
    program, schema = unpack("<II", key[:HEAD_SIZE])
    return program, schema


def _field(piece: Piece, name: str, at: int) -> FieldMeta:
    if piece.field is not None:
        old = piece.field
        return FieldMeta(name, old.kind, at, old.size, signed=old.signed, labels=old.labels)
    return FieldMeta(name, "str" if piece.name == "comm" else "int", at, piece.size)
