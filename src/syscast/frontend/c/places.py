"""From a place in preprocessed text to the place in the user's files.

All files of one compilation stand one after the other in one row of characters; a place is a number in that row, so that the preprocessor can
carry it through macros as one integer. Place 0 is nowhere.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING

from syscast.diagnostics import Diagnostic, Span

if TYPE_CHECKING:
    from collections.abc import Mapping

UNDECODED = re.compile("[\ud800-\udfff]")
"""What Python's ``surrogateescape`` makes of bytes that are no UTF-8; it may not reach a message or a file."""
_COLUMN_BITS = 24
_COLUMN_MASK = (1 << _COLUMN_BITS) - 1


class Files:
    """The files of a compilation, in the order in which they were first read."""

    def __init__(self) -> None:
        self._bases: list[int] = []
        self._paths: list[str] = []
        self._texts: list[str] = []
        self._lines: dict[int, list[int]] = {}
        self._next = 1

    def add(self, path: str, text: str) -> int:
        """Enter a file; returns the place of its first character."""
        base = self._next
        self._bases.append(base)
        self._paths.append(path)
        self._texts.append(text if text.isascii() else UNDECODED.sub("\ufffd", text))
        self._next += len(text) + 1
        return base

    @property
    def texts(self) -> Mapping[str, str]:
        """Path to text."""
        return dict(zip(self._paths, self._texts, strict=True))

    def _locate(self, place: int) -> tuple[int, int, int]:
        """Number of the file, line and column from 1."""
        number = max(bisect_right(self._bases, place) - 1, 0)
        starts = self._lines.get(number)
        if starts is None:
            starts = [0]
            text = self._texts[number]
            at = text.find("\n")
            while at >= 0:
                starts.append(at + 1)
                at = text.find("\n", at + 1)
            self._lines[number] = starts
        offset = min(max(place - self._bases[number], 0), len(self._texts[number]))
        line = bisect_right(starts, offset)
        return number, line, offset - starts[line - 1] + 1

    def line(self, place: int) -> int:
        """The line of a place, from 1."""
        return self._locate(place)[1]

    def word(self, place: int) -> str:
        """The name that begins at a place."""
        number = self._locate(place)[0]
        found = re.compile(r"\w*").match(self._texts[number], place - self._bases[number])
        return found[0] if found else ""

    def path(self, place: int) -> str:
        """The file of a place."""
        return self._paths[self._locate(place)[0]]

    def span(self, place: int, length: int = 0) -> Span:
        """The place as a span of ``length`` characters; 0 where the end is not known."""
        number, line, column = self._locate(place)
        path = self._paths[number]
        if not length:
            return Span(path, line, column)
        return Span(path, line, column, line, column + length)

    def diagnostic(
        self, place: int, message: str, *, hint: str = "", length: int = 0
    ) -> Diagnostic:
        """Something wrong at a place, with its source line."""
        span = self.span(place, length)
        return self.at(span, message, hint)

    def at(self, span: Span, message: str, hint: str = "") -> Diagnostic:
        """Something wrong at a span; the message may quote the text as it is."""
        return Diagnostic(
            UNDECODED.sub("\ufffd", message), span, source=self.source_line(span), hint=hint
        )

    def source_line(self, span: Span) -> str:
        """The text of the line that a span starts in."""
        try:
            number = self._paths.index(span.file)
        except ValueError:
            return ""
        lines = self._texts[number].split("\n", span.line)
        return lines[span.line - 1] if span.line <= len(lines) else ""


class Places:
    """Places of the tokens of a preprocessed text.

    Coordinates in the preprocessed text are those of pycparser's nodes: line and column from 1.
    """

    def __init__(self, files: Files) -> None:
        self.files = files
        self._keys: list[int] = []
        self._places: list[int] = []
        self._lengths: list[int] = []

    def add(self, line: int, column: int, place: int, length: int) -> None:
        """Enter a token; they come in order. ``length`` is 0 for what a macro made."""
        self._keys.append(line << _COLUMN_BITS | min(column, _COLUMN_MASK))
        self._places.append(place)
        self._lengths.append(length)

    def span(self, line: int, column: int | None = None) -> Span:
        """Where the token that starts at, or last before, a coordinate stands in the user's files."""
        at = self._index(line, column)
        if at < 0:
            return Span("", line, column or 1)
        return self.files.span(self._places[at], self._lengths[at])

    def diagnostic(
        self, line: int, column: int | None, message: str, hint: str = ""
    ) -> Diagnostic:
        """Something wrong at a coordinate, with the source line of the user's file."""
        span = self.span(line, column)
        return self.files.at(span, message, hint)

    def after(self, line: int, column: int | None) -> Span:
        """The place just behind the token at a coordinate; where something is missing that should follow it."""
        at = self._index(line, column)
        if at < 0:
            return Span("", line, column or 1)
        return self.files.span(self._places[at] + self._lengths[at])

    def _index(self, line: int, column: int | None) -> int:
        if not self._keys:
            return -1
        if column is None:
            key = line << _COLUMN_BITS
            at = bisect_right(self._keys, key)
            return min(at, len(self._keys) - 1)
        return max(
            bisect_right(self._keys, line << _COLUMN_BITS | min(column, _COLUMN_MASK)) - 1, 0
        )
