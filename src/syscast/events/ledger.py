"""The ledger: what became of every run of every probe, so that nothing is lost silently.

For each probe::

    fired     = ran + missed               (missed is unknown on kernels that do not count it)
    ran      <= filtered + raised + limited + sampled + tried
                                           (equal where a run sends at most one event)
    tried     = committed + dropped + aggregated
                                           (dropped: the ring was full; aggregated: counted by key)
    committed = read + discarded + left in the ring
    read      = decoded + decode errors
    decoded   = delivered + shed + sifted  (sifted: held back by a filter that Python runs)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.spec.meta import SiteMeta

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


HELPERS = frozenset({"entry", "follow"})
"""Roles of programs that send no events: their runs and filters are not the user's."""


class LedgerRow(msgspec.Struct, frozen=True, kw_only=True):
    """The counters of one probe.

    Attributes:
        probe: The probe's name, ``total`` for the sum.
        role: As in `syscast.spec.meta.ProgramMeta`.
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
        delivered: Events handed to the reader or the sinks.
        gaps: Sequence numbers that never came; the witness for dropped and discarded.
    """

    probe: str
    role: str = "probe"
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
    delivered: int = 0
    gaps: int = 0

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
        return self.committed - self.discarded - self.read

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

    def problems(self, *, drained: bool = True) -> list[str]:
        """Check the equations.

        Args:
            drained: The programs are detached and the ring was read to its end.

        Returns:
            A line per equation that does not hold.
        """
        absent = self.dropped + self.aggregated + self.discarded
        held = self.filtered + self.raised + self.limited + self.sampled
        unseen = absent + self.decode_errors
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
            f"sequence gaps {self.gaps} > dropped {self.dropped} + aggregated {self.aggregated} + "
            f"discarded {self.discarded} + decode errors {self.decode_errors}": self.gaps > unseen,
            f"sequence gaps {self.gaps} < dropped {self.dropped} + aggregated {self.aggregated} + "
            f"discarded {self.discarded}": drained and self.gaps < absent,
        }
        return [f"probe {self.probe!r}: {text}" for text, wrong in checks.items() if wrong]


class RaisedSite(msgspec.Struct, frozen=True):
    """How often an exception ended a run at one place."""

    site: SiteMeta
    count: int

    def __str__(self) -> str:
        times = _counted(self.count, "time")
        place = f"{self.site.file}:{self.site.line}:{self.site.column}"
        text = self.site.text.strip()
        return f"{place}: {self.site.exception} {times}" + (f": {text}" if text else "")


class Ledger(msgspec.Struct, frozen=True):
    """The rows of a session's probes and the places where they raised.

    Attributes:
        damaged: Records that could not be decoded and so belong to no probe.
    """

    rows: tuple[LedgerRow, ...] = ()
    sites: tuple[RaisedSite, ...] = ()
    damaged: int = 0

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

    @property
    def total(self) -> LedgerRow:
        """The sum of all rows; missed is that of the rows where it is known, None if none is."""
        return _sum("total", self.rows)

    @property
    def lost(self) -> int:
        """Events that should have arrived and did not, as far as the kernel counts."""
        return self.total.lost + self.damaged

    def problems(self, *, drained: bool = True) -> list[str]:
        """Check the equations of every row; see `LedgerRow.problems`."""
        return [line for row in self.rows for line in row.problems(drained=drained)]

    def consistent(self, *, drained: bool = True) -> bool:
        """Tell whether all equations hold."""
        return not self.problems(drained=drained)

    def summary(self) -> str:
        """Say in one line what was delivered, lost, filtered and raised."""
        total = self.total
        unknown = sum(row.missed is None for row in self.rows if row.role != "follow")
        missed = "unknown" if total.missed is None else str(total.missed)
        if unknown and total.missed is not None:
            missed = f"at least {missed}"
        causes = [f"ring full {total.dropped}", f"missed {missed}"]
        if damaged := total.decode_errors + self.damaged:
            causes.append(f"damaged {damaged}")
        if total.shed:
            causes.append(f"shed {total.shed}")
        return (
            f"{_counted(total.delivered, 'event')} delivered, {self.lost} lost "
            f"({', '.join(causes)}), {total.filtered} filtered, {total.raised} raised"
        )

    def details(self) -> list[str]:
        """Say line by line where probes raised, most often first."""
        ranked = sorted(self.sites, key=lambda each: (-each.count, each.site.id))
        return [str(each) for each in ranked if each.count]


def _sum(probe: str, rows: Iterable[LedgerRow]) -> LedgerRow:
    """Add rows; what helper programs filter is no event that a user waits for."""
    rows = tuple(rows)
    known = [row.missed for row in rows if row.missed is not None and row.role != "follow"]

    def add(name: str, roles: frozenset[str] = frozenset()) -> int:
        return sum(int(getattr(row, name)) for row in rows if row.role not in roles)

    return LedgerRow(
        probe=probe,
        ran=add("ran", HELPERS),
        missed=sum(known) if known else None,
        filtered=add("filtered", HELPERS),
        raised=add("raised"),
        tried=add("tried"),
        dropped=add("dropped"),
        discarded=add("discarded"),
        read=add("read"),
        decode_errors=add("decode_errors"),
        sifted=add("sifted"),
        unreturned=add("unreturned"),
        ended=add("ended"),
        limited=add("limited"),
        sampled=add("sampled"),
        aggregated=add("aggregated"),
        delivered=add("delivered"),
        gaps=add("gaps"),
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
