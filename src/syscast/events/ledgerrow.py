"""The rows of the ledger: what became of the runs of one probe; see `syscast.events.ledger`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.events.causes import DAMAGED, MISSED, RING_FULL, SHED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


HELPERS = frozenset({"entry", "follow"})
"""Roles of programs that send no events: their runs and filters are not the user's."""


_TORN = 4
"""Runs of a CPU that may be half counted while the counters are read: a few, one interrupting another."""


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

    @property
    def absent(self) -> int:
        """Records that took a number and never came, as the kernel counted them."""
        return self.dropped + self.aggregated + self.discarded + self.overwritten


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

    @property
    def absent(self) -> int:
        """Records that took a number and never came, as the kernel counted them."""
        return self.dropped + self.aggregated + self.discarded + self.overwritten

    def _both(self) -> list[tuple[int, int]]:
        """What the two witnesses say, by CPU where that is known: gaps and `absent`."""
        by_cpu = [(each.gaps, each.absent) for each in self.cpus]
        if [sum(column) for column in zip(*by_cpu, strict=True)] == [self.gaps, self.absent]:
            return by_cpu
        return [(self.gaps, self.absent)]

    @property
    def unexplained(self) -> int:
        """Numbers that never came and that nobody counted a reason for."""
        excess = sum(max(0, gaps - absent) for gaps, absent in self._both())
        return max(0, excess - self.decode_errors)

    def disagreement(self, *, drained: bool = True, excused: bool = False) -> str:
        """Say how the two witnesses differ: the numbers that never came and the kernel's counters.

        Args:
            drained: The programs are detached and the ring was read to its end; before that,
                numbers that will never come may not show yet.
            excused: Something else explains why more numbers are missing than were counted.

        Returns:
            Nothing where they agree.
        """
        short = any(gaps < absent for gaps, absent in self._both())
        if (self.unexplained and not excused) or (drained and short):
            return (
                f"witnesses disagree: {self.gaps:,} sequence numbers never came, the "
                f"kernel counted {self.absent:,} records that were not sent"
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
        # A program that runs has counted its run, and not yet what became of it.
        torn = 0 if drained else _TORN * max(len(self.cpus), 1)
        checks = {
            f"ran {self.ran} > filtered {self.filtered} + raised {self.raised} + limited "
            f"{self.limited} + sampled {self.sampled} + tried {self.tried}": self.role
            not in HELPERS
            and self.ran > held + self.tried + torn,
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


_COUNTERS = tuple(
    field
    for field in LedgerRow.__struct_fields__
    if field not in {"probe", "role", "sends", "missed", "cpus"}
)
_NOT_OF_HELPERS = frozenset({"ran", "filtered"})


def summed(probe: str, rows: Iterable[LedgerRow]) -> LedgerRow:
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
