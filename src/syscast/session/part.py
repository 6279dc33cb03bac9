"""One loaded object of a session: its programs, attachments, ring and decoder."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from struct import pack, unpack
from typing import TYPE_CHECKING

from syscast.buffers.opening import open_reader
from syscast.buffers.reader import BLOCK_SIZE
from syscast.errors import KernelError, UsageError
from syscast.events.merge import EVER, Order
from syscast.events.records import Decoder
from syscast.loader.load import load
from syscast.probes import registry
from syscast.session.control import Control
from syscast.session.intake import Intake
from syscast.spec.meta import (
    CALLS_MAP,
    CGROUPS_MAP,
    CONTROL_MAP,
    EVENTS_MAP,
    FOLLOWED_MAP,
    SHARDS_MAP,
)
from syscast.spec.pressure import AGGREGATED_MAP

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syscast.buffers.reader import Reader
    from syscast.events.batch import Batch
    from syscast.events.envelope import RawRecord
    from syscast.events.event import Event
    from syscast.events.where import Where
    from syscast.link.protocol import Link
    from syscast.loader.loaded import LoadedObject, LoadedProgram
    from syscast.session.aggregates import Aggregates
    from syscast.session.delivery import Delivery
    from syscast.session.filters import Filters
    from syscast.session.flight import FlightRecorder
    from syscast.session.keptcalls import KeptCalls
    from syscast.session.plan import Plan
    from syscast.session.sieve import Sieve
    from syscast.session.spreading import Spreading
    from syscast.session.states import SharedStates
    from syscast.spec.meta import ObjectMeta
    from syscast.state.state import State

PIECE = 1 << 16
"""Bytes taken from a ring at once where the objects are used before the next ones are made: these stay in the CPU's cache
and in memory that Python has at hand, which makes them twice as fast."""

_SIFTED = 1 << 23
"""Bytes that filters in Python may hold back before others have their turn."""
_SIFTED_S = 0.005
"""And how long they may."""

_ORDER = {"follow": 0, "exit": 1, "probe": 2, "entry": 3}
"""Exits before entries: an exit without its entry does nothing, an entry without its exit leaks."""


class Part:
    """One object in the kernel and everything that hangs on it; closes all of it.

    Attributes:
        taken: Bytes read from the ring.
        reader: Reads the rings; None where no program sends an event.
        intake: Puts what they have in the order of time.
        flight: Keeps the newest records for dumps, in place of a reader.
        spreading: Decides about rings of CPUs; None where there is one ring for all.
        states: Objects that the probes share with Python, by name.
        sieve: Filters that Python runs; None where there are none.
        aggregates: What was counted by key while the ring was full; None where nothing is.
        calls: What calls keep between entry and exit; None where no probe is one.
        sending: Names of the programs that send events.
    """

    def __init__(
        self,
        loaded: LoadedObject,
        plan: Plan,
        delivery: Delivery,
        shared: SharedStates | None = None,
        aggregates: Aggregates | None = None,
    ) -> None:
        meta = plan.spec.meta
        assert meta is not None
        self.loaded = loaded
        self.meta = meta
        self._kinds = plan.kinds
        self.links: dict[str, Link] = {}
        self.missed: dict[str, int | None] = {}
        self.detached: bool = False
        self.sending: frozenset[str] = frozenset(
            each.name
            for each in loaded.spec.programs
            if any(ref.map == EVENTS_MAP for ref in each.map_refs)
        )
        self.taken: int = 0
        self.decoder: Decoder = _decoder(meta, plan.classes)
        self.sieve: Sieve | None = None
        self.calls: KeptCalls | None = _kept_calls(loaded, meta)
        self.order: Order = Order()  # of batches from one ring, which come for each part by itself
        self.control: Control | None = (
            Control(loaded.maps[CONTROL_MAP]) if CONTROL_MAP in loaded.maps else None
        )
        self.reader: Reader | None = None
        self.intake: Intake | None = None
        self.spreading: Spreading | None = None
        self.flight: FlightRecorder | None = None
        if EVENTS_MAP in loaded.maps and delivery.records:
            from syscast.session.flight import open_recorder  # noqa: PLC0415  (few sessions)

            self.flight = open_recorder(loaded, self.decoder, meta.programs)
        elif EVENTS_MAP in loaded.maps:
            self.reader = self._opened(delivery)
            self.intake = Intake(self.reader, self.decoder, self, delivery.bound_ns)
        self._shared = shared
        self.aggregates: Aggregates | None = aggregates
        if aggregates is not None:
            aggregates.wall = self.decoder.wall
        self.states: dict[str, State] = shared.states if shared is not None else {}
        if shared is not None:
            shared.count_losses(loaded)

    def _opened(self, delivery: Delivery) -> Reader:
        """The reader of the rings."""
        maps = self.loaded.maps
        shards = maps.get(SHARDS_MAP) if delivery.rings != "one" else None
        if shards is None:
            whole_words = not self.meta.foreign
            return open_reader(maps[EVENTS_MAP], self.loaded.ring_size, whole_words=whole_words)
        from syscast.buffers.sharded import ShardedReader  # noqa: PLC0415  (few sessions)
        from syscast.loader.shards import Shards  # noqa: PLC0415
        from syscast.session.spreading import Spreading  # noqa: PLC0415

        reader = ShardedReader(maps[EVENTS_MAP], Shards(shards))
        spread = delivery.rings == "per-cpu"
        self.spreading = Spreading(reader, self._spread, spread=spread)
        if spread:
            try:
                reader.spread()
            except BaseException:
                reader.close()
                raise
        return reader

    def _spread(self) -> None:
        """Tell running programs to use the rings of their CPUs."""
        if self.control is not None:
            self.control.set("sharded", 1)

    @classmethod
    def load(cls, plan: Plan, filters: Filters, delivery: Delivery) -> Part:
        """Load an object with its filters set; raises as `syscast.loader.load`."""
        from syscast.features import probing  # noqa: PLC0415  (one question)

        spec, kinds = plan.spec, plan.kinds
        assert spec.meta is not None
        if delivery.limit is not None or delivery.pressed == "aggregate":
            from syscast.session.pressing import check_object  # noqa: PLC0415  (few sessions)

            check_object(spec, delivery.limit, delivery.pressure)
        probes = {each.name: each.probe for each in spec.meta.programs}
        overrides = {
            each.name: kinds.get(probes.get(each.name, ""), registry).prepare(each)
            for each in spec.programs
            if not each.section.startswith("?")  # libbpf's mark of what is not loaded by default
        }
        ours = bool(spec.meta.config)
        with contextlib.ExitStack() as undo:
            shared = None
            if plan.states:
                from syscast.session.states import SharedStates  # noqa: PLC0415  (few probes)

                shared = SharedStates(spec, plan.states)
                undo.callback(shared.close)
            aggregates = None
            if delivery.aggregate_by is not None and AGGREGATED_MAP in {m.name for m in spec.maps}:
                from syscast.session.aggregates import Aggregates  # noqa: PLC0415  (few sessions)

                aggregates = Aggregates(spec, delivery.aggregate_by)
                undo.callback(aggregates.close)
            if delivery.records and not ours:
                raise UsageError(
                    f"object '{spec.name}': record: its records have no time (a flight recorder "
                    "needs an object that syscast made)"
                )
            loaded = load(
                spec,
                config=_config(spec.meta, filters, delivery) if ours else None,
                ring_size=delivery.ring_size or 0,
                force_perf=not probing.supported(
                    "ringbuf_overwrite" if delivery.records else "ringbuf"
                ),
                rings=delivery.rings,
                overwrite=delivery.records,
                overrides=overrides,
                shared={
                    **(shared.maps if shared is not None else {}),
                    **(aggregates.maps if aggregates is not None else {}),
                },
            )
            undo.callback(loaded.close)
            _set_filters(loaded, filters)
            made = cls(loaded, plan, delivery, shared, aggregates)
            undo.pop_all()
        return made

    def attach(self) -> None:
        """Attach every program; what fails leaves the rest to `close`."""
        roles = {each.name: each.role for each in self.meta.programs}
        probes = {each.name: each.probe for each in self.meta.programs}
        programs = sorted(
            self.loaded.programs.items(), key=lambda item: _ORDER[roles.get(item[0], "probe")]
        )
        for name, program in programs:
            kind = self._kinds.get(probes.get(name, ""), registry)
            self.links[name] = kind.attach(program)

    def describe(self) -> list[str]:
        """How each program is attached."""
        return [link.describe() for link in self.links.values()]

    def program(self, name: str) -> LoadedProgram:
        """One program by its name."""
        return self.loaded.programs[name]

    # ------------------------------------------------------------ reading

    @property
    def room(self) -> int:
        """Bytes of a ring."""
        return self.reader.size if self.reader is not None else 0

    def events(self, most: int) -> list[Event]:
        """Take what is in the rings, at most so many bytes from each, as objects in the order of time."""
        self.gather(most, 0, 0)
        return self.decoder.views(self.release(EVER))

    def gather(self, most: int, now: int, behind: int, *, last: bool = True) -> int:
        """Read at most so many bytes from each ring; `release` gives them.

        Args:
            most: Bytes.
            now: Boot clock in ns, looked at before this call.
            behind: Up to this time all rings of the session were read before.
            last: Wait for nothing that may still come.

        Returns:
            Up to which time the rings are read.
        """
        if self.intake is None:
            return EVER
        return self.intake.gather(most, now, behind, last=last)

    def release(self, complete: int) -> list[RawRecord]:
        """Give what was read and need not be held back any longer, in the order of time.

        Args:
            complete: Up to this time the rings of all parts are read.
        """
        return [] if self.intake is None else self.intake.merge.take(complete)

    def tuples(self) -> list[RawRecord] | None:
        """Take a piece of what is in the only ring, as tuples; None if there is nothing."""
        if self.reader is None:
            return None
        data = self.take(self.reader.lanes[0], PIECE)
        return self.decoder.block_tuples(data) if data else None

    def batch(self, now: int, order: Order, *, last: bool, flush: bool) -> Batch | None:
        """Take what is in the rings, as arrays; None if there is nothing.

        Args:
            now: As for `gather`.
            order: Notes what comes from several rings.
            last: Wait for nothing that may still come.
            flush: Hold nothing back.
        """
        if self.reader is None or self.intake is None:
            return None
        if self.intake.several:
            return self.intake.batch(now, order, last=last, flush=flush)
        data = self.take(self.reader.lanes[0], BLOCK_SIZE)
        if not data:
            return None
        made = self.decoder.batch(data)
        if not self.meta.foreign:
            self.order.note_column(made.as_read())
        return made

    def sift_by(self, refused: Mapping[int, Where]) -> None:
        """Run these filters, by program id, on whatever is read from now on."""
        if refused and self.flight is not None:
            raise UsageError(
                "filter 'where': set: it runs in Python, and a flight recorder's events stay in the kernel "
                "(filter what dump() gives; explain() says why it cannot run in the kernel)"
            )
        if refused:
            from syscast.session.sieve import Sieve  # noqa: PLC0415  (rare)

            self.sieve = Sieve(refused, self.decoder)

    def take(self, ring: Reader, most: int) -> bytes:
        """Read a block from a ring, and filter it."""
        end, until = self.taken + _SIFTED, time.monotonic() + _SIFTED_S
        while True:
            data = self.fetch(ring, most)
            if not data:
                return data
            left = self.sift(data)
            if left or self.taken >= end or time.monotonic() >= until:
                return left

    def fetch(self, ring: Reader, most: int) -> bytes:
        """Read a block from a ring."""
        spreading = self.spreading
        common = spreading is not None and ring is spreading.reader.lanes[0]
        if common and spreading is not None:
            spreading.before()
        data = ring.read_block(most).data
        self.taken += len(data)
        if common and spreading is not None:
            spreading.seen(data)
        return data

    def sift(self, block: bytes) -> bytes:
        """Give what the filters in Python leave of a block, which is to be decoded next."""
        return block if self.sieve is None else self.sieve.sift(block)

    def follows_somebody(self) -> bool:
        """Whether a followed process still lives (a zombie does not)."""
        followed = self.loaded.maps.get(FOLLOWED_MAP)
        if followed is None:
            return False
        return any(_alive(unpack("<I", key)[0]) for key in followed.keys())  # noqa: SIM118  (a map's method)

    def end_followed(self) -> None:
        """Send SIGTERM to every followed process that still lives."""
        import signal  # noqa: PLC0415  (only with a command that outlives the session)

        followed = self.loaded.maps.get(FOLLOWED_MAP)
        for key in list(followed.keys()) if followed is not None else ():
            pid = unpack("<I", key)[0]
            if _alive(pid):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGTERM)

    # ------------------------------------------------------------ ending

    @property
    def drained(self) -> bool:
        """Whether all programs are detached and the ring was read to its end."""
        if not self.detached:
            return False
        if self.flight is not None:
            return self.flight.complete
        if self.intake is not None and self.intake.undecoded:
            return False
        reader = self.reader
        try:
            return reader is None or reader.closed or not reader.available()
        except UsageError:  # a forked child cannot look
            return False

    def detach(self) -> None:
        """Detach all programs; remembers what the links counted."""
        self.detached = True
        for name, link in self.links.items():
            if name not in self.missed:
                self.missed[name] = link.missed()
                link.close()

    def close(self) -> None:
        """Detach, stop reading, unload."""
        with contextlib.ExitStack() as last:
            last.callback(self.loaded.close)
            if self._shared is not None:
                last.callback(self._shared.close)
            if self.aggregates is not None:
                last.callback(self.aggregates.close)
            if self.control is not None:
                last.callback(self.control.close)
            if self.reader is not None:
                last.callback(self.reader.close)
            if self.flight is not None:
                last.callback(self.flight.close)
            for link in self.links.values():
                last.callback(link.close)


def _kept_calls(loaded: LoadedObject, meta: ObjectMeta) -> KeptCalls | None:
    """The kept state, if there is any."""
    states = loaded.maps.get(CALLS_MAP)
    if states is None or meta.foreign:
        return None
    from syscast.session.keptcalls import KeptCalls  # noqa: PLC0415  (calls only)

    entries = sorted((each.name, each.id) for each in meta.programs if each.role == "entry")
    return KeptCalls(states, [number for _, number in entries])


def _decoder(meta: ObjectMeta, classes: dict[int, type[Event]]) -> Decoder:
    if meta.foreign:
        from syscast.events.foreign import ForeignDecoder  # noqa: PLC0415  (objects of others only)

        return ForeignDecoder(meta.schemas[0])
    return Decoder(meta.schemas, meta.programs, classes)


def _config(meta: ObjectMeta, filters: Filters, delivery: Delivery) -> Mapping[str, int | bytes]:
    """The object's configuration; an object of an older syscast has no delivery but the default."""
    known = {each.name for each in meta.config}
    wishes = {name: value for name, value in delivery.config().items() if name in known}
    return {**filters.config(), **wishes}


