"""``syscast build``: probes of a Python file to a BPF object that runs without a compiler."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.session.plan import Job

_HELP = """Compile the probes of a Python file to a BPF object.

The object is an ELF file with BTF and CO-RE relocations: syscast run, bpftool and libbpf load
it, on other kernels too, without llvmlite. Needs no root. A probe that leaves the kind open
(@sc.function, @sc.call) is built for fentry and fexit; say @sc.kprobe where kernels lack those.

\b
syscast build probe.py -o probe.bpf.o
syscast run probe.bpf.o
"""


@click.command("build", help=_HELP)
@click.argument("file")
@click.option("-o", "--output", metavar="FILE", help="The object; by default FILE.bpf.o, here.")
def command(file: str, output: str | None) -> int:
    """Run ``syscast build``."""
    from syscast.cli.messages import say  # noqa: PLC0415  (once the options are right)
    from syscast.cli.scripts import jobs_of  # noqa: PLC0415

    name = output or f"{os.path.basename(file).removesuffix('.py')}.bpf.o"  # noqa: PTH119  (5 ms)
    data = _compile(jobs_of(file))
    _write(name, data)
    say(f"wrote {name}, {len(data)} bytes")
    return 0


def _compile(jobs: Sequence[Job]) -> bytes:
    """One object of all probes, with the programs that follow a command's children."""
    from syscast.compiler.driver import build  # noqa: PLC0415  (once the file is read)
    from syscast.errors import UsageError  # noqa: PLC0415
    from syscast.probes import registry  # noqa: PLC0415
    from syscast.probes.names import is_pattern  # noqa: PLC0415
    from syscast.session.plan import lower  # noqa: PLC0415

    for job in jobs:
        if is_pattern(job.target):
            raise UsageError(
                f"pattern '{job.target}': build: what it means is known only where it runs "
                "(name one target; run takes patterns)"
            )
    group = [(job, registry.choose(job.target, job.role, here=False)) for job in jobs]
    names = dict.fromkeys(choice.types.name for _, choice in group)
    if len(names) > 1:
        raise UsageError(
            f"object: build: its probes are in {' and '.join(names)}, which have types of their "
            "own (build one object for each)"
        )
    program, _ = lower(group, follow=True)
    return build(program, group[0][1].types)


def _write(name: str, data: bytes) -> None:
    """Write the object whole or not at all."""
    from syscast.errors import UsageError  # noqa: PLC0415  (once the file is compiled)

    part = f"{name}.{os.getpid()}.part"
    try:
        with open(part, "wb") as file:  # noqa: PTH123  (pathlib costs a start 5 ms)
            file.write(data)
        os.replace(part, name)  # noqa: PTH105
    except OSError as error:
        cause = (error.strerror or "cannot be written").lower()
        raise UsageError(f"object '{name}': write: {cause}") from None
