"""Reading a session: events, the losses between them, batches and tuples, by whoever asks."""

from __future__ import annotations

import contextlib
import time
from _thread import RLock  # threading costs a start 2 ms
from itertools import islice
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, cast

from syscast.buffers.reader import BLOCK_SIZE
from syscast.errors import UsageError
from syscast.events.event import boot_time, is_loss
from syscast.session.delivery import GAPS_ON_PURPOSE
from syscast.session.every import Every
from syscast.session.merging import BLINK_S, PIECE_OF_SEVERAL, Merging
from syscast.session.part import PIECE
from syscast.session.stream import EventStream, Limit
from syscast.session.timeouts import deadline_of
from syscast.session.waiting import Waiting
from syscast.session.wallclock import SessionClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence

    from syscast.events.arrow.columns import Addresses
    from syscast.events.arrow.stream import Stream
    from syscast.events.batch import Batch
    from syscast.events.envelope import RawRecord
    from syscast.events.event import Event
    from syscast.events.lost import Lost
    from syscast.session.counts import SessionCounts
    from syscast.session.delivery import Delivery
    from syscast.session.losses import Losses
    from syscast.session.part import Part
    from syscast.session.regulators import Regulators
    from syscast.session.watched import Leader

_SWEEP_S = 10.0
"""How often the state of calls is searched for tasks that are gone."""
_GATHER_S = 0.001
"""Pause of a reader of batches that is faster than its probes: rounds of a few records each would
take all of a CPU, and every one makes the kernel interrupt the probe to say that there is more."""
_LOOK_S = 0.1
"""How often sampling and budget are looked after while the session only waits."""
_MOST = 8 << 20
"""Bytes that `read` takes from one ring at most."""
_REFUSED_S = 0.1
"""So long after its time is over, a reading goes on with what filters in Python refuse."""
_AT_ONCE = 0.0
"""A deadline that is over: of loops that must not sleep."""
_COUNT_S = 1.0
"""How often the kernel's counters are asked for losses."""
_TO_USER = 3
"""Calls between a warning of losses and the line that reads events."""

_Taken = TypeVar("_Taken")
_Taken_co = TypeVar("_Taken_co", covariant=True)
if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault  # in typing since 3.13 (PEP 696)

    E_co = TypeVarWithDefault("E_co", bound=Event, covariant=True, default=Event)
else:
    E_co = TypeVar("E_co", covariant=True)


class _Take(Protocol[_Taken_co]):
    """Reads all rings once."""

    def __call__(self, *, last: bool) -> Iterator[_Taken_co]: ...


