"""`python -m bcctools.twins [TOOL...]`: each tool under the real bcc and under the drop-in at once; their rows must agree."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

from bcctools import tour
from bcctools.rows import Row


@dataclass(frozen=True, slots=True)
class Twin:
    """One tool; the attributes are explained in `twins.toml`."""

    tool: str
    work: str
    rows: str
    args: tuple[str, ...] = ()
    setup: str = ""
    about: float = 0.0
    total: bool = False

    def found(self, output: str) -> list[tuple[str, ...]]:
        """The rows of one output, sorted."""
        matches = re.finditer(self.rows, output, re.MULTILINE)
        made = sorted(tuple(each or "" for each in (m.groups() or (m.group(),))) for m in matches)
        if self.total:
            return [(str(sum(int(number) for row in made for number in row if number)),)]
        return made

    def agree(self, one: list[tuple[str, ...]], other: list[tuple[str, ...]]) -> bool:
        """Whether two outputs' rows are the same; nothing found is never agreement."""
        if not one or not other or one == [("0",)]:
            return False
        if not self.about:
            return one == other
        if len(one) != len(other):
            return False
        return all(
            abs(int(a) - int(b)) <= self.about * max(int(a), int(b), 10)
            for left, right in zip(one, other, strict=True)
            for a, b in zip(left, right, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the two said, and how long each took to be attached and what memory it had then."""

    tool: str
    agree: bool
    bcc: list[tuple[str, ...]]
    dropin: list[tuple[str, ...]]
    seconds: tuple[float, float]
    memory: tuple[int, int]
    tail: str


def twins() -> dict[str, Twin]:
    """All of `twins.toml`."""
    found = tomllib.loads(Path(__file__).with_name("twins.toml").read_text())
    return {
        tool: Twin(tool, **{**values, "args": tuple(values.get("args", ()))})
        for tool, values in found.items()
    }


def run(twin: Twin, directory: str = "/tmp/twins") -> Outcome:  # noqa: S108
    """Run both, one started after the other is attached, with the work when both are."""
    os.makedirs(directory, exist_ok=True)  # noqa: PTH103
    tour.shell(twin.setup)
    started = []
    try:
        for which in ("bcc", "dropin"):
            row = Row(twin.tool, twin.args)
            path = Path(directory) / f"{twin.tool}.{which}"
            began = time.monotonic()
            with path.open("wb") as sink:
                tool = subprocess.Popen(
                    tour.command(row, which, 0),
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    env=os.environ | {"PYTHONUNBUFFERED": "1"},
                )
            tour.wait_ready(tool)
            took = time.monotonic() - began - tour.SETTLE
            started.append((tool, path, took, tour.memory_of(tool.pid)))
        tour.shell(twin.work)
        time.sleep(2.5)
    finally:
        for tool, *_ in started:
            tour.end(tool)
        tour.end_server()
    texts = [path.read_bytes().decode(errors="replace") for _, path, _, _ in started]
    rows = [twin.found(text) for text in texts]
    return Outcome(
        twin.tool,
        twin.agree(*rows),
        rows[0],
        rows[1],
        (started[0][2], started[1][2]),
        (started[0][3], started[1][3]),
        "\n".join(texts[1].splitlines()[-12:]),
    )


def main() -> int:
    """Run the twins that are named, or all."""
    form = argparse.ArgumentParser(prog="python -m bcctools.twins", description=__doc__)
    form.add_argument("--out", default="/tmp/twins.jsonl")  # noqa: S108
    form.add_argument("tools", nargs="*")
    given = form.parse_args()
    known = twins()
    wrong = 0
    with Path(given.out).open("a") as out:
        for name in given.tools or known:
            got = run(known[name])
            wrong += not got.agree
            print(
                f"{name:12} {'agree' if got.agree else 'DIFFER'} ({len(got.bcc)} rows)  attached after "
                f"{got.seconds[0]:.1f} s (bcc), {got.seconds[1]:.1f} s; "
                f"{got.memory[0] // 1024} MiB (bcc), {got.memory[1] // 1024} MiB",
                flush=True,
            )
            if not got.agree:
                print(f"    bcc:     {got.bcc[:12]}\n    drop-in: {got.dropin[:12]}")
                print(
                    "\n".join(f"    | {line[:160]}" for line in got.tail.splitlines()), flush=True
                )
            out.write(json.dumps([name, got.agree, got.seconds, got.memory]) + "\n")
            out.flush()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
