"""What must hold of any text: it parses or is refused in words, within bounds."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from syscast.diagnostics import CompileError
from syscast.frontend.c.parse import parse
from syscast.frontend.c.places import UNDECODED
from syscast.frontend.c.pptokens import OTHER, SPACE, scan
from syscast.frontend.c.preprocess import preprocess

if TYPE_CHECKING:
    from syscast.frontend.c.preprocessed import Preprocessed
    from syscast.frontend.c.surroundings import Surroundings

NAME = "/virtual/main.c"
TYPES = frozenset({"u8", "u16", "u32", "u64", "size_t"})
MACROS = {
    "__user": "",
    "CONFIG_NET": "1",
    "BPF_HASH": "BPF_HASH(name, ...) struct { u32 key; u64 leaf; } name",
}
LONGEST = 20.0
"""Seconds of processor time; the slowest texts that are refused (macros without end) take two."""


@dataclass(frozen=True)
class _Around:
    """A kernel that has one file."""

    arch: str = "x86_64"
    version_code: int = 6 << 16

    def include(self, name: str, directory: str) -> tuple[str, bytes] | None:
        path = f"{directory}/{name}"
        return (path, b'#include "b"\nint b;') if name == "b" else None


AROUND = cast("Surroundings", _Around())


class Wrong(Exception):  # noqa: N818 - it is the text that is wrong for us
    """A text that breaks the front end, and how."""


def check(text: str) -> bool:
    """Preprocess and parse; whether it is C. Raises Wrong for whatever a user should never see."""
    begin = time.process_time()
    limit = sys.getrecursionlimit()
    try:
        done = preprocess(text, NAME, AROUND, macro=MACROS.get, footer="\nint end;\n")
        _same_tokens(done)
        tree = parse(done, TYPES.__contains__)
    except CompileError as error:
        _refused(error, text)
        good = False
    except Exception as error:
        raise Wrong(f"{type(error).__name__}: {error}") from error
    else:
        good = True
        if tree.ext[-1].name != "end":
            raise Wrong("the text swallows what is behind it")
    if sys.getrecursionlimit() != limit:
        raise Wrong("the recursion limit is another one")
    if time.process_time() - begin > LONGEST:
        raise Wrong(f"took {time.process_time() - begin:.1f} s")
    return good


def _same_tokens(done: Preprocessed) -> None:
    """The text that people are shown has the tokens that the parser is given, where they are said to be."""
    if any(kind == OTHER for kind, *_ in done.tokens):
        return  # a lone quote: the parser refuses it
    pragmas = {line for _, value, line, _ in done.tokens if value == "#"}
    given = [
        (value, line, column) for _, value, line, column in done.tokens if line not in pragmas
    ]
    shown: list[tuple[str, int, int]] = []
    lines = done.text.split("\n")
    for number, line in enumerate(lines, 1):
        if number not in pragmas:
            shown.extend(
                (each.value, number, each.lineno)
                for each in scan(line, 1, lambda _: None)
                if each.type != SPACE
            )
    for want, found in zip(given, shown, strict=False):
        if UNDECODED.sub("\ufffd", want[0]) != found[0] or want[1:] != found[1:]:
            raise Wrong(f"token {want} is shown as {found}")
    if len(given) != len(shown):
        raise Wrong(f"{len(given)} tokens are shown as {len(shown)}")


def _refused(error: CompileError, text: str) -> None:
    lines = text.count("\n") + 2
    for each in error.diagnostics:
        if not each.message or "\n" in each.message:
            raise Wrong(f"message {each.message!r}")
        if (
            each.span.line < 1
            or each.span.column < 1
            or (each.span.file == NAME and each.span.line > lines)
        ):
            raise Wrong(f"place {each.span} of {lines} lines: {each.message}")
        if each.span.file not in {NAME, "/virtual/b", "<command line>"}:
            raise Wrong(f"file {each.span.file!r}: {each.message}")
    try:
        str(error).encode()
    except UnicodeEncodeError as bad:
        raise Wrong(f"message that cannot be printed: {bad}") from None
