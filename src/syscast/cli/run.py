"""``syscast run``: the probes of a Python file, or a BPF object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syscast.cli.options import Options, TracingCommand

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.session.session import Session
    from syscast.sinks.console import Table

_HELP = """Run the probes of a Python file, or a BPF object.

All probes at the top level of a .py file are attached together. An object (.bpf.o) is one that
syscast built, on whatever kernel, or one that clang built with BTF; then --event names the struct
that its ring carries, where the object leaves that open.

\b
syscast run probe.py -- curl -s http://localhost/
syscast run probe.bpf.o --json --duration 10s
"""
_ELF = b"\x7fELF"


@click.command("run", cls=TracingCommand, help=_HELP, short_help="Run probes of a file.")
@click.argument("file")
@click.option(
    "--event", default="", metavar="NAME", help="Struct in the ring of a foreign object."
)
def command(options: Options, file: str, event: str) -> int:
    """Run ``syscast run``."""
    from syscast.cli import outputs  # noqa: PLC0415  (once the options are right)
    from syscast.cli.streaming import stream  # noqa: PLC0415

    start, several = (
        _object(options, file, event) if _is_object(file) else _script(options, file, event)
    )

    def table() -> Table | None:
        if not several:
            return None  # the columns of the first events' class
        from syscast.sinks.console import mixed_table  # noqa: PLC0415  (with several probes)

        return mixed_table()

    with outputs.opened(options) as target:
        return stream(start, lambda: outputs.make(target, options, table()), options)


def _is_object(file: str) -> bool:
    """Whether a file is an ELF object, by its first bytes."""
    from syscast.errors import UsageError  # noqa: PLC0415  (once the options are right)

    try:
        with open(file, "rb") as stream:  # noqa: PTH123  (pathlib costs a start 5 ms)
            return stream.read(len(_ELF)) == _ELF
    except OSError as error:
        cause = (error.strerror or "cannot be read").lower()
        raise UsageError(f"file '{file}': read: {cause}") from None


def _object(options: Options, file: str, event: str) -> tuple[Callable[[], Session], bool]:
    from syscast.session.attach import run_object  # noqa: PLC0415  (only for objects)

    def start() -> Session:
        return run_object(
            file,
            options.filters(),
            command=list(options.command) or None,
            delivery=options.delivery(),
            event=event,
        )

    return start, False


def _script(options: Options, file: str, event: str) -> tuple[Callable[[], Session], bool]:
    from syscast.cli.scripts import jobs_of  # noqa: PLC0415  (only for Python files)
    from syscast.session.attach import open_session  # noqa: PLC0415

    if event:
        raise click.UsageError("--event is for BPF objects; a Python file declares its events")
    jobs = jobs_of(file)

    def start() -> Session:
        return open_session(
            jobs,
            options.filters(),
            command=list(options.command) or None,
            delivery=options.delivery(),
        )

    return start, len(jobs) > 1
