"""Cases made on one machine and run on another: objects, inputs, and what CPython said, in one file.

LLVM is 25 times slower in an emulated machine, and the compiler's part does not depend on the kernel: so `--vm` makes the cases here and only
runs them there, with `python -m differential.corpus FILE`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from differential.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PLACE = "differential/cases"
"""In the guest's cache directory."""


class Case(msgspec.Struct, frozen=True):
    """One input of a probe.

    Attributes:
        words: Of the context; of a string its place in the texts.
        events: Class and payload of each event that CPython sent.
        raised: Exception and line, None where the run went to its end.
    """

    words: tuple[int, ...]
    events: tuple[tuple[str, bytes], ...]
    raised: tuple[str, int] | None


class Program(msgspec.Struct, frozen=True):
    """One probe with its cases.

    Attributes:
        columns: Which words are places in the texts.
        shown: The probe's text, for a report.
    """

    name: str
    columns: tuple[int, ...]
    shown: str
    cases: tuple[Case, ...]


class Object(msgspec.Struct, frozen=True):
    """One object with its probes.

    Attributes:
        texts: Strings that words are places in.
        sites: Exception and line of each site.
        schemas: Classes by schema id.
    """

    elf: bytes
    sites: tuple[tuple[str, int], ...]
    schemas: dict[int, str]
    texts: bytes
    programs: tuple[Program, ...]


def write(path: Path, objects: Sequence[Object]) -> None:
    """Keep objects in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.msgpack.encode(objects))


def read(path: Path) -> list[Object]:
    """The objects of a file."""
    return msgspec.msgpack.decode(path.read_bytes(), type=list[Object])


def run(objects: Sequence[Object]) -> Iterator[str]:
    """Run every case on this machine's kernel; tells what differs."""
    for each in objects:
        names = [program.name for program in each.programs]
        with Kernel(each.elf, names, each.texts) as kernel:
            for number, program in enumerate(each.programs):
                for case in program.cases:
                    answer = kernel.run(number, case.words, program.columns)
                    raised = each.sites[answer.site - 1] if answer.site else None
                    got = tuple((each.schemas[n], data) for n, data in answer.events), raised
                    want = case.events, case.raised
                    if got != want:
                        yield f"{program.shown}\n{case.words}\nexpected: {want}\nkernel: {got}"
                        break


def make(seed: int, probes: int, rows: int) -> list[Object]:
    """Generate, compile and run probes here; what CPython said is what is expected."""
    from differential.cli import BATCH  # noqa: PLC0415  (a guest without LLVM only runs cases)
    from differential.engine import Engine  # noqa: PLC0415
    from differential.grammar import generate  # noqa: PLC0415

    made = []
    with Engine((), rows) as engine:
        for first in range(0, probes, BATCH):
            numbers = range(first, min(first + BATCH, probes))
            found = engine.export([generate(seed, number) for number in numbers], seed)
            if found is not None:
                made.append(found)
    return made


COMMAND = f"python3 -m differential.corpus /root/.cache/syscast/{PLACE}"
"""For the guest's shell."""


def run_in_vm(kernel: str, seed: int, cases: int, rows: int) -> int:
    """Make cases here and run them in a VM; gives the exit code."""
    from vmtest import kernels, session  # noqa: PLC0415  (the harness of VMs is large)

    objects = make(seed, -(-cases // rows), rows)
    print(f"{_count(objects)} cases made", flush=True)
    place = session.guest_cache(kernels.get(kernel)) / PLACE
    write(place, objects)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "vmtest", "--kernel", kernel, "--no-llvm", "--shell", COMMAND],
            check=False,
        )
    finally:
        place.unlink()
    return done.returncode


def _count(objects: Sequence[Object]) -> int:
    return sum(len(program.cases) for each in objects for program in each.programs)


def main(path: str) -> int:
    """Run the cases of a file."""
    objects = read(Path(path))
    count = _count(objects)
    wrong = list(run(objects))
    for each in wrong[:5]:
        print(each)
    print(f"{count} cases, {len(wrong)} probes differ", flush=True)
    return 1 if wrong or not count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
