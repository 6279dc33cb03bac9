"""``syscast listen``: who starts to listen on which address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syscast.cli.options import Options, TracingCommand

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.cli.listening import Wanted
    from syscast.events.event import Event
    from syscast.session.session import Session
    from syscast.sinks.console import Table
    from syscast.symbols.cgroups import Cgroups
    from syscast.symbols.container import Owner

_HELP = """Show who starts to listen: TCP and MPTCP over IPv4 and IPv6.

\b
TIME      when listen() returned; only what succeeded is shown
ADDRESS   address and port; 0.0.0.0 and [::] are all addresses
BACKLOG   as the kernel keeps it: at most net.core.somaxconn
NETNS     inode number of the socket's network namespace
OWNER     container or systemd unit, from the cgroup

\b
syscast listen                                every process of the machine
syscast listen --port 80 --port 443 --json    as JSON lines
syscast listen -- python3 -m http.server 0    this command and its children
"""


@click.command("listen", cls=TracingCommand, help=_HELP, short_help="Show who starts to listen.")
@click.option(
    "-p",
    "--port",
    "ports",
    type=click.IntRange(0, 65535),
    multiple=True,
    metavar="N",
    help="Only this port; repeatable.",
)
def command(options: Options, ports: tuple[int, ...]) -> int:
    """Run ``syscast listen``."""
    from syscast.cli import outputs  # noqa: PLC0415  (once the options are right)
    from syscast.cli.streaming import stream  # noqa: PLC0415

    owners = _Owners()
    wanted = frozenset(ports)

    def accept(event: Event) -> bool:
        port: object = getattr(event, "port", None)
        return port in wanted

    with outputs.opened(options) as target:
        return stream(
            lambda: _start(options, ports),
            lambda: outputs.make(target, options, table(owners.of), owners.described),
            options,
            accept if len(wanted) > 1 else None,
        )


def _start(options: Options, ports: tuple[int, ...]) -> Session:
    """Attach to the first source that works here."""
    from syscast.cli import listening  # noqa: PLC0415  (once the options are right)
    from syscast.cli.messages import say  # noqa: PLC0415
    from syscast.errors import NotSupportedError, TargetError  # noqa: PLC0415
    from syscast.session.attach import open_session  # noqa: PLC0415

    filters = options.filters(netns=False)
    delivery = options.delivery()
    *better, last = listening.sources(_wanted(options, ports))
    command = list(options.command) or None
    for jobs in better:
        try:
            return open_session(jobs, filters, command=command, delivery=delivery)
        except (NotSupportedError, TargetError) as error:
            if options.verbose:
                say(f"{error}; falling back to {last[0].target}")
    return open_session(last, filters, command=command, delivery=delivery)


def _wanted(options: Options, ports: tuple[int, ...]) -> Wanted:
    """The constants of the probes: the range of the ports, the socket's network namespace."""
    from syscast.cli.listening import Wanted  # noqa: PLC0415
    from syscast.session.filters import netns_inode  # noqa: PLC0415

    netns = 0 if options.netns is None else netns_inode(options.netns)
    return Wanted(min(ports), max(ports), netns) if ports else Wanted(netns=netns)


class _Owners:
    """Containers and units of events, looked up once the first event is there."""

    def __init__(self) -> None:
        self._cgroups: Cgroups | None = None

    def of(self, event: Event) -> Owner:
        """The owner of the task's cgroup."""
        if self._cgroups is None:
            from syscast.symbols.cgroups import Cgroups  # noqa: PLC0415  (not needed to start)

            self._cgroups = Cgroups()
        return self._cgroups.owner(event.cgroup_id, event.pid)

    def described(self, event: Event) -> dict[str, object]:
        """The event as a JSON object, with container, pod and unit."""
        from syscast.events.event import plain  # noqa: PLC0415  (imported long ago)

        owner = self.of(event)
        container = owner.container
        return {
            **plain(event),
            "container": None if container is None else str(container),
            "pod": (container.pod or None) if container is not None else None,
            "unit": owner.unit,
        }


def table(owner: Callable[[Event], object]) -> Table:
    """The columns; ``owner`` gives what stands in the last one."""
    from syscast.cli.listening import Listening  # noqa: PLC0415  (imported with the probes)
    from syscast.events.text import address_text, clock_text  # noqa: PLC0415
    from syscast.sinks.console import CYAN, DIM, GREEN, Column, Table  # noqa: PLC0415

    columns = (
        Column("TIME", 15, style=DIM),
        Column("PID", 7, right=True),
        Column("COMM", 15, style=CYAN),
        Column("UID", 5, right=True),
        Column("PROTO", 5),
        Column("ADDRESS", 21, style=GREEN),
        Column("BACKLOG", 7, right=True),
        Column("NETNS", 10, right=True),
        Column("OWNER", 12),
    )

    def cells(event: Event) -> list[str]:
        assert isinstance(event, Listening)
        host = address_text(event.address)
        return [
            clock_text(event.time),
            str(event.pid),
            event.comm,
            str(event.uid),
            _protocol(event.protocol),
            f"[{host}]:{event.port}" if event.address.version == 6 else f"{host}:{event.port}",
            str(event.backlog),
            str(event.netns),
            str(owner(event)) or "-",
        ]

    return Table(columns, cells)


def _protocol(value: int) -> str:
    """The name; a number that the class does not know stays one."""
    name: object = getattr(value, "name", value)
    return str(name)
