"""Room for recursion over trees as deep as `DEEPEST`.

Parser and lowering walk a tree by calling themselves, with some ten frames for a pair of parentheses, and Python stops at a thousand.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DEEPEST = 256
"""Parentheses, statements, braces in one another; clang has the same bound (``-fbracket-depth``)."""
_FRAMES = 30_000


@contextmanager
def room_for_depth() -> Iterator[None]:
    """Let Python call itself deeper for a while; frames of Python code take no stack of the machine's."""
    limit = sys.getrecursionlimit()
    if limit >= _FRAMES:
        yield
        return
    sys.setrecursionlimit(_FRAMES)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
