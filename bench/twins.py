"""Program lengths beside C: seven probes of `examples/` and the same in C, built by clang -O2.

``./dev python bench/twins.py``; needs clang, bpftool and libbpf's headers, no root. Each twin in
`twins/` does the same visible work as its probe; the header that they share says what that is.
"""

# ruff: noqa: INP001, S603, TID251 - a benchmark starts programs and prints

from __future__ import annotations

import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace
from surroundings import table

from syscast import codegen, passes
from syscast.cli.scripts import jobs_of
from syscast.ir import ops
from syscast.ir.config import DELIVERY
from syscast.ir.types import Const
from syscast.ir.walk import renamed, result
from syscast.probes import registry
from syscast.session.plan import Job, lower
from syscast.spec.read import read_object

if TYPE_CHECKING:
    from syscast.ir.program import Program
    from syscast.ir.types import Reg, Value

HERE = Path(__file__).parent
TWINS = {
    "execs": "",
    "tcp_state": "",
    "exits": "kprobe",
    "tcp_close": "kprobe",
    "slow_reads": "fexit",
    "opens": "fexit",
    "syscalls": "",
}
"""Example, and the kind of probe where the example leaves it open."""
LIMIT = 1.10


def in_c(name: str, directory: Path) -> int:
    """Instructions of a twin's programs."""
    made = directory / f"{name}.o"
    arch = {"x86_64": "x86", "aarch64": "arm64"}[platform.machine()]
    words = ["clang", "-O2", "-g", "-mcpu=v3", "-target", "bpf", f"-D__TARGET_ARCH_{arch}"]
    words += [f"-I{directory}", "-c", str(HERE / "twins" / f"{name}.bpf.c"), "-o", str(made)]
    subprocess.run(words, check=True)
    return _length(made.read_bytes())


def in_python(name: str, kind: str) -> int:
    """Instructions of an example's programs."""
    jobs = jobs_of(str(HERE.parent / "examples" / f"{name}.py"))
    if kind:
        jobs = [Job(f"{kind}:{job.target}", job.role, job.body, job.name) for job in jobs]
    group = [(job, registry.choose(job.target, job.role, here=False)) for job in jobs]
    program, _ = lower(group, follow=False)
    types = group[0][1].types
    return _length(codegen.build(_without_options(passes.run(program, types)), types))


def _without_options(program: Program) -> Program:
    """The program with what asks for wake-ups, rings and sampling answered: none, as in C.

    These bits lie in frozen data, like the filters that the twins have, too; the verifier drops what
    they make unreachable, and here LLVM does.
    """
    functions = []
    for function in program.functions:
        every = [op for block in function.blocks for op in block.ops]
        places = {
            op.result
            for op in every
            if isinstance(op, ops.DataAddr) and op.offset == DELIVERY.offset
        }
        known: dict[Reg, Value] = {
            op.result: Const(0, op.result.type)
            for op in every
            if isinstance(op, ops.Load) and op.ptr in places
        }
        blocks = tuple(
            replace(
                block, ops=tuple(renamed(op, known) for op in block.ops if result(op) not in known)
            )
            for block in function.blocks
        )
        functions.append(replace(function, blocks=blocks))
    return replace(program, functions=tuple(functions))


def _length(data: bytes) -> int:
    return sum(len(each.insns) // 8 for each in read_object(data, "twin").programs)


def main() -> int:
    """Compare all; the exit code is 1 where a probe is longer than its limit."""
    rows = []
    worst = 0.0
    with tempfile.TemporaryDirectory(prefix="syscast-twins-") as name:
        directory = Path(name)
        with (directory / "vmlinux.h").open("wb") as header:
            words = ["bpftool", "btf", "dump", "file", "/sys/kernel/btf/vmlinux", "format", "c"]
            subprocess.run(words, check=True, stdout=header)
        for example, kind in TWINS.items():
            ours, theirs = in_python(example, kind), in_c(example, directory)
            worst = max(worst, ours / theirs)
            rows.append((example, str(ours), str(theirs), f"{ours / theirs:.2f}"))
    table(("probe", "syscast", "C", "ratio"), rows)
    return 1 if worst > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
