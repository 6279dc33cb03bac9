"""Names as scripts give them: bytes, or text that bcc converts with a warning."""

from __future__ import annotations

import os
import warnings
from typing import Protocol, TypeAlias, runtime_checkable


@runtime_checkable
class SupportsBytes(Protocol):
    """What ``bytes(x)`` takes; ``bcc.utils.ArgString`` is one."""

    def __bytes__(self) -> bytes: ...


Name: TypeAlias = str | bytes | SupportsBytes


def as_bytes(arg: Name) -> bytes:
    """The bytes of a name; text is encoded as file names are, with bcc's DeprecationWarning.

    Raises:
        TypeError: It is neither text nor bytes.
    """
    if isinstance(arg, bytes):
        return arg
    if isinstance(arg, str):
        warnings.warn(f"not a bytes object: {arg!r}", DeprecationWarning, 2)
        return os.fsencode(arg)
    if isinstance(arg, SupportsBytes):
        return bytes(arg)
    raise TypeError(f"a name must be bytes or str, not {type(arg).__name__}")


def text(name: bytes) -> str:
    """A name for syscast's own functions, which take text."""
    return os.fsdecode(name)
