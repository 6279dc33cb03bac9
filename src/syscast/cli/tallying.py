"""What ``count`` and ``hist`` share: options, the loop until the end, the last words."""

from __future__ import annotations

import re
import sys
import time
from typing import TYPE_CHECKING, Protocol

import click

from syscast.cli import completing
from syscast.cli.messages import NAMES_SHOWN, left_out, say, say_lines
from syscast.cli.options import TracingCommand, read_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from syscast.cli.options import Options
    from syscast.events.ledger import Ledger
    from syscast.session.tally import Query, Tallying

OK = 0
LOST = 3
_LIVE_S = 0.5
_RAISED_SHOWN = 5
_CLASS = re.compile(r" \(\d+\)(?=')")


def own_options() -> list[click.Parameter]:
    """The options of both commands."""
    return [
        click.Option(
            ["-t", "--target", "targets"],
            multiple=True,
            metavar="TARGET",
            help="A target or pattern; repeatable.",
            shell_complete=completing.targets,
        ),
        click.Option(
            ["--if", "condition"], metavar="EXPR", help="Only calls for which this is true."
        ),
        click.Option(
            ["--every"],
            callback=read_duration,
            metavar="TIME",
            help="Show what came since the last time, then start from zero: 1s, 500ms.",
        ),
        click.Option(
            ["--top"], type=click.IntRange(min=1), metavar="N", help="Show the N largest."
        ),
        click.Option(
            ["--keys", "entries"],
            type=click.IntRange(min=1),
            metavar="N",
            help="Room for so many keys in the kernel.",
        ),
    ]


_OTHER_HELP = {
    "count": "With --every: end after N tables.",
    "json": "One JSON object for each table.",
    "output": "Write tables to FILE.",
    "fail_on_loss": "Exit with 3 if counts were lost.",
}


_OF_EVENTS = frozenset({"latency", "mode", "rings", "ring_size", "pressure", "limit", "budget"})
"""Options that say how events are sent; what is counted inside the kernel sends none."""


class TallyingCommand(TracingCommand):
    """A command that counts: the common options mean tables instead of events."""

    def __init__(self, name: str | None, **attributes: object) -> None:
        super().__init__(name, **attributes)
        self.params: list[click.Parameter] = [
            each for each in self.params if each.name not in _OF_EVENTS
        ]
        for each in self.params:
            if isinstance(each, click.Option):
                each.help = _OTHER_HELP.get(each.name or "", each.help)


class View(Protocol):
    """How to show what was counted; ``name`` is the command's."""

    name: str

    def lines(self, running: Tallying, *, take: bool) -> Iterable[str]:
        """As text; ``take`` starts from zero."""
        ...

    def json(self, running: Tallying) -> Mapping[str, object]:
        """As an object; starts from zero."""
        ...


def run(query: Query, options: Options, every: float | None, view: View) -> int:
    """Open, count, show, say what was lost; gives the exit code."""
    from syscast.cli import outputs  # noqa: PLC0415  (once the options are right)
    from syscast.cli.stopping import Stopper  # noqa: PLC0415
    from syscast.cli.streaming import command_code, say_if_gone  # noqa: PLC0415
    from syscast.session.tally import open_tally  # noqa: PLC0415
    from syscast.sinks.sink import Output, SinkClosed, SinkError  # noqa: PLC0415

    if options.count is not None and every is None:
        raise click.UsageError("--count is the number of tables, and needs --every")
    outputs.no_recording(options, view.name)
    with outputs.opened(options) as stream, Stopper() as stopper:
        output = Output(stream, "stdout" if stream is sys.stdout else "output")
        filters, command = options.filters(), list(options.command) or None
        stopper.begin()
        running = open_tally(query, filters, command=command)
        stopper.watch(running.session)
        with running.session as session:
            _introduce(running, options)
            clock = _Clock(options.duration, every)
            closed, failure = False, None
            try:
                _loop(running, _Writer(output, options, every, view), clock, options.count)
            except SinkClosed:
                closed = True
            except SinkError as error:
                failure = error  # a full disk: what was counted is said all the same
            say_if_gone(session, stopper, options)
            early = bool(stopper.signal) or closed or clock.over
            code = OK if early else command_code(session)
        code = _account(running, session.stats(), code, options, quiet=closed)
        if failure is not None:
            raise failure
        return code


