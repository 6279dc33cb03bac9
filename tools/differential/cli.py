"""`./dev differential`: random probes, three ways; the seed is printed, a failure is made small."""

from __future__ import annotations

import argparse
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

from differential.corpus import run_in_vm
from differential.engine import Engine, Tally
from differential.grammar import FEATURES, generate
from differential.shrink import shrink

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


BATCH = 20
"""Probes in one object."""
_SHOWN = 3


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    form = argparse.ArgumentParser(
        prog="./dev differential",
        description="Generate probes and run each in CPython, as native code and in the kernel; all three must agree.",
        allow_abbrev=False,
    )
    form.add_argument("--cases", type=int, default=20_000, help="probes times inputs (20000)")
    form.add_argument("--inputs", type=int, default=250, help="inputs for each probe (250)")
    form.add_argument("--seed", type=int, default=None, help="repeat an earlier run")
    form.add_argument("--probe", type=int, default=None, help="run only this probe of the seed")
    form.add_argument("--jobs", type=int, default=1, help="processes (1)")
    form.add_argument(
        "--ways", default="host,kernel", help="what CPython is compared with (host,kernel)"
    )
    form.add_argument(
        "--without", action="append", default=[], metavar="FEATURE", help="leave a feature out"
    )
    form.add_argument("--vm", metavar="KERNEL", help="run in a VM with this kernel (see ./dev vm)")
    form.add_argument(
        "--plants",
        type=int,
        metavar="N",
        help="plant wrong lowerings and tell how many probes each takes to be caught, at most N",
    )
    form.add_argument("--features", action="store_true", help="list the features and stop")
    return form


class _Worker:
    """What one process keeps between batches."""

    engine: Engine | None = None


def _batch(job: tuple[int, tuple[int, ...], tuple[str, ...], int, tuple[str, ...]]) -> Tally:
    seed, numbers, ways, rows, without = job
    if _Worker.engine is None:
        _Worker.engine = Engine(ways, rows)
    features = [each for each in FEATURES if each.name not in without]
    return _Worker.engine.batch([generate(seed, number, features) for number in numbers], seed)


def _results(
    jobs: Sequence[tuple[int, tuple[int, ...], tuple[str, ...], int, tuple[str, ...]]],
    processes: int,
) -> Iterator[Tally]:
    if processes == 1:
        yield from map(_batch, jobs)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(_batch, jobs)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `./dev differential`."""
    options = parser().parse_args(argv)
    if options.features:
        print("\n".join(f"{each.sort or 'statement':10} {each.name}" for each in FEATURES))
        return 0
    seed: int = options.seed if options.seed is not None else random.SystemRandom().getrandbits(32)
    print(f"seed {seed}", flush=True)
    if options.vm:
        return run_in_vm(options.vm, seed, options.cases, options.inputs)
    if options.plants:
        return hunt_all(seed, options.plants)
    return run(options, seed)


def hunt_all(seed: int, limit: int) -> int:
    """Plant every wrong lowering; fails when one is not caught."""
    from differential.plants import PLANTS, hunt  # noqa: PLC0415  (patches are made ready at import)

    missed = 0
    for plant in PLANTS:
        found = hunt(plant, seed, limit)
        verdict = f"caught by probe {found.probes}" if found.way else "NOT CAUGHT"
        print(f"{plant.name:45} {verdict} ({found.seconds:.1f} s)", flush=True)
        missed += not found.way
    print(f"{len(PLANTS) - missed} of {len(PLANTS)} caught within {limit} probes")
    return 1 if missed else 0


def run(options: argparse.Namespace, seed: int) -> int:
    """Run natively and report."""
    wanted = (
        [options.probe]
        if options.probe is not None
        else range(-(-options.cases // options.inputs))
    )
    numbers = list(wanted)
    ways = tuple(options.ways.split(","))
    without = tuple(options.without)
    jobs = [
        (seed, tuple(numbers[at : at + BATCH]), ways, options.inputs, without)
        for at in range(0, len(numbers), BATCH)
    ]
    total = Tally()
    began = said = time.monotonic()
    for tally in _results(jobs, options.jobs):
        total.add(tally)
        now = time.monotonic()
        if now - said > 10:
            said = now
            rate = total.cases / (now - began)
            print(
                f"{total.probes} probes, {total.cases} cases, {rate:.0f}/s, {len(total.mismatches)} differ",
                flush=True,
            )
        if len(total.mismatches) >= 20:
            break
    report(total, time.monotonic() - began)
    show(total, seed, ways)
    return 1 if total.mismatches or not total.cases else 0


def report(total: Tally, seconds: float) -> None:
    """The closing lines."""
    endings = ", ".join(f"{name} {count}" for name, count in sorted(total.endings.items()))
    print(
        f"{total.probes} probes, {total.cases} cases in {seconds:.0f} s ({total.cases / seconds:.0f}/s): {endings}"
    )
    for message, count in sorted(total.rejected.items(), key=lambda item: -item[1]):
        print(f"rejected by the compiler: {count} x {message}")
    print(f"{len(total.mismatches)} probes differ")


def show(total: Tally, seed: int, ways: tuple[str, ...]) -> None:
    """The first failures, made small."""
    with Engine(ways, 50) as engine:
        for found in total.mismatches[:_SHOWN]:
            print(f"\n{' seed ' + str(seed) + ' probe ' + str(found.probe.number) + ' ':_^100}")
            print(found)
            print(f"\n{' made small ':.^100}\n{shrink(engine, found)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
