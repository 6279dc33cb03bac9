"""`./dev bcc-texts [--tools FOLDER] [--load] [TOOL...]`: compile the C that Debian's bpfcc-tools make with many option sets each.

The tools come from the distribution's package and only make their texts (`record.py`); the texts are compiled for the kernel that runs, and
with --load each program of a kind that needs no target is given to its verifier. Nothing is attached.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bcctools.record import KERNELS, Recorded, record_all
from syscast.bcc.surroundings import Host
from syscast.compiler.cunit import compile_c
from syscast.diagnostics import CompileError
from syscast.errors import SyscastError
from syscast.loader.load import load
from vmtest import apt
from vmtest.host import cache_dir

if TYPE_CHECKING:
    from syscast.spec.objectspec import ObjectSpec

PACKAGE = "bpfcc-tools"
SUITES = ("bookworm",)
_LOADED = frozenset({"kprobe", "tracepoint", "raw_tracepoint", "perf_event"})
_UNNAMED = "?c/"
"""Sections of programs whose type the script decides; nearly all of the tools attach them to functions."""
_HERE = (
    "tracefs:",
    "no probe gives",
    "neither the text nor the kernel's BTF defines it",
    "has no member",
)
"""What this kernel and a recording lack: tracefs, marks of processes, modules that are not loaded, members of older kernels."""


def fetch() -> Path:
    """The folder with the tools of Debian's package, downloaded once."""
    tree = cache_dir() / "bpfcc-tools"
    folder = tree / "usr/sbin"
    if not folder.exists():
        root = apt.AptRoot(cache_dir() / "apt-bpfcc", SUITES)
        root.update()
        for package in root.download([PACKAGE], tree / "packages"):
            apt.extract(package, tree)
    return folder


def outcome(recorded: Recorded, *, loaded: bool) -> tuple[str, str]:
    """``good``, ``here`` (it is this machine), ``compile`` or ``load``; and what was said."""
    try:
        made = compile_c(recorded.text, surroundings=Host(), cflags=recorded.cflags)
    except CompileError as error:
        said = [each.message for each in error.diagnostics]
        ours = [each for each in said if not any(words in each for words in _HERE)]
        return ("compile" if ours else "here"), str(error)
    if loaded:
        try:
            _load(made.spec)
        except SyscastError as error:
            return "load", str(error)
    return "good", ""


def _load(spec: ObjectSpec) -> None:
    """Load each program of a type that needs no target; all is given back at once."""
    for program in spec.programs:
        if program.section.startswith(_UNNAMED):
            program = msgspec.structs.replace(program, type="kprobe", attach_type="", target="")  # noqa: PLW2901
        if program.type in _LOADED:
            load(msgspec.structs.replace(spec, programs=(program,))).close()


def main() -> int:
    """Record, compile, count; 1 where a text is refused that should not be."""
    form = argparse.ArgumentParser(prog="./dev bcc-texts", description=__doc__)
    form.add_argument(
        "--tools", type=Path, help="folder of the tools; default: Debian's package, downloaded"
    )
    form.add_argument(
        "--load", action="store_true", help="give the programs to the verifier (root)"
    )
    form.add_argument(
        "--all-kernels",
        action="store_true",
        help="also texts for kernels that this one is not, which may name what it lacks",
    )
    form.add_argument("names", nargs="*", metavar="TOOL")
    given = form.parse_args()
    counts: Counter[str] = Counter()
    began = time.monotonic()
    for tool, texts in record_all(given.tools or fetch(), given.names).items():
        for recorded in texts:
            if recorded.facts == len(KERNELS) - 1 and not given.all_kernels:
                continue
            what, said = outcome(recorded, loaded=given.load)
            counts[what] += 1
            if what in {"compile", "load"}:
                print(
                    f"{tool} {' '.join(recorded.args)}: {what}\n    {said.replace(chr(10), chr(10) + '    ')}",
                    flush=True,
                )
    total = sum(counts.values())
    print(
        f"{total} texts: {counts['good']} good, {counts['compile']} do not compile, {counts['load']} are refused, "
        f"{counts['here']} need what this machine lacks; {time.monotonic() - began:.0f} s"
    )
    return 1 if counts["compile"] or counts["load"] else 0


if __name__ == "__main__":
    sys.exit(main())
