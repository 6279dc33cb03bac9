"""`./dev fuzz-c [--seconds N] [--seed S]`: random texts for the C front end's preprocessor and parser; every text must parse or be refused."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from random import Random

from fuzzc.check import Wrong, check
from fuzzc.texts import text


def smaller(broken: str) -> str:
    """The text without what is not needed to break the front end in some way."""
    size = max(len(broken) // 2, 1)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for at in range(0, len(broken), size):
            shorter = broken[:at] + broken[at + size :]
            try:
                check(shorter)
            except Wrong:
                broken = shorter
                break
        else:
            if size == 1:
                break
            size = max(size // 2, 1)
    return broken


def main() -> int:
    """Run; 1 where a text was found, which is printed and written to a file."""
    form = argparse.ArgumentParser(prog="./dev fuzz-c", description=__doc__)
    form.add_argument("--seconds", type=float, default=60)
    form.add_argument("--seed", type=int, default=None, help="default: the time")
    given = form.parse_args()
    seed = given.seed if given.seed is not None else time.time_ns() % 1_000_000_000
    end = time.monotonic() + given.seconds
    count = good = 0
    while time.monotonic() < end:
        made = text(Random(seed + count))  # noqa: S311
        try:
            good += check(made)
        except Wrong as wrong:
            least = smaller(made)
            path = Path(f"fuzz-c-{seed + count}.c")
            path.write_text(least, "utf-8", "surrogateescape")
            print(f"seed {seed + count}: {wrong}\n{least!r}\nwritten to {path}")
            return 1
        count += 1
    print(f"{count} texts from seed {seed}: {good} are C, {count - good} were refused")
    return 0


if __name__ == "__main__":
    sys.exit(main())
