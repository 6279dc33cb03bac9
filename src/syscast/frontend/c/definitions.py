"""Texts of ``#define`` lines, taken apart once and defined in a preprocessor only when a name is met.

What bcc and the kernel's headers define is some hundreds of macros, and a text uses a dozen: tokenizing all of them would cost more than the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFINE = re.compile(
    r"[ \t]*#[ \t]*define[ \t]+(\w+)((?:[^\\\n]|\\(?:\n|.))*)(?:\n|\Z)", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Definitions:
    """A text of unconditional macros and C code.

    Attributes:
        macros: Name to what follows ``#define``, the name included.
        code: The rest of the text, its lines in their places.
    """

    macros: Mapping[str, str]
    code: str


@lru_cache(maxsize=32)
def definitions(text: str) -> Definitions:
    """Take a text apart; conditions (``#if``) are not understood, and left in its code."""
    macros: dict[str, str] = {}

    def keep(match: re.Match[str]) -> str:
        macros[match[1]] = match[1] + match[2]
        return "\n" * match[0].count("\n")

    code = re.sub(r"(?m)^" + _DEFINE.pattern, keep, text)
    return Definitions(macros, code if code.strip() else "")
