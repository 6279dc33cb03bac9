"""``Session``: attached probes and the stream of their events."""

from __future__ import annotations

import contextlib
import os
import time
import weakref
from collections import Counter
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar, cast

import msgspec

from syscast.buffers.reader import BLOCK_SIZE
from syscast.errors import UsageError
from syscast.events.event import boot_time, is_loss, sender
from syscast.session.delivery import DEFAULT, GAPS_ON_PURPOSE, duration_ns
from syscast.session.every import Every
from syscast.session.merging import Merging
from syscast.session.part import PIECE
from syscast.session.stream import EventStream, Limit
from syscast.session.waiting import Waiting
from syscast.session.wallclock import SessionClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
    from types import TracebackType

    from syscast.events.aggregated import Aggregated
    from syscast.events.arrow.columns import Addresses
    from syscast.events.arrow.stream import Stream
    from syscast.events.batch import Batch
    from syscast.events.envelope import RawRecord
    from syscast.events.event import Event
    from syscast.events.ledger import Ledger
    from syscast.events.lost import Lost
    from syscast.events.recorded import Provenance, Sender
    from syscast.kernel.descriptors import Fd
    from syscast.kernel.spawn import StoppedCommand
    from syscast.link.many import Refused
    from syscast.session.counts import SessionCounts
    from syscast.session.delivery import Delivery
    from syscast.session.losses import Losses
    from syscast.session.part import Part
    from syscast.session.recording import Recorder
    from syscast.session.regulators import Regulators
    from syscast.session.watched import Watched
    from syscast.state.state import State

_SWEEP_S = 10.0
"""How often the state of calls is searched for tasks that are gone."""
_GATHER_S = 0.001
"""Pause of a reader of batches that is faster than its probes: rounds of a few records each would
take all of a CPU, and every one makes the kernel interrupt the probe to say that there is more."""
_LOOK_S = 0.1
"""How often sampling and budget are looked after while the session only waits."""
_MOST = 8 << 20
"""Bytes taken from one ring before the others have their turn."""

_COUNT_S = 1.0
"""How often the kernel's counters are asked for losses."""
_TO_USER = 3
"""Calls between a warning of losses and the line that reads events."""

_Taken = TypeVar("_Taken")
_Given = TypeVar("_Given")
_Taken_co = TypeVar("_Taken_co", covariant=True)
if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault  # in typing since 3.13 (PEP 696)

    E_co = TypeVarWithDefault("E_co", bound=Event, covariant=True, default=Event)
else:
    E_co = TypeVar("E_co", covariant=True)


class _Take(Protocol[_Taken_co]):
    """Reads all rings once."""

    def __call__(self, *, last: bool) -> Iterator[_Taken_co]: ...


