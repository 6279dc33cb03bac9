"""``syscast hist``: how a value of a call is distributed, by keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syscast.cli import completing, tables, tallying
from syscast.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from syscast.cli.options import Options
    from syscast.session.tally import Linear, Tallying

_HELP = """Draw histograms of a value of kernel functions, syscalls or tracepoints.

\b
TARGET   as of trace, and patterns: 'tcp_*', 'syscall:*', 'sched:*'; the first
         argument is one, and so is every further one with a colon
EXPR     an integer: duration (ns from entry to exit), ret, an argument or its members
KEY      as of count: comm, pid, func, any expression; a histogram for each

Buckets are powers of two, or with --linear equal steps.

\b
syscast hist vfs_read duration by comm
syscast hist 'syscall:*' duration by func --top 5 --duration 10s
syscast hist syscall:read ret --if 'ret > 0' -- cat /etc/services
syscast hist tcp_sendmsg size --linear 0:65536:4096 --every 1s
"""


def _linear(ctx: click.Context, param: click.Parameter, value: str | None) -> Linear | None:
    """Read ``LOW:HIGH:STEP``."""
    if value is None:
        return None
    from syscast.session.tally import Linear  # noqa: PLC0415  (with this option only)

    try:
        low, high, step = (int(part, 0) for part in value.split(":"))
    except ValueError:
        raise click.BadParameter(
            f"'{value}' is not LOW:HIGH:STEP, such as 0:100:10", ctx, param
        ) from None
    return Linear(low, high, step)


@click.command(
    "hist",
    cls=tallying.TallyingCommand,
    params=[
        click.Argument(
            ["words"],
            nargs=-1,
            metavar="TARGET... EXPR [by KEY, ...]",
            shell_complete=completing.targets,
        ),
        *tallying.own_options(),
        click.Option(
            ["--linear"],
            callback=_linear,
            metavar="LOW:HIGH:STEP",
            help="Equal steps instead of powers of two.",
        ),
    ],
    help=_HELP,
    short_help="Draw histograms of durations, return values or arguments.",
)
def command(  # noqa: PLR0913, PLR0917  (one for each option)
    options: Options,
    words: tuple[str, ...],
    targets: tuple[str, ...],
    condition: str | None,
    every: float | None,
    top: int | None,
    entries: int | None,
    linear: Linear | None,
) -> int:
    """Run ``syscast hist``."""
    from syscast.cli import query  # noqa: PLC0415  (once the options are right)

    wanted = query.read(
        words, targets, condition, with_value=True, entries=entries or 0, linear=linear
    )
    if wanted.value is None:
        raise UsageError("histogram: open: it has no value")
    return tallying.run(wanted, options, every, _View(wanted.value[0], top))


class _View:
    """Histograms."""

    name = "hist"

    def __init__(self, value: str, top: int | None) -> None:
        self._value = value
        self._top = top

    def lines(self, running: Tallying, *, take: bool) -> Iterable[str]:
        """As text."""
        rows = running.distributions(take=take)
        return tables.hist_lines(running.labels, self._value, rows, self._top)

    def json(self, running: Tallying) -> Mapping[str, object]:
        """As an object."""
        rows = running.distributions()
        return tables.hist_json(running.labels, self._value, rows, self._top)
