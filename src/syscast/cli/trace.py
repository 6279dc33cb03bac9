"""``syscast trace``: calls of functions, syscalls and tracepoints, by expressions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from syscast.cli import completing
from syscast.cli.options import Options, TracingCommand
from syscast.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.diagnostics import Diagnostic
    from syscast.probes.kind import Role, Whom
    from syscast.session.filters import Filters
    from syscast.session.plan import Job
    from syscast.session.session import Session
    from syscast.sinks.console import Table

_HELP = """Show calls of kernel functions, syscalls and tracepoints.

\b
TARGET   NAME, KIND:NAME, CATEGORY:NAME or MODULE:NAME; see syscast --help
EXPR     Python over the target's arguments, by their names in the kernel:
         members and elements (sock.sk.skc_num, argv[0]), arithmetic, comparisons,
         current.pid, current.comm, user_str(p), kernel_str(p), cast("struct T", p)
ret      the return value; duration: ns from entry to exit

The first argument is a target, and so is every further one with a colon. All others are
expressions. Several functions: with commas (vfs_read,vfs_write), or with -t.
Without EXPR, the event has all arguments; of a syscall, also ret and duration.
A function is seen at its entry; with ret or duration, at its exit.

\b
syscast trace inet_listen 'sock.sk.skc_num as port' backlog --if 'backlog > 100'
syscast trace syscall:openat filename ret -- cat /etc/hosts
syscast trace vfs_read,vfs_write 'file.f_inode.i_ino as inode' count ret
syscast trace sched:sched_process_exec syscall:execve
"""

_COLONS = re.compile(r"[A-Za-z_][\w.]*(?::[A-Za-z_*?\[][\w.*?\[\]!-]*)+")
_AT_EXIT = {"ret", "duration"}


@click.command(
    "trace",
    cls=TracingCommand,
    help=_HELP,
    short_help="Show calls of kernel functions, syscalls and tracepoints.",
)
@click.argument(
    "words", nargs=-1, metavar="TARGET... [EXPR [as NAME]]...", shell_complete=completing.targets
)
@click.option(
    "-t",
    "--target",
    "targets",
    multiple=True,
    metavar="TARGET",
    help="A target; repeatable.",
    shell_complete=completing.targets,
)
@click.option("--if", "condition", metavar="EXPR", help="Only events for which this is true.")
def command(
    options: Options, words: tuple[str, ...], targets: tuple[str, ...], condition: str | None
) -> int:
    """Run ``syscast trace``."""
    names, texts = split(words, targets)
    from syscast.cli import outputs  # noqa: PLC0415  (once the options are right)
    from syscast.cli.streaming import stream  # noqa: PLC0415
    from syscast.probes.names import is_pattern  # noqa: PLC0415

    filters = options.filters()
    jobs = jobs_of(names, texts, condition, filters.whom)

    sessions: list[Session] = []

    def start() -> Session:
        sessions.append(_open(jobs, filters, options))
        return sessions[0]

    def table() -> Table | None:
        if any(is_pattern(name) for name in names):
            from syscast.cli import manytable  # noqa: PLC0415  (with patterns)

            return manytable.table(sessions[0], words=not texts)
        if len(jobs) == 1:
            return None  # the columns of the only event class
        from syscast.sinks.console import mixed_table  # noqa: PLC0415  (with several targets)

        return mixed_table()

    with outputs.opened(options) as target:
        return stream(
            start,
            lambda: outputs.make(target, options, table()),
            options,
        )


def _open(jobs: Sequence[Job], filters: Filters, options: Options) -> Session:
    """Open the session; where a name is not known, say what was perhaps meant."""
    from msgspec.structs import replace  # noqa: PLC0415  (once the options are right)

    from syscast.diagnostics import CompileError  # noqa: PLC0415
    from syscast.session.attach import open_session  # noqa: PLC0415

    try:
        return open_session(
            jobs, filters, command=list(options.command) or None, delivery=options.delivery()
        )
    except CompileError as error:
        findings = [
            replace(each, hint=_hint(each.source, jobs[0].target, filters.whom) or each.hint)
            if each.message.startswith("no such name") and not _is_clear(each)
            else each
            for each in error.diagnostics
        ]
        raise CompileError(findings) from None


def _is_clear(found: Diagnostic) -> bool:
    """Whether a finding's hint is the best: not where a near name may as well be a command."""
    from shutil import which  # noqa: PLC0415  (only for what is wrong)

    if "did you mean" not in found.hint:
        return False
    return "current." in found.hint or not which(found.source)


