"""What is said of a text that the parser cannot read: what was expected, where, and what it looks like instead.

A private module: its class stands on one of pycparser, which ships no types.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from pycparser.c_parser import Coord, CParser

from syscast.diagnostics import CompileError
from syscast.frontend.c.ctokens import name_tokens
from syscast.frontend.c.deep import DEEPEST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pycparser.c_lexer import Token

    from syscast.frontend.c.preprocessed import Preprocessed


class Stream:
    """The tokens; None behind the last. Those behind ``end`` are no longer the user's."""

    def __init__(self, tokens: Sequence[Token], end: int) -> None:
        self._tokens = tokens
        self._index = 0
        self._end = end

    def peek(self, k: int = 1) -> Token | None:
        """The k-th token from here."""
        at = self._index + k - 1
        return self._tokens[at] if at < len(self._tokens) else None

    def next(self) -> Token | None:
        """Take a token."""
        if self._index >= len(self._tokens):
            return None
        self._index += 1
        return self._tokens[self._index - 1]

    def previous(self) -> Token | None:
        """The user's token that was taken last."""
        at = min(self._index, self._end)
        return self._tokens[at - 1] if at else None

    def here(self, k: int = 1) -> Token | None:
        """The user's k-th token from here; None at the end of what the user wrote."""
        return self.peek(k) if self._index + k - 1 < self._end else None

    def mark(self) -> int:
        """Where it stands."""
        return self._index

    def reset(self, mark: int) -> None:
        """Go back."""
        self._index = mark


_WORDS = {
    "SEMI": "';'",
    "RPAREN": "')'",
    "LPAREN": "'('",
    "RBRACE": "'}'",
    "LBRACE": "'{'",
    "RBRACKET": "']'",
    "COLON": "':'",
    "COMMA": "','",
    "EQUALS": "'='",
    "ID": "a name",
    "TYPEID": "a name",
    "WHILE": "'while'",
}
_MESSAGES = {
    "Invalid expression": "expected an expression",
    "Invalid declarator": "expected a name",
    "Invalid specifier list": "expected a type",
    "Missing type in declaration": "a type is missing",
    "Invalid declaration": "this is no declaration",
    "Invalid function definition": "this is neither a declaration nor a function",
    "Invalid struct reference": "expected the name of a member",
    "Invalid multiple types specified": "two types for one declaration",
    "Invalid struct/union declaration": "expected a name or '{'",
    "Expected identifier": "expected a name",
    "At end of input": "the text ends too early",
}
_HINTS = {
    "Invalid function definition": (
        "a macro that no one defined looks like this, and so does a type that is missing before a name"
    ),
}
_TABLE = re.compile(r"(BPF_\w+)\s*\(")
_ENDS = frozenset({"LBRACE", "RBRACE", "SEMI", "COLON"})
"""Kinds of tokens behind which a statement may begin."""


