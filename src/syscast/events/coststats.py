"""What tracing costs: programs in the kernel, and the reader."""

from __future__ import annotations

import msgspec

_NS_PER_S = 1_000_000_000


class ProgramCost(msgspec.Struct, frozen=True):
    """What one program has cost since its session began.

    Attributes:
        probe: The probe's name.
        role: As in `syscast.spec.meta.ProgramMeta`.
        hits: Runs of the program, those included that a filter ended.
        ns: Time in it, all CPUs together.
        share: Of one CPU's time.
    """

    probe: str
    role: str
    hits: int
    ns: int
    share: float

    @property
    def ns_per_hit(self) -> float:
        """Mean time of a run; 0 if there was none."""
        return self.ns / self.hits if self.hits else 0.0


class Cost(msgspec.Struct, frozen=True):
    """What a session has cost. Shares are of one CPU: 0.01 is 1 % of it, two busy CPUs are 2.0.

    The kernel measures programs with its clock around each run, which takes some 20 to 50 ns
    that are not among what it tells, nor is the way from the probed place to the program.

    Attributes:
        seconds: How long it was measured.
        programs: One for each program.
        reader: CPU seconds of the thread that reads, with what the caller does with the events.
        process: CPU seconds of the whole process.
    """

    seconds: float
    programs: tuple[ProgramCost, ...]
    reader: float
    process: float

    @property
    def programs_share(self) -> float:
        """Of one CPU's time, all programs together."""
        return sum(each.share for each in self.programs)

    @property
    def reader_share(self) -> float:
        """Of one CPU's time, the reading thread."""
        return self.reader / self.seconds if self.seconds else 0.0

    @property
    def process_share(self) -> float:
        """Of one CPU's time, the whole process."""
        return self.process / self.seconds if self.seconds else 0.0

    @property
    def share(self) -> float:
        """Of one CPU's time, programs and reading thread: what a budget is compared with."""
        return self.programs_share + self.reader_share

    def lines(self) -> list[str]:
        """For people: a line for each program that ran, and one for the reader."""
        found = [
            f"cost: {each.probe}{_role(each)}: {each.hits:,} hits, {each.ns_per_hit:.0f} ns each, "
            f"{percent(each.share)} of a CPU"
            for each in self.programs
            if each.hits
        ]
        found.append(
            f"cost: reader {percent(self.reader_share)} of a CPU, whole process "
            f"{percent(self.process_share)}; programs and reader {percent(self.share)}"
        )
        return found

    def to_dict(self) -> dict[str, object]:
        """For JSON: the attributes, and the numbers made of them."""
        programs = [
            {**msgspec.structs.asdict(each), "ns_per_hit": each.ns_per_hit}
            for each in self.programs
        ]
        return {
            "seconds": self.seconds,
            "programs": programs,
            "reader": self.reader,
            "process": self.process,
            "programs_share": self.programs_share,
            "reader_share": self.reader_share,
            "process_share": self.process_share,
            "share": self.share,
        }

    def __str__(self) -> str:
        return "\n".join(self.lines())


def program_cost(probe: str, role: str, hits: int, ns: int, seconds: float) -> ProgramCost:
    """The cost of a program that ran so often and so long in so many seconds."""
    return ProgramCost(probe, role, hits, ns, ns / _NS_PER_S / seconds if seconds else 0.0)


def percent(share: float) -> str:
    """Write a share for people, with two or three digits: ``0.25 %``, ``1.3 %``, ``85 %``."""
    value = 100 * share
    digits = 2 if value < 1 else 1 if value < 10 else 0
    return f"{value:.{digits}f} %"


def _role(program: ProgramCost) -> str:
    return "" if program.role == "probe" else f" ({program.role})"
