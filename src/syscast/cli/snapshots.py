"""What ``syscast snapshot`` does: list the tables, or read one, once or again and again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from syscast.btf.record import Record
from syscast.cli.messages import say, show, show_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syscast.cli.rows import Rows, Wish
    from syscast.events.event import Event
    from syscast.events.ledger import Ledger
    from syscast.session.scope import Scope
    from syscast.session.table import Table
    from syscast.sinks.console import Table as Columns
    from syscast.sinks.sink import Sink

_NARROW = 20
_PORTION = 500
"""Rows written at once, so that the first come soon and ``| head`` ends the rest."""
_RAISED_SHOWN = 5


class Asked(Record):
    """The command line."""

    kind: str
    words: tuple[str, ...]
    condition: str | None = None
    state: str | None = None
    pid: int | None = None
    tid: int | None = None
    netns: str | None = None
    cgroup: str | None = None
    map_id: int | None = None
    every: float | None = None
    duration: float | None = None
    as_json: bool = False
    output: str | None = None
    verbose: bool = False

    @property
    def scope(self) -> Scope:
        """The part of the table."""
        from syscast.session.scope import Scope  # noqa: PLC0415  (once the options are right)

        return Scope(self.pid, self.tid, self.netns, self.cgroup, None, self.map_id)

    @property
    def wish(self) -> Wish:
        """What is to be shown of it."""
        from syscast.cli.rows import Wish  # noqa: PLC0415  (once the options are right)

        return Wish(self.words, self.condition, self.state, self.map_id)


def run(asked: Asked) -> int:
    """List or read; gives the exit code."""
    if asked.duration is not None and asked.every is None:
        raise click.UsageError("--duration says how long to go on, and needs --every")
    if not asked.kind:
        return _list(asked)
    from syscast.cli import outputs, rows  # noqa: PLC0415  (once the options are right)
    from syscast.cli.failures import Interrupted  # noqa: PLC0415
    from syscast.cli.options import Options  # noqa: PLC0415
    from syscast.cli.stopping import Stopper  # noqa: PLC0415
    from syscast.probes import registry  # noqa: PLC0415
    from syscast.session.attach import check_rights  # noqa: PLC0415
    from syscast.session.snapshot import KIND, open_table  # noqa: PLC0415
    from syscast.sinks.sink import SinkClosed  # noqa: PLC0415

    options = Options(json=asked.as_json, output=asked.output)
    outputs.no_recording(options, "snapshot")
    with Stopper(), outputs.opened(options) as stream:
        check_rights(f"iterator '{asked.kind}'")
        choice = registry.choose(KIND + asked.kind)
        made = rows.make(choice.target, choice.types, asked.wish)
        with open_table(made.job, asked.scope) as table:
            sink = outputs.make(
                stream, options, _columns(table, made, asked), _describer(made, asked.kind)
            )
            try:
                sink.open()
                _pump(table, sink, asked)
            except SinkClosed:
                return 0
            except Interrupted:
                if asked.every is None:
                    raise
            finally:
                sink.close()
            _account(table.stats(), verbose=asked.verbose)
    return 0


def _pump(table: Table[Event], sink: Sink, asked: Asked) -> None:
    """Write the table, once or each time."""
    start = time.monotonic()
    end = None if asked.duration is None else start + asked.duration
    number = 0
    while True:
        portion: list[Event] = []
        for row in table.rows():
            portion.append(row)
            if len(portion) == _PORTION:
                sink.write(portion)
                portion = []
        if portion:
            sink.write(portion)
        if asked.every is None:
            return
        number += 1
        following = start + number * asked.every
        if end is not None and following > end:
            return
        time.sleep(max(0.0, following - time.monotonic()))


def _account(ledger: Ledger, *, verbose: bool) -> None:
    """Say what was left out, and where."""
    total = ledger.total
    if total.raised:
        say(f"{total.raised} of {total.ran} elements are not shown, because reading them failed:")
        for line in ledger.details()[:_RAISED_SHOWN]:
            say(line)
    if verbose:
        say(f"{total.delivered} rows of {total.ran} elements")


# ---------------------------------------------------------------- rows as text


def _columns(table: Table[Event], made: Rows, asked: Asked) -> Columns | None:
    """The columns: one for each field, address and port in one, without the reader's own data."""
    from syscast.events.event import field_texts, fields_of  # noqa: PLC0415  (once it is open)
    from syscast.events.text import address_text, clock_text  # noqa: PLC0415
    from syscast.sinks.console import DIM, Column, column_of  # noqa: PLC0415
    from syscast.sinks.console import Table as Columns  # noqa: PLC0415

    classes = table.classes
    if len(classes) != 1:
        return None
    fields = fields_of(classes[0])
    kinds = [each.type.kind for each in fields]
    columns: list[Column] = []
    cells: list[Callable[[Event, list[str]], str]] = []

    def joined(index: int) -> Callable[[Event, list[str]], str]:
        name = fields[index].attribute

        def cell(event: Event, texts: list[str]) -> str:
            address = getattr(event, name)
            host = address_text(address)
            return f"[{host}]:{texts[index + 1]}" if ":" in host else f"{host}:{texts[index + 1]}"

        return cell

    def own(text: Callable[[Event], str]) -> Callable[[Event, list[str]], str]:
        return lambda event, _texts: text(event)

    def plain(index: int) -> Callable[[Event, list[str]], str]:
        return lambda _event, texts: texts[index]

    if asked.every is not None:
        columns.append(Column("TIME", 15, style=DIM))
        cells.append(
            lambda event, _texts: clock_text(event.envelope.time if event.envelope else 0)
        )
    for index, field in enumerate(fields):
        if field.name in made.hidden or (
            kinds[index] == "port" and index and kinds[index - 1] == "ip"
        ):
            continue
        column = column_of(field)
        if kinds[index : index + 2] == ["ip", "port"]:
            columns.append(column._replace(width=21))
            cells.append(joined(index))
        elif field.name in made.texts:
            columns.append(column._replace(width=20, right=False, cut=False))
            cells.append(own(made.texts[field.name]))
        else:
            columns.append(column)
            cells.append(plain(index))

    def line(event: Event) -> list[str]:
        texts = field_texts(event)
        return [cell(event, texts) for cell in cells]

    return Columns(tuple(columns), line)


