"""``syscast replay``: the events of a recording."""

from __future__ import annotations

import importlib
import time
import warnings
from typing import TYPE_CHECKING

import click

from syscast.cli.options import Options, read_duration
from syscast.events.event import is_loss

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from syscast.events.event import Event
    from syscast.session.replay import Replay
    from syscast.sinks.console import Table
    from syscast.sinks.sink import Sink, Stream

_HELP = """Show the events of a recording, as they were shown when they came.

It needs no privileges, and no kernel that can trace. FILE is what syscast record wrote, or -o
FILE.arrows of another command; "-" is stdin. Where the file is damaged or cut off, the events before
are shown, and the exit code is 1.

\b
syscast replay opens.arrows                      at once
syscast replay opens.arrows --speed original     as they came; --speed 10: ten times as fast
syscast replay opens.arrows --json | jq .filename
syscast replay opens.arrows -v                   also where and how it was recorded
"""
OK, LOST = 0, 3
_DAMAGED = 1
_LISTENING = "syscast.cli.listening:Listening"
_RAISED_SHOWN = 5


@click.command("replay", help=_HELP, short_help="Show the events of a recording.")
@click.argument("file")
@click.option(
    "--speed",
    metavar="original|N",
    help="Wait between events as long as it was then, or N times shorter.",
)
@click.option("--json", is_flag=True, help="One JSON object per line.")
@click.option(
    "-o", "--output", metavar="FILE", help="Write events to FILE; .arrows is a recording."
)
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="End after N events.")
@click.option(
    "--duration",
    callback=read_duration,
    metavar="TIME",
    help="End after this time: 10s, 500ms, 2m, 1h.",
)
@click.option(
    "--fail-on-loss", is_flag=True, help="Exit with 3 if events were lost when it was recorded."
)
@click.option("-v", "--verbose", is_flag=True, help="Say where and how it was recorded.")
def command(file: str, speed: str | None, **given: object) -> int:
    """Run ``syscast replay``."""
    from syscast.cli import outputs  # noqa: PLC0415  (once the options are right)
    from syscast.cli.messages import say  # noqa: PLC0415
    from syscast.errors import FormatError  # noqa: PLC0415

    options = Options(**given)  # type: ignore[arg-type]  # they are the options above
    try:
        with _opened(file, speed) as found, _output(found, options) as target:
            if options.verbose:
                _introduce(found)
            lost = _show(found, options, lambda table: outputs.make(target, options, table))
            return LOST if lost and options.fail_on_loss else OK
    except FormatError as error:
        say(str(error))
        return _DAMAGED


def _opened(file: str, speed: str | None) -> Replay:
    """Open a recording; that of listen has a class of its own, which is imported for it only."""
    from syscast.session.replay import replay  # noqa: PLC0415  (once the options are right)

    found = replay(file, speed=speed)
    if _LISTENING not in found.declared or file == "-":
        return found
    found.close()
    importlib.import_module("syscast.cli.listening")
    return replay(file, speed=speed)


def _output(found: Replay, options: Options) -> AbstractContextManager[Stream | None]:
    """Open the output; opening what is read for writing would empty it."""
    from syscast.cli import outputs  # noqa: PLC0415  (once the options are right)
    from syscast.errors import UsageError  # noqa: PLC0415

    target = options.output or "-"
    if found.reads(target):
        raise UsageError(f"output '{target}': open: it is the file that is read")
    return outputs.opened(options)


def _show(found: Replay, options: Options, sink: Callable[[Table | None], Sink]) -> bool:
    """Write the events; give whether some were lost when they were recorded."""
    from syscast.cli.messages import say  # noqa: PLC0415  (once the options are right)
    from syscast.cli.stopping import Stopper  # noqa: PLC0415
    from syscast.sinks.sink import SinkClosed  # noqa: PLC0415

    with Stopper() as stopper:
        stopper.watch(found)
        try:
            if options.records:
                from syscast.cli.recording import record  # noqa: PLC0415  (from one to another)

                say(record(found, options, options.duration, None).summary())
            else:
                _write(found, options, sink(_table(found)))
        except SinkClosed:
            return False
    with warnings.catch_warnings(record=True):
        account = found.account()
    ledger = found.stats()
    say(f"when it was recorded: {ledger.summary()}")
    for line in ledger.details()[:_RAISED_SHOWN]:
        say(line)
    unfinished = found.unfinished()
    if unfinished:
        say(unfinished)
    return bool(ledger.lost or not account.complete)


def _write(found: Replay, options: Options, output: Sink) -> None:
    """Write the events until the end, the count or the time."""
    left = options.count
    deadline = None if options.duration is None else time.monotonic() + options.duration
    try:
        output.open()
        while not found.ended and left != 0:
            timeout = None if deadline is None else deadline - time.monotonic()
            if timeout is not None and timeout <= 0:
                return
            with warnings.catch_warnings(action="ignore"):  # that it is cut off is said at the end
                items = found.collect(timeout)
            chosen, left = _first(items, left)
            if chosen:
                output.write(chosen)
    finally:
        output.close()


def _first(items: list[Event], most: int | None) -> tuple[list[Event], int | None]:
    """Cut behind so many events, and say how many are to come; losses do not count."""
    if most is None:
        return items, None
    places = [at for at, item in enumerate(items, 1) if not is_loss(item)][:most]
    cut = places[-1] if len(places) == most else len(items)
    return items[:cut], most - len(places)


def _table(found: Replay) -> Table | None:
    """The table for people: that of the only class, that of listen, or one for all."""
    if [cls.__name__ for cls in found.classes] == ["Listening"]:
        from syscast.cli.listen import table  # noqa: PLC0415  (recordings of listen only)
        from syscast.cli.listening import Listening  # noqa: PLC0415

        if found.classes == [Listening]:
            return table(lambda _: "")
    if len(found.classes) == 1:
        return None
    from syscast.sinks.console import mixed_table  # noqa: PLC0415  (with several classes)

    return mixed_table()


def _introduce(found: Replay) -> None:
    """Say where and how it was recorded."""
    from syscast.cli.messages import say  # noqa: PLC0415  (with -v only)

    told = found.provenance()
    when = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(told.start / 1e9))
    where = f"{told.host or 'an unknown machine'} (Linux {told.kernel or '?'}, {told.machine})"
    say(f"recorded {when} on {where}")
    say(f"by {' '.join(told.command_line) or 'a program'}")
    for line in (*told.attached, *told.filters):
        say(line)
