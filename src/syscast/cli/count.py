"""``syscast count``: how often functions, syscalls and tracepoints are hit, by keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syscast.cli import completing, tables, tallying

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from syscast.cli.options import Options
    from syscast.session.tally import Tallying

_HELP = """Count calls of kernel functions, syscalls and tracepoints, inside the kernel.

\b
TARGET   as of trace, and patterns: 'tcp_*', 'syscall:*', 'sched:*', 'kprobe:vfs_*'
KEY      an expression over the target's arguments or current, with commas between;
         comm, pid, tid, ppid, uid, gid, cpu, cgroup_id, netns mean current.comm
         and so on; func is the function's name. Without any, it is counted by func.

Counting ends by Ctrl-C, --duration, or with the command; the table comes then. With --every, a
table comes each time, with what was counted since the one before.

\b
syscast count 'tcp_*' --duration 5s
syscast count 'syscall:*' by comm --top 20
syscast count 'syscall:*' by comm, func --every 1s
syscast count vfs_read by comm --if 'count > 4096'
syscast count tcp_sendmsg by sk.skc_dport as port, comm
"""


@click.command(
    "count",
    cls=tallying.TallyingCommand,
    params=[
        click.Argument(
            ["words"],
            nargs=-1,
            metavar="TARGET... [by KEY, ...]",
            shell_complete=completing.targets,
        ),
        *tallying.own_options(),
    ],
    help=_HELP,
    short_help="Count calls by function, command, or any other key.",
)
def command(  # noqa: PLR0913, PLR0917  (one for each option)
    options: Options,
    words: tuple[str, ...],
    targets: tuple[str, ...],
    condition: str | None,
    every: float | None,
    top: int | None,
    entries: int | None,
) -> int:
    """Run ``syscast count``."""
    from syscast.cli import query  # noqa: PLC0415  (once the options are right)

    wanted = query.read(words, targets, condition, with_value=False, entries=entries or 0)
    return tallying.run(wanted, options, every, _View(top))


class _View:
    """A table of counts."""

    name = "count"

    def __init__(self, top: int | None) -> None:
        self._top = top

    def lines(self, running: Tallying, *, take: bool) -> Iterable[str]:
        """As text."""
        return tables.count_lines(running.labels, running.counts(take=take), self._top)

    def json(self, running: Tallying) -> Mapping[str, object]:
        """As an object."""
        return tables.count_json(running.labels, running.counts(), self._top)
