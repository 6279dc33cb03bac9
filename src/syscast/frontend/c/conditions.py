"""Conditions of ``#if``: what pcpp's evaluator does not know.

That is ``__has_include``, which must be answered before macros in a file's name would be replaced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcpp.evaluator import Evaluator

from syscast.frontend.c.pptokens import CONTINUED, INTEGER, SPACE, STRING, Token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pcpp.evaluator import Value

HAS_INCLUDE = "__has_include"
_BLANK = (SPACE, CONTINUED)


class Conditions:
    """pcpp's evaluator; macros of what it is given are replaced already.

    Args:
        lexer: As pcpp's.
        files: Takes the tokens of a condition, and puts numbers in the place of ``__has_include``.
    """

    def __init__(self, lexer: object, files: Callable[[list[Token]], list[Token]]) -> None:
        self._evaluator = Evaluator(lexer)
        self._files = files

    def __call__(
        self,
        input: list[Token],  # noqa: A002  (pcpp's name)
        functions: Mapping[str, object],
        identifiers: Mapping[str, object],
    ) -> Value:
        """Evaluate."""
        return self._evaluator(self._files(input), functions, identifiers)


def with_files_answered(
    tokens: list[Token],
    has: Callable[[str, bool], bool],
    malformed: Callable[[Token], Exception],
    *,
    expanded: bool,
) -> list[Token]:
    """Put 1 or 0 in the place of each ``__has_include(<file>)`` and ``__has_include("file")``.

    Args:
        tokens: A condition.
        has: Whether a file is there, by name, and whether the name was in quotes.
        malformed: The error for what names no file.
        expanded: Whether macros are replaced already; where not, what names no file may be a macro that does.
    """
    done: list[Token] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        at += 1
        opening = _past_blanks(tokens, at)
        called = opening < len(tokens) and tokens[opening].value == "("
        if token.value != HAS_INCLUDE or not called:
            done.append(token)
            continue
        named = _name(tokens, _past_blanks(tokens, opening + 1))
        if named is None:
            if expanded:
                raise malformed(token)
            done.append(token)
            continue
        name, quoted, at = named
        done.append(Token(INTEGER, "1" if has(name, quoted) else "0", token.lineno, token.length))
    return done


def _past_blanks(tokens: list[Token], at: int) -> int:
    while at < len(tokens) and tokens[at].type in _BLANK:
        at += 1
    return at


def _name(tokens: list[Token], at: int) -> tuple[str, bool, int] | None:
    """A file's name, whether it is in quotes, and where what is behind the closing parenthesis begins."""
    if at >= len(tokens):
        return None
    quoted = tokens[at].type == STRING
    end = at
    if not quoted:
        if tokens[at].value != "<":
            return None
        while end < len(tokens) and tokens[end].value != ">":
            end += 1
    closing = _past_blanks(tokens, end + 1)
    if closing >= len(tokens) or tokens[closing].value != ")":
        return None
    inside = tokens[at].value[1:-1] if quoted else "".join(t.value for t in tokens[at + 1 : end])
    return inside, quoted, closing + 1