def _describer(made: Rows, kind: str) -> Callable[[Event], dict[str, object]]:
    """Gives a row's JSON object: the table, the time, the fields; nothing of the reader."""

    def describe(event: Event) -> dict[str, object]:
        from syscast.events.event import plain  # noqa: PLC0415  (imported long ago)

        found = plain(event)
        envelope = event.envelope
        shown: dict[str, object] = {"table": kind, "time": envelope.time if envelope else 0}
        for name in event.__match_args__:
            if name not in made.hidden:
                text = made.texts.get(name)
                shown[name] = found[name] if text is None else text(event)
        return shown

    return describe


# ---------------------------------------------------------------- the tables


def _list(asked: Asked) -> int:
    """The tables of this kernel."""
    if asked.as_json:
        show_json(_tables())
    else:
        show(
            f"{each['table']:<{_NARROW}}  {each['row']}"
            + (f"  ({each['obstacle']})" if each["obstacle"] else "")
            for each in _tables()
        )
    return 0


def _tables() -> Iterator[dict[str, str | None]]:
    from syscast.errors import NotSupportedError  # noqa: PLC0415  (once the options are right)
    from syscast.probes import iterator  # noqa: PLC0415

    found = list(iterator.every())
    if not found:
        why = iterator.ITER.unavailable() or "its BTF names none"
        raise NotSupportedError(f"iterators: list: this kernel has none ({why})")
    for name, types in found:
        target = iterator.ITER.resolve(name, types)
        yield {
            "table": name,
            "row": iterator.row_of(target),
            "module": target.module or None,
            "obstacle": iterator.ITER.obstacle(target, role="probe"),
        }
