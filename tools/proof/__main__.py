"""``./dev proof conservation|kills|alarms|soak``: see each module."""

from __future__ import annotations

import argparse
import os
import sys

from proof import alarms, conservation, kills, soak


def main(argv: list[str] | None = None) -> int:
    """Run one proof; the exit code is 1 where it fails."""
    form = argparse.ArgumentParser(prog="./dev proof", description=__doc__)
    kinds = form.add_subparsers(dest="kind", required=True)
    one = kinds.add_parser(
        "conservation", help="floods of known size, every ring, reader and CPU count"
    )
    one.add_argument("--events", type=int, default=10_000_000, help="of all scenarios together")
    one.add_argument(
        "--kills", type=int, default=12, help="readers killed in the middle of a flood"
    )
    one = kinds.add_parser(
        "kills",
        help="kill -9 of tracers at random moments (in a VM: it looks at all of the kernel)",
    )
    one.add_argument("--rounds", type=int, default=1000)
    one.add_argument("--longest", type=float, default=1.0, help="seconds until the kill, at most")
    one.add_argument("--seed", type=int, default=1)
    one = kinds.add_parser("alarms", help="loads under a timer of 1 ms")
    one.add_argument("--loads", type=int, default=1000)
    one = kinds.add_parser("soak", help="a steady flow: memory and descriptors")
    one.add_argument("--minutes", type=float, default=30)
    one.add_argument("--rate", type=int, default=50_000)
    one.add_argument("--form", choices=("objects", "tuples", "batches"), default="objects")
    options = form.parse_args(argv)
    if options.kind == "conservation":
        cpus = len(os.sched_getaffinity(0))
        issued, bad = conservation.run_all(options.events, cpus)
        bad += conservation.kill_all(options.kills)
        print(
            f"{issued} events on {cpus} CPUs, {options.kills} killed readers; with something unexplained: {bad}"
        )
        return int(bad > 0)
    if options.kind == "kills":
        if not os.environ.get("SYSCAST_VM"):
            sys.exit(
                "kills: only inside a test VM (./dev vm --shell): other programs come and go elsewhere"
            )
        bad = kills.run(options.rounds, options.longest, options.seed)
        print(f"{options.rounds} kills; with leftovers after {kills.GRACE_S:.0f} s: {bad}")
        return int(bad > 0)
    if options.kind == "alarms":
        failed, ticks = alarms.run(options.loads)
        print(f"{options.loads} loads under {ticks} signals; failed: {failed}")
        return int(failed > 0)
    found = soak.run(options.minutes * 60, options.rate, options.form)
    print(
        f"{found.events} events, {found.lost} lost; memory {found.slope:+.2f} MiB an hour after the warm-up; "
        f"descriptors {found.descriptors[0]} to {found.descriptors[1]}"
    )
    for line in found.problems:
        print(f"WRONG {line}")
    return int(
        bool(found.problems) or found.slope > 1 or found.descriptors[0] != found.descriptors[1]
    )


if __name__ == "__main__":
    sys.exit(main())
