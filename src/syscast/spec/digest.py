"""A digest of what a cached file depends on, and of the file itself.

BLAKE2b from CPython's own module: ``hashlib`` would load OpenSSL, which costs a start 3 ms.
"""

from __future__ import annotations

try:
    from _blake2 import blake2b
except ImportError:  # another Python, or one that was built without it
    from hashlib import blake2b

SIZE = 32
"""Bytes of a digest."""


def digest(*parts: bytes) -> bytes:
    """The digest of a list of parts; no two lists give one digest."""
    made = blake2b(digest_size=SIZE)
    for part in parts:
        made.update(len(part).to_bytes(8, "little"))
        made.update(part)
    return made.digest()
