"""The table for people: aligned columns on a terminal, tab-separated text elsewhere."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from syscast.events.event import field_texts, fields_of, fields_text, is_loss
from syscast.events.text import clock_text, escape
from syscast.sinks.sink import Output

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syscast.events.event import Event
    from syscast.events.fields import EventField
    from syscast.sinks.sink import Stream

BOLD, DIM, CYAN, GREEN, YELLOW = "1", "2", "36", "32", "33"

_GAP = "  "
_WIDTHS = {"bool": 5, "ipv4": 15, "ipv6": 25, "ip": 25, "port": 5, "pointer": 18}
_INT_WIDTHS = {1: 4, 2: 6, 4: 8, 8: 12}
_MAX_STR = 24
_MAX_BYTES = 32


class Column(NamedTuple):
    """How one column looks on a terminal.

    Attributes:
        title: In the header.
        width: Usual width in cells.
        right: Aligned to the right.
        cut: A longer value is cut with ``…``; else it makes the column wider. The last column
            may be as wide as the terminal leaves it.
        style: An ANSI colour code, such as `CYAN`.
    """

    title: str
    width: int
    right: bool = False
    cut: bool = False
    style: str = ""


class Table(NamedTuple):
    """Columns, and the function that fills them from an event; the sink escapes what it gives."""

    columns: tuple[Column, ...]
    cells: Callable[[Event], Sequence[str]]


_TASK = (
    Column("TIME", 15, style=DIM),
    Column("COMM", 15, cut=True, style=CYAN),
    Column("PID", 7, right=True),
)
_TASK_NAMES = ("time", "comm", "pid")


def table_of(cls: type[Event]) -> Table:
    """Make the table of one event class: time, comm and pid of the task, then a column per field.

    A field that has the name of one of the first three stands beside it, as ``PID (FIELD)``.
    """

    def cells(event: Event) -> list[str]:
        return [*_task_cells(event, _TASK_NAMES), *field_texts(event)]

    return Table((*_TASK, *(_told_apart(column_of(field)) for field in fields_of(cls))), cells)


def _told_apart(column: Column) -> Column:
    """A field's column, which is not to be taken for one of the task's."""
    if column.title.lower() not in _TASK_NAMES:
        return column
    title = f"{column.title} (FIELD)"
    return column._replace(title=title, width=max(column.width, len(title)))


def mixed_table() -> Table:
    """Make the table for events of several classes: their fields stand as ``name=value``."""

    def cells(event: Event) -> list[str]:
        envelope = event.envelope
        probe = type(event).__name__ if envelope is None else envelope.probe
        return [*_task_cells(event, _TASK_NAMES), probe, fields_text(event)]

    probe = Column("PROBE", 20, style=GREEN)
    return Table((*_TASK, probe, Column("FIELDS", 30)), cells)


def _task_cells(event: Event, names: Sequence[str]) -> list[str]:
    envelope = event.envelope
    if envelope is None:
        return ["-"] * len(names)
    known = {"time": clock_text(envelope.time), "comm": envelope.comm, "pid": str(envelope.pid)}
    return [known[name] for name in names]


def column_of(field: EventField) -> Column:
    """Make the column of one field."""
    kind, size = field.type.kind, field.type.size
    number = kind == "int"
    if number:
        width = _INT_WIDTHS[size]
    elif kind == "str":
        width = min(size - 1, _MAX_STR)
    elif kind == "bytes":
        width = min(size * 2, _MAX_BYTES)
    elif kind == "function":
        width = min(max(map(len, field.type.labels.values()), default=8), _MAX_STR)
    elif kind == "enum":
        width = max(map(len, field.type.labels.values()), default=4)
    else:
        width = _WIDTHS[kind]
    title = field.name.upper()
    right = number or kind == "port"
    return Column(title, max(width, len(title)), right=right, cut=kind in {"str", "bytes"})


class ConsoleSink:
    """Writes a line per event.

    On a terminal: a header, aligned columns, colour unless NO_COLOR is set. Elsewhere: the full
    values with tabs between and no header. What came from the kernel is escaped in both.
    """

    name: ClassVar[str] = "console"

    def __init__(
        self,
        stream: Stream | None,
        *,
        table: Table | None = None,
        classes: Sequence[type[Event]] = (),
        colour: bool | None = None,
    ) -> None:
        """Take a stream.

        Args:
            stream: Open for writing.
            table: The columns; by default those of the only class, or `mixed_table` for several.
            classes: The event classes to expect; none means those of the first batch.
            colour: None decides by the terminal and the environment.
        """
        self._output = Output(stream, self.name)
        self._table = table
        if table is None and classes:
            self._table = _choose(classes)
        self._only = classes[0] if table is None and len(set(classes)) == 1 else None
        self._fallback = mixed_table()
        self._widths: list[int] = []
        self._colour = self._output.terminal and wants_colour() if colour is None else colour

    def open(self) -> None:
        """Write the header if the columns are known and somebody looks."""
        if self._table is not None:
            self._header(self._table)

    def write(self, events: Sequence[Event]) -> None:
        """Write a batch; see `syscast.sinks.sink.Sink.write`."""
        if not events:
            return
        classes = [] if self._table else [type(each) for each in events if not is_loss(each)]
        if classes:
            self._table = _choose(classes)
            self._only = classes[0] if len(set(classes)) == 1 else None
            self._header(self._table)
        width = self._output.width() if self._output.terminal else 0
        self._output.write_text("".join([self._line(event, width) for event in events]))

    def close(self) -> None:
        """Do nothing: each batch has been written."""

    def _header(self, table: Table) -> None:
        self._widths = [column.width for column in table.columns]
        if self._output.terminal:
            titles = [column.title for column in table.columns]
            columns = [column._replace(style=BOLD) for column in table.columns]
            self._output.write_text(self._draw(columns, titles, self._output.width()))

    def _line(self, event: Event, width: int) -> str:
        if is_loss(event):
            return self._loss(event, width)
        table = self._table
        if table is None or (self._only is not None and type(event) is not self._only):
            table = self._fallback
        cells = [escape(cell) for cell in table.cells(event)]
        if not self._output.terminal:
            return "\t".join(cells) + "\n"
        return self._draw(table.columns, cells, width)

    def _loss(self, event: Event, width: int) -> str:
        """The line that says what is missing here."""
        named = self._table is None or any(each.title == "PROBE" for each in self._table.columns)
        text = escape(f"... {event.probe}: {event}" if named and event.probe else f"... {event}")
        if width:
            text = cut(text, width)
        return f"\x1b[{YELLOW}m{text}\x1b[0m\n" if self._colour else f"{text}\n"

    def _draw(self, columns: Sequence[Column], cells: Sequence[str], width: int) -> str:
        """Draw one line for a terminal of a width."""
        own = columns is self._fallback.columns
        widths = [column.width for column in columns] if own else self._widths
        drawn = []
        used = 0
        for index, (column, text) in enumerate(zip(columns, cells, strict=True)):
            last = index == len(columns) - 1
            room = max(column.width, width - used) if last else widths[index]
            if column.cut and cell_width(text) > room:
                text = cut(text, room)  # noqa: PLW2901 - what is drawn
            cell = cell_width(text)
            if cell > widths[index] and (column.right or not last):
                widths[index] = cell
            blank = " " * (widths[index] - cell)
            padded = blank + text if column.right else text if last else text + blank
            if column.style and self._colour:
                padded = f"\x1b[{column.style}m{padded}\x1b[0m"
            drawn.append(padded)
            used += max(cell, widths[index]) + len(_GAP)
        return _GAP.join(drawn).rstrip(" ") + "\n"


def _choose(classes: Sequence[type[Event]]) -> Table:
    return table_of(classes[0]) if len(set(classes)) == 1 else mixed_table()


def wants_colour() -> bool:
    """Follow the convention of NO_COLOR: set and not empty means none."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def cell_width(text: str) -> int:
    """Cells that a text takes on a terminal: two for wide characters, none for marks."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def cut(text: str, width: int) -> str:
    """Cut a text to a width in cells, the last of which is then ``…``."""
    if cell_width(text) <= width:
        return text
    kept = []
    used = 1
    for char in text:
        used += cell_width(char)
        if used > width:
            break
        kept.append(char)
    return "".join(kept) + "…"
