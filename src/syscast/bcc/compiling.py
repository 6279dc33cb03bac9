"""From C text to a blueprint; what is wrong in the text goes to descriptor 2, as with bcc."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from syscast.bcc.failures import failure, say
from syscast.diagnostics import CompileError
from syscast.errors import SyscastError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.bcc.arguments import Name
    from syscast.spec.objectspec import ObjectSpec

VIRTUAL = "/virtual/main.c"


def compiled(source: bytes, path: str, cflags: Sequence[str]) -> ObjectSpec:
    """Compile a text for this kernel; what is wrong in it goes to descriptor 2.

    Args:
        source: The text.
        path: Of its file, ``""`` for a text without.
        cflags: As for clang; ``-D``, ``-U`` and ``-I`` have meaning.

    Raises:
        Exception: ``Failed to compile BPF module``.
    """
    from syscast.bcc.surroundings import Host  # noqa: PLC0415 - objects from elsewhere need none
    from syscast.compiler.cunit import compile_c  # noqa: PLC0415 - likewise

    refused = failure(f"Failed to compile BPF module {path or '<text>'}")
    name = path or VIRTUAL
    try:
        text = source.decode()
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        say(f"{name}:{line}: error: byte 0x{source[error.start]:02x} is not UTF-8")
        raise refused from None
    try:
        made = compile_c(text, name=name, surroundings=Host(), cflags=tuple(cflags))
    except CompileError as error:
        say(f"{error}\n{_count(len(error.diagnostics))} generated.")
        raise refused from None
    except SyscastError as error:
        say(f"{name}: error: {error}")
        raise refused from None
    for warning in made.warnings:
        say(warning)
    return made.spec


def _count(errors: int) -> str:
    return f"{errors} error{'' if errors == 1 else 's'}"


def found_file(name: Name) -> str:
    """Path of a text's file: from the current directory, or from where the script lies.

    Raises:
        Exception: There is none.
    """
    wanted = os.fsdecode(name if isinstance(name, (str, bytes)) else bytes(name))
    beside = os.path.dirname(sys.argv[0]) if sys.argv else ""  # noqa: PTH120 - pathlib costs 5 ms
    for path in (wanted, os.path.join(beside, wanted)):  # noqa: PTH118
        if os.path.isfile(path):  # noqa: PTH113
            return path
    raise failure(f"Could not find file {wanted}")
