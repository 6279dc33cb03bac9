"""Preprocessing tokens: a lexer that pcpp takes in place of its own.

pcpp probes whatever lexer it is given for the names of the token types, so a lexer of one's own is a thing it provides for. Its own splits
``1ULL`` in two, knows no line continuation in comments, and costs a function call per token.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ID = "CPP_ID"
INTEGER = "CPP_INTEGER"
FLOAT = "CPP_FLOAT"
STRING = "CPP_STRING"
CHAR = "CPP_CHAR"
SPACE = "CPP_WS"
CONTINUED = "CPP_LINECONT"
COMMENT = "CPP_COMMENT1"
LINE_COMMENT = "CPP_COMMENT2"
OTHER = "CPP_OTHER"

NOTHING: frozenset[str] = frozenset()

_PUNCTUATORS = {
    "...": "CPP_ELLIPSIS",
    "<<=": "CPP_LSHIFTEQUAL",
    ">>=": "CPP_RSHIFTEQUAL",
    "->": "CPP_DEREFERENCE",
    "++": "CPP_PLUSPLUS",
    "--": "CPP_MINUSMINUS",
    "<<": "CPP_LSHIFT",
    ">>": "CPP_RSHIFT",
    "<=": "CPP_LESSEQUAL",
    ">=": "CPP_GREATEREQUAL",
    "==": "CPP_EQUALITY",
    "!=": "CPP_INEQUALITY",
    "&&": "CPP_LOGICALAND",
    "||": "CPP_LOGICALOR",
    "*=": "CPP_MULTIPLYEQUAL",
    "/=": "CPP_DIVIDEEQUAL",
    "%=": "CPP_PERCENTEQUAL",
    "+=": "CPP_PLUSEQUAL",
    "-=": "CPP_MINUSEQUAL",
    "&=": "CPP_ANDEQUAL",
    "|=": "CPP_OREQUAL",
    "^=": "CPP_XOREQUAL",
    "##": "CPP_DPOUND",
    "#": "CPP_POUND",
    "+": "CPP_PLUS",
    "-": "CPP_MINUS",
    "*": "CPP_STAR",
    "/": "CPP_FSLASH",
    "%": "CPP_PERCENT",
    "|": "CPP_BAR",
    "&": "CPP_AMPERSAND",
    "~": "CPP_TILDE",
    "^": "CPP_HAT",
    "<": "CPP_LESS",
    ">": "CPP_GREATER",
    "=": "CPP_EQUAL",
    "!": "CPP_EXCLAMATION",
    "?": "CPP_QUESTION",
    "(": "CPP_LPAREN",
    ")": "CPP_RPAREN",
    "[": "CPP_LBRACKET",
    "]": "CPP_RBRACKET",
    "{": "CPP_LCURLY",
    "}": "CPP_RCURLY",
    ".": "CPP_DOT",
    ",": "CPP_COMMA",
    ";": "CPP_SEMICOLON",
    ":": "CPP_COLON",
    "\\": "CPP_BSLASH",
}

_TOKEN = re.compile(
    r"""(?P<CPP_WS>[ \t\f\v\r]+)
    |(?P<newline>\n)
    |(?P<CPP_STRING>(?:u8|[uUL])?"(?:[^"\\\n]|\\[^\n]|\\\n)*")
    |(?P<CPP_CHAR>(?:u8|[uUL])?'(?:[^'\\\n]|\\[^\n])+')
    |(?P<CPP_ID>[^\W\d][\w$]*|\$[\w$]+)
    |(?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)
    |(?P<CPP_LINECONT>\\[ \t\r]*\n)
    |(?P<CPP_COMMENT2>//(?:\\\n|[^\n])*)
    |(?P<CPP_COMMENT1>/\*[\s\S]*?\*/)
    |(?P<punctuator>"""
    + "|".join(re.escape(each) for each in sorted(_PUNCTUATORS, key=len, reverse=True))
    + r""")
    |(?P<CPP_OTHER>.)""",
    re.VERBOSE,
)
_INTEGER = re.compile(r"(?:0[xX][0-9a-fA-F]+|0[bB][01]+|\d+)[uUlL]*\Z")
_CONTINUATION = re.compile(r"\\[ \t\r]*\n")


class Token:
    """One preprocessing token; ``lineno`` (pcpp's name) is its place, 0 for what stands in a macro's body."""

    __slots__ = ("hide", "length", "lexpos", "lineno", "source", "type", "value")

    def __init__(self, kind: str, value: str, place: int, length: int) -> None:
        self.type: str | None = kind
        self.value: str = value
        self.lineno: int = place
        self.length: int = length
        self.lexpos: int = 0
        self.source: str | None = None
        self.hide: frozenset[str] = NOTHING

    def __copy__(self) -> Token:
        twin = Token.__new__(Token)
        twin.type = self.type
        twin.value = self.value
        twin.lineno = self.lineno
        twin.length = self.length
        twin.lexpos = 0
        twin.source = self.source
        twin.hide = self.hide
        return twin


def scan(
    text: str, base: int, named: Callable[[str], object], *, keep_comments: bool = False
) -> Iterator[Token]:
    """Tokens of a text whose first character has the place ``base``; every identifier is told to ``named``."""
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or OTHER
        value = match.group()
        length = len(value)
        if kind == ID:
            named(value)
        elif kind == "punctuator":
            kind = _PUNCTUATORS[value]
        elif kind == "number":
            kind = INTEGER if _INTEGER.match(value) else FLOAT
        elif kind == "newline":
            kind = SPACE
        elif kind == CONTINUED:
            value = value[1:-1]
        elif kind == STRING:
            value = _CONTINUATION.sub("", value) if "\n" in value else value
        elif kind in {COMMENT, LINE_COMMENT} and not keep_comments:
            kind, value = SPACE, " "
        yield Token(kind, value, base + match.start(), length)


class Lexer:
    """What pcpp asks of a lexer: ``input``, ``token``, ``clone``, ``lineno``."""

    def __init__(self, named: Callable[[str], object]) -> None:
        self._named = named
        self._tokens: Iterator[Token] = iter(())
        self.lineno = 0

    def clone(self) -> Lexer:
        """Another lexer with the same settings."""
        return Lexer(self._named)

    def input(self, text: str) -> None:
        """Read another text; its tokens stand nowhere."""
        self._tokens = scan(text, 0, self._named, keep_comments=True)

    def token(self) -> Token | None:
        """The next token, None at the end."""
        token = next(self._tokens, None)
        if token is not None:
            token.lineno = 0
            token.length = 0
        return token
