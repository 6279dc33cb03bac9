"""The flight recorder of one part: its rings keep the newest records, and a dump gives what they hold."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from syscast.events.merge import EVER
from syscast.events.records import Decoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.buffers.flight import Flight
    from syscast.events.batch import Batch
    from syscast.events.envelope import RawRecord
    from syscast.kernel.descriptors import Fd
    from syscast.loader.loaded import LoadedObject
    from syscast.spec.meta import ProgramMeta


class FlightRecorder:
    """Copies the rings, decodes the copies, and counts each record once, in however many dumps it is.

    Attributes:
        dumps: How many were made.
        complete: The last one was made after the programs were detached.
    """

    def __init__(self, rings: Flight, counting: Decoder, programs: Sequence[ProgramMeta]) -> None:
        """Begin.

        Args:
            rings: What to copy; owned.
            counting: The part's decoder, which has the account.
            programs: Of the object.
        """
        self._rings = rings
        self._counting = counting
        # Of the records of a dump some were in the one before: this one's account means nothing.
        self._decoder = Decoder(counting.schemas.values(), programs, counting.classes)
        self._lock = threading.Lock()
        self._next: dict[tuple[int, int], int] = {}
        self.dumps: int = 0
        self.complete: bool = False

    def dump(self, *, detached: bool) -> list[RawRecord]:
        """What the rings hold now, in the order of time.

        Args:
            detached: The programs send no more.

        Raises:
            UsageError: As `syscast.buffers.flight.Flight.blocks`, like the others.
        """
        with self._lock:
            found = self._decoded(self._rings.blocks())
            self.complete = detached
        return found

    def batch(self, *, detached: bool) -> Batch | None:
        """The same as one batch; None where there is nothing."""
        from syscast.events.sorting import merged  # noqa: PLC0415  (numpy costs 100 ms)

        with self._lock:
            blocks = [block for block in self._rings.blocks() if block]
            self._decoded(blocks)
            self.complete = detached
            if not blocks:
                return None
            self._decoder.clock_offset_ns = self._counting.clock_offset_ns
            schemas = {self._decoder.uniform(block) for block in blocks}
            schema = schemas.pop() if len(schemas) == 1 else None
            stride = 0 if schema is None else self._decoder.stride(schema)
            done, _ = merged(blocks, stride, EVER)
            return self._decoder.batch(done)

    def _decoded(self, blocks: list[bytes]) -> list[RawRecord]:
        bad = self._decoder.decode_errors
        found: list[RawRecord] = []
        for block in blocks:
            found += self._decoder.block_tuples(block)
        self._counting.decode_errors += self._decoder.decode_errors - bad
        known = self._next
        fresh = [raw for raw in found if raw[1] >= known.get((raw[6], raw[7]), 0)]
        fresh.sort(key=_number)
        self._counting.set_aside(len(fresh), fresh, b"")
        for raw in fresh:
            known[raw[6], raw[7]] = raw[1] + 1
        self.dumps += 1
        found.sort()
        return found

    def close(self) -> None:
        """Give the rings back."""
        self._rings.close()


def _number(raw: RawRecord) -> int:
    return raw[1]


def open_recorder(
    loaded: LoadedObject, decoder: Decoder, programs: Sequence[ProgramMeta]
) -> FlightRecorder:
    """The recorder of an object that was loaded to overwrite; raises KernelError."""
    from syscast.spec.meta import EVENTS_MAP, SHARDS_MAP  # noqa: PLC0415  (few sessions)

    events = loaded.maps[EVENTS_MAP]
    if loaded.uses_perf:
        from syscast.buffers.perfflight import PerfFlight  # noqa: PLC0415  (one of both)

        return FlightRecorder(PerfFlight(events, loaded.ring_size), decoder, programs)
    from syscast.buffers.flight import RingFlight  # noqa: PLC0415  (one of both)

    rings = [(events.fd, events.spec.max_entries)]
    outer = loaded.maps.get(SHARDS_MAP)
    if outer is None:
        return FlightRecorder(RingFlight(rings), decoder, programs)
    from syscast.kernel.host import online_cpus  # noqa: PLC0415  (few sessions)
    from syscast.loader.shards import Shards  # noqa: PLC0415

    shards = Shards(outer)
    owned: list[Fd] = []
    try:
        owned.extend(map(shards.make, online_cpus()))
        rings += [(fd, shards.size) for fd in owned]
        return FlightRecorder(RingFlight(rings, owned), decoder, programs)
    except BaseException:
        for fd in owned:
            fd.close()
        raise
