"""What every function of the language asks of its call: how many arguments, and that they are plain."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from syscast.frontend.python.values import Lowered, PyValue

if TYPE_CHECKING:
    from syscast.frontend.python.context import Lowering


def arguments(low: Lowering, node: ast.Call, least: int, most: int) -> list[ast.expr]:
    """The positional arguments of a call; anything else is rejected."""
    name = ast.unparse(node.func)
    for keyword in node.keywords:
        raise low.rejection(
            keyword,
            f"{name}() takes no keyword '{keyword.arg}' in a probe",
            "give its arguments by position",
        )
    for argument in node.args:
        if isinstance(argument, ast.Starred):
            raise low.rejection(argument, "`*` is not part of the probe language")
    if not least <= len(node.args) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise low.rejection(
            node, f"{name}() takes {wanted} arguments, this gives {len(node.args)}"
        )
    return list(node.args)


def python_int(value: Lowered) -> int | None:
    """The Python integer behind a constant expression."""
    if isinstance(value, PyValue) and isinstance(value.value, int):
        return int(value.value)
    return None


def python_text(value: Lowered) -> bytes | None:
    """The bytes of a constant string."""
    if isinstance(value, PyValue) and isinstance(value.value, str | bytes):
        return raw_text(value.value)
    return None


def bytes_for_text(held: bytes) -> tuple[str, str]:
    """A finding and its hint: bytes where text is, which Python never takes for equal."""
    text = held.decode(errors="surrogateescape")
    shown = text if text.isprintable() else "..."
    return "text is no bytes in Python", f'write a string: "{shown}"'


def raw_text(text: str | bytes) -> bytes:
    """A string as the kernel holds it; bytes that are no UTF-8 stand as lone surrogates."""
    return text.encode(errors="surrogateescape") if isinstance(text, str) else text
