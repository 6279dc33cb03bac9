"""Names as their authors wrote them: C++ and the older form of Rust's.

C++ by the library ``cpp_demangle`` where it is installed, else by ``itanium_demangler``; where neither can, the name
stays as it is. Rust wrote its names as C++ ones with a hash at the end and escapes of its own; its newer form
(``_R...``) stays as it is.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_RUST = re.compile(r"::h[0-9a-f]{16}$")
_RUST_ESCAPES = {
    "$LT$": "<",
    "$GT$": ">",
    "$RF$": "&",
    "$BP$": "*",
    "$C$": ",",
    "$SP$": "@",
    "$LP$": "(",
    "$RP$": ")",
    "$u20$": " ",
    "$u22$": '"',
    "$u27$": "'",
    "$u2b$": "+",
    "$u3b$": ";",
    "$u5b$": "[",
    "$u5d$": "]",
    "$u7b$": "{",
    "$u7d$": "}",
    "$u7e$": "~",
}
"""rustc's compiler/rustc_symbol_mangling/src/legacy.rs."""


@lru_cache(maxsize=1 << 16)
def demangled(name: str) -> str:
    """A name as it was written, if it can be told; else the name itself, without a version."""
    bare = name.partition("@")[0]
    if not bare.startswith("_Z"):
        return bare
    written = _cpp()(bare)
    if written is None:
        return bare
    if _RUST.search(written):
        return _rust(_RUST.sub("", written))
    return written


def _rust(name: str) -> str:
    for escape, character in _RUST_ESCAPES.items():
        name = name.replace(escape, character)
    parts = name.replace("..", "::").split("::")
    return "::".join(each[1:] if each.startswith("_<") else each for each in parts)


@lru_cache(maxsize=1)
def _cpp() -> Callable[[str], str | None]:
    """The best way that is installed."""
    try:
        import cpp_demangle  # noqa: PLC0415  (an optional library)
    except ImportError:
        return _python()

    def demangle(name: str) -> str | None:
        try:
            return str(cpp_demangle.demangle(name))
        except ValueError:
            return None

    return demangle


def _python() -> Callable[[str], str | None]:
    try:
        import itanium_demangler  # noqa: PLC0415  (an optional library)
    except ImportError:
        return lambda _: None

    def demangle(name: str) -> str | None:
        try:
            found = itanium_demangler.parse(name)
            return None if found is None else str(found)
        except (NotImplementedError, RecursionError, ValueError, IndexError, KeyError):
            return None

    return demangle
