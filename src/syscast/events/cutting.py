"""Cutting a piece of a recording at a moment, for a replay whose time is over in the middle of it."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from syscast.events.block import walk
from syscast.events.event import boot_time
from syscast.events.schema import RING_HEADER_SIZE

if TYPE_CHECKING:
    from syscast.events.recording import Piece


def begin(piece: Piece) -> int:
    """Boot clock of what comes first in a piece that has envelopes, an event or a loss."""
    losses = [boot_time(each) for each in piece.losses[:1]]
    return min([_time(piece.block, RING_HEADER_SIZE), *losses])


def part_until(piece: Piece, moment: int) -> tuple[Piece, Piece]:
    """Cut a piece behind what came until a moment of the boot clock."""
    starts = walk(piece.block)[0]
    times = [_time(piece.block, at) for at in starts]
    count = bisect_right(times, moment)
    place = starts[count] - RING_HEADER_SIZE if count < len(starts) else len(piece.block)
    told = [each for each in piece.losses if boot_time(each) <= moment]
    later = piece.losses[len(told) :]
    last = times[count - 1] if count else 0
    return (
        piece._replace(block=piece.block[:place], last=last, losses=told),
        piece._replace(block=piece.block[place:], losses=later),
    )


def _time(block: bytes, at: int) -> int:
    return int.from_bytes(block[at : at + 8], "little")  # the first member of a record's header
