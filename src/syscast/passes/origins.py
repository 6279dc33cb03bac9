"""What a C pointer may point to: the lattice that the pass provenance works on.

NONE is the bottom (NULL, or not yet known), MIXED the top. Offsets count from where the object begins; None is
one that is not known when compiling.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """Sorts of memory, by who may load from it and how."""

    NONE = "nothing"
    STACK = "a local variable"  # root: the slot
    OWN = "memory of the program"  # a map's value, a record, read-only data, any local
    CTX = "the context"
    PACKET = "the packet"
    TYPED = "a kernel pointer that the verifier knows"  # root: BTF id of the struct
    FOREIGN = "a kernel pointer"  # or a plain number
    MIXED = "several sorts of memory"


class Origin(NamedTuple):
    """Where a value comes from."""

    kind: Kind
    root: int = 0
    offset: int | None = 0

    def moved(self, delta: int | None) -> Origin:
        """The same, some bytes further on."""
        if self.kind not in _AT_OFFSETS:
            return self
        known = None if delta is None or self.offset is None else self.offset + delta
        return Origin(self.kind, self.root, known)


NONE = Origin(Kind.NONE)
OWN = Origin(Kind.OWN)
PACKET = Origin(Kind.PACKET)
FOREIGN = Origin(Kind.FOREIGN)
MIXED = Origin(Kind.MIXED)

_AT_OFFSETS = frozenset({Kind.STACK, Kind.CTX, Kind.TYPED})
_MEMORY = frozenset({Kind.STACK, Kind.OWN})
_KERNEL = frozenset({Kind.TYPED, Kind.FOREIGN})


def join(a: Origin, b: Origin) -> Origin:
    """What is true of a value that may be either."""
    if a == b or b is NONE:
        return a
    if a is NONE:
        return b
    if a[:2] == b[:2]:
        return Origin(a.kind, a.root, None)
    kinds = {a.kind, b.kind}
    if kinds <= _MEMORY:
        return OWN
    return FOREIGN if kinds <= _KERNEL else MIXED
