"""The session's ledger: the kernel's counters and the reader's, brought together."""

from __future__ import annotations

from struct import unpack
from typing import TYPE_CHECKING

from syscast.events.ledger import CpuRow, Ledger, LedgerRow, RaisedSite
from syscast.spec.meta import LEDGER, LEDGER_MAP, RAISED_MAP

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping, Sequence

    from syscast.session.part import Part
    from syscast.spec.meta import ProgramMeta


def ledger_of(parts: Sequence[Part], pending: Counter[str], late: int = 0) -> Ledger:
    """Read all counters of all parts.

    Args:
        parts: The session's objects.
        pending: Events that were decoded and that nobody has taken yet, by probe.
        late: Events that came after one of a later time.
    """
    rows: list[LedgerRow] = []
    sites: list[RaisedSite] = []
    left = pending.copy()
    for part in parts:
        if part.calls is not None:
            part.calls.sweep(detached=part.detached)
        rows += [_row(part, program, left) for program in part.meta.programs]
        sites += _sites(part)
    return Ledger(
        tuple(rows),
        tuple(sites),
        damaged=sum(part.decoder.decode_errors for part in parts),
        drained=all(part.drained for part in parts),
        late=late,
    )


def _row(part: Part, program: ProgramMeta, pending: Counter[str]) -> LedgerRow:
    sequence = part.decoder.sequence
    # Before the kernel's counters: another thread may be reading, and what it reads is counted there.
    received, gaps = sequence.received(program.id), sequence.gaps(program.id)
    numbers = sequence.cpus(program.id)
    by_cpu = counters(part, program)
    totals = [sum(column) for column in zip(*by_cpu, strict=True)] or [0] * len(LEDGER)
    counted = dict(zip(LEDGER, totals, strict=True))
    tried = {cpu: row[_TRIED] for cpu, row in enumerate(by_cpu)}
    sifted, raised = _sifted(part, program)
    counted["filtered"] += sifted - raised
    counted["raised"] += raised
    waiting = min(pending[program.probe], received)
    pending[program.probe] -= waiting
    missing = sequence.missing(program.id, tried) if part.drained else gaps
    if part.flight is not None:
        counted["overwritten"] = _overwritten(counted, missing)
    return LedgerRow(
        probe=program.probe,
        role=program.role,
        sends=program.name in part.sending,
        missed=_missed_calls(part, program, counted["unreturned"]),
        ended=part.calls.ended[program.id] if part.calls is not None else 0,
        read=received - waiting,  # what nobody has taken yet may still be taken
        sifted=sifted,
        delivered=received - waiting - sifted,
        gaps=missing,
        cpus=_cpus(part, numbers, by_cpu),
        **counted,
    )


_TRIED, _UNRETURNED = LEDGER.index("tried"), LEDGER.index("unreturned")


def _cpus(
    part: Part, numbers: Mapping[int, tuple[int, int]], by_cpu: Sequence[tuple[int, ...]]
) -> tuple[CpuRow, ...]:
    """What each CPU counted, and what was read of it."""
    found = []
    for cpu in range(max(len(by_cpu), *(each + 1 for each in numbers), 0)):
        values = by_cpu[cpu] if cpu < len(by_cpu) else (0,) * len(LEDGER)
        received, gaps = numbers.get(cpu, (0, 0))
        if part.drained:
            gaps = max(0, values[_TRIED] - received)
        if any(values) or received:
            counted = dict(zip(LEDGER, values, strict=True))
            if part.flight is not None:
                counted["overwritten"] = _overwritten(counted, gaps)
            found.append(CpuRow(cpu=cpu, read=received, gaps=gaps, **counted))
    return tuple(found)


def _overwritten(counted: Mapping[str, int], missing: int) -> int:
    """Records of a flight recorder that newer ones took the place of: what is missing for no other reason."""
    return max(0, missing - counted["dropped"] - counted["discarded"] - counted["aggregated"])


def _sifted(part: Part, program: ProgramMeta) -> tuple[int, int]:
    """Events that filters in Python held back, and how many of those because they raised."""
    if part.sieve is None:
        return 0, 0
    raised = sum(count for (number, _), count in part.sieve.raised.items() if number == program.id)
    return part.sieve.held[program.id], raised


def counters(part: Part, program: ProgramMeta) -> list[tuple[int, ...]]:
    """The values of `LEDGER` for each CPU; nothing where the object counts none."""
    ledger = part.loaded.maps.get(LEDGER_MAP)
    values = ledger.lookup_cpus(program.id) if ledger is not None else None
    # An object of an older syscast has fewer counters: what it does not count stays 0.
    size = 8 * len(LEDGER)
    return [unpack(f"<{len(LEDGER)}Q", value[:size].ljust(size, b"\0")) for value in values or ()]


def missed(part: Part, program: ProgramMeta) -> int | None:
    """Hits that the kernel left out; None where it does not say."""
    unreturned = sum(row[_UNRETURNED] for row in counters(part, program))
    return _missed_calls(part, program, unreturned)


def _missed_calls(part: Part, program: ProgramMeta, unreturned: int) -> int | None:
    """Hits that were missed; with the exits that the entry noticed, where the kernel counts none."""
    missed = _missed(part, program)
    if not unreturned:
        return missed
    exits = [each for each in part.meta.programs if each.name == _exit_of(part, program)]
    if any(_missed(part, each) is not None for each in exits):
        return missed
    return (missed or 0) + unreturned


def _exit_of(part: Part, entry: ProgramMeta) -> str:
    """The program of the same call's exit: it has the entry's next number."""
    if entry.role == "exit":
        return entry.name
    names = {each.id: each.name for each in part.meta.programs if each.role == "exit"}
    return names.get(entry.id + 1, "")


def _missed(part: Part, program: ProgramMeta) -> int | None:
    if program.name in part.missed:
        return part.missed[program.name]
    link = part.links.get(program.name)
    return link.missed() if link is not None else None


def _sites(part: Part) -> list[RaisedSite]:
    found = []
    if part.sieve is not None:
        found += [RaisedSite(site, count) for (_, site), count in part.sieve.raised.items()]
    raised = part.loaded.maps.get(RAISED_MAP)
    if raised is None:
        return found
    for site in part.meta.sites:
        values = raised.lookup_cpus(site.id) or ()
        count = sum(unpack("<Q", value)[0] for value in values)
        found.append(RaisedSite(site, count))
    return found
