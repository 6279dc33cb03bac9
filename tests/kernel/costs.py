"""What each example costs the verifiers: measured, and kept in tests/data/cost.tsv.

The table is compared by ``test_cost.py``. It is made anew, a kernel at a time, by

    ./dev python tests/kernel/costs.py native                                     (this machine)
    ./dev vm --kernel 6.1 --shell 'python tests/kernel/costs.py 6.1' > cost.txt
    ./dev python tests/kernel/costs.py --merge cost.txt

Names of examples behind the kernel's measure those alone.

Programs are loaded and unloaded, nothing is attached, so kernels without kprobes load those, too.
"""

# ruff: noqa: T201  (a command)

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

from syscast.cli.scripts import jobs_of
from syscast.errors import TargetError
from syscast.session.explain import explain
from syscast.session.plan import Job

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TABLE = ROOT / "tests/data/cost.tsv"
HEAD = ("kernel", "example", "kind", "program", "processed", "length")
KERNELS = ("native", "5.10", "6.1", "6.12", "newest")
KINDS = {"probe": ("fentry", "kprobe"), "call": ("fexit", "kretprobe")}


class Row(NamedTuple):
    """One program on one kernel.

    Attributes:
        kernel: As `./dev vm` names it; ``native`` is a development machine's.
        kind: Of probe.
        program: ``probe``, ``entry`` or ``exit``; with the target where a file has several.
        processed: Instructions that the verifier stepped on.
        length: Instruction slots.
    """

    kernel: str
    example: str
    kind: str
    program: str
    processed: int
    length: int

    @property
    def key(self) -> tuple[str, ...]:
        """What a row is about."""
        return self[:4]


def examples() -> list[str]:
    """Names of all examples."""
    return sorted(path.stem for path in EXAMPLES.glob("*.py"))


def measure(kernel: str, example: str) -> list[Row]:
    """Load every program of an example, by every kind that suits it."""
    found = []
    for job in jobs_of(str(EXAMPLES / f"{example}.py")):
        kinds = ("",) if ":" in job.target else KINDS[job.role]
        for kind in kinds:
            target = f"{kind}:{job.target}" if kind else job.target
            try:
                made = explain([Job(target, job.role, job.body, job.name)])
            except TargetError:
                continue  # this kernel has no such function
            for each in made:
                assert not each.refusal, each.refusal
                if each.cost is not None:
                    program = f"{each.target}.{each.role}"
                    sums = (each.cost.processed, each.length)
                    found.append(Row(kernel, example, each.kind, program, *sums))
    return found


def read(path: Path = TABLE) -> list[Row]:
    """Read a table; lines that are no rows are passed over."""
    words = [line.split("\t") for line in path.read_text().splitlines()]
    return [
        Row(*line[:4], int(line[4]), int(line[5]))
        for line in words
        if len(line) == len(HEAD) and line[0] in KERNELS
    ]


def merge(rows: list[Row]) -> None:
    """Put rows in the place of all that the table has for their kernels and examples."""
    fresh = {row[:2] for row in rows}
    kept = [row for row in read() if row[:2] not in fresh] if TABLE.exists() else []
    ordered = sorted([*kept, *rows], key=lambda row: (row[1:4], KERNELS.index(row.kernel)))
    lines = ["\t".join(str(cell) for cell in row) for row in (HEAD, *ordered)]
    TABLE.write_text("\n".join(lines) + "\n")


def main() -> None:
    """Measure this kernel, or merge what was measured elsewhere."""
    match sys.argv[1:]:
        case ["--merge", *files] if files:
            merge([row for file in files for row in read(Path(file))])
        case ["native"]:
            merge([row for example in examples() for row in measure("native", example)])
        case [kernel, *some] if kernel in KERNELS:
            for example in some or examples():
                for row in measure(kernel, example):
                    print(*row, sep="\t")
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
