"""``Session``: attached probes and the stream of their events."""

from __future__ import annotations

import contextlib
import os
import weakref
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Self, TypeVar, cast

import msgspec

from syscast.errors import KernelError, UsageError
from syscast.events.event import boot_time, sender
from syscast.session.delivery import DEFAULT, duration_ns
from syscast.session.every import Every
from syscast.session.reading import E_co, Reading
from syscast.session.timeouts import deadline_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from syscast.events.aggregated import Aggregated
    from syscast.events.batch import Batch
    from syscast.events.event import Event
    from syscast.events.ledger import Ledger
    from syscast.events.recorded import Provenance, Sender
    from syscast.kernel.descriptors import Fd
    from syscast.kernel.spawn import StoppedCommand
    from syscast.link.many import Refused
    from syscast.session.delivery import Delivery
    from syscast.session.part import Part
    from syscast.session.recording import Recorder
    from syscast.session.watched import Watched
    from syscast.state.state import State

_Given = TypeVar("_Given")
_LEAVE_S = 2.0
"""How long `close` waits for a thread that is just reading."""


class Session(Reading[E_co]):
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
        super().__init__(parts, command or watched, delivery)
        self._command = command
        self._watched = watched
        self._final: Ledger | None = None
        self._announced: Fd | None = None
        self.explained: list[str] = []
        self.written: dict[str, object] = {}
        self.left_out: list[Refused] = []
        _sessions.add(self)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait without reading, for probes that send no events: their state says what they saw.

        Args:
            timeout: Seconds to wait; None waits until `stop` is called, or the command and its
                descendants have ended.

        Returns:
            Whether the session has ended; False when the time is over.

        Raises:
            UsageError: The session is closed, or this is a forked child.
        """
        self._check_open()
        deadline = deadline_of(timeout)
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
        self._waiting.check_own("every")
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
        self._waiting.check_own("dump")
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
            found = ledger_of(self._parts, waiting, merging.late)
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

        All counts taken out so far add up to the ledger's ``aggregated``. It costs some ms each time. Several threads may take: each count is
        given to one of them.

        Raises:
            UsageError: The session is closed, or this is a forked child.
        """
        self._check_open()
        self._waiting.check_own("aggregated")
        if self._counts is None:
            return []
        try:
            return self._counts.take()
        except (UsageError, KernelError, ValueError, OSError):
            self._check_open()  # another thread has closed
            raise

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
        if self._counts is not None:
            raise UsageError(
                "session: record: a recording has no place for counts by key (take another pressure, or "
                "write batches with recorder() and take the counts by aggregated())"
            )
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
            self._settle()
            self._final = self.stats()

    def _settle(self) -> None:
        """Count what batches have left as read and not delivered."""
        waiting = self._waiting
        if waiting.own and waiting.inside.acquire(timeout=_LEAVE_S):
            try:
                with contextlib.suppress(
                    UsageError
                ):  # of a filter: who reads has got it, or never will
                    self._merging.hand_over()
            finally:
                waiting.inside.release()

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


_sessions: weakref.WeakSet[Session] = weakref.WeakSet()


def _in_forked_child() -> None:
    for session in list(_sessions):
        session.let_go()


os.register_at_fork(after_in_child=_in_forked_child)
