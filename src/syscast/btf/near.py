"""Near matches of a wrong name among many thousands, in well under a second.

``difflib.get_close_matches`` takes seconds for a kernel's 56,000 functions. Here a cheap count of
shared three-letter pieces picks candidates, and an edit ratio orders those few.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from heapq import nlargest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_PIECE = 3
_CANDIDATES = 60
_RATIO = 0.6
_LONGEST = 128


def nearest(name: str, names: Iterable[str], n: int = 3) -> list[str]:
    """Return up to ``n`` of ``names`` that read like ``name``, best first."""
    wanted = name[:_LONGEST].lower()
    padded = f" {wanted} "
    pieces = {padded[at : at + _PIECE] for at in range(len(padded) - _PIECE + 1)}
    scored = [(_score(pieces, other), other) for other in set(names) if other and other != name]
    best = nlargest(_CANDIDATES, (pair for pair in scored if pair[0] > 0))
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(wanted)
    rated = []
    for _, other in best:
        matcher.set_seq1(other[:_LONGEST].lower())
        ratio = matcher.ratio()
        if ratio >= _RATIO or wanted in other.lower():
            rated.append((-ratio, other))
    return [other for _, other in sorted(rated)[:n]]


def _score(pieces: set[str], other: str) -> float:
    """Rate by shared pieces, less what the other name has too much."""
    padded = f" {other.lower()} "
    shared = sum(piece in padded for piece in pieces)
    return 2 * shared / (len(pieces) + len(padded) - _PIECE + 1) if shared else 0
