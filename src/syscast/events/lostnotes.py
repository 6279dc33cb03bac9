"""What was lost, as a note beside the events among which it would have stood."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec

from syscast.events.envelope import NO_HEADER
from syscast.events.event import boot_time, from_raw
from syscast.events.lost import Lost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.events.envelope import RawRecord

_U64 = (1 << 64) - 1
_CPUS = 1 << 31


class _Noted(msgspec.Struct, frozen=True, array_like=True):
    """The fields of a `Lost`, and its time on the boot clock."""

    boot: int
    probe: str
    cause: str
    count: int
    start: int
    end: int
    cpu: int


def write_note(losses: Sequence[Lost]) -> bytes:
    """Write losses; nothing for none."""
    if not losses:
        return b""
    noted = [
        _Noted(boot_time(each), each.probe, each.cause, each.count, each.start, each.end, each.cpu)
        for each in losses
    ]
    return msgspec.msgpack.encode(noted)


def read_note(note: bytes) -> list[Lost]:
    """Read them, in the order of time.

    Raises:
        ValueError: They make no sense.
    """
    if not note:
        return []
    try:
        found = msgspec.msgpack.decode(note, type=list[_Noted])
    except msgspec.MsgspecError as error:
        raise ValueError(f"what was lost is not told rightly: {error}") from None
    return sorted(map(_lost, found), key=boot_time)


def _lost(noted: _Noted) -> Lost:
    numbers = (noted.boot, noted.count, noted.start, noted.end)
    if not all(0 <= each <= _U64 for each in numbers) or not -_CPUS <= noted.cpu < _CPUS:
        raise ValueError("what was lost has numbers out of range")
    text = (noted.probe.encode(), noted.cause.encode())
    fields = (*text, noted.count, noted.start, noted.end, noted.cpu)
    return from_raw(Lost, cast("RawRecord", (noted.boot, *NO_HEADER[1:], *fields)))
