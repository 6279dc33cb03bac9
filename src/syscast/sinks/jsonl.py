"""JSON lines: one object per event, as `syscast.events.event.Event.to_json` makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from syscast.events.event import is_loss, plain
from syscast.sinks.sink import Output

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from syscast.events.event import Event
    from syscast.sinks.sink import Stream


class JsonlSink:
    r"""Writes one JSON object a line, in UTF-8, each batch at once.

    On a terminal, characters that could steer it stand as ``\uNNNN``, which is the same JSON.
    """

    name: ClassVar[str] = "jsonl"

    def __init__(
        self,
        stream: Stream | None,
        *,
        describe: Callable[[Event], Mapping[str, object]] = plain,
    ) -> None:
        """Take a stream.

        Args:
            stream: Open for writing, text or bytes.
            describe: Gives the object of an event, of values that JSON takes.
        """
        self._output = Output(stream, self.name)
        self._describe = describe
        self._encoder = msgspec.json.Encoder()

    def open(self) -> None:
        """Do nothing: there is no header."""

    def write(self, events: Sequence[Event]) -> None:
        """Write a batch; see `syscast.sinks.sink.Sink.write`."""
        describe = self._describe
        data = self._encoder.encode_lines(
            [plain(event) if is_loss(event) else describe(event) for event in events]
        )
        if self._output.terminal:
            data = "\n".join(map(_printable, data.decode().split("\n"))).encode()
        self._output.write(data)

    def close(self) -> None:
        """Do nothing: each batch has been written."""


def _printable(line: str) -> str:
    """Escape within JSON what a terminal should not get; the JSON stays the same."""
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() else _escaped(char) for char in line)


def _escaped(char: str) -> str:
    units = char.encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
