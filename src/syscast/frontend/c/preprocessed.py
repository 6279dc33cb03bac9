"""A text without directives and macros, and how it is put together of the tokens that are left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from syscast.frontend.c.places import UNDECODED, Files, Places
from syscast.frontend.c.pptokens import CONTINUED, ID, SPACE, STRING, Token

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BLANK = (SPACE, CONTINUED)
"""Types of tokens that only separate others."""
KEPT_PRAGMAS = ("unroll", "pack", "GCC unroll", "clang loop")
"""How the pragmas begin that mean something here."""


@dataclass(frozen=True, slots=True)
class Preprocessed:
    """A text without directives and macros.

    Attributes:
        text: The text, for people; lines are not those of the user's file.
        places: From coordinates in ``text`` to the user's files.
        sources: Path to text of every file that was read.
        warnings: What ``#warning`` and doubtful things say, drawn as compilers do.
        tokens: The tokens of ``text``: type (pcpp's), spelling, line, column.
        footer: The line of ``text`` on which what is not the user's begins again.
    """

    text: str
    places: Places
    sources: Mapping[str, str]
    warnings: tuple[str, ...]
    tokens: tuple[tuple[str, str, int, int], ...]
    footer: int


class Output:
    """Builds the preprocessed text."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._places = Places(files)
        self._pieces: list[str] = []
        self._tokens: list[tuple[str, str, int, int]] = []
        self._line = 1
        self._column = 1
        self._blank = False
        self._last = "\n"
        self._footer = 1

    def take(self, tokens: Iterator[Token]) -> None:
        """Add tokens."""
        waiting = iter(tokens)
        for token in waiting:
            if token.type in BLANK:
                if token.value == "\n":
                    self._newline()
                else:
                    self._blank = True
            elif token.value == "_Pragma":
                self._pragma(waiting)
            elif token.value:
                self._put(token)

    def _pragma(self, waiting: Iterator[Token]) -> None:
        """``_Pragma("...")``: as the directive, which only matters for loops."""
        parts: list[Token] = []
        for token in waiting:
            if token.type not in BLANK:
                parts.append(token)
                if token.value == ")" or len(parts) == 3:
                    break
        if (
            len(parts) == 3
            and parts[1].type == STRING
            and parts[1].value[1:-1].startswith(KEPT_PRAGMAS)
        ):
            place = parts[1].lineno
            self._newline()
            for kind, value in (("CPP_POUND", "#"), (ID, "pragma"), (ID, parts[1].value[1:-1])):
                self._put(Token(kind, value, place, 0))
                self._blank = True
            self._newline()

    def _newline(self) -> None:
        if self._last != "\n":
            self._pieces.append("\n")
            self._line += 1
            self._column = 1
            self._last = "\n"
        self._blank = False

    def _put(self, token: Token) -> None:
        value = token.value
        if self._last != "\n" and (self._blank or _glues(self._last[-1], value[0])):
            self._pieces.append(" ")
            self._column += 1
        self._blank = False
        self._pieces.append(value)
        self._tokens.append((token.type or ID, value, self._line, self._column))
        self._places.add(
            self._line,
            self._column,
            token.lineno,
            token.length if token.length == len(value) else 0,
        )
        self._column += len(value)
        self._last = value

    def done(self, warnings: tuple[str, ...]) -> Preprocessed:
        """The result."""
        text = UNDECODED.sub("\ufffd", "".join(self._pieces))
        return Preprocessed(
            text, self._places, self._files.texts, warnings, tuple(self._tokens), self._footer
        )

    def end(self) -> None:
        """The user's text ends here."""
        self._newline()
        self._footer = self._line


_OPERATORS = frozenset("+-<>=&|#.:/*%^!")


def _glues(last: str, first: str) -> bool:
    """Whether two characters side by side could become one token."""
    if last in _OPERATORS:
        return first in _OPERATORS or (last == "." and first.isdigit())
    return (last.isalnum() or last in "_$\"'") and (first.isalnum() or first in "_$\"'.")
