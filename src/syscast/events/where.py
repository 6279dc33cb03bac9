"""``where``: functions of an event that say whether it is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syscast.events.event import Event


class Where:
    """The conditions of one probe; all must hold.

    The compiler makes them part of the probe where it can. Where it cannot, it says why in
    `refused`, and whoever reads the events asks `holds`.

    Attributes:
        functions: Each takes an event; what is true in Python's sense passes.
        refused: Why they do not run in the kernel; "" where they do.
    """

    def __init__(self, functions: Sequence[Callable[[Event], object]]) -> None:
        self.functions: tuple[Callable[[Event], object], ...] = tuple(functions)
        self.refused: str = ""

    def holds(self, event: Event) -> bool:
        """Whether an event is wanted."""
        return all(function(event) for function in self.functions)