def _set_filters(loaded: LoadedObject, filters: Filters) -> None:
    if filters.follow and filters.pid is not None:
        loaded.maps[FOLLOWED_MAP].update(pack("<I", filters.pid), b"\1")
    if filters.cgroup is not None:
        _set_cgroup(loaded, filters.cgroup)


def _set_cgroup(loaded: LoadedObject, path: str) -> None:
    from syscast.kernel.descriptors import Fd  # noqa: PLC0415  (only with this filter)
    from syscast.loader.loaded import slot  # noqa: PLC0415

    try:
        directory = Fd.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        cause = os.strerror(error.errno or 0).lower()
        raise UsageError(
            f"filter 'cgroup': open {path}: {cause} (give the path of a cgroup v2 directory)"
        ) from None
    with directory:
        try:
            loaded.maps[CGROUPS_MAP].update(0, slot(directory))
        except KernelError as error:
            if (
                error.errno != errno.EBADF
            ):  # cgroup_get_from_fd() of another file system's directory
                raise
            raise UsageError(
                f"filter 'cgroup': set: {path} is no cgroup v2 directory "
                "(they are below /sys/fs/cgroup as a rule)"
            ) from None


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123  (pathlib costs a start 5 ms)
            state = file.read().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in {b"Z", b"X"}
