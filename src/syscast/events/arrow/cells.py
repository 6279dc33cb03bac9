"""Text of many rows at once: bytes of the kernel and addresses to UTF-8, without Python objects.

Text on its way stands in a matrix of bytes, a row for each event, with NUL in the cells that hold
nothing. Leaving out the NULs gives what Arrow wants: all rows' text in one piece.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

Bytes: TypeAlias = npt.NDArray[np.uint8]
Numbers: TypeAlias = npt.NDArray[np.int64]
Words: TypeAlias = npt.NDArray[np.uint32]
Long: TypeAlias = npt.NDArray[np.uint64]
Flags: TypeAlias = npt.NDArray[np.bool_]

AF_INET = 2
AF_INET6 = 10
_MAPPED = np.frombuffer(bytes(10) + b"\xff\xff", np.uint8)
_MAPPED_TEXT = np.frombuffer(b"::ffff:", np.uint8)


class Rows(NamedTuple):
    """Pieces of bytes, one for each row.

    Attributes:
        lengths: Of the rows.
        data: All rows, one behind the other.
    """

    lengths: Numbers
    data: Bytes

    def offsets(self) -> npt.NDArray[np.int32]:
        """Where each row starts, and where the last one ends."""
        made = np.zeros(len(self.lengths) + 1, np.int32)
        np.cumsum(self.lengths, out=made[1:])
        return made


class Text(NamedTuple):
    """Strings of the kernel as UTF-8.

    Attributes:
        rows: As `syscast.events.text.decode_text` reads them.
        inexact: The rows that do not say every byte; None if there are none.
    """

    rows: Rows
    inexact: Flags | None


def text_rows(column: npt.NDArray[np.bytes_]) -> Text:
    r"""Read NUL-terminated strings; undefined bytes become ``\xNN``."""
    lengths = _sizes(column)
    width = int(lengths.max(initial=0))
    if not width:
        return Text(Rows(lengths, np.empty(0, np.uint8)), None)
    cells = cells_of(column, width)
    data = _squeeze(cells)
    inexact: Flags | None = None
    if len(data) != int(lengths.sum()):
        ends = np.where(cells.all(axis=1), width, (cells == 0).argmax(axis=1))
        inexact = ends < lengths
        lengths = ends
        data = _squeeze(np.where(np.arange(width) < ends[:, np.newaxis], cells, np.uint8(0)))
    if data.tobytes().isascii() or _is_utf8(lengths, data):
        return Text(Rows(lengths, data), inexact)
    rows = _escaped(lengths, data)
    grown = rows.lengths != lengths
    return Text(rows, grown if inexact is None else grown | inexact)


def raw_rows(column: npt.NDArray[np.bytes_], wanted: Flags) -> Rows:
    """Give all bytes of the wanted rows but the NULs at the end, nothing of the others."""
    lengths = np.where(wanted, _sizes(column), 0)
    some = cells_of(column[wanted], column.dtype.itemsize)
    kept = np.arange(column.dtype.itemsize) < lengths[wanted][:, np.newaxis]
    return Rows(lengths, some[kept])


def cells_of(column: npt.NDArray[np.bytes_], width: int) -> Bytes:
    """Give the first bytes of each string as a matrix."""
    return column.astype(f"S{width}").view(np.uint8).reshape(len(column), width)


def chosen_rows(texts: Sequence[str], codes: Numbers) -> Rows:
    """Write for each row the text with the given number."""
    written = [text.encode() for text in texts]
    table = np.array(written or [b""])
    sizes = np.array([len(each) for each in written] or [0], np.int64)
    if len(codes) and (codes == codes[0]).all():
        whole = written[int(codes[0])] * len(codes)
        return Rows(sizes[codes], np.frombuffer(whole, np.uint8))
    width = max(1, table.dtype.itemsize)
    cells = cells_of(table, width)
    return Rows(sizes[codes], _squeeze(cells[codes]))


def ipv4_rows(addresses: Bytes) -> Rows:
    """Write IPv4 addresses, given as 4 bytes each."""
    return _packed(_ipv4_cells(addresses))


def ipv6_rows(addresses: Bytes) -> Rows:
    """Write IPv6 addresses, given as 16 bytes each, as `ipaddress` does (RFC 5952)."""
    return _packed(_ipv6_cells(addresses))


def ip_rows(addresses: Bytes) -> Rows:
    """Write addresses of either family, given as in a field of the kind ``ip``."""
    cells = _ipv6_cells(addresses[:, 4:20])
    short = is_ipv4(addresses)
    cells[short] = 0
    cells[short, :16] = _ipv4_cells(addresses[short, 4:8])
    return _packed(cells)


def is_ipv4(addresses: Bytes) -> Flags:
    """Tell which values of the kind ``ip`` are IPv4 addresses."""
    found: Flags = (addresses[:, 0] == AF_INET) & (addresses[:, 1] == 0)
    return found


def is_mapped(addresses: Bytes) -> Flags:
    """Tell which IPv6 addresses are IPv4 ones, v4-mapped."""
    return cast("Flags", (addresses[:, :12] == _MAPPED).all(axis=1))


def _sizes(column: npt.NDArray[np.bytes_]) -> Numbers:
    """Bytes of each string up to its last that is not NUL."""
    return np.char.str_len(column).astype(np.int64, copy=False)


def _squeeze(cells: Bytes) -> Bytes:
    flat = cells.reshape(-1)
    found: Bytes = flat[flat != 0]
    return found


def _packed(cells: Bytes) -> Rows:
    """Leave out the NULs; the number of cells is a multiple of 8."""
    flat = cells.reshape(-1)
    filled = flat != 0
    # Eight flags at a time: sums of bytes that stay below 256, added up by a multiplication.
    sums = filled.view(np.uint64).reshape(len(cells), cells.shape[1] // 8).sum(axis=1)
    lengths = (sums * np.uint64(0x0101010101010101)) >> np.uint64(56)
    return Rows(lengths.astype(np.int64), flat[filled])


def _is_utf8(lengths: Numbers, data: Bytes) -> bool:
    """Whether each row is UTF-8: all of it is, and no row begins within a character."""
    try:
        data.tobytes().decode()
    except UnicodeDecodeError:
        return False
    starts = np.cumsum(lengths) - lengths
    return not bool(((data[starts[lengths > 0]] & 0xC0) == 0x80).any())


def _escaped(lengths: Numbers, data: Bytes) -> Rows:
    """Escape undefined bytes in one call: a NUL behind each row keeps the rows apart."""
    ends = np.cumsum(lengths)
    apart = np.insert(data, ends, 0).tobytes()
    written = np.frombuffer(apart.decode("utf-8", "backslashreplace").encode(), np.uint8)
    stops = np.flatnonzero(written == 0)
    return Rows(np.diff(stops, prepend=-1) - 1, written[written != 0])


@cache
def _byte_words() -> tuple[Words, Words]:
    """Decimal text of each byte, 4 cells in a word: with a dot behind it, and without."""
    dotted, plain = (
        np.array([f"{number}{end}" for number in range(256)], "S4").view(np.uint32)
        for end in (".", "")
    )
    return dotted, plain


def _ipv4_cells(addresses: Bytes) -> Bytes:
    dotted, plain = _byte_words()
    words = np.empty((len(addresses), 4), np.uint32)
    words[:, :3] = dotted[addresses[:, :3]]
    words[:, 3] = plain[addresses[:, 3]]
    return words.view(np.uint8)


class _Shapes(NamedTuple):
    """How to write an IPv6 address; a group takes 8 cells, which are one word.

    Attributes:
        digits: Hexadecimal text of each group, without leading zeros, behind two free cells.
        shown: By the set of groups that are zero (a bit mask): which are written, [256, 8].
        before: And what stands before each, [256, 8].
    """

    digits: Long
    shown: Long
    before: Long


@cache
def _shapes() -> _Shapes:
    shown = np.ones((256, 8), np.bool_)
    before = np.zeros((256, 8, 8), np.uint8)
    before[:, 1:, 0] = ord(":")
    for mask in range(256):
        zero = [bool(mask & 0x80 >> group) for group in range(8)]
        runs = [_run(zero, start) for start in range(8)]
        longest = max(runs)
        if longest < 2:
            continue
        start = runs.index(longest)
        shown[mask, start : start + longest] = False
        before[mask, start : start + longest] = 0
        before[mask, start, :2] = ord(":")
        if start + longest < 8:
            before[mask, start + longest] = 0
    words = np.where(shown, np.uint64((1 << 64) - 1), np.uint64(0))
    return _Shapes(_digits(), words, before.view(np.uint64)[:, :, 0])


def _digits() -> Long:
    groups = np.arange(1 << 16)
    nibbles = np.stack([groups >> shift & 15 for shift in (12, 8, 4, 0)], axis=1)
    written = np.frombuffer(b"0123456789abcdef", np.uint8)[nibbles]
    leading = np.logical_and.accumulate(nibbles[:, :3] == 0, axis=1)
    written[:, :3][leading] = 0
    cells = np.zeros((1 << 16, 8), np.uint8)
    cells[:, 2:6] = written
    return cells.view(np.uint64)[:, 0]


def _run(flags: list[bool], start: int) -> int:
    length = 0
    while start + length < 8 and flags[start + length]:
        length += 1
    return length


def _ipv6_cells(addresses: Bytes) -> Bytes:
    shapes = _shapes()
    groups = np.ascontiguousarray(addresses).view(">u2").astype(np.uint16)
    masks = np.packbits(groups == 0, axis=1)[:, 0]
    words = shapes.digits[groups] & shapes.shown[masks] | shapes.before[masks]
    cells = words.view(np.uint8)
    mapped = is_mapped(addresses)
    if mapped.any():
        cells[mapped] = 0
        cells[mapped, :7] = _MAPPED_TEXT
        cells[mapped, 7:23] = _ipv4_cells(addresses[mapped, 12:16])
    return cells
