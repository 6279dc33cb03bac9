"""What sessions did between two looks at them. Pure: looks in, rates out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.kernel import host

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.session.others import Look, ProbeLook

_NS = 1e9


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """One probe of a session.

    Attributes:
        hits_per_s: Runs.
        events_per_s: Records that went into the ring; None where it sends none.
        lost: Records that found the ring full, since the session began.
        missed: Hits that the kernel left out since then; None where it does not count.
        ns_per_hit: Time of a run; None where that is not measured, or nothing ran.
        cpu: Share of one CPU, 1 for all of it.
    """

    probe: str
    hits_per_s: float
    events_per_s: float | None
    lost: int
    missed: int | None
    ns_per_hit: float | None
    cpu: float | None


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One session.

    Attributes:
        id: No other session ever has it.
        pid: As the session's own PID namespace has it.
        own_namespace: Whether that is also this process' one.
        started: Boot clock in ns.
        ring_fill: Share of the fullest ring that waits to be read; None where that is not seen.
        more: Programs that it does not tell of.
    """

    id: int
    pid: int
    own_namespace: bool
    command: str
    started: int
    ring_fill: float | None
    more: int
    probes: tuple[Probe, ...]

    @property
    def process(self) -> str:
        """The process for people: numbers of another namespace stand in brackets."""
        return str(self.pid) if self.own_namespace else f"[{self.pid}]"

    def to_dict(self) -> dict[str, object]:
        """Give all of it as values that JSON takes."""
        found: dict[str, object] = msgspec.to_builtins(self)
        return found


def between(before: Sequence[Look], now: Sequence[Look], *, measured: bool) -> list[Session]:
    """Compare two looks; what a session that was not there before did, it did since its start.

    Args:
        before: The earlier look.
        now: The later one.
        measured: The kernel measured run times in between.
    """
    earlier = {each.id: each for each in before}
    namespace = host.namespace_inode("self", "pid") or 0
    made = []
    for each in sorted(now, key=lambda look: (look.told.started, look.id)):
        old = earlier.get(each.id)
        elapsed = each.time - (old.time if old is not None else each.told.started / _NS)
        known = {probe.probe: probe for probe in old.probes} if old is not None else {}
        probes = tuple(
            _probe(known.get(probe.probe), probe, elapsed, measured=measured)
            for probe in each.probes
        )
        told = each.told
        made.append(
            Session(
                id=each.id,
                pid=told.pid,
                own_namespace=told.namespace in {0, namespace},
                command=told.command,
                started=told.started,
                ring_fill=each.fill,
                more=each.more,
                probes=probes,
            )
        )
    return made


def _probe(old: ProbeLook | None, now: ProbeLook, elapsed: float, *, measured: bool) -> Probe:
    def rate(before: int, after: int) -> float:
        return max(0, after - before) / elapsed if elapsed > 0 else 0.0

    ran = rate(old.ran if old is not None else 0, now.ran)
    sent = rate(old.sent if old is not None else 0, now.sent)
    spent = runs = None
    # Only two looks tell: the kernel measures since somebody asked for it.
    known = old is not None and None not in {old.run_ns, now.run_ns}
    if measured and old is not None and known and elapsed > 0:
        spent = (now.run_ns or 0) - (old.run_ns or 0)
        runs = (now.run_count or 0) - (old.run_count or 0)
    return Probe(
        probe=now.probe,
        hits_per_s=ran,
        events_per_s=sent if now.sends else None,
        lost=now.lost,
        missed=now.missed,
        ns_per_hit=spent / runs if spent is not None and runs else None,
        cpu=spent / (elapsed * _NS) if spent is not None else None,
    )
