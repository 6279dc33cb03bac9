"""The compiler flags that mean something to a preprocessor; the others (``-O2``, ``-Wno-...``) change nothing here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(slots=True)
class Flags:
    """What ``cflags`` ask for.

    Attributes:
        macros: Directives in order, as ``#define`` or ``#undef`` lines.
        folders: Where included files are looked for, in order.
        files: Files that are read before the text: the flag, the name.
    """

    macros: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    files: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def parse(cls, cflags: Sequence[str]) -> Flags:
        """Read flags as a compiler driver does: ``-DX``, ``-D X=1``, ``-U``, ``-I``, ``-isystem``, ``-include``."""
        flags = cls()
        rest = iter(cflags)
        for flag in rest:
            if flag in {"-include", "-imacros"}:
                flags.files.append((flag, next(rest, "")))
            elif flag in {"-isystem", "-iquote", "-idirafter"}:
                flags.folders.append(next(rest, ""))
            elif flag[:2] in {"-D", "-U", "-I"}:
                flags._short(flag[:2], flag[2:] or next(rest, ""))
        return flags

    def _short(self, flag: str, value: str) -> None:
        if flag == "-I":
            self.folders.append(value)
        elif flag == "-U":
            self.macros.append(f"#undef {value}")
        else:
            name, equals, replacement = value.partition("=")
            self.macros.append(f"#define {name} {replacement if equals else '1'}")