class Session(Generic[E_co]):
    """Events of attached probes, until it is closed or the command it follows has ended.

    Iterate it, iterate it asynchronously, ask it for batches, or give it a callback. Events of one
    reading come in time order. Where some are missing, `stream` says so in their place; other ways of
    reading issue a LostEventsWarning, at most once a second and once at the end. Closing detaches; what
    is still in the rings is then gone.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        command: StoppedCommand | None = None,
        delivery: Delivery = DEFAULT,
        watched: Watched | None = None,
    ) -> None:
        self._parts = list(parts)
        self._delivery = delivery
        self._regulators = _regulators(delivery, self._parts)
        self._command = command
        self._watched = watched
        self._clock = SessionClock(self._parts)
        self._waiting = Waiting(self._parts, command or watched, delivery, self._clock)
        self._merging = Merging(self._parts, delivery.bound_ns / 1e9)
        if self._regulators is not None and self._regulators.deciding:
            look = Every(_LOOK_S, self._regulators.look, None, lambda: False)
            self._waiting.schedule.add(cast("Every[object]", look))
        self._end: int | None = None  # of the bytes in the rings: where they ended at `stop`
        self._pending: list[E_co] = []
        self._sequences = [each.decoder.sequence for each in self._parts if not each.meta.foreign]
        self._begun = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self._noticed: Losses | None = None
        self._next_count = time.monotonic() + _COUNT_S
        self._count_due = False
        self._next_sweep = time.monotonic() + _SWEEP_S
        self._final: Ledger | None = None
        self._announced: Fd | None = None
        self._counts = _counts(delivery, self._parts)
        self.explained: list[str] = []
        self.written: dict[str, object] = {}
        self.on_last_losses: Callable[[Sequence[Lost]], None] | None = None
        self.left_out: list[Refused] = []
        _sessions.add(self)

    # ------------------------------------------------------------ reading

    def read(self, timeout: float | None = None) -> list[E_co]:
        """Wait for events and return all that are there, in time order.

        Args:
            timeout: Seconds to wait; None waits until there are some, 0 only looks.

        Returns:
            Nothing when the time is over, `stop` was called, or the session has ended.
        """
        self._check_open()
        self._check_rings()
        return self._warned(self._read(_deadline(timeout), _MOST))

    def collect(self, timeout: float | None = None) -> list[E_co | Lost]:
        """As `read`, with a `syscast.Lost` where events are missing, as `stream` gives them.

        Args:
            timeout: Seconds to wait; None waits until there is something, 0 only looks.
        """
        self._check_open()
        self._check_rings()
        deadline = _deadline(timeout)
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
        if self._pending:
            waiting, self._pending = self._pending, []
            return waiting
        while True:
            self._waiting.before(self._merging.by(deadline))
            # Before looking: what comes in between has to be seen by another look.
            ending = self._waiting.ending
            events = self._take(most, last=ending)
            self._waiting.after(most)
            holding = self._merging.holding
            if events or (ending and not holding):
                return events
            if holding:
                self._merging.blink()
            elif not self._waiting.until(deadline):
                return self._take(most, last=True)

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
            self._pending = events
            self._noticed.warn(_TO_USER)
            self._pending = []
        return events

    def events(self, *, timeout: float | None = None, count: int | None = None) -> Iterator[E_co]:
        """Iterate over events.

        Args:
            timeout: End after so many seconds, measured from the first step.
            count: End after so many events.
        """
        if count is not None and count <= 0:
            return
        self._check_events(timeout)
        deadline = _deadline(timeout)
        # Several rings are read as far as they go, because their events are sorted by time.
        most = PIECE if len(self._parts) == 1 else _MOST
        while not self._waiting.closed:
            batch = self._warned(self._read(deadline, most))
            rest = iter(batch)
            try:
                yield from rest if count is None else islice(rest, count)
            finally:
                # Who leaves the loop early finds the rest at the next reading.
                left = list(rest)
                self._pending = left + self._pending
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
        deadline = _deadline(timeout)
        limit = Limit(count)
        while not self._waiting.closed and not limit.reached:
            # Nothing wakes a reader for losses that no event follows: it looks by itself.
            kept = bool(self._pending)  # then the rings were not looked at
            events = self._read(_soon(deadline), _MOST)
            if not events and self._waiting.over:
                break
            yield from self._given(limit, self._merged(events))
            if not kept and self._is_over(deadline, idle=False):
                break
        yield from self._merged([], count=True)

    async def _stream_async(
        self, seconds: float | None, count: int | None
    ) -> AsyncIterator[E_co | Lost]:
        self._check_events(seconds)
        deadline = _deadline(seconds)
        limit = Limit(count)
        last = False
        while not self._waiting.closed and not limit.reached:
            kept = bool(self._pending)
            events = self._read(0.0, _MOST)
            given = self._given(limit, self._merged(events))
            with contextlib.closing(given):
                for item in given:
                    yield item
            if not kept and (last or self._is_over(deadline, idle=False)):
                break
            last = self._waiting.ending  # what came before the end is read once more
            if not events and not last:
                await self._waiting.turn(_soon(deadline))
        for item in self._merged([], count=True):
            yield item

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
            self._pending = cast("list[E_co]", events) + self._pending
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
        if sum(part.taken for part in self._parts) < self._where_rings_end():
            return False
        if self._merging.holding:
            self._merging.flush()
            return False
        return True

    def __iter__(self) -> Iterator[E_co]:
        return self.events()

    async def __aiter__(self) -> AsyncIterator[E_co]:
        self._check_events(None)
        last = False
        while not self._waiting.closed:
            batch = self._warned(self._read(0.0, _MOST))
            rest = iter(batch)
            try:
                for event in rest:
                    yield event
            finally:
                self._pending = list(rest) + self._pending
            if last or self._waiting.closed:
                self._warn_last()
                return
            if self._waiting.ending:
                last = True  # what came before the end is read once more
                continue
            await self._waiting.turn()

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
        self._check_events(timeout)
        described = [each for part in self._parts for each in part.decoder.described()]
        form = Form(raw, addresses, dictionaries)
        return stream_of(described, form, lambda: self.batches(timeout=timeout))

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
        deadline = _deadline(timeout)
        last = False
        while not self._waiting.closed:
            idle = True
            before = sum(part.taken for part in self._parts)
            for found in self._round(take, most, deadline, last=last):
                idle = False
                yield found
            if idle and self._merging.holding:
                self._merging.blink()
                continue
            if last if idle else self._is_over(deadline, idle=False):
                return
            if idle:
                with self._waiting.inside:
                    last = not self._waiting.until(deadline)
            elif (
                self._delivery.gathers
                and sum(part.taken for part in self._parts) - before < PIECE // 2
            ):
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

    def wait(self, timeout: float | None = None) -> bool:
        """Wait without reading, for probes that send no events: their state says what they saw.

        Args:
            timeout: Seconds to wait; None waits until `stop` is called, or the command and its
                descendants have ended.

        Returns:
            Whether the session has ended; False when the time is over.
        """
        self._check_open()
        deadline = _deadline(timeout)
        while self._waiting.idle(deadline):
            continue  # a function was called
        return self.ended

    def every(
        self,
        interval: str | float,
        function: Callable[[], _Given],
        then: Callable[[_Given], object] | None = None,
    ) -> Every[_Given]:
        """Call a function at an interval, from this session's own loop: while it waits or is iterated.

        No thread is started. Times do not drift; what comes due while a call or the session's user takes
        longer than the interval is left out and counted. What a function raises ends the session
        (as `stop` does) and comes out of the iteration, after the events before it.

        Args:
            interval: ``1s``, ``500ms``, or a number of seconds.
            function: Without arguments: ``counter.drain``, say.
            then: Gets what the function gave.

        Returns:
            A handle: ``cancel()``, ``last``, and an iterator of what the function gives.

        Raises:
            UsageError: The interval is no duration, or 0.
        """
        self._check_open()
        seconds = duration_ns(interval, "interval") / 1e9
        if not seconds:
            raise UsageError(f"interval '{interval}': set: it is zero (give a time such as 1s)")
        entry = Every(seconds, function, then, partial(self._waiting.idle, None))
        self._waiting.schedule.add(cast("Every[object]", entry))
        return entry

    def run(self, callback: Callable[[E_co], object], *, timeout: float | None = None) -> None:
        """Call a function with each event until the session ends, `stop` is called or time is over.

        Raises:
            Exception: Whatever the function raises; the session is closed then, its ledger is readable.
        """
        try:
            for event in self.events(timeout=timeout):
                callback(event)
        except BaseException:
            self.close()
            raise

    @property
    def is_flight_recorder(self) -> bool:
        """Whether its rings keep the newest events for `dump`: ``pressure="overwrite"``."""
        return self._delivery.records

    def dump(self) -> list[E_co]:
        """What the rings of a flight recorder hold now, in the order of time.

        With ``pressure="overwrite"`` the newest events stay in the kernel and nobody is woken for them. A dump
        gives all that is there and leaves it there: an event may be in several dumps. The recording goes
        on meanwhile; the ledger counts each event once. Other threads may call it, too.

        Raises:
            UsageError: The session is closed, or no flight recorder, or its ring is overwritten faster
                than it can be copied.
        """
        self._check_dump()
        events = [
            event
            for part in self._parts
            if part.flight is not None
            for event in part.decoder.views(part.flight.dump(detached=part.detached))
        ]
        if len(self._parts) > 1:
            events.sort(key=boot_time)
        return cast("list[E_co]", events)

    def dump_batches(self) -> list[Batch]:
        """`dump` as batches, one for each of the session's objects that has events."""
        self._check_dump()
        found = [
            part.flight.batch(detached=part.detached)
            for part in self._parts
            if part.flight is not None
        ]
        return [each for each in found if each is not None]

    def _check_dump(self) -> None:
        self._check_open()
        self._refresh_clock()
        if not self.is_flight_recorder:
            raise UsageError(
                "session: dump: its rings are read (attach with pressure='overwrite' to keep the "
                "newest events in them)"
            )

    # ------------------------------------------------------------ ending

    def stop(self) -> None:
        """End all iterations after what is in the rings now; callable from a signal handler or thread."""
        self._waiting.stop()

    @property
    def ended(self) -> bool:
        """Whether `stop` was called, or the command and its descendants are gone."""
        return self._waiting.over

    @property
    def command(self) -> StoppedCommand | None:
        """The command that was started with the session."""
        return self._command

    def describe(self) -> list[str]:
        """How each program is attached: ``fentry on inet_listen``."""
        return [line for part in self._parts for line in part.describe()]

    def refused(self) -> list[Refused]:
        """Targets of patterns that are left out, and why: the rest runs."""
        found = list(self.left_out)
        for part in self._parts:
            for link in part.links.values():
                found += getattr(link, "refused", ())
        return list(dict.fromkeys(found))

    def explain(self) -> list[str]:
        """Where each filter runs, in the kernel or in Python, and why; a line for each."""
        return list(self.explained)

    def event_classes(self) -> list[type[Event]]:
        """The classes of the events that the probes send."""
        return [each for part in self._parts for each in part.decoder.classes.values()]

    @property
    def states(self) -> dict[str, State]:
        """Objects that the probes share with Python, by the names that the probes have for them."""
        return {name: held for part in self._parts for name, held in part.states.items()}

    def stats(self) -> Ledger:
        """The ledger: what became of every run of every probe (see `syscast.events.ledger`)."""
        if self._final is not None:
            return self._final
        from syscast.session.accounts import ledger_of  # noqa: PLC0415  (not needed to start)

        merging = self._merging
        waiting = Counter(map(sender, self._pending)) + merging.waiting()
        try:
            found = ledger_of(self._parts, waiting, merging.order.late)
        except (UsageError, ValueError, OSError):
            if not self._waiting.is_closed():
                raise
            return self.stats()  # another thread has closed, and kept the last one
        found = msgspec.structs.replace(found, delivery=self._waiting.stats())
        return found if self._regulators is None else self._regulators.noted(found)

    def notify(self, notice: Callable[[str], object]) -> None:
        """Give a line to a function each time sampling changes, instead of one Python warning."""
        if self._regulators is not None:
            self._regulators.notify(notice)

    def aggregated(self) -> list[Aggregated]:
        """Take out what was counted by key instead of being dropped, with ``pressure="aggregate"``.

        All counts taken out so far add up to the ledger's ``aggregated``. It costs some ms each time.
        """
        self._check_open()
        return self._counts.take() if self._counts is not None else []

    def missing(self) -> list[Lost]:
        """Take the losses that were noticed and that no reading has told of yet."""
        self._count_losses()
        return self._losses.take()

    # ------------------------------------------------------------ recording

    def record(
        self,
        path: str | os.PathLike[str],
        *,
        timeout: float | None = None,
        count: int | None = None,
    ) -> int:
        """Write events to a file until the session ends; `syscast.replay` gives them back.

        The file is an Arrow IPC stream, with the ledger behind it. No object is made for an event.
        The probes are detached at the end, so that the ledger is final.

        Args:
            path: The file; what was in it is gone.
            timeout: End after so many seconds.
            count: End after so many events.

        Returns:
            How many events are in the file.

        Raises:
            UsageError: The file cannot be opened, or the probes send no events.
            SinkError: It cannot be written: the disk is full. It is whole then, and the message
                says how many events it holds.
        """
        self._check_open()
        with self.recorder(path) as recorder:
            recorder.run(timeout=timeout, count=count)
        return recorder.events

    def recorder(self, path: str | os.PathLike[str]) -> Recorder:
        """Give a sink that writes batches to a recording, to be used in a ``with``.

        What `batches` yields is given to its ``write``; the ledger is written at the end.

        Raises:
            UsageError: The file cannot be opened, or the probes send no events.
        """
        from syscast.session.recording import Recorder  # noqa: PLC0415  (needs numpy)

        return Recorder(self, path)

    @property
    def senders(self) -> list[Sender]:
        """The objects whose programs send the events."""
        from syscast.events.recorded import Sender  # noqa: PLC0415  (recordings only)

        return [
            Sender(
                part.decoder.schemas, part.meta.programs, part.decoder.classes, part.meta.foreign
            )
            for part in self._parts
        ]

    def provenance(self) -> Provenance:
        """Where and how the events are made, for recordings."""
        from syscast.session.recording import provenance_of  # noqa: PLC0415  (recordings only)

        return provenance_of(self.describe(), self.explained, self.written)

    def detach(self) -> None:
        """Detach the programs; what is in the rings can still be read, and the ledger is final."""
        for part in self._parts:
            part.detach()
        if self._regulators is not None:
            self._regulators.end()

    def close(self) -> None:
        """Detach, unload, end the command if it still runs; the ledger stays readable.

        In a forked child, it gives up the child's copies and leaves the parent's session alone.
        """
        if self._waiting.closed:
            return
        self.stop()
        with contextlib.ExitStack() as last:
            for leader in (self._command, self._watched):
                if leader is not None:
                    last.callback(leader.close)
            for part in self._parts:
                last.callback(part.close)
            if self._announced is not None:
                last.callback(self._announced.close)
            last.callback(self._clock.close)
            last.callback(self._waiting.close)
            if self._command is not None and self._waiting.own:
                self._end_command(self._command)
            self.detach()
            self._final = self.stats()

    def announce(self) -> None:
        """Let ``syscast stats`` find this session."""
        from syscast.session.announcing import announce  # noqa: PLC0415  (sessions that are attached)

        self._announced = announce(self._parts)

    def _end_command(self, command: StoppedCommand) -> None:
        """End the command and what it started: nobody else knows of its descendants."""
        for part in self._parts:
            part.end_followed()
        command.terminate()

    def let_go(self) -> None:
        """In a forked child: close its copies of the links, so that they end with the parent's."""
        for part in self._parts:
            for link in part.links.values():
                link.close()
        if self._announced is not None:
            self._announced.close()

    def __reduce__(self) -> str:
        raise UsageError(
            f"session: pickle: it belongs to process {os.getpid()} (attach in the process that reads)"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

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
        if timeout is None and self._command is None and not self._sends and not self.ended:
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


def _deadline(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout


def _soon(deadline: float | None) -> float:
    """When to look at the counters at the latest."""
    step = time.monotonic() + _COUNT_S
    return step if deadline is None else min(step, deadline)


_sessions: weakref.WeakSet[Session] = weakref.WeakSet()


def _in_forked_child() -> None:
    for session in list(_sessions):
        session.let_go()


os.register_at_fork(after_in_child=_in_forked_child)
