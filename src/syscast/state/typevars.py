"""Type variables of the state classes: checkers know that a missing key type is None."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # known to checkers without being installed

    K = TypeVar("K", default=None)
else:
    from typing import TypeVar

    K = TypeVar("K")

V = TypeVar("V")
T = TypeVar("T")
