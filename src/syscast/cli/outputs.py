"""Which sink the options ask for, and the file behind ``-o``."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from syscast.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from syscast.cli.options import Options
    from syscast.events.event import Event
    from syscast.sinks.console import Table
    from syscast.sinks.sink import Sink, Stream


@contextmanager
def opened(options: Options) -> Iterator[Stream | None]:
    """The stream that text goes to: stdout, or the file of ``-o``, which is closed at the end.

    A recording opens its file itself; here it is only tried, before anything is attached.

    Raises:
        UsageError: The file cannot be opened.
    """
    if options.records:
        made = _try(options)
        try:
            yield None
        except BaseException:
            if made:
                _remove_if_empty(str(options.output))
            raise
        return
    if options.output is None or options.output == "-":
        yield sys.stdout
        return
    try:
        file = open(options.output, "w", encoding="utf-8")  # noqa: PTH123, SIM115  (pathlib costs a start 5 ms; only opening it may fail so)
    except OSError as error:
        cause = (error.strerror or "cannot be opened").lower()
        raise UsageError(f"output '{options.output}': open: {cause}") from None
    with file:
        yield file


def no_recording(options: Options, name: str) -> None:
    """Refuse a recording of a command that has no events.

    Raises:
        UsageError: The options ask for one.
    """
    if options.records:
        stem = str(options.output).rpartition(".")[0]
        other = f"{stem}.{'jsonl' if options.json else 'txt'}"
        raise UsageError(
            f"output '{options.output}': write: a recording holds events, {name} has none "
            f"(give another name, such as {other})"
        )


def _try(options: Options) -> bool:
    """See whether it can be written; tells whether there is a file now where none was."""
    if options.json:
        raise UsageError(
            f"output '{options.output}': write: a recording is no JSON (record it, and then: "
            f"syscast replay {options.output} --json)"
        )
    if options.delivery().aggregate_by is not None:
        raise UsageError(
            f"pressure '{options.pressure}': set: a recording has no place for counts by key (take sample "
            "or drop, or write text or --json)"
        )
    if options.output == "-" and sys.stdout is not None and sys.stdout.isatty():
        raise UsageError("output '-': write: a recording is nothing for a terminal (name a file)")
    # Now, before anything is attached: it takes 100 ms, in which a flood would fill a ring.
    from syscast.session import recording  # noqa: F401, PLC0415  (recordings only)

    if options.output in {None, "-"}:
        return False
    made = not os.path.lexists(str(options.output))
    try:
        with open(str(options.output), "ab"):  # noqa: PTH123  (pathlib costs a start 5 ms)
            return made
    except OSError as error:
        cause = (error.strerror or "cannot be opened").lower()
        raise UsageError(f"output '{options.output}': open: {cause}") from None


def _remove_if_empty(path: str) -> None:
    """Take away what only the trial has left."""
    with suppress(OSError):
        if os.path.getsize(path) == 0:  # noqa: PTH202  (pathlib costs a start 5 ms)
            os.unlink(path)  # noqa: PTH108  (as above)


def make(
    stream: Stream | None,
    options: Options,
    table: Table | None = None,
    describe: Callable[[Event], Mapping[str, object]] | None = None,
) -> Sink:
    """Make the sink: JSON lines, or the table (by default that of the first events)."""
    if options.json:
        from syscast.sinks.jsonl import JsonlSink  # noqa: PLC0415  (one of the two is needed)

        return JsonlSink(stream) if describe is None else JsonlSink(stream, describe=describe)
    from syscast.sinks.console import ConsoleSink  # noqa: PLC0415

    return ConsoleSink(stream, table=table)
