"""``syscast record``: events into a file, for later."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

import click

from syscast.cli.options import Options

if TYPE_CHECKING:
    from collections.abc import Sequence

_HELP = """Record events in FILE; syscast replay gives them back, on any machine.

FILE comes first, then what to trace, as syscast trace takes it, or one of the commands trace, listen
and run with all that belongs to it. The file is an Arrow IPC stream, with the ledger behind the events;
"-" is stdout.

\b
syscast record opens.arrows syscall:openat filename ret -- cat /etc/hosts
syscast record opens.arrows trace syscall:openat --if 'ret < 0' --duration 10s
syscast record web.arrows listen -- python3 -m http.server 0
syscast record probe.arrows run probe.py --pid 4711
syscast replay opens.arrows --json
"""
_COMMANDS = ("trace", "listen", "run")
_TABLE = "has no events to record (write what it shows with -o FILE.txt)"
_NOTHING = {
    "count": "has no events to record (record what it counts, and count that)",
    "hist": "has no events to record (record what it counts, and count that)",
    "snapshot": _TABLE,
    "replay": "has its events in a file already (syscast replay FILE -o OTHER.arrows)",
    "stats": "has no events to record",
    "show": "has no events to record",
    "list": "has no events to record",
}
"""Commands that are not taken for targets of trace."""
_TEXTS = {"--json", "-o", "--output"}


class RecordCommand(click.Command):
    """Takes FILE and leaves the rest of the command line to the command that traces."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Cut the command line behind FILE."""
        if not args or args[0] in ctx.help_option_names:
            return super().parse_args(ctx, args or [ctx.help_option_names[0]])
        file, *rest = args
        if file.startswith("-") and file != "-":
            raise click.UsageError(
                f"the file comes first, before {file}: syscast record FILE TARGET... [-- COMMAND]",
                ctx,
            )
        ctx.params |= {"file": file, "words": tuple(_what(ctx, file, rest))}
        return []

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Say what stands behind FILE."""
        del ctx
        return ["FILE", "[trace | listen | run]", "ARGS...", "[-- COMMAND [ARGS]...]"]


def _what(ctx: click.Context, file: str, rest: Sequence[str]) -> list[str]:
    """The command line of the command that traces."""
    words = list(rest[1:] if rest[:1] == ["--"] else rest)
    if not words:
        raise click.UsageError(
            f"nothing to record is named, such as: syscast record {file} syscall:openat", ctx
        )
    if rest[0] == "--" and words[0] not in _COMMANDS and "--" not in words:
        raise click.UsageError(
            f"only a command stands behind FILE (say what to trace first: "
            f"syscast record {file} syscall:openat -- {words[0]})",
            ctx,
        )
    if words[0] in _NOTHING:
        raise click.UsageError(f"{words[0]} {_NOTHING[words[0]]}", ctx)
    own = words[: words.index("--")] if "--" in words else words
    given = next((each for each in own if each.partition("=")[0] in _TEXTS), None)
    if given is not None:
        cure = f"syscast replay {file} {given}" if given == "--json" else f"it goes to {file}"
        raise click.UsageError(f"{given} has no place in a recording ({cure})", ctx)
    if _overwrites(own):
        raise click.UsageError(
            "--pressure overwrite keeps events in the kernel for dumps, which a recording cannot "
            "read (record without it, or: syscast trace ... --pressure overwrite --json -o FILE)",
            ctx,
        )
    return words if words[0] in _COMMANDS else ["trace", *words]


def _overwrites(words: Sequence[str]) -> bool:
    """Whether the words ask for a flight recorder."""
    text = "\0".join(["", *words, ""])
    return any(f"\0--pressure{sign}overwrite\0" in text for sign in "=\0")


@click.command("record", cls=RecordCommand, help=_HELP, short_help="Record events in a file.")
def command(file: str, words: tuple[str, ...]) -> int:
    """Run ``syscast record``."""
    from msgspec.structs import replace  # noqa: PLC0415  (once the command line is right)

    name, *rest = words
    module = importlib.import_module(f"syscast.cli.{name}")
    tracing: object = module.command
    assert isinstance(tracing, click.Command)
    if os.path.isdir(file):  # noqa: PTH112  (pathlib costs a start 5 ms)
        raise click.UsageError(f"'{file}' is a directory; FILE comes first, then what to trace")
    path = f"record {file} {name}"
    with tracing.make_context(path, rest, parent=click.get_current_context().parent) as context:
        options: object = context.params["options"]
        assert isinstance(options, Options)
        context.params["options"] = replace(options, output=file, recording=True)
        code: object = tracing.invoke(context)
    assert isinstance(code, int)
    return code
