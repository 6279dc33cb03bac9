"""The ledger: what became of every run of every probe, so that nothing is lost silently.

For each probe::

    fired     = ran + missed               (missed is unknown on kernels that do not count it)
    ran      <= filtered + raised + limited + sampled + tried
                                           (equal where a run sends at most one event)
    tried     = committed + dropped + aggregated
                                           (dropped: the ring was full; aggregated: counted by key)
    committed = read + discarded + overwritten + left in the ring
    read      = decoded + decode errors
    decoded   = delivered + shed + sifted  (sifted: held back by a filter that Python runs)

Two witnesses say what was dropped: the kernel's counters, and the numbers that never came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

# Types of msgspec fields are resolved at run time, so these imports cannot move under TYPE_CHECKING.
from syscast.events.causes import DAMAGED, MISSED, UNEXPLAINED
from syscast.events.coststats import Cost
from syscast.events.deliverystats import DeliveryStats
from syscast.events.ledgerrow import HELPERS, CpuRow, LedgerRow, summed
from syscast.events.pressurestats import PressureStats
from syscast.events.text import counted
from syscast.spec.meta import SiteMeta

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


__all__ = ["HELPERS", "CpuRow", "Ledger", "LedgerRow", "RaisedSite", "Section"]


class Section(Protocol):
    """A further part of a ledger: how events came, what tracing cost."""

    def lines(self) -> Iterable[str]:
        """For people."""
        ...

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        ...


class RaisedSite(msgspec.Struct, frozen=True):
    """How often an exception ended a run at one place."""

    site: SiteMeta
    count: int

    def __str__(self) -> str:
        times = counted(self.count, "time")
        place = f"{self.site.file}:{self.site.line}:{self.site.column}"
        text = self.site.text.strip()
        return f"{place}: {self.site.exception} {times}" + (f": {text}" if text else "")


class Ledger(msgspec.Struct, frozen=True):
    """The rows of a session's probes and the places where they raised.

    ``str()`` gives a table for people, `to_dict` all of it for JSON.

    Attributes:
        damaged: Records that could not be decoded and so belong to no probe.
        drained: The programs are detached and the rings were read to their end: the last
            numbers are known.
        late: Events that came after one of a later time, over all rings and probes; of batches,
            over all rings of one object.
        delivery: How events came.
        pressure: What is held back at present.
        cost: What tracing cost; None where it was not asked for.
    """

    rows: tuple[LedgerRow, ...] = ()
    sites: tuple[RaisedSite, ...] = ()
    damaged: int = 0
    drained: bool = False
    late: int = 0
    delivery: DeliveryStats | None = None
    pressure: PressureStats | None = None
    cost: Cost | None = None

    def __iter__(self) -> Iterator[LedgerRow]:
        return iter(self.rows)

    def __getitem__(self, probe: str) -> LedgerRow:
        """Give the sum of the rows of one probe.

        Raises:
            KeyError: No such probe.
        """
        rows = [row for row in self.rows if row.probe == probe]
        if not rows:
            raise KeyError(probe)
        return summed(probe, rows)

    def __str__(self) -> str:
        from syscast.events import ledgertable  # noqa: PLC0415  (only where it is shown)

        # What follows forks is no probe of the user's, and counts nothing of his.
        own = {row.probe for row in self.rows if row.role != "follow"}
        shown = [row for row in self.probes.values() if row.probe in own]
        found = ledgertable.by_probe(shown or list(self.probes.values()), self.total)
        cpus = list(self.by_cpu.values())
        if len(cpus) > 1:
            found += ["", *ledgertable.by_cpu(cpus)]
        found += ["", *self._words()]
        for section in (self.delivery, self.pressure, self.cost):
            if section is not None:
                found += section.lines()
        return "\n".join(found)

    def _words(self) -> Iterator[str]:
        """What the numbers come to."""
        losses = self.losses
        text = ", ".join(f"{cause} {count:,}" for cause, count in losses.items() if count)
        yield f"{counted(self.lost, 'event')} lost" + (f": {text}" if text else "")
        if losses[MISSED] is None:
            yield "this kernel does not count the hits that it missed: there may be more"
        elif self.uncounted:
            yield "some probes' missed hits are not counted by this kernel: there may be more"
        full = {row.cpu: row.dropped for row in self.by_cpu.values() if row.dropped}
        if full:
            yield "ring full: " + ", ".join(f"{n:,} on cpu {cpu}" for cpu, n in full.items())
        if self.damaged:
            yield f"{counted(self.damaged, 'record')} could not be decoded"
        if self.late:
            yield f"{counted(self.late, 'event')} came after one of a later time"
        yield from self.disagreements()
        for line in self.details():
            yield f"raised: {line}"

    @property
    def probes(self) -> Mapping[str, LedgerRow]:
        """A row per probe: those of its programs together."""
        return {name: self[name] for name in dict.fromkeys(row.probe for row in self.rows)}

    @property
    def by_cpu(self) -> Mapping[int, CpuRow]:
        """A row per CPU: what it counted for all probes together."""
        return {each.cpu: each for each in self.total.cpus}

    @property
    def total(self) -> LedgerRow:
        """The sum of all rows; missed is that of the rows where it is known, None if none is."""
        return summed("total", self.rows)

    @property
    def lost(self) -> int:
        """Events that should have arrived and did not, as far as the kernel counts."""
        return self.total.lost + self.damaged + self.unexplained

    @property
    def unexplained(self) -> int:
        """Numbers that never came and that nobody counted a reason for: the witnesses disagree."""
        return max(0, sum(row.unexplained for row in self.rows) - self.damaged)

    @property
    def losses(self) -> Mapping[str, int | None]:
        """What was lost by its cause; None where the kernel does not count at all."""
        found = self.total.losses
        damaged = (found[DAMAGED] or 0) + self.damaged
        return {**found, DAMAGED: damaged, UNEXPLAINED: self.unexplained}

    @property
    def uncounted(self) -> bool:
        """Whether some probe's misses are unknown, so that ``missed`` is a lower bound."""
        return any(row.missed is None for row in self.rows if row.role != "follow")

    def problems(self, *, drained: bool | None = None) -> list[str]:
        """Check the equations of every row; see `LedgerRow.problems`.

        Args:
            drained: Whether the last numbers are known; None for what the ledger itself says.
        """
        final = self.drained if drained is None else drained
        return [line for row in self.rows for line in row.problems(drained=final)]

    def consistent(self, *, drained: bool | None = None) -> bool:
        """Tell whether all equations hold; see `problems`."""
        return not self.problems(drained=drained)

    def disagreements(self) -> list[str]:
        """Say of each probe whose two witnesses differ how they do."""
        excused = not self.unexplained  # by damage: the number of such a record is missing, too
        found = (
            (row.probe, row.disagreement(drained=self.drained, excused=excused))
            for row in self.rows
        )
        return [f"probe {probe!r}: {text}" for probe, text in found if text]

    def missed_text(self) -> str:
        """``missed`` for people: a number, ``at least`` one, or ``unknown``."""
        missed = self.total.missed
        if missed is None:
            return "unknown"
        return f"at least {_number(missed)}" if self.uncounted else _number(missed)

    def summary(self) -> str:
        """Say in one line what was delivered, lost, held back and raised."""
        total = self.total
        causes = [f"missed {self.missed_text()}"]
        sends = not self.rows or any(row.sends for row in self.rows if row.role not in HELPERS)
        if sends:
            causes.insert(0, f"ring full {_number(total.dropped)}")
        if damaged := total.decode_errors + self.damaged:
            causes.append(f"damaged {_number(damaged)}")
        if total.shed:
            causes.append(f"shed {_number(total.shed)}")
        if self.unexplained:
            causes.append(f"unexplained {_number(self.unexplained)}")
        done = counted(total.delivered, "event") + " delivered"
        if not sends:
            done = f"ran {counted(total.ran, 'time')}"
        parts = [done, f"{_number(self.lost)} lost ({', '.join(causes)})"]
        if sends:
            parts.append(f"{_number(total.filtered)} filtered")
        parts += [
            f"{_number(count)} {what}"
            for what, count in total.held.items()
            if count and what != "filtered"
        ]
        return ", ".join([*parts, f"{_number(total.raised)} raised"])

    def details(self) -> list[str]:
        """Say line by line where probes raised, most often first."""
        ranked = sorted(self.sites, key=lambda each: (-each.count, each.site.id))
        return [str(each) for each in ranked if each.count]

    def to_dict(self) -> dict[str, object]:
        """Give all of it as values that JSON takes; what is unknown is None."""
        return {
            "lost": self.lost,
            "losses": dict(self.losses),
            "held": self.total.held,
            "complete": not self.uncounted,
            "drained": self.drained,
            "damaged": self.damaged,
            "late": self.late,
            "total": _plain(self.total),
            "probes": [_plain(row) for row in self.probes.values()],
            "cpus": [msgspec.to_builtins(row) for row in self.by_cpu.values()],
            "raised": [msgspec.to_builtins(each) for each in self.sites if each.count],
            "disagreements": self.disagreements(),
            "delivery": None if self.delivery is None else self.delivery.to_dict(),
            "pressure": None if self.pressure is None else self.pressure.to_dict(),
            "cost": None if self.cost is None else self.cost.to_dict(),
        }


def _plain(row: LedgerRow) -> dict[str, object]:
    found: dict[str, object] = msgspec.to_builtins(row)
    return {**found, "lost": row.lost, "left": row.left}


def _number(count: int) -> str:
    return f"{count:,}"
