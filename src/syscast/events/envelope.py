"""What stands around every event: when, by which probe, on which CPU, for which task."""

from __future__ import annotations

from typing import TypeAlias, cast

import msgspec

from syscast.events.clock import offset_at
from syscast.events.text import decode_text

RawRecord: TypeAlias = tuple[
    int, int, int, int, int, int, int, int, bytes, *tuple[int | bytes, ...]
]
"""An unpacked record: time, seq, cgroup id, pid, tid, schema, program, cpu, comm, fields."""

NO_HEADER = (0, 0, 0, 0, 0, 0, 0, 0, b"")
"""In place of a header where an event was made by hand."""

KEYS = ("time", "probe", "cpu", "pid", "tid", "comm", "cgroup_id", "seq")
"""The envelope's values in the order they are shown."""

_U64 = (1 << 64) - 1


class Origin(msgspec.Struct, frozen=True):
    """What the records of one session share.

    Attributes:
        offset_ns: Wall clock minus boot clock, in ns; before the first step, if there are some.
        probes: Program id to probe.
        functions: Of programs on many functions: schema id to where an unpacked record has the
            function's number, and the names of these numbers.
        steps: Where the wall clock was set: `syscast.events.clock.Steps`.
    """

    offset_ns: int
    probes: dict[int, str]
    functions: dict[int, tuple[int, dict[int, str]]] = {}
    steps: tuple[tuple[int, int], ...] = ()

    def time(self, raw: RawRecord) -> int:
        """Wall-clock time in ns since 1970."""
        offset = offset_at(raw[0], self.offset_ns, self.steps) if self.steps else self.offset_ns
        return (raw[0] + offset) & _U64

    def probe(self, raw: RawRecord) -> str:
        """The probe's name; of a probe on many functions, that of the function."""
        if self.functions and (found := self.functions.get(raw[5])) is not None:
            at, names = found
            number = cast("int", raw[at])
            return names.get(number) or hex(number)
        return self.sender(raw)

    def sender(self, raw: RawRecord) -> str:
        """The probe's name as the ledger has it."""
        return self.probes.get(raw[6]) or f"program {raw[6]}"

    def envelope(self, raw: RawRecord) -> Envelope:
        """Read the whole envelope."""
        return Envelope(
            time=self.time(raw),
            probe=self.probe(raw),
            cpu=raw[7],
            pid=raw[3],
            tid=raw[4],
            comm=decode_text(raw[8]),
            cgroup_id=raw[2],
            seq=raw[1],
        )


class Envelope(msgspec.Struct, frozen=True):
    """When and where an event happened.

    Attributes:
        time: Wall clock, ns since 1970.
        probe: The probe that saw it.
        cpu: The CPU it ran on.
        pid: Process (the kernel's tgid).
        tid: Thread (the kernel's pid).
        comm: The task's name, at most 15 bytes, undefined ones escaped.
        cgroup_id: The task's cgroup (v2), 0 if unknown.
        seq: Number of the record among those of its program on its CPU, from 0.
    """

    time: int
    probe: str
    cpu: int
    pid: int
    tid: int
    comm: str
    cgroup_id: int
    seq: int
