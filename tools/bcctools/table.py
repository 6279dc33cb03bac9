"""`python -m bcctools.table OUT.md KERNEL=RESULTS.jsonl... [--bcc KERNEL=RESULTS.jsonl]`: the table of docs/bcc-tools.md.

Of results for one tool, that of the last file and line counts, so that a run of some tools can follow one of all.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from bcctools.rows import rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bcctools.rows import Row

HEAD = """# Debian's bpfcc-tools under the drop-in

Each tool of Debian's package bpfcc-tools (0.26), unmodified, in a test VM: started as
`syscast bcc TOOL`, with a small workload that must make it print something. Made by `./dev bcc-tools` and `python -m bcctools.table`;
arguments, workloads and what is expected are in `tools/bcctools/rows.toml`.

C: its C compiles. L: the verifier takes its programs. A: they are attached. R: the output is right. `-`: not.
Where only C stands, a VM cannot show the tool: its C is compiled with that kernel's types. Where nothing stands, it was not tried.
"""


class Outcome(TypedDict):
    """A line of the tour's results, what the table needs of it."""

    tool: str
    compiles: bool
    loads: bool
    attaches: bool
    right: bool
    why: str


Results = dict[str, Outcome]


def load(given: Sequence[str]) -> dict[str, Results]:
    """Results by kernel and tool."""
    found: dict[str, Results] = {}
    for each in given:
        kernel, _, path = each.partition("=")
        of_kernel = found.setdefault(kernel, {})
        for line in Path(path).read_text().splitlines():
            outcome: Outcome = json.loads(line)
            of_kernel[outcome["tool"]] = outcome
    return found


def marks(row: Row, outcome: Outcome | None) -> str:
    """How far a tool came: ``CLAR``."""
    if outcome is None:
        return ""
    if row.not_here:
        return "C" if outcome["compiles"] else "-"
    steps = (outcome["compiles"], outcome["loads"], outcome["attaches"], outcome["right"])
    return "".join(mark if good else "-" for mark, good in zip("CLAR", steps, strict=True))


def reason(row: Row, ours: dict[str, Results]) -> str:
    """Why a tool is not right everywhere."""
    if row.not_here:
        return f"not here: {row.not_here}"
    parts = []
    for kernel, results in ours.items():
        outcome = results.get(row.tool)
        if outcome is not None and not outcome["right"]:
            said = row.unfit.get(kernel)
            told = f"does not fit the kernel: {said}" if said else outcome["why"][:160]
            parts.append(f"{kernel}: {told}")
    return "; ".join(parts).replace("|", "\\|")


def counted(known: dict[str, Row], results: Results) -> str:
    """How many are right."""
    here = [row for row in known.values() if not row.not_here and row.tool in results]
    right = sum(results[row.tool]["right"] for row in here)
    return f"{right} of {len(here)}"


def table(ours: dict[str, Results], theirs: dict[str, Results]) -> str:
    """The whole document."""
    known = rows()
    columns = [*ours, *(f"bcc, {kernel}" for kernel in theirs)]
    lines = [HEAD]
    for kernel, results in ours.items():
        fitting = [
            row.tool
            for row in known.values()
            if not row.not_here and row.tool in results and kernel not in row.unfit
        ]
        right = sum(results[each]["right"] for each in fitting)
        texts = sum(each["compiles"] for each in results.values())
        compiled = f"The C of {texts} of {len(results)} tools compiles.  "
        if not fitting:
            lines.append(f"Kernel {kernel}: no tool was run. {compiled}")
            continue
        share = f"{right} of {len(fitting)} ({100 * right / len(fitting):.0f} %)"
        lines.append(
            f"Kernel {kernel}: of the tools that a VM can offer what they need {counted(known, results)} are right; of those "
            f"that fit the kernel {share}. {compiled}"
        )
    lines += [
        f"The real bcc on {kernel}: {counted(known, results)} are right.  "
        for kernel, results in theirs.items()
    ]
    lines += [
        "",
        f"| tool | {' | '.join(columns)} | why not |",
        f"| --- |{' --- |' * len(columns)} --- |",
    ]
    for tool, row in known.items():
        cells = [marks(row, results.get(tool)) for results in (*ours.values(), *theirs.values())]
        lines.append(f"| {tool} | {' | '.join(cells)} | {reason(row, ours)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the table."""
    form = argparse.ArgumentParser(prog="python -m bcctools.table", description=__doc__)
    form.add_argument("out", type=Path)
    form.add_argument("results", nargs="+", metavar="KERNEL=RESULTS.jsonl")
    form.add_argument("--bcc", action="append", default=[], metavar="KERNEL=RESULTS.jsonl")
    given = form.parse_args()
    given.out.write_text(table(load(given.results), load(given.bcc)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
