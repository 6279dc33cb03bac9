"""The index of BTF: where each type lies, and which types have a name.

BTF is a list of records of different lengths without any index; finding type 90,000, or a name,
takes a walk over all of it. The walk is done once (about 0.3 s in Python for a kernel's 130,000
types); what it finds is one flat image, the same in memory and on disk (``index_file``):

    u32 offsets[count + 1]        of each type in the type section, in bytes, and the end
    u32 buckets[2 ** bits + 1]    first entry of each bucket, by the top bits of the hash
    u32 entries[named][2]         low 27 bits of the hash << 5 | kind; id less the first id

sorted by hash. The hash is the CRC-32 of the name without its flavour, so that the
candidates of a CO-RE relocation (``sock``, ``sock___old``) share a bucket.
"""

from __future__ import annotations

import struct
from array import array
from itertools import accumulate
from typing import TYPE_CHECKING
from zlib import crc32

from syscast.btf.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.btf.blob import Blob
    from syscast.btf.parse import Scan

_KIND_BITS = 5
_HASH_BITS = 32
_LOW_MASK = (1 << (_HASH_BITS - _KIND_BITS)) - 1
_KIND_MASK = (1 << _KIND_BITS) - 1
_MIN_BITS = _KIND_BITS
_MAX_BITS = 20


class Shape(Record):
    """The three numbers that give an image its form."""

    count: int
    bits: int
    named: int

    @property
    def buckets_at(self) -> int:
        """Offset of the buckets in the image, in bytes."""
        return 4 * (self.count + 1)

    @property
    def entries_at(self) -> int:
        """Offset of the entries in the image, in bytes."""
        return self.buckets_at + 4 * ((1 << self.bits) + 1)

    @property
    def size(self) -> int:
        """Size of the image in bytes."""
        return self.entries_at + 8 * self.named


class Index:
    """Answers questions from an image that a ``Blob`` holds."""

    def __init__(self, blob: Blob, shape: Shape) -> None:
        self._blob = blob
        self.shape = shape

    def extent(self, number: int) -> tuple[int, int]:
        """Return start and end of the ``number``-th type, in bytes in the type section."""
        start, end = struct.unpack("=II", self._blob.read(4 * number, 8))
        return start, end

    def offsets(self) -> array[int]:
        """Return where each type starts, in bytes in the type section."""
        offsets = array("I")
        offsets.frombytes(self._blob.read(0, 4 * self.shape.count))
        return offsets

    def candidates(self, name: bytes) -> list[tuple[int, int]]:
        """Return (kind, number) of types whose name, less its flavour, may be ``name``'s.

        In the order of numbers. Others may be among them: compare the names.
        """
        shape = self.shape
        hashed = crc32(essential(name))
        bucket = hashed >> (_HASH_BITS - shape.bits)
        first, last = struct.unpack("=II", self._blob.read(shape.buckets_at + 4 * bucket, 8))
        raw = self._blob.read(shape.entries_at + 8 * first, 8 * (last - first))
        wanted = hashed & _LOW_MASK
        return [
            (word & _KIND_MASK, number)
            for word, number in struct.iter_unpack("=II", raw)
            if word >> _KIND_BITS == wanted
        ]

    def all_named(self) -> list[tuple[int, int]]:
        """Return (number, kind) of every type that has a name, by number."""
        raw = self._blob.read(self.shape.entries_at, 8 * self.shape.named)
        return sorted(
            (number, word & _KIND_MASK) for word, number in struct.iter_unpack("=II", raw)
        )


def essential(name: bytes) -> bytes:
    """Strip the flavour: ``sock___old`` is another version of ``sock``.

    As libbpf's ``bpf_core_essential_name_len``: the last ``___`` with something other than
    ``_`` on both sides.
    """
    at = name.rfind(b"___")
    while at > 0:
        if name[at - 1 : at] != b"_" and name[at + 3 : at + 4] not in {b"_", b""}:
            return name[:at]
        at = name.rfind(b"___", 0, at + 2)
    return name


def build(scan: Scan, name_at: Callable[[int], bytes]) -> tuple[bytes, Shape]:
    """Make the image of an index.

    Args:
        scan: What the walk over the types found.
        name_at: Gives the string at an offset.
    """
    hashes: dict[int, int] = {0: 0}
    keys = []
    for number, offset in enumerate(scan.names):
        if not offset:
            continue
        hashed = hashes.get(offset)
        if hashed is None:
            name = name_at(offset)
            hashed = hashes[offset] = crc32(essential(name) if b"___" in name else name)
        keys.append(hashed << _HASH_BITS | number)
    keys.sort()
    bits = min(max(len(keys).bit_length() - 1, _MIN_BITS), _MAX_BITS)
    shape = Shape(len(scan.kinds), bits, len(keys))
    counts = [0] * ((1 << bits) + 1)
    shift = 2 * _HASH_BITS - bits
    entries = array("I", bytes(8 * len(keys)))
    kinds = scan.kinds
    at = 0
    for key in keys:
        number = key & 0xFFFFFFFF
        counts[(key >> shift) + 1] += 1
        entries[at] = (key >> (_HASH_BITS - _KIND_BITS)) & 0xFFFFFFE0 | kinds[number]
        entries[at + 1] = number
        at += 2
    buckets = array("I", accumulate(counts))
    return b"".join((scan.offsets.tobytes(), buckets.tobytes(), entries.tobytes())), shape
