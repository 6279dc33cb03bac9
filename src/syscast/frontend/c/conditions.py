"""Conditions of ``#if``: ``__has_include``, and shifts within bounds.

pcpp's evaluator refuses ``__has_include``, and shifts by any count that it is given before it cuts the result to 64 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pcpp.evaluator import Evaluator, Value

from syscast.frontend.c.pptokens import CONTINUED, INTEGER, SPACE, STRING, Token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HAS_INCLUDE = "__has_include"
_BLANK = (SPACE, CONTINUED)
_BITS = 64


class _Rule(Protocol):
    """What a rule of the grammar found: operands and operator, and at 0 its result."""

    def __getitem__(self, at: int) -> Value: ...
    def __setitem__(self, at: int, value: Value) -> None: ...


class Conditions:
    """pcpp's evaluator; macros of what it is given are replaced already.

    Args:
        lexer: As pcpp's.
        files: Takes the tokens of a condition, and puts numbers in the place of ``__has_include``.
    """

    def __init__(self, lexer: object, files: Callable[[list[Token]], list[Token]]) -> None:
        self._evaluator = Evaluator(lexer)
        self._files = files
        for rule in self._evaluator.parser.productions:
            if rule.func == "p_expression_binop":
                rule.callable = _bounded(rule.callable)

    def __call__(
        self,
        input: list[Token],  # noqa: A002  (pcpp's name)
        functions: Mapping[str, object],
        identifiers: Mapping[str, object],
    ) -> Value:
        """Evaluate."""
        return self._evaluator(self._files(input), functions, identifiers)


def _bounded(rule: Callable[[_Rule], None]) -> Callable[[_Rule], None]:
    """The rule for two operands, in which nothing is left of what is shifted by 64 or more."""

    def bounded(found: _Rule) -> None:
        left, right = Value(found[1]), Value(found[3])
        if str(found[2]) in {"<<", ">>"} and left.exception is None and right.exception is None:
            count = int(right)
            if count < 0:
                found[0] = Value(0, exception=ValueError("negative shift count"))
                return
            if count >= _BITS and str(found[2]) == "<<":
                found[0] = Value(0, left.unsigned)
                return
        rule(found)

    return bounded


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
