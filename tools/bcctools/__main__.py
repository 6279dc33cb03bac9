"""`python -m bcctools [--bcc] [TOOL...]`: the tour, in a test VM that has Debian's bpfcc-tools. Prints a line per tool."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from bcctools import tour
from bcctools.compiled import compile_only
from bcctools.rows import rows


def main() -> int:
    """Run the tools and write what came of them."""
    form = argparse.ArgumentParser(prog="python -m bcctools", description=__doc__)
    form.add_argument("--bcc", action="store_true", help="run the real bcc instead of the drop-in")
    form.add_argument("--out", default="/tmp/tour.jsonl", help="where the results go")  # noqa: S108
    form.add_argument(
        "--show", type=int, default=12, metavar="LINES", help="of a wrong tool's output"
    )
    form.add_argument("--from", dest="start", default="", help="begin with this tool")
    form.add_argument("--until", default="~", help="end before this tool")
    form.add_argument(
        "--compile", action="store_true", help="only those that cannot run here: compile their C"
    )
    form.add_argument("tools", nargs="*")
    given = form.parse_args()
    known = rows()
    wanted = given.tools or [
        name
        for name, row in known.items()
        if bool(row.not_here) is given.compile and given.start <= name < given.until
    ]
    wrong = 0
    with Path(given.out).open("a") as out:
        for name in wanted:
            only = known[name].not_here
            result = (
                compile_only(known[name])
                if only
                else tour.run(known[name], "bcc" if given.bcc else "dropin")
            )
            marks = "".join(
                mark if good else "-"
                for mark, good in zip(
                    "CLAR",
                    (result.compiles, result.loads, result.attaches, result.right),
                    strict=True,
                )
            )
            print(
                f"{name:16} {marks} {result.ready:6.1f} s {result.memory / 1024:6.0f} MiB  {result.why}",
                flush=True,
            )
            if not (result.compiles if only else result.right):
                wrong += 1
                for line in result.output.splitlines()[-given.show :]:
                    print(f"    | {line[:180]}", flush=True)
            out.write(json.dumps(asdict(result)) + "\n")
            out.flush()
    print(f"{len(wanted) - wrong} of {len(wanted)} right")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
