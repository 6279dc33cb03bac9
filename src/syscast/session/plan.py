"""From targets and functions to objects: which kind, which BTF, compiled or from the cache."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from syscast.btf.record import Record
from syscast.errors import TargetError, UsageError
from syscast.probes import names, registers, registry
from syscast.probes.kind import NOBODY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syscast.btf.lookup import Btf
    from syscast.compiler.early import Early
    from syscast.events.event import Event
    from syscast.events.where import Where
    from syscast.ir.program import Function, Program
    from syscast.probes.kind import Kind, Role, Whom
    from syscast.probes.many import Names
    from syscast.probes.registry import Choice
    from syscast.session.delivery import Delivery
    from syscast.spec.objectspec import ObjectSpec
    from syscast.state.state import State


class Job(Record):
    """One probe to attach.

    Attributes:
        target: As users write it: ``inet_listen``, ``kprobe:inet_listen``, ``syscall:openat``.
        role: ``probe`` for one program, ``call`` for entry and exit.
        body: A Python function, or `syscast.compiler.driver.Expressions`.
        name: What events say they come from; the target by default.
        choice: How to attach, where it was chosen already.
        where: Filters that its events must pass.
        known: Of a program on many targets: their names, by the numbers that its events carry.
    """

    target: str
    role: Role
    body: object
    name: str = ""
    choice: Choice | None = None
    where: Where | None = None
    known: Names | None = None


@runtime_checkable
class Attachable(Protocol):
    """What `syscast.attach` takes: a decorated function."""

    def job(self) -> Job:
        """The probe to attach."""
        ...


class Plan(Record):
    """One object to load.

    Attributes:
        choices: How each probe of it attaches.
        classes: Declared event classes by schema id.
        kinds: By a probe's name, the kinds that know more than the program's spec tells.
        states: Objects that the probes share with Python, by the name of their map.
        sifted: Program id to the filters that Python has to run.
    """

    spec: ObjectSpec
    choices: tuple[Choice, ...]
    classes: dict[int, type[Event]]
    cached: bool
    kinds: dict[str, Kind]
    states: dict[str, State]
    sifted: Mapping[int, Where] = MappingProxyType({})


def plan(
    jobs: Sequence[Job],
    *,
    follow: bool = False,
    here: bool = True,
    whom: Whom = NOBODY,
    delivery: Delivery | None = None,
) -> list[Plan]:
    """Choose kinds and compile; probes on one BTF (the kernel's, or one module's) share an object.

    Args:
        jobs: The probes.
        follow: Add the programs that keep track of descendants.
        here: Whether the kinds must work on this machine.
        whom: Whose files targets in user space are looked up in.
        delivery: How events come: what limits and counts go by is part of the programs.

    Raises:
        TargetError: No such target.
        NotSupportedError: No kind can attach to a target here.
        CompileError: A probe is outside the language.
    """
    if not jobs:
        raise UsageError("session: open: no probe is given")
    from syscast.compiler.early import Early  # noqa: PLC0415  (the compiler's door)

    with Early(job.body for job in jobs) as early:
        return [
            _compile(group, early, follow=follow, delivery=delivery)
            for group in _groups(jobs, here=here, whom=whom)
        ]


def programs_of(
    jobs: Sequence[Job], *, follow: bool = False, whom: Whom = NOBODY
) -> list[Program]:
    """The IR of what `plan` compiles, for reports."""
    return [lower(group, follow=follow)[0] for group in _groups(jobs, here=True, whom=whom)]


def _groups(jobs: Sequence[Job], *, here: bool, whom: Whom) -> list[list[tuple[Job, Choice]]]:
    """Probes that share an object: those on the kernel's BTF, or on one module's."""
    groups: dict[str, list[tuple[Job, Choice]]] = {}
    for job in jobs:
        try:
            choices = (
                [job.choice]
                if job.choice
                else registry.choose_all(job.target, job.role, here=here, whom=whom)
            )
        except TargetError as error:
            from syscast.session.placing import placed  # noqa: PLC0415  (only for errors)

            raise placed(error, job.body, job.target) from error.__cause__
        for choice in choices:
            groups.setdefault(choice.types.name, []).append((job, choice))
    return list(groups.values())


def lower(
    group: Sequence[tuple[Job, Choice]],
    *,
    follow: bool,
    states: dict[str, State] | None = None,
) -> tuple[Program, dict[int, type[Event]]]:
    """Lower the probes of one object."""
    from syscast.compiler.driver import Request  # noqa: PLC0415  (the compiler's door)
    from syscast.compiler.driver import lower as lower_requests  # noqa: PLC0415

    types = group[0][1].types
    requests = [
        Request(
            _name(job, choice),
            choice.kind.contexts(choice.target, role=choice.role),
            job.body,
            job.where,
        )
        for job, choice in group
    ]
    companions: Sequence[Function] = ()
    if follow:
        from syscast.probes.follow import companions as following  # noqa: PLC0415  (only with follow)

        companions = following(types)
    return lower_requests(
        requests,
        types,
        arch=registers.here().machine,
        companions=companions,
        states=states,
    )


def _compile(
    group: Sequence[tuple[Job, Choice]], early: Early, *, follow: bool, delivery: Delivery | None
) -> Plan:
    from syscast.compiler.driver import compile_program  # noqa: PLC0415  (the compiler's door)

    types = group[0][1].types
    states: dict[str, State] = {}
    program, classes = lower(group, follow=follow, states=states)
    if delivery is not None:
        program = _admitting(program, delivery)
    spec, cached = compile_program(program, types, identity(types), early.take)
    own = {
        _name(job, choice): choice.kind
        for job, choice in group
        if job.choice is not None or choice.kind.name in names.OF_PROCESSES
    }
    refused = {
        _name(job, choice): job.where
        for job, choice in group
        if job.where is not None and job.where.refused
    }
    programs = spec.meta.programs if spec.meta is not None else ()
    sifted = {each.id: refused[each.probe] for each in programs if each.probe in refused}
    choices = tuple(choice for _, choice in group)
    known = next((job.known for job, _ in group if job.known is not None), None)
    if known is not None and spec.meta is not None:
        from syscast.session.naming import named  # noqa: PLC0415  (with patterns only)

        spec = named(spec, known)
    return Plan(spec, choices, classes, cached, own, states, sifted)


def _admitting(program: Program, delivery: Delivery) -> Program:
    """The program with what its events are limited and counted by."""
    limit, aggregate = delivery.rate, delivery.aggregate_by
    if (limit is None and aggregate is None) or not program.schemas:
        return program
    import msgspec  # noqa: PLC0415  (loaded by then)

    from syscast.ir.program import Admission  # noqa: PLC0415  (the compiler's)
    from syscast.session.pressing import check_names  # noqa: PLC0415  (few sessions)

    if limit is not None:
        check_names(program.schemas, limit.by, f"limit '{delivery.limit}'")
    check_names(program.schemas, aggregate or (), f"pressure '{delivery.pressure}'")
    admission = Admission(limit.by if limit is not None else None, aggregate)
    return msgspec.structs.replace(program, admission=admission)


def _name(job: Job, choice: Choice) -> str:
    return job.name or choice.target.qualified


def identity(types: Btf) -> str:
    """Content key of a BTF, so that the cache never mixes type ids of two kernels."""
    base = types.base.key if types.base is not None else ""
    return f"{base}:{types.name}:{types.key}"