def _hint(text: str, target: str, whom: Whom) -> str:
    """What a name was meant to be that is no argument: a function to trace too, or an argument."""
    import difflib  # noqa: PLC0415  (only for what is wrong)
    from shutil import which  # noqa: PLC0415

    from syscast.btf import source  # noqa: PLC0415
    from syscast.btf.types import Func  # noqa: PLC0415
    from syscast.probes import registry  # noqa: PLC0415
    from syscast.probes.names import is_pattern  # noqa: PLC0415

    if not text.isidentifier() or is_pattern(target):
        return ""
    known = [each.name for each in registry.choose(target, whom=whom).target.arguments]
    near = difflib.get_close_matches(text, [*known, *sorted(_AT_EXIT)], 2)
    if near:
        return f"did you mean {' or '.join(near)}?"
    if source.kernel().find(text, Func) is not None:
        return f"it is a function; to trace both: {target},{text}"
    if which(text):
        return f"a command to trace stands behind --: -- {text}"
    return f"the arguments are {', '.join(known)}" if known else ""


def split(words: Sequence[str], targets: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tell targets from expressions.

    Args:
        words: The positional arguments.
        targets: Those of ``-t``.

    Raises:
        UsageError: There is no target, or the first argument can be none.
    """
    names = [name for text in targets for name in text.split(",")]
    texts: list[str] = []
    for word in words:
        if not names:
            names = word.split(",")
            _check_first(word, names)
        elif _COLONS.fullmatch(word) or _in_file(word):
            names.append(word)
        else:
            texts.append(word)
    if not names:
        raise click.UsageError("no target is given, such as inet_listen or syscall:openat")
    return list(dict.fromkeys(names)), texts


def _in_file(word: str) -> bool:
    """Whether a word is a target in user space, where nearly every character may stand."""
    from syscast.probes import names  # noqa: PLC0415  (once there are words)

    return names.in_user_space(word)


def _check_first(word: str, names: Sequence[str]) -> None:
    for name in names:
        if not name or not (re.fullmatch(r"[\w.:*?\[\]!-]+", name) or _in_file(name)):
            raise click.UsageError(
                f"'{word}' can be no target; the first argument is one, such as inet_listen"
            )


def jobs_of(
    names: Sequence[str], texts: Sequence[str], condition: str | None, whom: Whom | None = None
) -> list[Job]:
    """One job for each target; the expressions are the same for all.

    Args:
        names: The targets.
        texts: Of the fields.
        condition: Of ``--if``.
        whom: Whose files targets in user space are looked up in.

    Raises:
        CompileError: An expression does not parse.
        TargetError: A target does not exist.
        UsageError: A target that has no exit is asked for what only the exit knows.
    """
    from syscast.cli import expressions  # noqa: PLC0415  (once the words are told apart)
    from syscast.probes.names import is_pattern  # noqa: PLC0415
    from syscast.session.plan import Job  # noqa: PLC0415

    body = expressions.parse(texts, condition)
    used = expressions.names(body)
    return [
        Job(name, "probe" if is_pattern(name) else _role(name, used, whom), body) for name in names
    ]


def _role(name: str, used: frozenset[str], whom: Whom | None) -> Role:
    """Whether a target is seen at one moment, or at entry and exit."""
    from syscast.probes import names, registry  # noqa: PLC0415  (once the words are told apart)
    from syscast.probes.kind import NOBODY  # noqa: PLC0415

    said = names.parse(name).kind
    choice = registry.choose(name, whom=whom or NOBODY)
    kind = choice.kind.name
    if kind == "syscall":
        return "call" if choice.target.returns_at_all else "probe"
    late = (used & _AT_EXIT) - {each.name for each in choice.target.arguments}
    if kind == "fexit":
        return "call" if "duration" in late else "probe"
    if kind in {"kretprobe", "uretprobe"}:
        return "call" if used - {"ret"} else "probe"
    if kind == "uprobe":
        return "call" if late else "probe"
    if said in {"", names.FUNCTION} and "tracepoint" not in kind:
        return "call" if late else "probe"
    if late:
        raise UsageError(
            f"{kind} '{choice.target.name}': read '{min(late)}': it is known at the exit only "
            f"({_instead(kind, choice.target.name)})"
        )
    return "probe"


def _instead(kind: str, name: str) -> str:
    from syscast.probes import names  # noqa: PLC0415  (only errors need it)

    what = names.without_exit(kind)
    if what:
        return f"a {what} has no exit"
    return f"say {name}, or fexit:{name}"
