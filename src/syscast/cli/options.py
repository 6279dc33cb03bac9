"""What all tracing commands share: filters, limits, outputs, and ``-- COMMAND``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

if TYPE_CHECKING:
    from syscast.session.delivery import Delivery
    from syscast.session.filters import Filters

RECORDINGS = (".arrows", ".arrow")
"""Ends of the names of files that are recordings."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_U32 = (1 << 32) - 1


class Options(msgspec.Struct, frozen=True):
    """The values of the common options.

    Attributes:
        command: What stands behind ``--``.
        recording: What is written is a recording, whatever the file is called.
    """

    json: bool = False
    count: int | None = None
    duration: float | None = None
    pid: int | None = None
    tid: int | None = None
    comm: str | None = None
    uid: int | None = None
    cgroup: str | None = None
    netns: str | None = None
    follow: bool = False
    output: str | None = None
    verbose: bool = False
    explain: bool = False
    fail_on_loss: bool = False
    stats: bool = False
    latency: str = "10ms"
    mode: str = "adaptive"
    rings: str = "one"
    ring_size: int | None = None
    pressure: str = "drop"
    limit: str | None = None
    budget: str | None = None
    command: tuple[str, ...] = ()
    recording: bool = False

    @property
    def records(self) -> bool:
        """Whether events are recorded instead of written as text."""
        return self.recording or (self.output or "").endswith(RECORDINGS)

    def filters(self, *, netns: bool = True) -> Filters:
        """The filters that the kernel applies to the task; without ``netns``, all but that."""
        from syscast.session.filters import Filters  # noqa: PLC0415  (once the options are right)

        return Filters(
            self.pid,
            self.tid,
            self.comm,
            self.uid,
            self.cgroup,
            self.netns if netns else None,
            self.follow,
        )

    def delivery(self) -> Delivery:
        """How events come."""
        from syscast.session.delivery import Delivery  # noqa: PLC0415  (once the options are right)

        return Delivery(
            self.ring_size,
            self.latency,
            self.mode,
            self.rings,
            self.pressure,
            self.limit,
            self.budget,
        )