class Reading(Generic[E_co]):
    """What a `syscast.session.session.Session` has for those who read it.

    Events of one reading come in time order. Where some are missing, `stream` says so in their place; other
    ways of reading issue a LostEventsWarning, at most once a second and once at the end.
    """

    def __init__(self, parts: Sequence[Part], leader: Leader | None, delivery: Delivery) -> None:
        self._parts = list(parts)
        self._delivery = delivery
        self._leader = leader
        self._regulators = _regulators(delivery, self._parts)
        self._clock = SessionClock(self._parts)
        self._waiting = Waiting(self._parts, leader, delivery, self._clock)
        self._merging = Merging(self._parts, delivery.bound_ns / 1e9)
        if self._regulators is not None and self._regulators.deciding:
            look = Every(_LOOK_S, self._regulators.look, None, lambda: False)
            self._waiting.schedule.add(cast("Every[object]", look))
        self._end: int | None = None  # of the bytes in the rings: where they ended at `stop`
        self._pending: list[E_co] = []
        self._keeping = RLock()  # of `_pending`; not that of the reader, who may sleep with it
        self._sequences = [each.decoder.sequence for each in self._parts if not each.meta.foreign]
        self._begun = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self._noticed: Losses | None = None
        self._next_count = time.monotonic() + _COUNT_S
        self._count_due = False
        self._next_sweep = time.monotonic() + _SWEEP_S
        self._counts = _counts(delivery, self._parts)
        self.on_last_losses: Callable[[Sequence[Lost]], None] | None = None

    def read(self, timeout: float | None = None) -> list[E_co]:
        """Wait for events and return all that are there, in time order.

        Args:
            timeout: Seconds to wait; None waits until there are some, 0 only looks.

        Returns:
            Nothing when the time is over, `stop` was called, or the session has ended.
        """
        self._check_open()
        self._check_rings()
        return self._warned(self._read(deadline_of(timeout), _MOST))

    def collect(self, timeout: float | None = None) -> list[E_co | Lost]:
        """As `read`, with a `syscast.Lost` where events are missing, as `stream` gives them.

        Args:
            timeout: Seconds to wait; None waits until there is something, 0 only looks.
        """
        self._check_open()
        self._check_rings()
        deadline = deadline_of(timeout)
        while True:
            ending = self._waiting.over
            events = self._read(_soon(deadline), _MOST)
            over = ending or (deadline is not None and time.monotonic() >= deadline)
            found = self._merged(events, count=over and not events)
            if found or over:
                return found

    def _read(self, deadline: float | None, most: int) -> list[E_co]:
        """`read`, of at most so many bytes from each ring; nothing once another thread has closed."""
        self._waiting.check_own()
        with self._waiting.inside:
            try:
                return [] if self._waiting.closed else self._look(deadline, most)
            except (UsageError, ValueError, OSError):
                if self._waiting.closed:  # by a signal handler, in between
                    return []
                raise

    def _look(self, deadline: float | None, most: int) -> list[E_co]:
        with self._keeping:
            waiting, self._pending = self._pending, []
        if waiting:
            return waiting
        patience = self._merging.patience(deadline)
        while True:
            self._waiting.before(self._merging.by(deadline))
            # Before looking: what comes in between has to be seen by another look.
            ending = self._waiting.ending
            before = self._taken
            events = self._take(most, last=ending)
            self._waiting.after(most)
            if events:
                return events
            refused = self._taken != before
            if self._merging.holding:
                if patience.over:
                    return events
                self._merging.blink()
            elif refused:  # by filters in Python: there may be more
                if self._is_late(deadline) or (ending and self._are_rings_read()):
                    return events
            elif ending:
                return events
            elif not self._waiting.until(deadline):
                return self._take(most, last=True)

    @property
    def _piece(self) -> int:
        """Bytes of one look at a ring where events are used before the next ones are read."""
        return PIECE if len(self._parts) == 1 else PIECE_OF_SEVERAL

    @property
    def _taken(self) -> int:
        """Bytes read from all rings so far."""
        return sum(part.taken for part in self._parts)

    def _is_late(self, deadline: float | None) -> bool:
        """Whether to stop though filters may leave something of what is still there."""
        if deadline is None or time.monotonic() < deadline + _REFUSED_S:
            return False
        return deadline == _AT_ONCE or not all(part.detached for part in self._parts)

    def _are_rings_read(self) -> bool:
        """Whether all was read that was there when the session was stopped."""
        return self._taken >= self._where_rings_end()

    def _take(self, most: int, *, last: bool) -> list[E_co]:
        self._refresh_clock()
        events = self._merging.events(most, last=last)
        self._notice()
        # What the probes return is what they send.
        return cast("list[E_co]", events)

    def _notice(self) -> None:
        """Look for losses: in what was read now, and once a second in the kernel's counters."""
        for sequence in self._sequences:
            if sequence.found:
                self._losses.gaps()
                break
        if self._count_due:
            self._count_due = False
            self._losses.count()

    @property
    def _losses(self) -> Losses:
        if self._noticed is None:
            from syscast.session.losses import Losses  # noqa: PLC0415  (not needed to start)

            exact = self._delivery.pressed not in GAPS_ON_PURPOSE
            self._noticed = Losses(self._parts, self._begun, exact=exact)
        return self._noticed

    def _warned(self, events: list[E_co]) -> list[E_co]:
        """Warn of losses before events are handed out; they stay where the warning is an error."""
        if self._noticed is not None and self._noticed.waiting:
            try:
                self._noticed.warn(_TO_USER)
            except BaseException:
                self._put_back(events)
                raise
        return events

    def _put_back(self, events: list[E_co]) -> None:
        """Have events that were taken and not given found by the next reading, in any thread."""
        with self._keeping:
            self._pending = events + self._pending

    def events(self, *, timeout: float | None = None, count: int | None = None) -> Iterator[E_co]:
        """Iterate over events.

        Args:
            timeout: End after so many seconds, measured from the first step.
            count: End after so many events.
        """
        if count is not None and count <= 0:
            return
        self._check_events(timeout)
        deadline = deadline_of(timeout)
        while not self._waiting.closed:
            batch = self._warned(self._read(deadline, self._piece))
            rest = iter(batch)
            try:
                yield from rest if count is None else islice(rest, count)
            finally:
                # Who leaves the loop early finds the rest at the next reading.
                left = list(rest)
                self._put_back(left)
            if count is not None:
                count -= len(batch) - len(left)
                if not count:
                    return
            if self._is_over(deadline, idle=not batch):
                self._warn_last()
                return

    def stream(
        self, *, timeout: float | None = None, count: int | None = None
    ) -> EventStream[E_co | Lost]:
        """Iterate over events and over what is missing between them, in time order.

        ``for item in session.stream()`` and ``async for item in session.stream()`` give events, and
        a `syscast.Lost` where some are missing. All of them together lost as many events as `stats`
        says. No LostEventsWarning is issued for what is given here. With ``pressure="aggregate"``, what
        was counted instead comes once a second, as `syscast.Aggregated`.

        Args:
            timeout: End after so many seconds, measured from the first step.
            count: End after so many events, those that tell of losses not among them.
        """
        return EventStream(
            lambda: self._stream(timeout, count), lambda: self._stream_async(timeout, count)
        )

    def _stream(self, timeout: float | None, count: int | None) -> Iterator[E_co | Lost]:
        self._check_events(timeout)
        deadline = deadline_of(timeout)
        limit = Limit(count)
        most = self._piece if timeout != 0 else _MOST  # who only looks gets all that is there
        while not self._waiting.closed and not limit.reached:
            # Nothing wakes a reader for losses that no event follows: it looks by itself.
            kept = bool(self._pending)  # then the rings were not looked at
            ending = self._waiting.over
            events = self._read(_soon(deadline), most)
            if not events and ending:
                break
            yield from self._given(limit, self._merged(events))
            if not kept and self._is_over(deadline, idle=False):
                break
        yield from self._merged([], count=True)

    async def _stream_async(
        self, seconds: float | None, count: int | None
    ) -> AsyncIterator[E_co | Lost]:
        self._check_events(seconds)
        deadline = deadline_of(seconds)
        limit = Limit(count)
        most = self._piece if seconds != 0 else _MOST
        while not self._waiting.closed and not limit.reached:
            kept = bool(self._pending)
            ending, before = self._waiting.ending, self._taken
            events = self._read(_AT_ONCE, most)
            idle = not (kept or events or self._taken != before or self._merging.holding)
            given = self._given(limit, self._merged(events))
            with contextlib.closing(given):
                for item in given:
                    yield item
            if not kept and ((ending and idle) or self._is_over(deadline, idle=False)):
                break
            await self._let_others(_soon(deadline), idle=idle)
        for item in self._merged([], count=True):
            yield item

    async def _let_others(self, deadline: float | None, *, idle: bool) -> None:
        """Give the event loop its turn, and sleep where nothing is to be read."""
        import asyncio  # noqa: PLC0415  (costs 30 ms, for those who use it)

        if not idle:
            await asyncio.sleep(BLINK_S if self._merging.holding else 0)
        elif not self._waiting.ending:
            await self._waiting.turn(deadline)

    def _merged(self, events: list[E_co], *, count: bool = False) -> list[E_co | Lost]:
        """Events and what is known to be missing, by time.

        Args:
            events: In time order.
            count: Look at the kernel's counters once more.
        """
        if count:
            self._count_losses()
        with self._waiting.inside:
            if self._counts is not None and not self._waiting.closed:
                counts = self._counts.take(now=count)
                events = sorted([*events, *cast("list[E_co]", counts)], key=boot_time)
        if self._noticed is None or not self._noticed.waiting:
            return list(events)
        upto = None
        if self._merging.holding:  # what is behind the loss is held back, and so is the loss
            upto = boot_time(events[-1]) if events else 0
        found: list[E_co | Lost] = [*self._noticed.take(upto), *events]
        found.sort(key=boot_time)  # a stable order: a loss stands before the event that showed it
        return found

    def _given(self, limit: Limit, items: list[E_co | Lost]) -> Generator[E_co | Lost]:
        """Yield up to a limit; who leaves early finds the rest at the next reading."""
        rest = iter(items)
        try:
            for item in rest:
                yield item
                if not is_loss(item) and limit.count():
                    break
        finally:
            left = list(rest)
            events = [each for each in left if not is_loss(each)]
            self._put_back(cast("list[E_co]", events))
            if self._counts is not None:
                self._counts.keep(left)
            if losses := [each for each in left if is_loss(each) and hasattr(each, "cause")]:
                self._losses.waiting[:0] = cast("list[Lost]", losses)

    def _warn_last(self) -> None:
        """At the end of an iteration, warn of what the counters say."""
        self._count_losses()
        if self.on_last_losses is not None:
            self.on_last_losses(self._losses.take())
        self._losses.warn(_TO_USER, last=True)

    def _count_losses(self) -> None:
        with self._waiting.inside:
            if not self._waiting.closed:
                self._losses.count()

    def _where_rings_end(self) -> int:
        """How many bytes there are to take, at the first call."""
        if self._end is None:
            with self._waiting.inside:
                if self._waiting.is_closed():
                    return 0
                self._end = sum(
                    part.taken + part.reader.available()
                    for part in self._parts
                    if part.reader is not None
                )
        return self._end

    def _is_over(self, deadline: float | None, *, idle: bool) -> bool:
        """Whether an iteration ends here: also where the probes never pause."""
        if idle:
            return self._waiting.ending or deadline is not None
        if self._waiting.closed or (deadline is not None and time.monotonic() >= deadline):
            return True
        if not self._waiting.ending or self._pending:
            return False
        if not self._are_rings_read():
            return False
        if self._merging.holding:
            self._merging.flush()
            return False
        return True

    def __iter__(self) -> Iterator[E_co]:
        return self.events()

    async def __aiter__(self) -> AsyncIterator[E_co]:
        self._check_events(None)
        while not self._waiting.closed:
            kept = bool(self._pending)
            ending, before = self._waiting.ending, self._taken
            batch = self._warned(self._read(_AT_ONCE, self._piece))
            idle = not (kept or batch or self._taken != before or self._merging.holding)
            rest = iter(batch)
            try:
                for event in rest:
                    yield event
            finally:
                self._put_back(list(rest))
            if (ending and idle) or self._is_over(None, idle=False):
                self._warn_last()
                return
            await self._let_others(None, idle=idle)

    def batches(self, *, timeout: float | None = None) -> Iterator[Batch]:
        """Iterate over batches: numpy structured arrays, no Python object for each event.

        What is missing among them is in `Batch.lost`; only of losses behind the last one of a
        session that has ended is there a LostEventsWarning.

        Args:
            timeout: End after so many seconds, measured from the first step.
        """
        for batch in self._rounds(self._merging.batches, BLOCK_SIZE, timeout):
            if self._noticed is not None and self._noticed.waiting:
                batch.lost = tuple(self._noticed.take())
            yield batch
        if self._waiting.over:  # else the next batch has them
            self._warn_last()

    def arrow(
        self,
        *,
        timeout: float | None = None,
        raw: bool = False,
        addresses: Addresses = "text",
        dictionaries: bool = True,
    ) -> Stream:
        """Events as a stream of Arrow columns, read while they come: one table for all classes.

        DuckDB, polars, pandas and pyarrow take it; see docs/data-plane.md.

        Args:
            timeout: End after so many seconds, measured from the first batch.
            raw: As in `syscast.events.batch.Batch.arrow`.
            addresses: As there.
            dictionaries: As there.

        Raises:
            UsageError: There is no such form, or no probe sends events.
        """
        from syscast.events.arrow.columns import Form  # noqa: PLC0415  (few ask for it)
        from syscast.events.arrow.stream import stream_of  # noqa: PLC0415  (numpy costs 100 ms)

        self._check_open()
        deadline_of(timeout)
        self._check_events(timeout)
        described = [each for part in self._parts for each in part.decoder.described()]
        form = Form(raw, addresses, dictionaries)

        def begin() -> Iterator[Batch]:
            self._check_open()
            return self.batches(timeout=timeout)

        return stream_of(described, form, begin)

    def tuples(self, *, timeout: float | None = None) -> Iterator[list[RawRecord]]:
        """Iterate over lists of plain tuples, faster than events and without numpy.

        A tuple holds the boot time in ns, sequence number, cgroup id, pid, tid, schema id,
        program id, CPU and comm (16 bytes), then the fields in their order: ints, and bytes for
        strings and addresses.

        Args:
            timeout: End after so many seconds, measured from the first step.
        """
        for found in self._rounds(self._merging.tuples, PIECE, timeout):
            if self._noticed is not None:
                self._noticed.warn(_TO_USER - 1)
            yield found
        self._warn_last()

    def _rounds(self, take: _Take[_Taken], most: int, timeout: float | None) -> Iterator[_Taken]:
        """Yield what each ring has, again and again, up to so many bytes at once."""
        self._check_events(timeout)
        deadline = deadline_of(timeout)
        patience = self._merging.patience(deadline)
        last = False
        while not self._waiting.closed:
            idle = True
            before = self._taken
            for found in self._round(take, most, deadline, last=last):
                idle = False
                yield found
            if idle and self._merging.holding and not patience.over:
                self._merging.blink()
                continue
            idle = idle and self._taken == before  # else filters in Python have refused it all
            if last if idle else self._is_over(deadline, idle=False):
                return
            if idle:
                with self._waiting.inside:
                    last = not self._waiting.until(deadline)
            elif self._delivery.gathers and self._taken - before < PIECE // 2:
                time.sleep(_GATHER_S)

    def _round(
        self, take: _Take[_Taken], most: int, deadline: float | None, *, last: bool
    ) -> Iterator[_Taken]:
        """One look at all rings; ends where another thread closes."""
        self._waiting.check_own()
        inside = self._waiting.inside
        with inside:
            if self._waiting.closed:
                return
            self._waiting.before(self._merging.by(deadline))
            self._refresh_clock()
            taking = take(last=last or self._waiting.ending)
        while True:
            with inside:
                if self._waiting.is_closed():
                    return
                found = next(taking, None)
                self._waiting.after(most)
                self._notice()
            if found is None:
                return
            yield found

    def missing(self) -> list[Lost]:
        """Take the losses that were noticed and that no reading has told of yet."""
        self._count_losses()
        return self._losses.take()

    def _check_open(self) -> None:
        if self._waiting.closed:
            raise UsageError("session: read: it is closed")

    def _check_rings(self) -> None:
        if self._delivery.records:
            raise UsageError(
                "session: read: its rings keep the newest events (dump() gives them; another "
                "pressure than 'overwrite' lets them be read)"
            )

    def _check_events(self, timeout: float | None) -> None:
        """Refuse to wait without an end for events that no probe sends."""
        self._check_rings()
        if timeout is None and self._leader is None and not self._sends and not self._waiting.over:
            raise UsageError(
                "session: read: its probes send no events (wait() for the end or some seconds, "
                "and read the state that they change)"
            )

    @property
    def _sends(self) -> bool:
        return any(part.reader is not None for part in self._parts)

    def _refresh_clock(self) -> None:
        if self._regulators is not None:
            self._regulators.look()
        self._clock.look()
        now = time.monotonic()
        if now >= self._next_count:
            self._next_count = now + _COUNT_S
            self._count_due = True
        if now >= self._next_sweep:
            self._next_sweep = now + _SWEEP_S
            for part in self._parts:
                if part.calls is not None:
                    part.calls.sweep()


def _regulators(delivery: Delivery, parts: Sequence[Part]) -> Regulators | None:
    if not (delivery.samples or delivery.cost):
        return None
    from syscast.session.regulators import Regulators  # noqa: PLC0415  (few sessions)

    return Regulators(delivery, parts)


def _counts(delivery: Delivery, parts: Sequence[Part]) -> SessionCounts | None:
    if delivery.aggregate_by is None:
        return None
    from syscast.session.counts import SessionCounts  # noqa: PLC0415  (few sessions)

    return SessionCounts(parts)


def _soon(deadline: float | None) -> float:
    """When to look at the counters at the latest."""
    step = time.monotonic() + _COUNT_S
    return step if deadline is None else min(step, deadline)
