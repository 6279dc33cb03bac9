"""Samples: programs that run so often a second, or once in so many events of the machine or the kernel.

Four kinds share this file, since only the event differs: ``profile:99hz`` (the clock of each CPU), ``interval:1s``
(of one CPU), ``software:page-faults:100`` (what the kernel counts) and ``hardware:cycles:1000000`` (what the
machine counts). A program sees where the CPU was (``ip``), the number of events since the last sample
(``period``), and the address that an event is about (``addr``), where it has one.

For one process, events are opened on each of its threads, and threads that these start inherit them. Else they
are opened on each CPU.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from syscast.errors import TargetError
from syscast.ir.program import ArgumentSource, ProgramContext
from syscast.kernel import perf
from syscast.probes import registers
from syscast.probes.kind import NOBODY, Target, Whom

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.link.protocol import Link
    from syscast.probes.kind import LoadedProgram, Role
    from syscast.probes.registers import Registers
    from syscast.spec.objectspec import ProgramSpec

SOFTWARE = {
    "cpu-clock": 0,
    "task-clock": 1,
    "page-faults": 2,
    "context-switches": 3,
    "cpu-migrations": 4,
    "minor-faults": 5,
    "major-faults": 6,
    "alignment-faults": 7,
    "emulation-faults": 8,
    "cgroup-switches": 11,
}
"""enum perf_sw_ids, by the names of perf(1)."""
HARDWARE = {
    "cycles": 0,
    "instructions": 1,
    "cache-references": 2,
    "cache-misses": 3,
    "branches": 4,
    "branch-misses": 5,
    "bus-cycles": 6,
    "stalled-cycles-frontend": 7,
    "stalled-cycles-backend": 8,
    "ref-cycles": 9,
}
"""enum perf_hw_id, by the names of perf(1)."""
_CLOCKS = frozenset({"cpu-clock", "task-clock"})
_FEW = frozenset({"page-faults", "minor-faults", "major-faults", "context-switches",
                  "cpu-migrations", "alignment-faults", "emulation-faults", "cgroup-switches"})  # fmt: skip
_RATE = re.compile(r"(?P<number>\d{1,18})(?P<unit>hz|s|ms|us|ns|)")
_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_DEFAULT_MANY = 1_000_000
_REGISTERS = {"x86_64": 21, "aarch64": 34}
"""Words of ``bpf_user_pt_regs_t``, with which ``struct bpf_perf_event_data`` begins."""
_WORD = 8


class Sample(NamedTuple):
    """What to sample, and how often.

    Attributes:
        type: ``perf.TYPE_*``.
        config: Which event of the type.
        period: Events from one sample to the next; 0 where a frequency is given.
        frequency: Samples a second.
        everywhere: On all CPUs, not on one.
    """

    type: int
    config: int
    period: int
    frequency: int
    everywhere: bool = True


class Samples:
    """The kinds ``profile``, ``interval``, ``software`` and ``hardware``.

    Args:
        name: Which of them.
        whom: Whether only one process is sampled.
        machine: The calling convention; this machine's by default.
    """

    def __init__(
        self, name: str, *, whom: Whom = NOBODY, machine: Registers | None = None
    ) -> None:
        self.name = name
        self._whom = whom
        self._machine = machine

    def resolve(self, name: str, types: Btf) -> Target:  # noqa: ARG002  (not in BTF)
        """Find ``99hz``, ``10ms``, ``page-faults:100`` or ``cycles``.

        Raises:
            TargetError: No such event, or no rate that it can have.
        """
        read(self.name, name)
        machine = self._machine or registers.here()
        size = _WORD * _REGISTERS[machine.machine]
        word = "unsigned long"
        arguments = (
            ArgumentSource("ip", offset=machine.place[1], ctype=word),
            ArgumentSource("period", offset=size, ctype=word),
            ArgumentSource("addr", offset=size + _WORD, ctype=word),
        )
        return Target(
            kind=self.name, name=name, signature=f"{self.name}:{name}(ip, period, addr)",
            arguments=arguments, returns_at_all=False,
        )  # fmt: skip

    def contexts(self, target: Target, *, role: Role) -> tuple[ProgramContext, ...]:
        """One context; raises TargetError for ``call``: a sample is no call."""
        if role == "call":
            raise TargetError(
                f"{self.name} '{target.name}': attach to entry and exit: a sample is a point in "
                "time, not a call"
            )
        return (
            ProgramContext(
                kind=self.name,
                target=target.name,
                section=f"perf_event/{self.name}:{target.name}",
                program_type="perf_event",
                arguments=target.arguments,
            ),
        )

    def unavailable(self) -> str | None:
        """Nothing that would be known before trying."""
        return None

    def obstacle(self, _target: Target, *, role: Role) -> str | None:  # noqa: ARG002
        """Nothing that would be known before trying."""
        return None

    def prepare(self, program: ProgramSpec) -> ProgramSpec:
        """Nothing is left to choose."""
        return program

    def attach(self, program: LoadedProgram) -> Link:
        """Attach to the event that the program's section names.

        Raises:
            KernelError: The kernel refused; the machine has no such counter, say.
        """
        from syscast.link import sampling  # noqa: PLC0415  (once all is compiled)

        text = program.spec.section.partition("/")[2]
        kind, _, name = text.partition(":")
        wanted = read(kind, name)
        text = f"{text} on process {self._whom.pid}" if self._whom.only else text
        if self._whom.only:
            return sampling.attach_threads(
                program.fd,
                wanted.type,
                wanted.config,
                _threads(self._whom.pid),
                period=wanted.period,
                frequency=wanted.frequency,
                text=text,
            )
        return sampling.attach_sampling(
            program.fd,
            wanted.type,
            wanted.config,
            period=wanted.period,
            frequency=wanted.frequency,
            cpu=-1 if wanted.everywhere else sampling.first_cpu(),
            text=text,
        )


def _threads(pid: int) -> list[int]:
    try:
        return sorted(map(int, os.listdir(f"/proc/{pid}/task")))  # noqa: PTH208  (as kernel.textfiles)
    except OSError:
        raise TargetError(f"process '{pid}': sample: there is none") from None


def read(kind: str, name: str) -> Sample:
    """Take a target's name apart.

    Raises:
        TargetError: No such event, or no rate that it can have.
    """
    if kind in {"profile", "interval"}:
        period, frequency = _rate(kind, name, name, clock=True)
        if kind == "interval" and frequency:
            period, frequency = _NANOSECONDS["s"] // frequency, 0
        return Sample(
            perf.TYPE_SOFTWARE, SOFTWARE["cpu-clock"], period, frequency, kind == "profile"
        )
    table = SOFTWARE if kind == "software" else HARDWARE
    event, _, rate = name.partition(":")
    if event not in table:
        from syscast.btf.near import nearest  # noqa: PLC0415  (only errors need it)

        raise TargetError(f"{kind} '{name}': look up: no such event", nearest(event, table))
    if not rate:
        rate = "99hz" if event in _CLOCKS else "1" if event in _FEW else str(_DEFAULT_MANY)
    period, frequency = _rate(kind, name, rate, clock=event in _CLOCKS)
    type_ = perf.TYPE_SOFTWARE if kind == "software" else perf.TYPE_HARDWARE
    return Sample(type_, table[event], period, frequency)


def _rate(kind: str, name: str, text: str, *, clock: bool) -> tuple[int, int]:
    """Period and frequency."""
    found = _RATE.fullmatch(text.lower())
    number = int(found["number"]) if found else 0
    unit = found["unit"] if found else ""
    if kind in {"profile", "interval"} and not unit:
        number = 0
    if unit in _NANOSECONDS and not clock:
        number = 0
    if not number:
        form = "99hz or 10ms" if clock else "1000 (events from one sample to the next) or 99hz"
        raise TargetError(f"{kind} '{name}': read the rate '{text}': not of the form {form}")
    if unit == "hz":
        return 0, number
    return number * _NANOSECONDS.get(unit, 1), 0
