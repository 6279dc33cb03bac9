"""`./dev differential-c`: the seed is printed, findings are made small."""

from __future__ import annotations

import argparse
import random
import time
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

from differential_c.engine import Tally, batch, same
from differential_c.grammar import generate
from differential_c.shrink import shrink

if TYPE_CHECKING:
    from collections.abc import Sequence

BATCH = 16
"""Programs in one object."""
_SHOWN = 5


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    form = argparse.ArgumentParser(
        prog="./dev differential-c",
        description="Generate C programs and run each in the kernel, compiled by syscast, and here, compiled by gcc; both must agree.",
        allow_abbrev=False,
    )
    form.add_argument("--cases", type=int, default=20_000, help="programs times inputs (20000)")
    form.add_argument("--inputs", type=int, default=100, help="inputs for each program (100)")
    form.add_argument("--seed", type=int, default=None, help="repeat an earlier run")
    form.add_argument("--program", type=int, default=None, help="run only this one of the seed")
    form.add_argument("--jobs", type=int, default=1, help="processes (1)")
    form.add_argument("--shrink", type=float, default=60, help="seconds for each finding (60)")
    return form


def _batch(job: tuple[int, tuple[int, ...], int]) -> Tally:
    seed, numbers, count = job
    return batch([generate(seed, number) for number in numbers], seed, count)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `./dev differential-c`; 1 where something was found."""
    options = parser().parse_args(argv)
    seed: int = options.seed if options.seed is not None else random.SystemRandom().getrandbits(32)
    print(f"seed {seed}", flush=True)
    count = -(-options.cases // options.inputs)
    numbers = [options.program] if options.program is not None else list(range(count))
    jobs = [
        (seed, tuple(numbers[at : at + BATCH]), options.inputs)
        for at in range(0, len(numbers), BATCH)
    ]
    total = Tally()
    began = time.monotonic()
    with ProcessPoolExecutor(options.jobs) as pool:
        for tally in pool.map(_batch, jobs):
            total.add(tally)
    seconds = time.monotonic() - began
    print(
        f"{total.programs} programs, {total.cases} cases in {seconds:.0f} s ({total.cases / seconds:.0f}/s)"
    )
    for cause, times in total.refused.most_common():
        print(f"refused {times} times: {cause}")
    differ = [each for each in total.findings if each.what == "differs"]
    print(f"{len(differ)} programs differ")
    first = {each.what: each for each in reversed(total.findings) if each.what != "differs"}
    for finding in [*differ, *first.values()][:_SHOWN]:
        mine = finding.what.startswith("gcc")
        small = (
            finding.program
            if mine
            else shrink(finding.program, lambda each, of=finding: same(of, each), options.shrink)
        )
        print(f"\nprogram {finding.program.number}: {finding.what}", end="")
        print(
            f" for {[hex(word) for word in finding.row]}: {finding.answers}" if finding.row else ""
        )
        print(small.text())
    return 1 if total.findings or not total.cases else 0