class _Clock:
    """When to show something, and when to end."""

    def __init__(self, duration: float | None, every: float | None) -> None:
        self.start = time.monotonic()
        self._deadline = None if duration is None else self.start + duration
        self._every = every
        self._next = None if every is None else self.start + every

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def timeout(self, most: float | None) -> float | None:
        """Seconds until something is due; None for no end."""
        now = time.monotonic()
        due = [each - now for each in (self._deadline, self._next) if each is not None]
        if most is not None:
            due.append(most)
        return max(0.0, min(due)) if due else None

    def due(self) -> bool:
        """Whether a table is due; the next one is then set."""
        now = time.monotonic()
        if self._every is None or self._next is None or now < self._next:
            return False
        # A table that took longer than the interval skips the ones it missed.
        self._next += self._every * ((now - self._next) // self._every + 1)
        return True


class _Writer:
    """Writes tables or objects, and keeps a terminal's view fresh."""

    def __init__(self, output: _Text, options: Options, every: float | None, view: View) -> None:
        self._output = output
        self._json = options.json
        self._view = view
        self._every = every
        self._since = time.monotonic()
        self._first = True
        plain = not options.json and options.output is None and every is None
        self.live: bool = output.terminal and plain

    def write(self, running: Tallying) -> None:
        """Show what came since the last time."""
        if self._json:
            import msgspec  # noqa: PLC0415  (with --json only)

            now = time.monotonic()
            found = {
                "time": time.time_ns(),
                "seconds": round(now - self._since, 3),
                **self._view.json(running),
            }
            self._since = now
            text = msgspec.json.encode(found).decode() + "\n"
        else:
            lines = [*([""] if self._every is not None and not self._first else [])]
            if self._every is not None:
                lines.append(time.strftime("%H:%M:%S"))
            lines += self._view.lines(running, take=True)
            text = "".join(f"{line}\n" for line in lines)
        self._first = False
        self._output.write_text(text)

    def look(self, running: Tallying) -> str:
        """What a terminal shows meanwhile."""
        return "\n".join(self._view.lines(running, take=False))


class _Text(Protocol):
    terminal: bool

    def write_text(self, text: str) -> None: ...


def _loop(running: Tallying, writer: _Writer, clock: _Clock, most: int | None) -> None:
    """Wait, show, until the end; the last table has what came up to then."""
    session = running.session
    written = 0
    show, leave = _live(writer, running) if writer.live else (None, None)
    try:
        while not clock.over:
            session.collect(clock.timeout(_LIVE_S if show is not None else None))
            if session.ended:
                break
            if show is not None:
                show()
            if clock.due():
                writer.write(running)
                written += 1
                if most is not None and written >= most:
                    return
    finally:
        if leave is not None:
            leave()
    writer.write(running)


def _live(writer: _Writer, running: Tallying) -> tuple[Callable[[], None], Callable[[], None]]:
    """A view on a terminal that is drawn anew until it is taken away."""
    from rich.console import Console  # noqa: PLC0415  (30 ms, for terminals only)
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    view = Live(
        console=Console(), transient=True, auto_refresh=False, vertical_overflow="ellipsis"
    )
    view.start()

    def show() -> None:
        view.update(Text(writer.look(running), no_wrap=True, overflow="ellipsis"), refresh=True)

    return show, view.stop


# ---------------------------------------------------------------- words


def _introduce(running: Tallying, options: Options) -> None:
    """Say what is left out, with -v how all is attached, with --explain where filters run."""
    if options.explain:
        # Programs of one pattern have the same filters.
        for line in dict.fromkeys(_CLASS.sub("", each) for each in running.session.explain()):
            say(line)
    if options.verbose:
        for line in running.session.describe():
            say(line)
    for line in left_out(running.skipped, most=None if options.verbose else NAMES_SHOWN):
        say(line)


def _account(
    running: Tallying, ledger: Ledger, code: int, options: Options, *, quiet: bool
) -> int:
    """Say how many calls were counted, lost, filtered, and where the probe raised."""
    total = ledger.total
    full = running.lost
    lost = full + (total.missed or 0)
    raised = max(0, total.raised - full)
    filtered = max(0, total.ran - total.raised - running.total)
    if not quiet or lost:
        from syscast.events.text import counted  # noqa: PLC0415  (at the end)

        say(
            f"{counted(running.total, 'call')} counted at {counted(running.targets, 'target')}, "
            f"{lost:,} lost (no room {full:,}, missed {ledger.missed_text()}), {filtered:,} "
            f"filtered, {raised:,} raised"
        )
        for line in ledger.details()[:_RAISED_SHOWN]:
            say(line)
    if options.stats:
        say_lines(str(ledger).split("\n"))
    return LOST if lost and options.fail_on_loss else code
