"""Where something stands in a user's source, and how to say what is wrong there.

A `Diagnostic` is data; `render` draws it as compilers do: place, message, source line, caret,
hint. Both front ends, the verifier's messages and the golden tests share this one form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.errors import SyscastError

if TYPE_CHECKING:
    from collections.abc import Sequence


_WIDEST = 120
"""Characters of a source line that are shown; of longer ones, those around the place."""
_AROUND = 40
_CUT = "..."


class Span(msgspec.Struct, frozen=True):
    """A range of source text; lines count from 1, columns from 1 in characters."""

    file: str
    line: int
    column: int = 1
    end_line: int = 0
    end_column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Diagnostic(msgspec.Struct, frozen=True):
    """One thing wrong in a user's source.

    Attributes:
        message: What is wrong, lower case, without a full stop.
        span: Where, as exactly as is known.
        source: The text of the source line at ``span.line``.
        hint: What would work instead.
        notes: Further lines, such as the verifier's own words.
    """

    message: str
    span: Span
    source: str = ""
    hint: str = ""
    notes: tuple[str, ...] = ()


def render(diagnostic: Diagnostic, *, severity: str = "error") -> str:
    """Draw one diagnostic as text, several lines without a final newline."""
    span = diagnostic.span
    lines = [f"{span}: {severity}: {diagnostic.message}"]
    text = diagnostic.source.rstrip().expandtabs(1)
    if text:
        on_one_line = span.end_line in {0, span.line}
        end = span.end_column - 1 if on_one_line and span.end_column else len(text)
        start = span.column - 1
        before, marked, after = _window(text, start, max(end, start + 1))
        gutter = f"{span.line:5d} | "
        lines.append(gutter + before + marked + after)
        caret = " " * _columns(before) + "^" + "~" * (_columns(marked) - 1)
        lines.append(" " * (len(gutter) - 2) + "| " + caret)
    if diagnostic.hint:
        lines.append(f"      = hint: {diagnostic.hint}")
    lines.extend(f"      = note: {note}" for note in diagnostic.notes)
    return "\n".join(lines)


def _window(text: str, start: int, end: int) -> tuple[str, str, str]:
    """A line in three parts, the middle one marked; of a long line, what stands around the mark."""
    end = min(end, max(len(text), start + 1))
    first, last = 0, len(text)
    if last > _WIDEST:
        first = max(0, min(start - _AROUND, len(text) - _WIDEST))
        last = min(len(text), first + _WIDEST)
        end = min(end, last)
    before = (_CUT if first else "") + text[first:start]
    after = text[end:last] + (_CUT if last < len(text) else "")
    return before, text[start:end], after


def _columns(text: str) -> int:
    """How wide a terminal shows it: East Asian characters take two columns, accents none."""
    if text.isascii():
        return len(text)
    import unicodedata  # noqa: PLC0415  (1 MB, for the few messages that need it)

    return sum(
        2
        if unicodedata.east_asian_width(char) in {"W", "F"}
        else 0
        if unicodedata.category(char) in {"Mn", "Me", "Cf"}
        else 1
        for char in text
    )


class CompileError(SyscastError):
    """A probe that is outside the language, or that the kernel's types refute.

    Attributes:
        diagnostics: Every independent finding, in source order.
    """

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics: tuple[Diagnostic, ...] = tuple(diagnostics)
        super().__init__("\n".join(render(each) for each in self.diagnostics))
