"""Text that came from the kernel: read from bytes, made safe to show.

A process names itself and its files as it likes, so a comm or a path may hold escape sequences,
newlines, bidirectional overrides or no valid UTF-8 at all.
"""

from __future__ import annotations

import time
from functools import lru_cache
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Address


def decode_text(raw: bytes) -> str:
    r"""Read a NUL-terminated string of the kernel; undefined bytes become ``\xNN``.

    The result holds no surrogates, so that it can be encoded anywhere.
    """
    return raw.partition(b"\0")[0].decode("utf-8", "backslashreplace")


def escape(text: str) -> str:
    r"""Make a string safe for a terminal and for one line.

    Characters that are not printable (controls, line ends, format characters such as
    bidirectional overrides, surrogates, unassigned ones) become ``\xNN``, ``\uNNNN`` or
    ``\UNNNNNNNN``; the space stays.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(ord(char)) for char in text)


def _escaped(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def address_text(address: IPv4Address | IPv6Address) -> str:
    """Write an address; an IPv4-mapped one as ``::ffff:192.0.2.1`` on every Python."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return f"::ffff:{address.ipv4_mapped}"
    return str(address)


def clock_text(ns: int) -> str:
    """Write a wall-clock time in ns since 1970 as local ``HH:MM:SS.ffffff``."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{_second_text(seconds)}.{rest // 1000:06}"


@lru_cache(maxsize=64)
def _second_text(seconds: int) -> str:
    try:
        local = time.localtime(seconds)
    except (OverflowError, OSError, ValueError):  # no clock shows this; a record was damaged
        return f"@{seconds}"
    return f"{local.tm_hour:02}:{local.tm_min:02}:{local.tm_sec:02}"


def counted(count: int, noun: str) -> str:
    """Write a number of things: ``1 event``, ``1,234 events``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
