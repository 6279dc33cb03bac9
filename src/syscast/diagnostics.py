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
    text = diagnostic.source.rstrip("\n").expandtabs(1)
    if text.strip():
        gutter = f"{span.line:5d} | "
        lines.append(gutter + text)
        on_one_line = span.end_line in {0, span.line}
        end = span.end_column if on_one_line and span.end_column else len(text) + 1
        width = max(1, min(end, len(text) + 1) - span.column)
        lines.append(
            " " * (len(gutter) - 2) + "| " + " " * (span.column - 1) + "^" + "~" * (width - 1)
        )
    if diagnostic.hint:
        lines.append(f"      = hint: {diagnostic.hint}")
    lines.extend(f"      = note: {note}" for note in diagnostic.notes)
    return "\n".join(lines)


class CompileError(SyscastError):
    """A probe that is outside the language, or that the kernel's types refute.

    Attributes:
        diagnostics: Every independent finding, in source order.
    """

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics: tuple[Diagnostic, ...] = tuple(diagnostics)
        super().__init__("\n".join(render(each) for each in self.diagnostics))
