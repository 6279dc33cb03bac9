"""``syscast snapshot``: tables of the kernel as they are now."""

from __future__ import annotations

import click

from syscast.cli import completing
from syscast.cli.options import read_duration

_HELP = """Show a table of the kernel as it is now, a line for each row, by BPF iterators.

\b
KIND   tcp, udp, unix, netlink, task, task_file, task_vma, bpf_map, bpf_prog, ...;
       without KIND: those that this kernel has, and what a row is
EXPR   Python over what a row is, as of trace; without any, the columns that
       suit the table, or the plain members of its elements
--if   a condition over the columns; with EXPR also over what a row is

Tables of the network are those of one network namespace: this one, or --netns.

\b
syscast snapshot tcp --state LISTEN
syscast snapshot task_file --pid 1234 --json
syscast snapshot tcp 'sk_common.skc_num as port' uid --if 'port < 1024'
syscast snapshot udp --netns blue --every 1s
"""


@click.command("snapshot", help=_HELP)
@click.argument("kind", default="", metavar="[KIND]", shell_complete=completing.tables)
@click.argument("words", nargs=-1, metavar="[EXPR [as NAME]]...")
@click.option("--if", "condition", metavar="EXPR", help="Only rows for which this is true.")
@click.option("--state", metavar="NAME", help="Only sockets in this state, such as LISTEN.")
@click.option("--pid", type=click.IntRange(min=1), metavar="N", help="Only this process' rows.")
@click.option("--tid", type=click.IntRange(min=1), metavar="N", help="Only this thread's rows.")
@click.option(
    "--netns",
    metavar="NETNS",
    help="In this network namespace: inode number, name of ip-netns, or path.",
)
@click.option("--cgroup", metavar="PATH", help="Only this cgroup v2 directory and those below.")
@click.option(
    "--map", "map_id", type=click.IntRange(min=1), metavar="ID", help="Elements of this map."
)
@click.option(
    "--every", callback=read_duration, metavar="TIME", help="Again and again: 1s, 500ms, 2m."
)
@click.option("--duration", callback=read_duration, metavar="TIME", help="With --every: how long.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@click.option("-o", "--output", metavar="FILE", help="Write rows to FILE.")
@click.option("-v", "--verbose", is_flag=True, help="Say how many rows there were.")
def command(kind: str, words: tuple[str, ...], **given: object) -> int:
    """Run ``syscast snapshot``."""
    from syscast.cli.snapshots import Asked, run  # noqa: PLC0415  (once the options are right)

    asked = Asked(kind, words, **given)  # type: ignore[arg-type]  # click's names and types
    return run(asked)
