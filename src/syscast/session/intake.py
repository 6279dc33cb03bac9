"""What comes out of the rings of one part, in the order of time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from syscast.events.merge import EVER, Lane, Merge

if TYPE_CHECKING:
    from syscast.buffers.reader import Reader
    from syscast.events.batch import Batch
    from syscast.events.envelope import RawRecord
    from syscast.events.merge import Order
    from syscast.events.records import Decoder

_BLOCK = 1 << 18
"""Bytes taken from a ring at once when each record becomes an object."""
_BATCH = 1 << 19
"""As many for a batch that is put together from several rings."""

_LOOK_S = 0.1
"""A look at a ring that never runs dry ends after so long, whatever it may take."""

_AHEAD_NS = 1_000_000
"""A ring may be read so much further than the others."""


class Source(Protocol):
    """Where blocks come from, and what is left out of them."""

    def take(self, ring: Reader, most: int) -> bytes:
        """Read a block, at most so many bytes, and filter it."""
        ...

    def fetch(self, ring: Reader, most: int) -> bytes:
        """Read a block as it is."""
        ...

    def sift(self, block: bytes) -> bytes:
        """Give what the filters leave of a block, which is to be decoded next."""
        ...


class Intake:
    """Reads all rings of a part and holds back what others may still come before.

    Attributes:
        merge: What was decoded and is held back.
    """

    def __init__(
        self,
        reader: Reader,
        decoder: Decoder,
        source: Source,
        bound_ns: int,
    ) -> None:
        """Begin.

        Args:
            reader: The rings.
            decoder: Of their records.
            source: Reads from one ring.
            bound_ns: How long what was read waits for a record that was begun and is not there.
        """
        self._reader = reader
        self._decoder = decoder
        self._source = source
        self._bound = bound_ns
        self._lanes: dict[Reader, Lane] = {}
        self._blocks: list[
            bytes
        ] = []  # of batches, undecoded: no event of them was counted as read
        self.merge: Merge = Merge()

    @property
    def several(self) -> bool:
        """Whether there are several rings."""
        return len(self._reader.lanes) > 1

    @property
    def holding(self) -> bool:
        """Whether something is held back."""
        return bool(self.merge.held or self._blocks)

    @property
    def undecoded(self) -> bool:
        """Whether some of it is what `batch` left, which the decoder has not counted yet."""
        return bool(self._blocks)

    def hand_over(self) -> None:
        """Decode what `batch` left, so that it waits with what `gather` reads."""
        while self._blocks:
            left = self._source.sift(self._blocks.pop(0))
            if left:
                self.merge.add(self._decoder.block_tuples(left))

    def gather(self, most: int, now: int, behind: int, *, last: bool) -> int:
        """Read what is in the rings and decode it.

        Args:
            most: Bytes from each ring.
            now: Boot clock in ns, looked at before this call.
            behind: Up to this time all rings of the session were read before. A ring that is far ahead
                of it keeps what it has, unless it fills: the others are to be read first.
            last: Wait for nothing that may still come, once all that is there was read.

        Returns:
            Up to which time the rings are read.
        """
        self.hand_over()
        lanes = self._begin(now)
        more = False
        until = time.monotonic() + _LOOK_S
        for ring, lane in lanes:
            if not self._wanted(ring, lane, behind):
                more = True
                continue
            found: list[RawRecord] = []
            left = most
            while left > 0 and (data := self._source.take(ring, min(most, _BLOCK))):
                left -= len(data)
                found += self._decoder.block_tuples(data)
                if left > 0 and time.monotonic() >= until:
                    left = 0
            lane.end(found[-1][0] if found else 0)
            self.merge.add(found)
            more = more or left <= 0
        if last and not more:
            return EVER
        return min(lane.awaited for _, lane in lanes)

    def batch(self, now: int, order: Order, *, last: bool, flush: bool) -> Batch | None:
        """Take what is in several rings as one batch in the order of time; None if there is nothing.

        Args:
            now: As for `gather`.
            order: Notes what is given.
            last: Wait for nothing that may still come, once all that is there was read.
            flush: Hold nothing back.
        """
        from syscast.events.sorting import merged, times  # noqa: PLC0415  (numpy costs 100 ms)

        lanes = self._begin(now)
        blocks = self._blocks
        behind = min(lane.complete for _, lane in lanes)
        more = False
        for ring, lane in lanes:
            if not self._wanted(ring, lane, behind):
                more = True
                continue
            data = self._source.fetch(ring, _BATCH)
            more = more or bool(data)
            stride = self._stride([data])
            lane.end(int(times(data, stride)[-1]) if stride else 0)
            if data:
                blocks.append(data)
        if not self.holding:
            return None
        complete = min(lane.awaited for _, lane in lanes)
        if flush or (last and not more):
            complete = EVER
        stride = self._stride(blocks)
        done, rest = merged(blocks, stride, complete)
        self._blocks = [rest] if rest else []
        if earlier := self.merge.take(complete):
            return self._together(earlier, done, order)
        if not done:
            return None
        order.note(times(done, stride), int)
        left = self._source.sift(done)
        return self._decoder.batch(left) if left else None

    def _together(self, earlier: list[RawRecord], done: bytes, order: Order) -> Batch:
        """One batch of what `gather` has decoded and held back, and of a block."""
        from syscast.events.sorting import merged, times  # noqa: PLC0415  (numpy costs 100 ms)

        blocks = [self._decoder.encoded(earlier)]
        if done and (left := self._source.sift(done)):
            self._decoder.batch(left)  # counts it, as the others were when they were decoded
            blocks.append(left)
        stride = self._stride(blocks)
        whole, _ = merged(blocks, stride, EVER)
        order.note(times(whole, stride), int)
        return self._decoder.counted_batch(whole)

    def _begin(self, now: int) -> list[tuple[Reader, Lane]]:
        lanes = self._lanes
        for ring in self._reader.lanes:
            if ring not in lanes:
                lanes[ring] = Lane(ring, self._bound)
        for lane in lanes.values():
            lane.begin(now)
        return list(lanes.items())

    def _wanted(self, ring: Reader, lane: Lane, behind: int) -> bool:
        """Whether a ring is to be read in this round."""
        if not self.holding or lane.complete <= behind + _AHEAD_NS:
            return True
        return 2 * ring.available() > ring.size

    def _stride(self, blocks: list[bytes]) -> int:
        """Distance of the records if all are of one schema, else 0."""
        schemas = {self._decoder.uniform(block) for block in blocks}
        if len(schemas) != 1 or (schema := schemas.pop()) is None:
            return 0
        return self._decoder.stride(schema)
