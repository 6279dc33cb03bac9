"""All sinks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from syscast.errors import TargetError
from syscast.sinks.console import ConsoleSink
from syscast.sinks.jsonl import JsonlSink

if TYPE_CHECKING:
    from syscast.sinks.sink import Sink, Stream


class SinkClass(Protocol):
    """A sink's class: its name, and how to make one over a stream."""

    name: str

    def __call__(self, stream: Stream | None) -> Sink:
        """Make the sink; the stream is open for writing."""
        ...


SINKS: tuple[SinkClass, ...] = (ConsoleSink, JsonlSink)


def find(name: str) -> SinkClass:
    """Find a sink by name.

    Raises:
        TargetError: There is none of this name.
    """
    for each in SINKS:
        if each.name == name:
            return each
    import difflib

    names = [each.name for each in SINKS]
    raise TargetError(f"sink {name!r}: find: no such sink", difflib.get_close_matches(name, names))
