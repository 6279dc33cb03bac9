"""``syscast explain``: what becomes of a probe, line by line, and what it costs the verifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syscast.cli import completing
from syscast.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.session.explain import Explained
    from syscast.session.plan import Job

_HELP = """Show what becomes of probes: source, IR, instructions, and their cost to the verifier.

Each source line is followed by the IR that the front end made of it (ir), with every read decided,
and by its instructions (bpf) as they are loaded into this kernel. Behind an instruction stands how
often the kernel's verifier stepped on it, over all paths; "-" is code that it never reached, such
as filters that are not asked for. Programs are loaded and unloaded, never attached. Without the
right to load programs, all but the cost is shown.

\b
syscast explain probe.py
syscast explain probe.py --probe inet_listen
syscast explain inet_listen 'sock.sk.skc_num as port' --if 'backlog > 100'
"""
_REFUSED = 1


@click.command("explain", help=_HELP, short_help="Show what becomes of probes, and their cost.")
@click.argument(
    "words",
    nargs=-1,
    metavar="FILE.py | TARGET... [EXPR [as NAME]]...",
    shell_complete=completing.targets,
)
@click.option(
    "--probe", "chosen", multiple=True, metavar="NAME", help="Only this probe of FILE; repeatable."
)
@click.option("--if", "condition", metavar="EXPR", help="As for trace.")
@click.option("--kernel-log", is_flag=True, help="Show the verifier's whole log, too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per program.")
def command(
    words: tuple[str, ...],
    chosen: tuple[str, ...],
    condition: str | None,
    *,
    kernel_log: bool,
    as_json: bool,
) -> int:
    """Run ``syscast explain``."""
    from syscast.session.explain import explain  # noqa: PLC0415  (once the options are right)

    found = explain(_jobs(words, chosen, condition))
    _write(found, as_json=as_json, kernel_log=kernel_log)
    return _REFUSED if any(each.refusal for each in found) else 0


def _jobs(words: tuple[str, ...], chosen: Sequence[str], condition: str | None) -> Sequence[Job]:
    """The probes of a file, or those that expressions describe."""
    if not words:
        raise click.UsageError("give a Python file, or a target such as inet_listen")
    if not words[0].endswith(".py"):
        if chosen:
            raise click.UsageError("--probe is for the probes of a Python file")
        from syscast.cli import trace  # noqa: PLC0415  (not for files)

        return trace.jobs_of(*trace.split(words, ()), condition)
    if len(words) > 1 or condition is not None:
        raise click.UsageError("expressions and --if go with a target, not with a Python file")
    from syscast.cli.scripts import jobs_of  # noqa: PLC0415  (for files only)

    jobs = jobs_of(words[0])
    return _only(jobs, chosen) if chosen else jobs


def _only(jobs: Sequence[Job], chosen: Sequence[str]) -> list[Job]:
    """The probes of some names: the Python function's, or the target's."""
    names = [{job.name, job.target, str(getattr(job.body, "__name__", ""))} for job in jobs]
    for each in chosen:
        if not any(each in name for name in names):
            known = ", ".join(job.name or job.target for job in jobs)
            raise UsageError(f"probe '{each}': explain: the file has none of this name ({known})")
    return [job for job, name in zip(jobs, names, strict=True) if name & set(chosen)]


def _write(programs: Sequence[Explained], *, as_json: bool, kernel_log: bool) -> None:
    """Write it all to stdout."""
    import sys  # noqa: PLC0415  (once there is something to write)

    import msgspec  # noqa: PLC0415

    from syscast.cli.explaining import Style, text_of  # noqa: PLC0415
    from syscast.sinks.console import wants_colour  # noqa: PLC0415
    from syscast.sinks.sink import Output  # noqa: PLC0415

    output = Output(sys.stdout, "stdout")
    if as_json:
        lines = [
            msgspec.json.encode(each if kernel_log else msgspec.structs.replace(each, log=""))
            for each in programs
        ]
        output.write_text("".join(f"{line.decode()}\n" for line in lines))
        return
    style = Style(output.terminal and wants_colour())
    text = text_of(programs, style, kernel_log=kernel_log)
    output.write_text("".join(f"{line}\n" for line in text))
