"""From a session to a sink until something ends it: limits, signals, the command, a closed pipe."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from syscast.cli.messages import NAMES_SHOWN, left_out, say
from syscast.cli.stopping import Stopper
from syscast.events.event import is_loss
from syscast.sinks.sink import SinkClosed, SinkError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syscast.cli.options import Options
    from syscast.events.event import Event
    from syscast.events.ledger import Ledger
    from syscast.session.session import Session
    from syscast.sinks.sink import Sink

    Accept = Callable[[Event], bool]

OK = 0
LOST = 3
_LOSS_CHECK_S = 1.0
"""How often a busy stream looks for losses, to tell them while they happen."""
_RAISED_SHOWN = 5


def stream(
    start: Callable[[], Session],
    sink: Callable[[], Sink],
    options: Options,
    accept: Accept | None = None,
) -> int:
    """Open a session, write its events until the end, say what was lost.

    Args:
        start: Opens the session.
        sink: Makes the sink, once the session runs.
        options: Limits and what to say.
        accept: Says whether an event is shown; all are if None.

    Returns:
        The exit code.
    """
    with Stopper() as stopper, _started(stopper, start) as session:
        _introduce(session, options)
        if options.delivery().samples:
            session.notify(say)
        limits = _Limits(options, accept)
        recorder = None
        closed, failure = False, None
        try:
            if options.records:
                from syscast.cli.recording import record  # noqa: PLC0415  (recordings only)

                recorder = record(session, options, limits.timeout, accept)
                limits.reached = recorder.full
            else:
                _show(session, sink(), limits, accept, shown=_seen(options))
        except SinkClosed:
            closed = True
        except SinkError as error:
            failure = error  # a full disk: what became of the events is said all the same
        say_if_gone(session, stopper, options)
        code = command_code(session) if not (stopper.signal or closed or limits.over) else OK
        session.close()
        if session.states and not closed:
            from syscast.cli.states import show  # noqa: PLC0415  (few probes have state)

            show(session.states, options)
        ledger = session.stats()
        if recorder is not None:
            ledger = recorder.corrected(ledger)
        elif limits.reached:
            ledger = _without_rest(ledger)
        code = _account(ledger, code, options, quiet=closed)
        if recorder is not None:
            say(recorder.summary())
        if failure is not None:
            raise failure
        return code


def say_if_gone(session: Session, stopper: Stopper, options: Options) -> None:
    """Say that it is over because the process of ``--pid`` is."""
    if options.pid is not None and session.ended and not stopper.signal:
        say(f"process {options.pid} has ended")


def _started(stopper: Stopper, start: Callable[[], Session]) -> Session:
    """Open the session; a signal meanwhile stops it as soon as it is there."""
    stopper.begin()
    session = start()
    stopper.watch(session)
    return session


def _introduce(session: Session, options: Options) -> None:
    """Say what is left out, with -v how all is attached, with --explain where filters run."""
    lines = session.describe() if options.verbose else []
    lines += session.explain() if options.explain else []
    lines += left_out(session.refused(), most=None if options.verbose else NAMES_SHOWN)
    for line in lines:
        say(line)


def _show(
    session: Session, output: Sink, limits: _Limits, accept: Accept | None, *, shown: bool
) -> None:
    """Write events until the end."""
    try:
        output.open()
        if session.is_flight_recorder:
            from syscast.cli.flight import fly  # noqa: PLC0415  (few commands)

            fly(session, output, limits.deadline, accept)
            return
        _pump(session, output, limits, _Losses(shown=shown))
        if not limits.reached:
            session.detach()
            _drain(session, output, accept)
    finally:
        output.close()


class _Limits:
    """``--count`` and ``--duration``.

    Attributes:
        reached: The count is full.
        over: The count is full or the time is over.
    """

    def __init__(self, options: Options, accept: Accept | None) -> None:
        self._left = options.count
        self._accept = accept
        self.deadline = None if options.duration is None else time.monotonic() + options.duration
        self.reached = False

    @property
    def over(self) -> bool:
        return self.reached or (self.deadline is not None and time.monotonic() >= self.deadline)

    @property
    def timeout(self) -> float | None:
        """Seconds that are left."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def batches(self, session: Session) -> Iterator[list[Event]]:
        """Read until the session ends or the limits are reached; losses stand among the events."""
        if self._left is None:
            while not self.over:
                batch = session.collect(self.timeout)
                if session.ended:
                    if not batch:
                        return
                    session.detach()  # what a flood goes on to send would have no end
                yield _chosen(batch, self._accept)
            return
        # One by one, so that the ledger counts no event as delivered that nobody saw.
        for event in session.stream(timeout=self.timeout):
            if is_loss(event):
                yield [event]
            elif self._accept is None or self._accept(event):
                yield [event]
                self._left -= 1
                if not self._left:
                    self.reached = True
                    return


