"""Probes on patterns: ``trace 'tcp_*'``, ``@sc.function("vfs_*")``.

A pattern of functions or system calls takes one program for all targets whose arguments in use lie in the
same places; its events carry a number that says which of them it was. The number's names belong to the
running kernel, so they are put into the object's description when it is about to be loaded, and the
cache keeps objects without them. Tracepoints have arguments of their own each, so each gets a program.
"""

from __future__ import annotations

import ast
from types import CodeType, MethodType
from typing import TYPE_CHECKING

from msgspec.structs import replace

from syscast.errors import KernelError, TargetError, UsageError
from syscast.link.many import Refused, reason
from syscast.probes import many, matching, names, registry
from syscast.session.plan import Job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.probes.kind import Role, Whom
    from syscast.probes.many import Names
    from syscast.probes.matching import Match
    from syscast.probes.registry import Choice

_AT_EXIT = frozenset({"ret", "duration"})
_EACH = frozenset({"fentry", "fexit"})
"""Kinds whose programs are for one function each."""
_AT_RETURN = frozenset({"kretprobe", "uretprobe"})
_FEW = 4
"""Functions up to which each gets a program of its own where nothing says which arguments are wanted:
they then have types and names."""
_MOST_PROGRAMS = 200


def is_pattern(job: Job, whom: Whom) -> bool:
    """Whether a probe's target means many."""
    if job.choice is not None or not names.is_pattern(job.target):
        return False
    if not names.in_user_space(job.target):
        return True
    try:
        registry.choose(job.target, job.role, whom=whom)
    except TargetError:
        return True
    return False  # C++ has names with such characters


def expand(jobs: Sequence[Job], whom: Whom) -> tuple[list[Job], list[Refused]]:
    """Put in place of each pattern the probes that it takes.

    Args:
        jobs: Probes, some on patterns.
        whom: Whose files targets in user space are looked up in.

    Returns:
        Probes that each have their targets chosen, and what has to be left out.

    Raises:
        TargetError: A pattern means nothing, or nothing that has the arguments asked for.
        UsageError: It means too much.
        NotSupportedError: This machine has no way.
    """
    known = many.Names()
    made: list[Job] = []
    skipped: list[Refused] = []
    for job in jobs:
        if not is_pattern(job, whom):
            made.append(job)
            continue
        match = matching.match(job.target, whom)
        skipped += match.skipped
        known.of_syscalls = known.of_syscalls or match.sort == "syscall"
        found, refused = _of_match(job, match, known, whom)
        skipped += refused
        if not found:
            raise TargetError(
                f"pattern '{job.target}': attach: none of the {len(match.found)} that match will do, "
                f"such as {refused[0].name}: {refused[0].reason}"
            )
        made += found
    return made, skipped


def _of_match(job: Job, match: Match, known: Names, whom: Whom) -> tuple[list[Job], list[Refused]]:
    used = _used(job.body)
    if _alone(match, named_arguments=used is not None):
        return _each(job, match, used or frozenset(), whom)
    wanted = (used or frozenset()) - {"duration"}
    role = _role(job, match, used or frozenset())
    if match.sort == "uprobe":
        from syscast.probes import many_user  # noqa: PLC0415  (user space only)

        choices = [many_user.choice(match, role, known, whom)]
        refused: list[Refused] = []
    else:
        choices, refused = many.choices(match, wanted, role, known, words=used is None)
    made = []
    for at, choice in enumerate(choices, 1):
        name = job.name or job.target
        made.append(_chosen(job, choice, name if len(choices) == 1 else f"{name} ({at})", known))
    return made if len(match.found) > len(refused) else [], refused


def _chosen(job: Job, choice: Choice, name: str, known: Names | None) -> Job:
    """The probe with its targets chosen."""
    return Job(job.target, choice.role, job.body, name, choice, job.where, known)


def _alone(match: Match, *, named_arguments: bool) -> bool:
    """Whether each target that a pattern means gets a program of its own."""
    if "tracepoint" in match.sort or match.kind in _EACH:
        return True
    few = len(match.found) <= _FEW and len({each.name for each in match.found}) == len(match.found)
    return few and not named_arguments and match.sort == "function" and not match.kind


def _role(job: Job, match: Match, used: frozenset[str]) -> Role:
    if match.sort == "syscall" or match.kind in _AT_RETURN or used & _AT_EXIT:
        # At a system call's entry its strings may lie in pages that are not there yet.
        return "call"
    return job.role


# ---------------------------------------------------------------- a program for each


def _each(
    job: Job, match: Match, used: frozenset[str], whom: Whom
) -> tuple[list[Job], list[Refused]]:
    if len(match.found) > _MOST_PROGRAMS:
        raise UsageError(
            f"pattern '{match.text}': attach: it means {len(match.found)} functions, each takes a program of "
            f"its own, and {_MOST_PROGRAMS} are the most (without '{match.kind}:' they share one)"
        )
    made: list[Job] = []
    refused: list[Refused] = []
    for found in match.found:
        text = match.target(found)
        try:
            choices = registry.choose_all(text, _role_of_one(job, match, used), whom=whom)
        except (TargetError, KernelError) as error:
            refused.append(Refused(found.name, reason(str(error))))
            continue
        for choice in choices:
            arguments = {each.name: each for each in choice.target.arguments}
            known = set(arguments) | (_AT_EXIT if choice.role == "call" else {"ret"})
            lacking = min(used - known, default="")
            if lacking:
                refused.append(Refused(found.name, f"it has no argument '{lacking}'"))
                continue
            ordered = _in_order(job.body, choice)
            made.append(_chosen(job, ordered, choice.target.qualified, None))
    return made, refused


def _role_of_one(job: Job, match: Match, used: frozenset[str]) -> Role:
    if "tracepoint" in match.sort:
        return "probe"
    late = used & _AT_EXIT
    if match.kind == "fexit":
        return "call" if "duration" in late else "probe"
    return "call" if late else job.role


def _in_order(body: object, choice: Choice) -> Choice:
    """Arguments in the order of a Python function's parameters, since these go by position."""
    order = _parameters(body)
    if order is None:
        return choice
    arguments = {each.name: each for each in choice.target.arguments}
    first = [arguments.pop(name) for name in order if name in arguments]
    target = replace(choice.target, arguments=(*first, *arguments.values()))
    return registry.Choice(
        choice.kind, target, choice.role, choice.reason, choice.rejected, choice.types
    )


# ---------------------------------------------------------------- what a probe reads


def _parameters(body: object) -> tuple[str, ...] | None:
    """The parameters of a Python function; None where the probe is none."""
    function: object = body.__func__ if isinstance(body, MethodType) else body
    code: object = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return None
    found = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return found[1:] if isinstance(body, MethodType) else found


def _used(body: object) -> frozenset[str] | None:
    """Names of arguments that a probe reads; None for all that there are."""
    parameters = _parameters(body)
    if parameters is not None:
        return frozenset(parameters)
    from syscast.compiler.driver import Expressions, words  # noqa: PLC0415  (the compiler's door)

    if not isinstance(body, Expressions):
        raise UsageError(f"probe: attach to many: {body!r:.60} is no function written in Python")
    trees = [node for _, node, _ in body.fields]
    if body.condition is not None:
        trees.append(body.condition[0])
    found = _names(trees) - words()
    return found if body.fields or found else None


def _names(trees: Sequence[ast.expr]) -> frozenset[str]:
    """Names that stand for values: what is called is a function of the language."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    return frozenset(
        node.id for node in nodes if isinstance(node, ast.Name) and id(node) not in called
    )
