"""What a session does about too many events at present."""

from __future__ import annotations

import msgspec

from syscast.events.coststats import percent


class PressureStats(msgspec.Struct, frozen=True):
    """Sampling and budget.

    Attributes:
        policy: ``sample`` or ``drop`` and so on, as asked for.
        keep_one_in: Of so many events one is sent at present; 1: all.
        highest: The largest number of these so far.
        changes: How often it changed.
        budget: Share of one CPU that tracing may take; None without a budget.
        used: The share that it takes at present, smoothed; None without a budget.
        floor: What it takes where next to nothing is sent, if that is over the budget; else None.
    """

    policy: str
    keep_one_in: int = 1
    highest: int = 1
    changes: int = 0
    budget: float | None = None
    used: float | None = None
    floor: float | None = None

    def lines(self) -> list[str]:
        """For people."""
        found = [f"sampling: {keeping(self.keep_one_in)} (at most 1 of {self.highest} so far)"]
        if self.budget is not None and self.used is not None:
            text = f"budget: {percent(self.used)} of a CPU used, {percent(self.budget)} allowed"
            if self.floor is not None:
                text += f" ({over(self.floor, self.budget)})"
            found.append(text)
        return found

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return msgspec.structs.asdict(self)

    def __str__(self) -> str:
        return "\n".join(self.lines())


def keeping(one_in: int) -> str:
    """How many events are sent, in words."""
    return "keeping all events" if one_in <= 1 else f"keeping 1 of {one_in} events"


def over(floor: float, budget: float) -> str:
    """Say that sampling cannot help."""
    return (
        f"tracing takes {percent(floor)} of a CPU even where next to nothing is sent: the budget of "
        f"{percent(budget)} cannot be kept"
    )
