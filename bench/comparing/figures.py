"""What was measured."""

from __future__ import annotations

from dataclasses import dataclass, field

from surroundings import median


@dataclass
class Figure:
    """One quantity of one tracer, a value for each round.

    Attributes:
        part: The table it belongs to.
        tracer: The row.
        family: ``syscast``, ``bcc``, ``bpftrace`` or ``C``.
        settings: ``default`` or ``best``.
        quantity: The column.
        unit: Of the values.
        less: Less is better.
        values: One for each round.
    """

    part: str
    tracer: str
    family: str
    settings: str
    quantity: str
    unit: str
    less: bool
    values: list[float] = field(default_factory=list)

    @property
    def middle(self) -> float:
        """The median."""
        return median(self.values)
