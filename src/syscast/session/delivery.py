"""How events come: how soon, by which rings, and what happens when there are too many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.errors import UsageError
from syscast.spec.meta import (
    DELIVER_ADAPTIVE,
    DELIVER_ALWAYS,
    DELIVER_NEVER,
    PRESSURE_AGGREGATE,
    PRESSURE_SAMPLE,
    RINGS_AUTO,
    RINGS_PER_CPU,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syscast.session.pressing import Limit

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_MAX_LATENCY_NS = 60_000_000_000
_BOUND_NS = 5_000_000
_MAX_RING = 1 << 30

MODES = ("adaptive", "push", "poll")
RINGS = ("one", "per-cpu", "auto")
_RING_BITS = {"per-cpu": RINGS_PER_CPU, "auto": RINGS_AUTO}
GAPS_ON_PURPOSE = frozenset({"overwrite", "aggregate"})
"""With these pressures a number that is missing need not be a record that was dropped."""
PRESSURES = ("drop", "overwrite", "sample", "aggregate")


class Delivery(msgspec.Struct, frozen=True):
    """The options of `syscast.attach` that say how events come.

    Attributes:
        ring_size: Bytes of the ring; None takes the default.
        latency: How long an event may wait in the ring: ``10ms``, seconds as a number, 0 for a
            wake-up per event.
        mode: ``adaptive``, ``push`` or ``poll``.
        rings: ``one``, ``per-cpu`` or ``auto``.
        pressure: ``drop``, ``overwrite``, ``sample``, ``aggregate`` or ``aggregate by KEY``.
        limit: ``100/s by comm``: at most so many events per key.
        budget: ``1%``: CPU time that tracing may take.
        cost: Measure what programs cost.
    """

    ring_size: int | None = None
    latency: str | float = "10ms"
    mode: str = "adaptive"
    rings: str = "one"
    pressure: str = "drop"
    limit: str | None = None
    budget: str | float | None = None
    cost: bool = False

    def __post_init__(self) -> None:
        self._check_texts()
        for what, value, known in (
            ("mode", self.mode, MODES),
            ("rings", self.rings, RINGS),
            ("pressure", self.pressed, PRESSURES),
        ):
            if value not in known:
                raise UsageError(
                    f"{what} '{value}': set: there is none of this name (there are {', '.join(known)})"
                )
        if duration_ns(self.latency, "latency") > _MAX_LATENCY_NS:
            raise UsageError(
                f"latency '{self.latency}': set: it is over a minute (ask by mode='poll', or read less often)"
            )
        if self.mode == "poll" and not self.latency_ns:
            raise UsageError(
                "latency '0': set: mode 'poll' sleeps between looks (give how long, or take mode 'push')"
            )
        size = self.ring_size
        if size is not None and (type(size) is not int or not 0 < size <= _MAX_RING):
            raise UsageError(
                f"ring size '{size}': set: it is out of range (1 to {_MAX_RING} bytes)"
            )
        if self.records and self.rings == "auto":
            raise UsageError(
                "rings 'auto': set: a flight recorder has no reader that could see a flood "
                "(take 'one' or 'per-cpu')"
            )
        _ = self.rate, self.share, self.aggregate_by  # read, they raise

    def _check_texts(self) -> None:
        for what, text in (
            ("mode", self.mode),
            ("rings", self.rings),
            ("pressure", self.pressure),
            ("limit", self.limit),
        ):
            if not isinstance(text, str) and not (what == "limit" and text is None):
                raise UsageError(
                    f"{what} {text!r}: set: it is no text (leave it out for the default)"
                )

    @property
    def latency_ns(self) -> int:
        """``latency`` in ns."""
        return duration_ns(self.latency, "latency")

    @property
    def pressed(self) -> str:
        """The first word of ``pressure``."""
        return self.pressure.partition(" ")[0]

    @property
    def records(self) -> bool:
        """Whether the rings keep the newest events for dumps: a flight recorder."""
        return self.pressed == "overwrite"

    @property
    def aggregate_by(self) -> tuple[str, ...] | None:
        """What events that find the ring full are counted by; None where they are not counted."""
        if self.pressure in PRESSURES and self.pressure != "aggregate":
            return None
        from syscast.session.pressing import read_pressure  # noqa: PLC0415  (few sessions)

        return read_pressure(self.pressure)

    @property
    def rate(self) -> Limit | None:
        """``limit``, read."""
        if self.limit is None:
            return None
        from syscast.session.pressing import read_limit  # noqa: PLC0415  (few sessions)

        return read_limit(self.limit)

    @property
    def share(self) -> float | None:
        """``budget`` as a share of one CPU."""
        if self.budget is None:
            return None
        from syscast.session.pressing import read_budget  # noqa: PLC0415  (few sessions)

        return read_budget(self.budget)

    @property
    def pressing(self) -> bool:
        """Whether anything was said about too many events."""
        return (self.pressure, self.limit, self.budget) != ("drop", None, None)

    @property
    def samples(self) -> bool:
        """Whether events may be left out by sampling."""
        return self.budget is not None or self.pressed == "sample"

    @property
    def gathers(self) -> bool:
        """Whether a reader of batches that is always told may pause after a small one."""
        return self.mode == "push" and bool(self.latency_ns)

    @property
    def bound_ns(self) -> int:
        """How long what was read waits for a record that was begun in another ring, in ns."""
        return min(self.latency_ns, _BOUND_NS)

    def config(self) -> Mapping[str, int | bytes]:
        """The values of the config fields that belong to it (see `syscast.spec.meta`)."""
        values: dict[str, int | bytes] = {
            "delivery": self._wake_bits() | self._pressure_bits() | _RING_BITS.get(self.rings, 0)
        }
        if rate := self.rate:
            values |= {"limit_ns": rate.step_ns, "limit_burst": rate.burst}
        return values

    def _wake_bits(self) -> int:
        if self.mode == "poll" or self.records:
            return DELIVER_NEVER
        if not self.latency_ns:
            return DELIVER_ALWAYS
        return DELIVER_ADAPTIVE if self.mode == "adaptive" else 0

    def _pressure_bits(self) -> int:
        found = PRESSURE_SAMPLE if self.samples else 0
        return found | (PRESSURE_AGGREGATE if self.aggregate_by is not None else 0)


def duration_ns(value: str | float, what: str) -> int:
    """A duration in ns, from ``10ms``, ``1.5s``, ``0`` or a number of seconds.

    Raises:
        UsageError: It is none.
    """
    text = str(value).strip()
    unit = next(
        (each for each in _UNITS if text.endswith(each) and text[: -len(each)].strip()), ""
    )
    try:
        number = float(text.removesuffix(unit)) * _UNITS[unit or "s"]
    except ValueError:
        number = -1.0
    if isinstance(value, bool) or not 0 <= number < 1 << 62:
        raise UsageError(f"{what} '{value}': set: it is no duration (such as 10ms, 1s, or 0)")
    return round(number)


DEFAULT: Delivery = Delivery()
