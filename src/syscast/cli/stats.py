"""``syscast stats``: what the syscast sessions of this machine are doing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from syscast.cli.options import read_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from syscast.kernel.descriptors import Fd
    from syscast.session.others import Look
    from syscast.session.rates import Session

_HELP = """Show what the syscast sessions of this machine are doing, again and again.

\b
HITS/S    runs of the probe
EVENTS/S  records that went into the ring
LOST      events that found the ring full, since the session began
MISSED    hits that the kernel left out; unknown where it does not count them
RING      share of the fullest ring that waits to be read
NS/HIT    time that a run takes, and CPU: share of one CPU that all take;
          measured while this command runs

\b
syscast stats                    until Ctrl-C
syscast stats --once --json      one look, one JSON object
syscast stats --pid 1234         only the sessions of one process
"""


@click.command("stats", help=_HELP, short_help="Show what running sessions do.")
@click.option("--once", is_flag=True, help="Look once, after one interval.")
@click.option(
    "--interval",
    callback=read_duration,
    default="1s",
    metavar="TIME",
    help="Time between two looks: 1s, 500ms.",
)
@click.option(
    "--pid", type=click.IntRange(min=1), metavar="N", help="Only this process' sessions."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each look.")
def command(*, once: bool, interval: float, pid: int | None, as_json: bool) -> int:
    """Run ``syscast stats``."""
    from syscast.cli.stopping import Stopper  # noqa: PLC0415  (once the options are right)
    from syscast.sinks.sink import SinkClosed  # noqa: PLC0415

    looking = _Looking()
    with Stopper() as stopper:
        stopper.watch(looking)
        try:
            _watch(looking, interval, pid, _view(once=once, as_json=as_json), once=once)
        except SinkClosed:
            return 0
    return 0


class _Looking:
    """The wish to end, and a sleep that it ends."""

    def __init__(self) -> None:
        self._over = False

    def stop(self) -> None:
        """End soon."""
        self._over = True

    def sleep(self, seconds: float) -> bool:
        """Sleep; False if it was over meanwhile."""
        end = time.monotonic() + seconds
        while not self._over and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _STEP_S))
        return not self._over


_STEP_S = 0.1


def _watch(
    looking: _Looking, interval: float, pid: int | None, view: _View, *, once: bool
) -> None:
    """Look, wait, look, show."""
    from syscast.session import others  # noqa: PLC0415  (once the options are right)
    from syscast.session.rates import between  # noqa: PLC0415

    measuring = _measure()
    try:
        before: Sequence[Look] = others.look(pid)
        while looking.sleep(interval):
            now = others.look(pid)
            view.show(between(before, now, measured=measuring is not None))
            before = now
            if once:
                return
    finally:
        view.close()
        if measuring is not None:
            measuring.close()


def _measure() -> Fd | None:
    """Have the kernel measure what programs take, while the result is open; None if it cannot."""
    from syscast.errors import KernelError  # noqa: PLC0415  (once the options are right)
    from syscast.kernel.bpfprogs import enable_stats  # noqa: PLC0415

    try:
        return enable_stats()
    except KernelError:
        return None


class _View:
    """Tables, one behind the other."""

    _first = True

    def show(self, sessions: Sequence[Session]) -> None:
        """Show one look."""
        from syscast.cli.messages import show  # noqa: PLC0415  (once there is something)

        show([*([] if self._first else [""]), *_table(sessions)])
        self._first = False

    def close(self) -> None:
        """Show no more."""


class _Json(_View):
    """An object a look."""

    def show(self, sessions: Sequence[Session]) -> None:
        """Show one look."""
        from syscast.cli.messages import show_json  # noqa: PLC0415  (once there is something)

        show_json([{"time": time.time_ns(), "sessions": [each.to_dict() for each in sessions]}])


class _Live(_View):
    """A table that is drawn anew."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415  (30 ms, for terminals only)
        from rich.live import Live  # noqa: PLC0415

        self._live = Live(console=Console(), auto_refresh=False, vertical_overflow="ellipsis")
        self._live.start()

    def show(self, sessions: Sequence[Session]) -> None:
        """Show one look."""
        from rich.text import Text  # noqa: PLC0415  (imported before)

        from syscast.cli.messages import safe  # noqa: PLC0415

        text = Text(safe("\n".join(_table(sessions))), no_wrap=True, overflow="ellipsis")
        self._live.update(text, refresh=True)

    def close(self) -> None:
        """Leave the last table."""
        self._live.stop()


def _view(*, once: bool, as_json: bool) -> _View:
    import sys  # noqa: PLC0415  (loaded long ago)

    if as_json:
        return _Json()
    if not once and sys.stdout is not None and sys.stdout.isatty():
        return _Live()
    return _View()


_TITLES = (
    *("PID", "COMMAND", "PROBE", "HITS/S", "EVENTS/S", "LOST", "MISSED", "RING", "NS/HIT", "CPU"),
)
_LEFT = 3
"""Columns of names."""


def _table(sessions: Sequence[Session]) -> list[str]:
    from syscast.events.ledgertable import grid  # noqa: PLC0415  (once there is something)

    if not sessions:
        return ["no syscast session runs"]
    rows = [row for each in sessions for row in _rows(each)]
    return grid([_TITLES, *rows], left=_LEFT)


def _rows(session: Session) -> Iterator[list[str]]:
    from syscast.events.text import escape  # noqa: PLC0415  (once there is something)

    names = [session.process, escape(session.command)]
    ring = "-" if session.ring_fill is None else f"{session.ring_fill:.0%}"
    for probe in session.probes:
        events = "-" if probe.events_per_s is None else f"{probe.events_per_s:,.0f}"
        yield [
            *names,
            escape(probe.probe),
            f"{probe.hits_per_s:,.0f}",
            events,
            f"{probe.lost:,}",
            "unknown" if probe.missed is None else f"{probe.missed:,}",
            ring,
            "-" if probe.ns_per_hit is None else f"{probe.ns_per_hit:,.0f}",
            "-" if probe.cpu is None else f"{probe.cpu:.2%}",
        ]
        names, ring = ["", ""], ""
    if session.more:
        yield ["", "", f"({session.more:,} more)", *[""] * (len(_TITLES) - _LEFT)]
