"""Preprocessing tokens as pycparser's parser takes them: keywords, constants and punctuators named.

The parser is given these rather than the preprocessed text, which pycparser's lexer would have to take apart a second time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pycparser.c_lexer import Token

from syscast.frontend.c import pptokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ATTRIBUTE = "ATTRIBUTE_BEGIN"
"""pycparser's name for what begins ``[[...]]``; here ``__attribute__``, so that it is looked for in the same places."""
ASM = "ASM"
AUTO_TYPE = "__auto_type"
"""The spelling of the ``TYPEOF`` token that has no operand."""

_PLAIN = (
    "break case char const continue default do double else enum extern float for goto if inline int long register restrict return short "
    "signed sizeof static struct switch typedef union unsigned void volatile while offsetof auto"
)
_KEYWORDS = {word: word.upper() for word in _PLAIN.split()} | {
    "_Alignas": "_ALIGNAS",
    "_Alignof": "_ALIGNOF",
    "_Atomic": "_ATOMIC",
    "_Bool": "_BOOL",
    "_Complex": "_COMPLEX",
    "_Generic": "_GENERIC",
    "_Noreturn": "_NORETURN",
    "_Static_assert": "_STATIC_ASSERT",
    "_Thread_local": "_THREAD_LOCAL",
    "__alignof": "_ALIGNOF",
    "__alignof__": "_ALIGNOF",
    "__asm": ASM,
    "__asm__": ASM,
    "__attribute": ATTRIBUTE,
    "__attribute__": ATTRIBUTE,
    "__auto_type": "TYPEOF",
    "__builtin_offsetof": "OFFSETOF",
    "__builtin_va_arg": "__BUILTIN_VA_ARG",
    "__const": "CONST",
    "__const__": "CONST",
    "__inline": "INLINE",
    "__inline__": "INLINE",
    "__int128": "__INT128",
    "__restrict": "RESTRICT",
    "__restrict__": "RESTRICT",
    "__signed": "SIGNED",
    "__signed__": "SIGNED",
    "__thread": "_THREAD_LOCAL",
    "__typeof": "TYPEOF",
    "__typeof__": "TYPEOF",
    "__volatile": "VOLATILE",
    "__volatile__": "VOLATILE",
    "asm": ASM,
    "static_assert": "_STATIC_ASSERT",
    "typeof": "TYPEOF",
}
_SPELLINGS = {
    "__inline": "inline",
    "__inline__": "inline",
    "__const": "const",
    "__const__": "const",
    "__volatile": "volatile",
    "__volatile__": "volatile",
    "__restrict": "restrict",
    "__restrict__": "restrict",
    "__signed": "signed",
    "__signed__": "signed",
    "__builtin_offsetof": "offsetof",
}
"""Keywords whose spelling ends up in nodes: one spelling each."""
_DROPPED = frozenset({"__extension__"})

_PUNCTUATORS = {
    "...": "ELLIPSIS",
    "<<=": "LSHIFTEQUAL",
    ">>=": "RSHIFTEQUAL",
    "++": "PLUSPLUS",
    "--": "MINUSMINUS",
    "->": "ARROW",
    "&&": "LAND",
    "||": "LOR",
    "<<": "LSHIFT",
    ">>": "RSHIFT",
    "<=": "LE",
    ">=": "GE",
    "==": "EQ",
    "!=": "NE",
    "*=": "TIMESEQUAL",
    "/=": "DIVEQUAL",
    "%=": "MODEQUAL",
    "+=": "PLUSEQUAL",
    "-=": "MINUSEQUAL",
    "&=": "ANDEQUAL",
    "|=": "OREQUAL",
    "^=": "XOREQUAL",
    "=": "EQUALS",
    "+": "PLUS",
    "-": "MINUS",
    "*": "TIMES",
    "/": "DIVIDE",
    "%": "MOD",
    "|": "OR",
    "&": "AND",
    "~": "NOT",
    "^": "XOR",
    "!": "LNOT",
    "<": "LT",
    ">": "GT",
    "?": "CONDOP",
    "(": "LPAREN",
    ")": "RPAREN",
    "[": "LBRACKET",
    "]": "RBRACKET",
    "{": "LBRACE",
    "}": "RBRACE",
    ",": "COMMA",
    ".": "PERIOD",
    ";": "SEMI",
    ":": "COLON",
}
_INTEGER = re.compile(
    r"(?:(0[xX][0-9a-fA-F]+)|(0[bB][01]+)|(0[0-7]+)|([1-9]\d*|0))(?:[uU](?:l|L|ll|LL)?|(?:l|L|ll|LL)[uU]?)?\Z"
)
_INTEGERS = ("", "INT_CONST_HEX", "INT_CONST_BIN", "INT_CONST_OCT", "INT_CONST_DEC")
_FLOAT = re.compile(
    r"(?:(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?\d+)[fFlL]?\Z"
)
_STRINGS = {
    '"': "STRING_LITERAL",
    "L": "WSTRING_LITERAL",
    "u": "U16STRING_LITERAL",
    "U": "U32STRING_LITERAL",
    "u8": "U8STRING_LITERAL",
}
_PRAGMA = "pragma"


def name_tokens(
    tokens: Sequence[tuple[str, str, int, int]], wrong: Callable[[str, int, int], Exception]
) -> Iterator[Token]:
    """Tokens for the parser.

    Args:
        tokens: Those of `Preprocessed.tokens`.
        wrong: Makes the error for a message, a line and a column.
    """
    pragma = 0
    for at, (kind, value, line, column) in enumerate(tokens):
        if pragma == line:
            continue
        if kind == pptokens.ID:
            name = _KEYWORDS.get(value)
            if name is not None:
                yield Token(name, _SPELLINGS.get(value, value), line, column, "")
            elif value not in _DROPPED:
                yield Token("ID", value, line, column, "")
        elif kind == pptokens.INTEGER:
            match = _INTEGER.match(value)
            if match is None:
                raise wrong(f"{value} is no integer constant of C", line, column)
            yield Token(_INTEGERS[match.lastindex or 0], value, line, column, "")
        elif value in _PUNCTUATORS:
            yield Token(_PUNCTUATORS[value], value, line, column, "")
        elif value == "#" and at + 1 < len(tokens) and tokens[at + 1][1:3] == (_PRAGMA, line):
            pragma = line
            words = " ".join(each[1] for each in tokens[at + 2 : at + 40] if each[2] == line)
            yield Token("PPPRAGMA", _PRAGMA, line, column, "")
            yield Token("PPPRAGMASTR", words, line, column, "")
        else:
            yield _literal(kind, value, line, column, wrong)


def _literal(
    kind: str, value: str, line: int, column: int, wrong: Callable[[str, int, int], Exception]
) -> Token:
    if kind == pptokens.STRING:
        prefix = value[: value.index('"')] or '"'
        return Token(_STRINGS[prefix], value, line, column, "")
    if kind == pptokens.CHAR:
        return Token("CHAR_CONST", value, line, column, "")
    if kind == pptokens.FLOAT:
        if _FLOAT.match(value):
            return Token("FLOAT_CONST", value, line, column, "")
        raise wrong(f"{value} is no number of C", line, column)
    if value in {'"', "'"}:
        what = "string" if value == '"' else "character constant"
        raise wrong(f"a {what} begins here and does not end on its line", line, column)
    raise wrong(
        f"{value!r} has no meaning in C"
        if value.isprintable()
        else f"a character {value!r} in the text",
        line,
        column,
    )
