"""Blocks of ring buffer records, as the kernel lays them out.

Each record stands behind 8 bytes (u32 length with two flag bits, u32 page offset) and is padded
to 8 (``struct bpf_ringbuf_hdr`` in ``kernel/bpf/ringbuf.c``). A block holds whole records only.
"""

from __future__ import annotations

from typing import TypeAlias

from syscast.events.schema import RING_HEADER_SIZE, pad

Buffer: TypeAlias = bytes | bytearray | memoryview

BUSY = 1 << 31
"""BPF_RINGBUF_BUSY_BIT: reserved, not yet committed."""

DISCARD = 1 << 30
"""BPF_RINGBUF_DISCARD_BIT: given up."""

_LENGTH = DISCARD - 1


def is_uniform(block: Buffer, length: int, at: int, mark: bytes) -> bool:
    """Tell whether all records of a block have one length and the same bytes at one place.

    Args:
        block: Whole ring records.
        length: Of each record, without its ring header.
        at: Where ``mark`` has to stand, an even number of bytes from the record's start.
        mark: Two bytes.
    """
    stride = RING_HEADER_SIZE + pad(length)
    count, rest = divmod(len(block), stride)
    if rest or not count:
        return False
    # A strided copy and one comparison each; a loop over records would cost ten times as much.
    view = memoryview(block).cast("B")
    if view.cast("I")[:: stride // 4].tobytes() != length.to_bytes(4, "little") * count:
        return False
    found = view.cast("H")[(RING_HEADER_SIZE + at) // 2 :: stride // 2]
    return found.tobytes() == mark * count


def walk(block: Buffer) -> tuple[list[int], list[int]]:
    """Find the committed records of a block.

    Returns:
        Where the records start behind their ring headers, and their lengths. A record that is
        still busy, or that would leave the block, comes last, with a length of -1.
    """
    view = memoryview(block).cast("B")
    whole = len(view) & ~7
    words = view[:whole].cast("Q")
    starts: list[int] = []
    lengths: list[int] = []
    offset = 0
    while offset < whole:
        head = words[offset >> 3] & 0xFFFFFFFF
        length = head & _LENGTH
        start = offset + RING_HEADER_SIZE
        offset = start + (length + 7 & -8)  # pad(), written out: the loop is hot
        if head < DISCARD:
            starts.append(start)
            lengths.append(length)
        elif head & BUSY:
            offset = whole + 1
    if offset == len(view):
        return starts, lengths
    if lengths and starts[-1] + lengths[-1] > whole:
        del starts[-1], lengths[-1]
    return [*starts, whole], [*lengths, -1]
