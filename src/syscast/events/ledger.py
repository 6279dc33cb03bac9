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

from syscast.spec.meta import SiteMeta

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


HELPERS = frozenset({"entry", "follow"})
"""Roles of programs that send no events: their runs and filters are not the user's."""

RING_FULL = "ring full"
MISSED = "missed"
DAMAGED = "damaged"
SHED = "shed"
"""Causes of loss, as `syscast.Lost` names them too."""


class Section(Protocol):
    """A further part of a ledger: how events came, what tracing cost."""

    def lines(self) -> Iterable[str]:
        """For people."""
        ...

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        ...


class CpuRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one CPU counted for one probe; the names are those of `LedgerRow`.

    Attributes:
        read: Records of this CPU that were taken from the ring.
        gaps: Sequence numbers of this CPU that never came.
    """

    cpu: int
    ran: int = 0
    filtered: int = 0
    raised: int = 0
    tried: int = 0
    dropped: int = 0
    discarded: int = 0
    unreturned: int = 0
    limited: int = 0
    sampled: int = 0
    aggregated: int = 0
    overwritten: int = 0
    read: int = 0
    gaps: int = 0


class LedgerRow(msgspec.Struct, frozen=True, kw_only=True):
    """The counters of one probe.

    Attributes:
        probe: The probe's name, ``total`` for the sum.
        role: As in `syscast.spec.meta.ProgramMeta`.
        sends: Whether the program sends events; else all it does is in the state it shares.
        ran: Runs of the program.
        missed: Hits that the kernel could not run the program for; None if it does not say.
        filtered: Runs that ended without an event, by a filter or by the probe's own code.
        raised: Runs that an exception ended.
        tried: Attempts to send a record.
        dropped: Attempts that found the ring full.
        discarded: Records given up after they were reserved.
        read: Records taken from the ring.
        decode_errors: Records that could not be decoded.
        sifted: Events that a filter in Python held back; they are among ``filtered`` or ``raised``.
        unreturned: Calls whose exit was missed: the same task made the call again in the same
            frame. They are among ``missed``.
        ended: Calls whose task ended inside; 0 where /proc does not show all tasks.
        limited: Runs that a rate limit kept from sending.
        sampled: Runs that sampling kept from sending.
        aggregated: Attempts that found the ring full and were counted by key instead of dropped.
        overwritten: Records that newer ones took the place of, as a flight recorder is told to.
        delivered: Events handed to the reader or the sinks.
        gaps: Sequence numbers that never came; the witness for dropped and discarded.
        cpus: What each CPU counted, by number; CPUs on which nothing happened are left out.
    """

    probe: str
    role: str = "probe"
    sends: bool = True
    ran: int = 0
    missed: int | None = None
    filtered: int = 0
    raised: int = 0
    tried: int = 0
    dropped: int = 0
    discarded: int = 0
    read: int = 0
    decode_errors: int = 0
    sifted: int = 0
    unreturned: int = 0
    ended: int = 0
    limited: int = 0
    sampled: int = 0
    aggregated: int = 0
    overwritten: int = 0
    delivered: int = 0
    gaps: int = 0
    cpus: tuple[CpuRow, ...] = ()

    @property
    def fired(self) -> int | None:
        """Hits of the target; None if the kernel does not say how many it missed."""
        return None if self.missed is None else self.ran + self.missed

    @property
    def committed(self) -> int:
        """Records that the ring took, before any was given up."""
        return self.tried - self.dropped - self.aggregated

    @property
    def left(self) -> int:
        """Records that wait in the ring."""
        return self.committed - self.discarded - self.overwritten - self.read

    @property
    def decoded(self) -> int:
        """Records that became events."""
        return self.read - self.decode_errors

    @property
    def shed(self) -> int:
        """Events decoded and not delivered."""
        return self.decoded - self.sifted - self.delivered

    @property
    def lost(self) -> int:
        """Events that should have arrived and did not, as far as the kernel counts."""
        return (self.missed or 0) + self.dropped + self.decode_errors + self.shed

    @property
    def losses(self) -> dict[str, int | None]:
        """What was lost by its cause; None where the kernel does not count."""
        return {
            RING_FULL: self.dropped,
            MISSED: self.missed,
            DAMAGED: self.decode_errors,
            SHED: self.shed,
        }

    @property
    def held(self) -> dict[str, int]:
        """What was held back on purpose, by the reason; nothing of it is lost."""
        return {
            "filtered": self.filtered,
            "limited": self.limited,
            "sampled": self.sampled,
            "aggregated": self.aggregated,
            "overwritten": self.overwritten,
        }

    def disagreement(self, *, drained: bool = True) -> str:
        """Say how the two witnesses differ: the numbers that never came and the kernel's counters.

        Args:
            drained: The programs are detached and the ring was read to its end; before that,
                numbers that will never come may not show yet.

        Returns:
            Nothing where they agree.
        """
        absent = self.dropped + self.aggregated + self.discarded + self.overwritten
        if self.gaps > absent + self.decode_errors or (drained and self.gaps < absent):
            return (
                f"witnesses disagree: {_number(self.gaps)} sequence numbers never came, the "
                f"kernel counted {_number(absent)} records that were not sent"
            )
        return ""

    def problems(self, *, drained: bool = True) -> list[str]:
        """Check the equations.

        Args:
            drained: The programs are detached and the ring was read to its end.

        Returns:
            A line per equation that does not hold.
        """
        held = self.filtered + self.raised + self.limited + self.sampled
        checks = {
            f"ran {self.ran} > filtered {self.filtered} + raised {self.raised} + limited "
            f"{self.limited} + sampled {self.sampled} + tried {self.tried}": self.role
            not in HELPERS
            and self.ran > held + self.tried,
            f"dropped {self.dropped} > tried {self.tried}": self.committed < 0,
            f"read {self.read} + discarded {self.discarded} > committed "
            f"{self.committed}": self.left < 0,
            f"{self.left} records left in a drained ring": drained and self.left > 0,
            f"delivered {self.delivered} > decoded {self.decoded}": self.shed < 0,
        }
        found = [text for text, wrong in checks.items() if wrong]
        if differ := self.disagreement(drained=drained):
            found.append(differ)
        return [f"probe {self.probe!r}: {text}" for text in found]


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
        delivery: How events came.
        cost: What tracing cost.
    """

    rows: tuple[LedgerRow, ...] = ()
    sites: tuple[RaisedSite, ...] = ()
    damaged: int = 0
    drained: bool = False
    delivery: Section | None = None
    cost: Section | None = None

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
        return _sum(probe, rows)

    def __str__(self) -> str:
        from syscast.events.ledgertable import lines  # noqa: PLC0415  (only where it is shown)

        return "\n".join(lines(self))

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
        return _sum("total", self.rows)

    @property
    def lost(self) -> int:
        """Events that should have arrived and did not, as far as the kernel counts."""
        return self.total.lost + self.damaged

    @property
    def losses(self) -> Mapping[str, int | None]:
        """What was lost by its cause; None where the kernel does not count at all."""
        found = self.total.losses
        return {**found, DAMAGED: (found[DAMAGED] or 0) + self.damaged}

    @property
    def uncounted(self) -> bool:
        """Whether some probe's misses are unknown, so that ``missed`` is a lower bound."""
        return any(row.missed is None for row in self.rows if row.role != "follow")

    def problems(self, *, drained: bool = True) -> list[str]:
        """Check the equations of every row; see `LedgerRow.problems`."""
        return [line for row in self.rows for line in row.problems(drained=drained)]

    def consistent(self, *, drained: bool = True) -> bool:
        """Tell whether all equations hold."""
        return not self.problems(drained=drained)

    def disagreements(self) -> list[str]:
        """Say of each probe whose two witnesses differ how they do."""
        found = ((row.probe, row.disagreement(drained=self.drained)) for row in self.rows)
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
            "total": _plain(self.total),
            "probes": [_plain(row) for row in self.probes.values()],
            "cpus": [msgspec.to_builtins(row) for row in self.by_cpu.values()],
            "raised": [msgspec.to_builtins(each) for each in self.sites if each.count],
            "disagreements": self.disagreements(),
            "delivery": None if self.delivery is None else self.delivery.to_dict(),
            "cost": None if self.cost is None else self.cost.to_dict(),
        }