def _chosen(batch: list[Event], accept: Accept | None) -> list[Event]:
    if accept is None:
        return batch
    return [event for event in batch if is_loss(event) or accept(event)]


def _pump(session: Session, sink: Sink, limits: _Limits, losses: _Losses) -> None:
    for batch in limits.batches(session):
        if batch:
            sink.write(batch)
        losses.look(batch)


def _drain(session: Session, sink: Sink, accept: Accept | None) -> None:
    """Write what still waits in the rings of detached programs, and what they lost at last."""
    while batch := session.collect(0):
        chosen = _chosen(batch, accept)
        if chosen:
            sink.write(chosen)


class _Losses:
    """Tells of losses while they happen, at most once a second, where the events go elsewhere."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._next = time.monotonic() + _LOSS_CHECK_S
        self._lost = 0

    def look(self, batch: list[Event]) -> None:
        """Say how many events were lost since the last time, if any were."""
        if self._shown:
            return
        self._lost += sum(map(_lost, filter(is_loss, batch)))
        now = time.monotonic()
        if self._lost and now >= self._next:
            self._next = now + _LOSS_CHECK_S
            from syscast.events.text import counted  # noqa: PLC0415  (with losses only)

            say(f"{counted(self._lost, 'event')} lost just now")
            self._lost = 0


def _lost(event: Event) -> int:
    found: object = getattr(event, "count", 0) if hasattr(event, "cause") else 0
    return found if isinstance(found, int) else 0


def _seen(options: Options) -> bool:
    """Whether a terminal shows the events, and so the losses among them."""
    return options.output is None and sys.stdout is not None and sys.stdout.isatty()


def command_code(session: Session) -> int:
    """The exit code of the command if there is one and it ended by itself."""
    command = session.command
    code = command.poll() if command is not None else None
    if code is None:
        return OK
    return code if code >= 0 else 128 - code


def _without_rest(ledger: Ledger) -> Ledger:
    """Count the events behind the last one wanted as left in the ring, not as lost."""
    from msgspec.structs import replace  # noqa: PLC0415  (at the end of --count only)

    rows = tuple(replace(row, read=row.read - row.shed) for row in ledger.rows)
    return replace(ledger, rows=rows)


def _account(ledger: Ledger, code: int, options: Options, *, quiet: bool) -> int:
    """Say the ledger's line, and where probes raised."""
    if not quiet or ledger.lost:
        say(ledger.summary())
        for line in ledger.disagreements():
            say(line)
        details = ledger.details()
        for line in details[:_RAISED_SHOWN]:
            say(line)
        if len(details) > _RAISED_SHOWN:
            say(f"{len(details) - _RAISED_SHOWN} further places raised")
    if options.stats:
        from syscast.cli.messages import say_lines  # noqa: PLC0415  (with --stats only)

        say_lines(str(ledger).split("\n"))
    else:
        for section in (ledger.pressure, ledger.cost):
            for line in section.lines() if section is not None and not quiet else ():
                say(line)
    return LOST if ledger.lost and options.fail_on_loss else code
