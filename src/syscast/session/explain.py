"""What becomes of probes: source line, IR, instructions, and what each line costs the verifier.

Programs are loaded for their cost and unloaded; nothing is attached. Without the right to load,
or where this kernel cannot, everything but the cost is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.errors import KernelError, NotSupportedError, TargetError, VerifierError
from syscast.loader.cost import LOG_LEVEL, Cost, read_cost
from syscast.probes import names, registry
from syscast.probes.kind import NOBODY
from syscast.session.listing import Instruction, Reads, instructions, ir_lines, reads_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from syscast.ir.program import Function, Program
    from syscast.probes.registry import Choice
    from syscast.session.listing import Place
    from syscast.session.plan import Job
    from syscast.spec.objectspec import ObjectSpec, ProgramSpec


_TRAMPOLINES = {"fentry": "kprobe", "fexit": "kretprobe"}


class Line(msgspec.Struct, frozen=True):
    """One source line and what came of it.

    Attributes:
        file: As in messages.
        line: From 1; 0 for what belongs to no line.
        text: The line itself.
        ir: What the front end made of it, with each read decided.
        instructions: After CO-RE, in the order of the program.
        processed: Steps of the verifier on them, over all paths.
    """

    file: str
    line: int
    text: str
    ir: tuple[str, ...]
    instructions: tuple[Instruction, ...]
    processed: int


class Explained(msgspec.Struct, frozen=True):
    """One program.

    Attributes:
        name: Of the program in the object.
        probe: The probe that it belongs to.
        target: What it attaches to.
        kind: How.
        role: ``probe``, ``entry`` or ``exit``.
        section: Of the object file.
        note: Why the target cannot be attached to on this machine, where it cannot.
        length: Instruction slots of 8 bytes.
        cost: What the verifier said; None where it was not asked.
        missing: Why there is no cost.
        refusal: The message of a verifier that refuses the program.
        reads: How kernel and user memory is read.
        filtered: Whether the filters of ``attach`` are tested by this program.
        lines: In the order of the source.
        log: The verifier's whole log.
    """

    name: str
    probe: str
    target: str
    kind: str
    role: str
    section: str
    note: str
    length: int
    cost: Cost | None
    missing: str
    refusal: str
    reads: Reads
    filtered: bool
    lines: tuple[Line, ...]
    log: str


def explain(jobs: Sequence[Job]) -> list[Explained]:
    """Compile probes and explain every program.

    Raises:
        CompileError: A probe is outside the language.
        TargetError: No such target.
        UsageError: As for `plan`.
    """
    if any(names.is_pattern(each.target) for each in jobs):
        from syscast.session.patterns import expand  # noqa: PLC0415  (with patterns only)

        jobs, _ = expand(jobs, NOBODY)
    groups: dict[str, list[tuple[Job, Choice, str]]] = {}
    for job in jobs:
        choice, note = _choose(job)
        groups.setdefault(choice.types.name, []).append((job, choice, note))
    found: list[Explained] = []
    for group in groups.values():
        found += _explain_group(group)
    return found


def _choose(job: Job) -> tuple[Choice, str]:
    """As for `attach`; else a kind that knows the target, and why it does not work here.

    A function is then taken by kprobe: such programs can be loaded, for their cost, on kernels
    that attach neither them nor trampolines.
    """
    if job.choice is not None:
        return job.choice, ""
    try:
        return registry.choose(job.target, job.role), ""
    except NotSupportedError as error:
        choice = registry.choose(job.target, job.role, here=False)
        name = names.parse(job.target)
        if choice.kind.name in _TRAMPOLINES and name.kind in {"", names.FUNCTION}:
            kind = _TRAMPOLINES[choice.kind.name]
            choice = registry.choose(name.scoped, job.role, kind=kind, here=False)
        return choice, str(error)


def _explain_group(group: Sequence[tuple[Job, Choice, str]]) -> Iterator[Explained]:
    from syscast.compiler.driver import compile_program  # noqa: PLC0415  (the compiler's door)
    from syscast.passes import kernel_reads  # noqa: PLC0415
    from syscast.session.plan import identity, lower  # noqa: PLC0415

    types = group[0][1].types
    program, _ = lower([(job, choice) for job, choice, _ in group], follow=False)
    spec, _ = compile_program(program, types, identity(types))
    notes = {choice.target.name: note for _, choice, note in group}
    decided = kernel_reads.run(program, types)
    functions = {each.name: each for each in decided.functions}
    for each in spec.programs:
        function = functions.get(each.name)
        if function is not None:
            yield _explain_one(spec, each, decided, function, notes)


def _explain_one(
    spec: ObjectSpec,
    compiled: ProgramSpec,
    program: Program,
    function: Function,
    notes: dict[str, str],
) -> Explained:
    context = function.context
    assert context is not None  # programs of an object have one; subprograms are part of them
    log, missing, refusal = _ask(spec, compiled)
    cost = read_cost(log)
    visits = cost.visits if cost is not None else {}
    return Explained(
        name=function.name,
        probe=function.probe or function.name,
        target=context.target,
        kind=context.kind,
        role=function.role,
        section=compiled.section,
        note=notes.get(context.target, ""),
        length=len(compiled.insns) // 8,
        cost=cost,
        missing=missing,
        refusal=refusal,
        reads=reads_of(function),
        filtered=function.filtered and function.role != "exit",
        lines=tuple(_lines(program, function, instructions(spec, compiled, visits))),
        log=log,
    )


def _ask(spec: ObjectSpec, program: ProgramSpec) -> tuple[str, str, str]:
    """The verifier's log, or why there is none, or its refusal."""
    from syscast.features import probing  # noqa: PLC0415  (one question)
    from syscast.loader.load import verify  # noqa: PLC0415  (once everything is compiled)

    try:
        ready = registry.prepare(program)
        log = verify(spec, ready, level=LOG_LEVEL, force_perf=not probing.supported("ringbuf"))
    except VerifierError as error:
        return error.log, "", str(error)
    except (KernelError, TargetError) as error:
        return "", str(error), ""
    return log, "", ""


def _lines(
    program: Program, function: Function, code: dict[Place, list[Instruction]]
) -> Iterator[Line]:
    """Every source line that has IR or instructions, by file and number; the function's file first."""
    text = ir_lines(function)
    own = function.span.file if function.span is not None else ""
    for place in sorted({*code, *text}, key=lambda place: (place[0] != own, *place)):
        file, line = place
        insns = code.get(place, [])
        source = program.sources.get(file, "").splitlines()
        yield Line(
            file,
            line,
            source[line - 1] if 0 < line <= len(source) else "",
            tuple(text.get(place, ())),
            tuple(insns),
            sum(each.visits for each in insns),
        )