def _plain(row: LedgerRow) -> dict[str, object]:
    found: dict[str, object] = msgspec.to_builtins(row)
    return {**found, "lost": row.lost, "left": row.left}


_COUNTERS = tuple(
    field
    for field in LedgerRow.__struct_fields__
    if field not in {"probe", "role", "sends", "missed", "cpus"}
)
_NOT_OF_HELPERS = frozenset({"ran", "filtered"})


def _sum(probe: str, rows: Iterable[LedgerRow]) -> LedgerRow:
    """Add rows; what helper programs filter is no event that a user waits for."""
    rows = tuple(rows)
    known = [row.missed for row in rows if row.missed is not None and row.role != "follow"]
    sums = {name: sum(_parts(rows, name)) for name in _COUNTERS}
    made = LedgerRow(
        probe=probe,
        sends=any(row.sends for row in rows),
        missed=sum(known) if known else None,
        cpus=_sum_cpus(rows),
    )
    return msgspec.structs.replace(made, **sums)


def _parts(rows: Iterable[LedgerRow], name: str) -> Iterator[int]:
    for row in rows:
        if name not in _NOT_OF_HELPERS or row.role not in HELPERS:
            yield int(getattr(row, name))


def _sum_cpus(rows: Iterable[LedgerRow]) -> tuple[CpuRow, ...]:
    names = CpuRow.__struct_fields__[1:]
    sums: dict[int, dict[str, int]] = {}
    for row in rows:
        for each in row.cpus:
            found = sums.setdefault(each.cpu, dict.fromkeys(names, 0))
            for name in names:
                if name not in _NOT_OF_HELPERS or row.role not in HELPERS:
                    found[name] += int(getattr(each, name))
    return tuple(CpuRow(cpu=cpu, **sums[cpu]) for cpu in sorted(sums))


def counted(count: int, noun: str) -> str:
    """``1 event``, ``1,234 events``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _number(count: int) -> str:
    return f"{count:,}"
