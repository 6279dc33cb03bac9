"""`python -m bcctools.record TOOLS-FOLDER OUT.json [TOOL...]`: the C of Debian's bpfcc-tools, for many option sets each.

Each tool runs in a process of its own under a `bcc` that records the text instead of compiling it (`recorded.py`): nothing is loaded, attached
or traced, so any machine will do. Which options a tool has is asked of its own argument parser.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

SUFFIX = "-bpfcc"
_SECONDS = 30
_numbers = count()


class Facts(TypedDict, total=False):
    """What the kernel is said to have; all True where nothing is said. With `this_kernel` some of it is asked."""

    fields: bool
    functions: bool
    kfunc: bool
    raw_tracepoints: bool
    this_kernel: bool
    tracepoints: bool


MODERN: Facts = {}
OLD: Facts = {"fields": False, "kfunc": False, "raw_tracepoints": False, "tracepoints": False}
KPROBES: Facts = {"kfunc": False, "raw_tracepoints": False}
KERNELS = (MODERN, KPROBES, OLD)
"""Tools write other C for each; the last has no kernel that fits all of it, but is C all the same."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One text that a tool asked bcc to compile.

    Attributes:
        tool: Its name without Debian's suffix.
        args: How it was called.
        facts: Number of the kernel in `KERNELS`.
        text: The C.
        cflags: Compiler flags it gave.
    """

    tool: str
    args: tuple[str, ...]
    facts: int
    text: str
    cflags: tuple[str, ...] = ()


class _Option(TypedDict):
    flag: str
    takes: bool
    number: bool
    choices: list[str]


class _Text(TypedDict):
    text: str
    cflags: list[str]


@dataclass(slots=True)
class _Run:
    texts: list[_Text] = field(default_factory=list)
    options: list[_Option] = field(default_factory=list)
    said: str = ""


def run(path: Path, args: Sequence[str], facts: Facts) -> _Run:
    """Run one tool once."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / f"{next(_numbers)}.json"
        command = [
            sys.executable,
            "-W",
            "ignore",
            str(Path(__file__).with_name("recorded.py")),
            str(out),
            json.dumps(facts),
        ]
        try:
            done = subprocess.run(
                [*command, str(path), *args],
                check=False,
                capture_output=True,
                timeout=_SECONDS,
                stdin=subprocess.DEVNULL,
                cwd=folder,
                env={**os.environ, "COLUMNS": "80"},
            )
        except subprocess.TimeoutExpired:
            return _Run(said=f"did not end in {_SECONDS} s")
        said = (done.stderr or done.stdout).decode(errors="replace")
        if not out.exists():
            return _Run(said=said)
        found = json.loads(out.read_text())
        return _Run(
            cast("list[_Text]", found["texts"]), cast("list[_Option]", found["options"]), said
        )


def tools(folder: Path) -> dict[str, Path]:
    """The tools that are Python scripts, by name without suffix."""
    return {
        path.name.removesuffix(SUFFIX): path
        for path in sorted(folder.iterdir())
        if path.is_file() and b"python" in path.read_bytes()[:40]
    }


def option_sets(options: Iterable[_Option]) -> Iterator[list[str]]:
    """Each option once, with an argument that most take."""
    for option in options:
        flag = option["flag"]
        if flag in {"--ebpf", "--version"}:
            continue
        if not option["takes"]:
            yield [flag]
        for choice in option["choices"] or (["1"] if option["takes"] else []):
            yield [flag, choice]


def record(path: Path, table: Mapping[str, Sequence[object]]) -> list[Recorded]:
    """All different texts of one tool."""
    name = path.name.removesuffix(SUFFIX)
    base = [str(each) for each in table.get("base", ())]
    sets: list[list[str]] = [base]
    for more in table.get("more", ()):
        words = [str(each) for each in cast("list[object]", more)]
        sets.append(words[1:] if words[0] == "=" else [*base, *words])
    found: dict[tuple[str, tuple[str, ...]], Recorded] = {}
    first = run(path, base, MODERN)
    sets.extend([*base, *extra] for extra in option_sets(first.options))
    for number, facts in enumerate(KERNELS):
        for args in sets:
            for each in run(path, args, facts).texts:
                cflags = tuple(each["cflags"])
                found.setdefault(
                    (each["text"], cflags),
                    Recorded(name, tuple(args), number, each["text"], cflags),
                )
    return list(found.values())


def record_all(
    folder: Path, names: Sequence[str] = (), *, workers: int = 2
) -> dict[str, list[Recorded]]:
    """Texts of all tools in a folder, or of those named; a tool that makes none has an empty list."""
    known = tools(folder)
    table: dict[str, dict[str, list[object]]] = tomllib.loads(
        Path(__file__).with_name("options.toml").read_text()
    )
    wanted = [name for name in known if not names or name in names]
    with ThreadPoolExecutor(workers) as pool:
        lists = pool.map(lambda name: record(known[name], table.get(name, {})), wanted)
        return dict(zip(wanted, lists, strict=True))


def main() -> int:
    """Record and write; says which tools made no text."""
    form = argparse.ArgumentParser(prog="python -m bcctools.record", description=__doc__)
    form.add_argument("folder", type=Path, help="where the tools are: /usr/sbin")
    form.add_argument("out", type=Path)
    form.add_argument("tools", nargs="*")
    given = form.parse_args()
    found = record_all(given.folder, given.tools)
    texts = {
        name: [
            {"args": each.args, "facts": each.facts, "text": each.text, "cflags": each.cflags}
            for each in recorded
        ]
        for name, recorded in found.items()
    }
    given.out.write_text(json.dumps(texts, indent=1))
    silent = [name for name, recorded in found.items() if not recorded]
    print(
        f"{sum(map(len, found.values()))} texts of {len(found)} tools; no text of: {' '.join(silent) or 'none'}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
