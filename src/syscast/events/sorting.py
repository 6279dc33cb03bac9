"""Blocks of ring records in the order of time, as blocks. Needs numpy.

For batches, which are decoded as a whole: the records of several rings become one block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from syscast.events.block import walk
from syscast.events.schema import RING_HEADER_SIZE, pad

if TYPE_CHECKING:
    from collections.abc import Sequence

_TIME_WORD = RING_HEADER_SIZE // 8


def times(block: bytes, stride: int) -> Sequence[int]:
    """Give the times of a block's records, as they stand.

    Args:
        block: Whole ring records with their ring headers.
        stride: Distance of the records if all are alike, else 0.
    """
    if stride:
        column = np.frombuffer(block, "<u8")[_TIME_WORD :: stride // 8]
        return cast("Sequence[int]", column)
    starts, lengths = walk(block)
    whole = memoryview(block).cast("Q")
    pairs = zip(starts, lengths, strict=True)
    return [whole[start >> 3] for start, length in pairs if length >= RING_HEADER_SIZE]


def merged(blocks: Sequence[bytes], stride: int, complete: int) -> tuple[bytes, bytes]:
    """Put the records of blocks in the order of time and cut them in two.

    Args:
        blocks: Whole ring records with their ring headers.
        stride: Distance of the records if all are alike, else 0.
        complete: Boot clock in ns.

    Returns:
        The records up to that time, and those after it; discarded records are left out of mixed blocks.
    """
    joined = blocks[0] if len(blocks) == 1 else b"".join(blocks)
    if not joined:
        return b"", b""
    if stride:
        words = np.frombuffer(joined, "<u8").reshape(-1, stride // 8)
        order = np.argsort(words[:, _TIME_WORD], kind="stable")
        cut = int(np.searchsorted(words[order, _TIME_WORD], complete, "right"))
        return words[order[:cut]].tobytes(), words[order[cut:]].tobytes()
    starts, lengths = walk(joined)
    whole = memoryview(joined).cast("Q")
    found = sorted(
        (whole[start >> 3], start, length)
        for start, length in zip(starts, lengths, strict=True)
        if length >= RING_HEADER_SIZE
    )
    halves: tuple[list[bytes], list[bytes]] = ([], [])
    for time, start, length in found:
        halves[time > complete].append(joined[start - RING_HEADER_SIZE : start + pad(length)])
    return b"".join(halves[0]), b"".join(halves[1])