def read_duration(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Turn ``10s``, ``500ms``, ``2m``, ``1h``, or plain seconds, into seconds."""
    if value is None:
        return None
    unit = next((each for each in _UNITS if value.endswith(each)), "")
    try:
        seconds = float(value.removesuffix(unit)) * _UNITS[unit or "s"]
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < _U32:
        raise click.BadParameter(
            f"'{value}' is no duration, such as 10s, 500ms, 2m or 1h", ctx, param
        )
    return seconds


def _user(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Turn a user's number or name into the number."""
    if value is None or value.isdigit():
        return None if value is None else int(value)
    import pwd  # noqa: PLC0415  (only for names)

    try:
        return pwd.getpwnam(value).pw_uid
    except KeyError:
        raise click.BadParameter(f"no user '{value}' on this machine", ctx, param) from None


_SIZES = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def _size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Turn ``64K``, ``16M`` or plain bytes into bytes."""
    if value is None:
        return None
    text = value.lower().removesuffix("ib").removesuffix("b")
    unit = _SIZES.get(text[-1:], 1)
    number = text[:-1] if unit > 1 else text
    if not number.isdigit():
        raise click.BadParameter(f"'{value}' is no size, such as 65536, 64K or 16M", ctx, param)
    return int(number) * unit


_NUMBER = click.IntRange(0, _U32)


def common_options() -> list[click.Option]:
    """The options, made anew for each command."""
    return [*_filters(), *_results(), *_delivery(), *_talk()]


def _filters() -> list[click.Option]:
    """Whose calls."""
    option = click.Option
    return [
        option(["--pid"], type=_NUMBER, metavar="N", help="Only this process (all its threads)."),
        option(["--tid"], type=_NUMBER, metavar="N", help="Only this thread."),
        option(["--comm"], metavar="NAME", help="Only tasks of this name (at most 15 bytes)."),
        option(
            ["--uid"],
            callback=_user,
            metavar="USER",
            help="Only tasks of this user (number or name).",
        ),
        option(
            ["--cgroup"],
            metavar="PATH",
            help="Only tasks in this cgroup v2 directory or below it.",
        ),
        option(
            ["--netns"],
            metavar="NETNS",
            help="Only this network namespace: inode number, name of ip-netns, or path.",
        ),
        option(
            ["--follow"], is_flag=True, help="With --pid: its descendants from now on as well."
        ),
    ]


def _results() -> list[click.Option]:
    """How many, and where they go."""
    option = click.Option
    return [
        option(["--count"], type=click.IntRange(min=1), metavar="N", help="End after N events."),
        option(
            ["--duration"],
            callback=read_duration,
            metavar="TIME",
            help="End after this time: 10s, 500ms, 2m, 1h.",
        ),
        option(["--json"], is_flag=True, help="One JSON object per line."),
        option(
            ["-o", "--output"],
            metavar="FILE",
            help="Write events to FILE; one that ends in .arrows is a recording.",
        ),
        option(["--fail-on-loss"], is_flag=True, help="Exit with 3 if events were lost."),
        option(
            ["--stats"],
            is_flag=True,
            help="Say at the end what became of each run: by probe, CPU and cause.",
        ),
    ]


def _delivery() -> list[click.Option]:
    """How they come, and what if there are too many."""
    option = click.Option
    return [
        option(
            ["--latency"],
            metavar="TIME",
            default="10ms",
            help="How long an event may wait to be read: 10ms; 0: not at all.",
        ),
        option(
            ["--mode"],
            metavar="MODE",
            default="adaptive",
            help="push (be told), poll (ask), adaptive (by how much there is).",
        ),
        option(
            ["--rings"],
            metavar="RINGS",
            default="one",
            help="one for all CPUs, per-cpu, or auto.",
        ),
        option(
            ["--ring-size"],
            callback=_size,
            metavar="SIZE",
            help="Bytes of the ring: 65536, 64K, 16M (default 4M).",
        ),
        option(
            ["--pressure"],
            metavar="WHAT",
            default="drop",
            help="Too many events: drop the newest, overwrite the oldest, sample, aggregate [by KEY].",
        ),
        option(
            ["--limit"],
            metavar="RATE",
            help="At most so many events per key: '100/s by comm'.",
        ),
        option(["--budget"], metavar="SHARE", help="CPU time that tracing may take: 1%."),
    ]


def _talk() -> list[click.Option]:
    """What is said on the way."""
    option = click.Option
    return [
        option(
            ["--explain"],
            is_flag=True,
            help="Say where each filter runs, in the kernel or in Python, and why.",
        ),
        option(["-v", "--verbose"], is_flag=True, help="Say how the probes are attached."),
    ]


class TracingCommand(click.Command):
    """A command that traces: has the common options, and takes ``-- COMMAND ARGS...``.

    Its function gets them as one argument, ``options``.
    """

    def __init__(self, name: str | None, **attributes: object) -> None:
        own: object = attributes.pop("params", None)
        params = [*own, *common_options()] if isinstance(own, list) else common_options()
        super().__init__(name, params=params, **attributes)  # type: ignore[arg-type]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Cut off the command, parse the rest, gather the common options."""
        command: tuple[str, ...] = ()
        if "--" in args:
            at = args.index("--")
            command = tuple(args[at + 1 :])
            args = args[:at]
            if not command:
                raise click.UsageError("no command stands behind '--'", ctx)
        rest = super().parse_args(ctx, args)
        common = {
            name: ctx.params.pop(name) for name in Options.__struct_fields__ if name in ctx.params
        }
        ctx.params["options"] = options = Options(**common, command=command)
        if options.count is not None and options.pressure == "overwrite":
            raise click.UsageError("--count and --pressure overwrite exclude each other", ctx)
        if command and options.pid is not None:
            raise click.UsageError("--pid and a command behind '--' exclude each other", ctx)
        if options.follow and options.pid is None:
            hint = "a command's children are followed anyway" if command else "follow whom?"
            raise click.UsageError(f"--follow needs --pid ({hint})", ctx)
        return rest

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Add the command to the usage line."""
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND [ARGS]...]"]
