"""Batches of programs, both ways, and what came of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from differential_c import host, kernel
from differential_c.grammar import inputs
from syscast.errors import InternalError, SyscastError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from differential_c.tree import Program


_ALLOWED = (
    "too much for the verifier",
    "too many branches",
    # LLVM leaves out a mask that it can prove needless, and the verifier proves less.
    "invalid unbounded variable-offset",
    "no bounds that the verifier can see",
    "it accesses # bytes at offset",
)
"""What may happen to a right program: the kernel has limits."""


@dataclass
class Finding:
    """A program that both sides do not agree on.

    Attributes:
        what: ``differs``, or who refused it and why, in one line.
        row: The words for which they differ.
        answers: The kernel's and the host's.
    """

    program: Program
    what: str
    row: tuple[int, ...] = ()
    answers: tuple[int, int] = (0, 0)


@dataclass
class Tally:
    """What batches came to."""

    programs: int = 0
    cases: int = 0
    findings: list[Finding] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Take in another one."""
        self.programs += other.programs
        self.cases += other.cases
        self.findings += other.findings
        self.refused += other.refused


def batch(programs: Sequence[Program], seed: int, count: int) -> Tally:
    """Run programs both ways; those that one side refuses are left out."""
    rows = [inputs(seed, program.number, count) for program in programs]
    tally = Tally()
    wanted = _each(programs, rows, host.run, tally, "gcc")
    got = _each(programs, rows, kernel.run, tally, "syscast")
    for program, each in zip(programs, rows, strict=True):
        if program.name not in wanted or program.name not in got:
            continue
        tally.programs += 1
        tally.cases += len(each)
        for row, ours, theirs in zip(each, got[program.name], wanted[program.name], strict=True):
            if ours != theirs:
                tally.findings.append(Finding(program, "differs", row, (ours, theirs)))
                break
    return tally


def _each(
    programs: Sequence[Program],
    rows: Sequence[Sequence[tuple[int, ...]]],
    run: Callable[..., list[list[int]]],
    tally: Tally,
    who: str,
) -> dict[str, list[int]]:
    """Answers by program; halves are tried where all together are refused."""
    try:
        found = run(programs, rows)
    except (SyscastError, InternalError, host.HostError) as error:
        if len(programs) == 1:
            cause = f"{who}: {reason(error)}"
            tally.refused[cause] += 1
            if any(each in cause for each in _ALLOWED):
                return {}
            tally.findings.append(Finding(programs[0], cause))
            return {}
        half = len(programs) // 2
        made = _each(programs[:half], rows[:half], run, tally, who)
        made.update(_each(programs[half:], rows[half:], run, tally, who))
        return made
    return {program.name: answers for program, answers in zip(programs, found, strict=True)}


def reason(error: Exception) -> str:
    """An error in one line without places and numbers, so that equal ones are counted together."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    told = next((line for line in lines if "error:" in line or "the verifier:" in line), lines[0])
    for mark in ("the verifier: ", "error: "):
        told = told.rpartition(mark)[2]
    return "".join("#" if each.isdigit() else each for each in told)[:100]


def same(finding: Finding, program: Program) -> bool:
    """Whether a smaller program still shows a finding."""
    try:
        wanted = host.run([program], [[finding.row or (0,) * 6]])
    except host.HostError:
        return finding.what.startswith("gcc")
    try:
        got = kernel.run([program], [[finding.row or (0,) * 6]])
    except (SyscastError, InternalError) as error:
        return finding.what == f"syscast: {reason(error)}"
    return finding.what == "differs" and got != wanted