class Mistakes(CParser):
    """pycparser's parser with our messages, over our tokens, and no deeper than `DEEPEST`."""

    def __init__(self, preprocessed: Preprocessed) -> None:
        # "c23" lets pycparser look for attributes where __attribute__ stands too; keywords are ours either way.
        super().__init__(dialect="c23")
        self.near_types: Callable[[str], Sequence[str]] = lambda _name: ()
        self.depth: int = 0
        self._places = preprocessed.places
        tokens = tuple(name_tokens(preprocessed.tokens, self._wrong))
        end = next(
            (at for at, each in enumerate(tokens) if each.lineno >= preprocessed.footer),
            len(tokens),
        )
        self._tokens = Stream(tokens, end)

    def _wrong(self, message: str, line: int, column: int, hint: str = "") -> CompileError:
        return CompileError([self._places.diagnostic(line, column, message, hint)])

    def not_c(self) -> CompileError:
        """Something is wrong, and pycparser does not say what."""
        previous, here = self._tokens.previous(), self._tokens.here()
        if previous is not None and self._looks_like_type(previous, here):
            return self._unknown_type(previous)
        at = here or previous
        return self._wrong("this is not C", *((at.lineno, at.column) if at else (1, 1)))

    def too_deep(self) -> CompileError:
        """Nested without end."""
        token = self._tokens.here() or self._tokens.previous()
        line, column = (token.lineno, token.column) if token else (1, 1)
        return self._wrong(f"nested more than {DEEPEST} deep", line, column)

    def deeper(self) -> None:
        """One more level; whoever calls this takes it off `depth` again."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.too_deep()

    def _parse_error(self, msg: str, coord: object) -> NoReturn:
        previous, here = self._tokens.previous(), self._tokens.here()
        for wrong, token, following in (
            ("Invalid function definition", previous, here),
            ("Missing type in declaration", previous, here),
            ("Invalid specifier list", here, self._tokens.here(2)),
        ):
            if msg == wrong and token is not None and self._looks_like_type(token, following):
                raise self._unknown_type(token)
        words = _MESSAGES.get(msg, msg)
        words = words[0].lower() + words[1:]
        if isinstance(coord, Coord) and not (words.startswith("expected ") and here is None):
            raise self._wrong(words, coord.line, coord.column or 1, _HINTS.get(msg, ""))
        if words.startswith("expected ") or here is None:
            raise self._missing(words, previous, here)
        raise self._wrong(words, here.lineno, here.column, _HINTS.get(msg, ""))

    def _expect(self, wanted_kind: str) -> Token:
        token = self._peek()
        if token is not None and token.type == wanted_kind:
            return self._advance()
        wanted = _WORDS.get(wanted_kind, wanted_kind.lower())
        previous, here = self._tokens.previous(), self._tokens.here()
        if previous is not None and self._looks_like_type(previous, here):
            raise self._unknown_type(previous)
        if wanted_kind == "SEMI" and previous is not None and previous.type == "RBRACE":
            self._check_table(previous)
        if (
            wanted_kind == "SEMI"
            and here is not None
            and (previous is None or previous.type in _ENDS)
        ):
            raise self._missing("expected a statement", previous, here)
        if previous is None or (
            here is not None and wanted_kind not in {"SEMI", "RPAREN", "RBRACE", "RBRACKET"}
        ):
            raise self._missing(f"expected {wanted}", previous, here)
        # What should have come belongs behind the token before, which may be lines above.
        found = f"'{here.value}'" if here is not None else "the end of the text"
        span = self._places.after(previous.lineno, previous.column)
        message = f"expected {wanted} after '{previous.value}', before {found}"
        raise CompileError([self._places.files.at(span, message)])

    def _check_table(self, previous: Token) -> None:
        """Refuse a table of bcc without a semicolon: it is a macro, whose name stands where its text comes from."""
        span = self._places.span(previous.lineno, previous.column)
        line = self._places.files.source_line(span)
        table = _TABLE.match(line, span.column - 1)
        if table is not None:
            raise CompileError(
                [self._places.files.at(span, f"expected ';' after {table[1]}(...)")]
            )

    def _missing(self, words: str, previous: Token | None, here: Token | None) -> CompileError:
        """Something else should stand at ``here``."""
        if here is not None:
            return self._wrong(f"{words} before '{here.value}'", here.lineno, here.column)
        at = previous or self._tokens.peek()
        line, column = (at.lineno, at.column) if at is not None else (1, 1)
        return self._wrong(f"{words} before the end of the text", line, column)

    def _looks_like_type(self, token: Token, following: Token | None) -> bool:
        """Whether a name that nothing declares stands where a type would."""
        return (
            token.type == "ID"
            and following is not None
            and following.type in {"ID", "TYPEID", "TIMES"}
            and not any(token.value in scope for scope in self._scope_stack)
        )

    def _unknown_type(self, token: Token) -> CompileError:
        near = " or ".join(f"'{each}'" for each in self.near_types(token.value))
        hint = 'types come from the text, from BTF, and from "files" it includes'
        hint = f"did you mean {near}?" if near else hint
        return self._wrong(f"unknown type name '{token.value}'", token.lineno, token.column, hint)
