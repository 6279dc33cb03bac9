"""``syscast list``: what can be traced here, with signatures."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import click

from syscast.cli import completing
from syscast.cli.messages import say, show, show_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syscast.probes.listing import Entry

_HELP = """List functions, tracepoints and syscalls with their signatures.

PATTERN takes wildcards; without any, it is a part of the name. KIND:PATTERN lists one kind.
Each line begins with what trace and show take as a target.

\b
syscast list 'tcp_*'
syscast list --kind tracepoint sched
syscast list syscall:open
"""
_KINDS = ("function", "tracepoint", "syscall")
_CHUNK = 500
"""Lines written at once, so that the first come soon and ``| head`` ends the rest."""
_NARROW = 40


@click.command("list", help=_HELP)
@click.argument("pattern", default="*", shell_complete=completing.targets)
@click.option("--kind", type=click.Choice(_KINDS), help="Only functions, tracepoints or syscalls.")
@click.option("-n", "--names", is_flag=True, help="Only the targets, without signatures.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def command(pattern: str, kind: str | None, *, names: bool, as_json: bool) -> int:
    """Run ``syscast list``."""
    from syscast.probes import listing  # noqa: PLC0415  (once the options are right)

    wanted = pattern
    if kind is not None:
        if ":" in pattern and pattern.partition(":")[0] in {*_KINDS, "raw_tracepoint"}:
            raise click.UsageError("the pattern names a kind already")
        wanted = f"{kind}:{pattern}"
    found = listing.targets(wanted)
    count = 0
    while chunk := list(islice(found, _CHUNK)):
        count += len(chunk)
        if as_json:
            show_json([_object(each, names=names) for each in chunk])
        else:
            show(_lines(chunk, names=names))
    if not count:
        say(f"nothing here matches '{pattern}'")
        return 1
    return 0


def _lines(entries: list[Entry], *, names: bool) -> Iterator[str]:
    for entry in entries:
        yield entry.target if names else f"{entry.target:<{_NARROW}}  {entry.signature}".rstrip()


def _object(entry: Entry, *, names: bool) -> dict[str, object]:
    made: dict[str, object] = {
        "target": entry.target,
        "kind": entry.kind,
        "name": entry.name,
        "module": entry.module or None,
    }
    if not names:
        made["signature"] = entry.signature or None
    return made
