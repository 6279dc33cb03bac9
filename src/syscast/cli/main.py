"""``syscast``: finds the command, runs it, and turns what went wrong into words and an exit code."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.shell_completion import CompletionItem


class Entry(NamedTuple):
    """A command that is not imported yet: its module in this package, and its line in the help."""

    module: str
    help: str


NO_COMMAND = 2
COMPLETE = "_SYSCAST_COMPLETE"
"""Environment: set by the completion script of a shell."""

COMMANDS = {
    "listen": Entry("listen", "Show who starts to listen: address, port, backlog, container."),
    "trace": Entry("trace", "Show calls of kernel functions, syscalls and tracepoints."),
    "count": Entry("count", "Count calls by function, command, or any other key."),
    "hist": Entry("hist", "Draw histograms of durations, return values or arguments."),
    "snapshot": Entry(
        "snapshot", "Show tables of the kernel: sockets, tasks, files, maps, programs."
    ),
    "run": Entry("run", "Run the probes of a Python file, or a BPF object."),
    "record": Entry("record", "Record events in a file, for later and for other programs."),
    "replay": Entry("replay", "Show the events of a recording."),
    "bcc": Entry("bcc", "Run a script written for bcc, with a drop-in of syscast's."),
    "stats": Entry("stats", "Show what the running sessions do: rates, losses, rings, cost."),
    "list": Entry("list", "List functions, tracepoints and syscalls with their signatures."),
    "show": Entry("show", "Show a target's arguments, or a struct, and how to attach to it."),
    "doctor": Entry("doctor", "Show what this kernel and this user can do, and what falls back."),
    "build": Entry("build", "Compile the probes of a Python file to a BPF object."),
    "explain": Entry("explain", "Show what becomes of probes, line by line, and their cost."),
    "stubs": Entry("stubs", "Write the kernel's types for editors and type checkers."),
    "completion": Entry("completion", "Print the completion script of a shell."),
}

EXIT_CODES = """\b
Exit codes:
  0    done; Ctrl-C, SIGTERM, --count and --duration are normal ends
  1    the kernel refused, or the output could not be written
  2    wrong options, no such target, a probe that does not compile
  3    events were lost, and --fail-on-loss was given
  70   a bug in syscast
  130  Ctrl-C before tracing had begun (143: SIGTERM)
With '-- COMMAND', the command's own code where it ended by itself
(128 + number of the signal that killed it)."""

HELP = """Any Linux kernel call as a stream of typed events.

\b
syscast listen                                  who starts to listen, and where
syscast listen -- python3 -m http.server 0      only this command and its children
syscast trace inet_listen 'sock.sk.skc_num as port' backlog --if 'backlog > 100'
syscast trace syscall:openat -- cat /etc/hosts
syscast show inet_listen"""

TARGETS = """\b
Targets:
  NAME                   a kernel function, or else a syscall or tracepoint
  KIND:NAME              kprobe, kretprobe, fentry, fexit, function, syscall,
                         tracepoint, raw_tracepoint
  CATEGORY:NAME          a tracepoint, such as sched:sched_process_exec
  MODULE:NAME            a function of a kernel module"""


class LazyGroup(click.Group):
    """Imports a command when it is called; the list of all needs no import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None where there is none of this name."""
        del ctx
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module = importlib.import_module(f"syscast.cli.{entry.module}")
        found: object = module.command
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def shell_complete(  # type: ignore[explicit-any]  # click's item holds Any
        self, ctx: click.Context, incomplete: str
    ) -> list[CompletionItem]:
        """Complete a command's name from the table."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        from click.shell_completion import CompletionItem  # noqa: PLC0415  (only for shells)

        return [
            CompletionItem(name, help=entry.help)
            for name, entry in COMMANDS.items()
            if name.startswith(incomplete)
        ]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or fail with near names."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            import difflib  # noqa: PLC0415  (only for wrong names)

            near = difflib.get_close_matches(name, COMMANDS, 2)
            hint = f" (did you mean {' or '.join(near)}?)" if near else ""
            raise click.UsageError(f"no such command '{name}'{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=f"{TARGETS}\n\n{EXIT_CODES}",
)
@click.version_option(package_name="syscast", message="%(prog)s %(version)s")
def cli() -> None:
    """The group itself does nothing."""


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    code = run(sys.argv[1:])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # all is done but the interpreter's own end
    _forget_stdout()
    sys.exit(code)


def run(args: Sequence[str]) -> int:
    """Run the command line and return its exit code; nothing is raised."""
    try:
        instruction = os.environ.get(COMPLETE)
        if instruction:
            return _complete(instruction)
        with cli.make_context("syscast", list(args) or ["--help"]) as context:
            found: object = cli.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code if args else NO_COMMAND
    except (KeyboardInterrupt, click.Abort) as end:
        number: object = getattr(end, "signal", signal.SIGINT)
        return 128 + (number if isinstance(number, int) else signal.SIGINT)
    except Exception as error:  # noqa: BLE001  (the outermost: everything becomes words here)
        from syscast.cli.failures import report  # noqa: PLC0415  (only failures need it)

        return report(error, verbose=_verbose(args))
    return found if isinstance(found, int) else 0


def _verbose(args: Sequence[str]) -> bool:
    """Whether -v is given, to syscast and not to a command behind ``--``."""
    own = args[: args.index("--")] if "--" in args else args
    return "-v" in own or "--verbose" in own


def _complete(instruction: str) -> int:
    """Answer a shell that completes."""
    from click.shell_completion import shell_complete  # noqa: PLC0415  (only for shells)

    return shell_complete(cli, {}, "syscast", COMPLETE, instruction)


def _forget_stdout() -> None:
    """Keep the interpreter from complaining about a closed pipe when it flushes at its end."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        os.dup2(null, 1)
        os.close(null)
