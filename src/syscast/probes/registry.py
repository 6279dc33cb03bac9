"""All kinds, and which of them a target takes on this machine.

For functions: a trampoline (fentry, fexit) before kprobes. It passes typed arguments, needs no
perf event, does not share the guard that makes perf-style probes lose hits, and its link ends with
the process. For system calls: the raw tracepoints that all of them pass. A tracepoint given by name alone is
taken raw, since that works without tracefs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf.record import Record
from syscast.btf.types import Func, Typedef
from syscast.errors import (
    KernelError,
    NotSupportedError,
    PermissionDeniedError,
    TargetError,
    UsageError,
)
from syscast.probes import names
from syscast.probes.kind import NOBODY, refusal
from syscast.probes.names import Name

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.link.protocol import Link
    from syscast.probes.kind import Kind, LoadedProgram, Role, Target, Whom
    from syscast.spec.objectspec import ProgramSpec

KINDS = (
    *("fentry", "fexit", "kprobe", "kretprobe", "raw_tracepoint", "tracepoint", "syscall"),
    *("uprobe", "uretprobe", "usdt", "profile", "interval", "software", "hardware", "iter"),
)
"""The names of all kinds."""

_FUNCTION_KINDS = {"probe": ("fentry", "kprobe"), "call": ("fexit", "kretprobe")}
_SCOPED = frozenset({"tracepoint", "raw_tracepoint"}) | names.OF_PROCESSES
_WHY = {
    "fentry": "a trampoline: typed arguments, no breakpoint, ends with the process",
    "fexit": "a trampoline: arguments and return value, ends with the process",
    "kprobe": "arguments from registers, by ftrace or a breakpoint",
    "kretprobe": "the return value from a register, by ftrace or a breakpoint",
    "raw_tracepoint": "the tracepoint's own arguments, without a record in between",
    "tracepoint": "the fields of the tracepoint's record",
    "uprobe": "a breakpoint in the file's code, arguments from registers",
    "uretprobe": "the return address of each call is replaced, the return value from a register",
    "usdt": "a breakpoint at the author's mark, arguments where its note says",
    "profile": "a clock of each CPU, or of each thread of a process",
    "interval": "a clock of one CPU",
    "software": "a counter of the kernel",
    "hardware": "a counter of the machine",
    "iter": "run for each element of a table of the kernel, by who reads it",
    "syscall": "raw tracepoints that every system call passes, filtered by its number",
}


class Choice(Record):
    """How a target would be attached.

    Attributes:
        kind: The kind chosen.
        target: What it found.
        role: For which it was chosen.
        reason: Why this kind.
        rejected: (kind, why not) of those that would have come before it.
        types: The BTF that the target's type ids belong to: the kernel's, or a module's.
    """

    kind: Kind
    target: Target
    role: Role
    reason: str
    rejected: tuple[tuple[str, str], ...]
    types: Btf


def get(name: str, whom: Whom = NOBODY) -> Kind:
    """A kind by its name, in the form that suits this machine.

    Args:
        name: One of `KINDS`.
        whom: For kinds of user space.

    Raises:
        UsageError: There is none of this name.
    """
    # Imported one by one: a session needs one or two of them.
    if name in names.OF_PROCESSES:
        return _of_process(name, whom)
    if name == "iter":
        from syscast.probes.iterator import ITER  # noqa: PLC0415

        return ITER
    return _of_kernel(name)


def _of_kernel(name: str) -> Kind:
    """A kind of events of the kernel."""
    match name:
        case "fentry" | "fexit":
            from syscast.probes import fentry  # noqa: PLC0415

            return fentry.FENTRY if name == "fentry" else fentry.FEXIT
        case "kprobe" | "kretprobe":
            from syscast.probes import kprobe  # noqa: PLC0415

            return kprobe.KPROBE if name == "kprobe" else kprobe.KRETPROBE
        case "raw_tracepoint":
            from syscast.probes.raw_tracepoint import RawTracepoint  # noqa: PLC0415

            return RawTracepoint(typed=_typed())
        case "tracepoint":
            from syscast.probes.tracepoint import TRACEPOINT  # noqa: PLC0415

            return TRACEPOINT
        case "syscall":
            from syscast.probes.syscall import SyscallKind  # noqa: PLC0415

            return SyscallKind(typed=_typed())
        case _:
            raise UsageError(f"kind '{name}': look up: there is none (kinds: {', '.join(KINDS)})")


def _of_process(name: str, whom: Whom) -> Kind:
    """A kind that can be attached to one process."""
    if name in names.SAMPLES:
        from syscast.probes.perf_event import Samples  # noqa: PLC0415  (as above)

        return Samples(name, whom=whom)
    if name == "usdt":
        from syscast.probes.usdt import Usdt  # noqa: PLC0415  (as above)

        return Usdt(whom=whom)
    from syscast.probes.uprobe import Uprobe  # noqa: PLC0415  (as above)

    return Uprobe(at_return=name == "uretprobe", whom=whom)


def _typed() -> bool:
    return refusal("tp_btf") is None


def choose(
    text: str,
    role: Role = "probe",
    *,
    kind: str = "",
    types: Btf | None = None,
    here: bool = True,
    whom: Whom = NOBODY,
) -> Choice:
    """Find a target and the best way to attach to it.

    Args:
        text: A target string, see ``names``.
        role: ``probe`` for one program, ``call`` for one at the entry and one at the exit.
        kind: The kind, where the string does not say it; ``function`` and ``call`` are no kinds and
            mean the best.
        types: The kernel's BTF; the running kernel's by default.
        here: Whether it must work on this machine. Without, the first kind that knows the target
            is taken.
        whom: Whose files a target in user space is looked up in.

    Raises:
        TargetError: No such target, or none that has an exit, for ``call``.
        NotSupportedError: It exists, and no kind can attach to it here.
        UsageError: A target string that cannot be read.
    """
    from syscast.btf import source  # noqa: PLC0415  # not needed to attach

    name = names.parse(text, kind)
    kernel = types if types is not None else source.kernel()
    if name.kind and name.kind != names.FUNCTION:
        return _explicit(get(name.kind, whom), name, role, kernel, here=here)
    sort = names.FUNCTION if name.kind else _sort(name, kernel)
    if sort != names.FUNCTION:
        return _explicit(get(sort), name, role, kernel, here=here)
    return _function(name, role, _types_of_function(name, kernel), here=here)


def choose_all(
    text: str,
    role: Role = "probe",
    *,
    kind: str = "",
    types: Btf | None = None,
    here: bool = True,
    whom: Whom = NOBODY,
) -> list[Choice]:
    """`choose`, for targets that take several programs.

    Such is a USDT probe whose places have their arguments in different registers.
    """
    first = choose(text, role, kind=kind, types=types, here=here, whom=whom)
    if first.kind.name != "usdt":
        return [first]
    from syscast.probes.usdt import Usdt  # noqa: PLC0415  (as above)

    assert isinstance(first.kind, Usdt)
    more = first.kind.others(first.target)
    return [
        first,
        *(Choice(first.kind, each, role, first.reason, (), first.types) for each in more),
    ]


def _explicit(kind: Kind, name: Name, role: Role, kernel: Btf, *, here: bool) -> Choice:
    """Take the kind that the user named, or that is the only one."""
    kind_name = kind.name
    types = kernel
    if kind_name in {"fentry", "fexit", "kprobe", "kretprobe"}:
        types = _types_of_function(name, kernel)
    elif kind_name == "raw_tracepoint":
        types = _types_of_tracepoint(name, kernel)
    elif kind_name == "iter":
        types = _types_of_function(Name("iter", name.scope, f"bpf_iter_{name.name}"), kernel)
    wanted = name.scoped if kind_name in _SCOPED else name.name
    if kind_name == "syscall" and name.scope:
        raise TargetError(f"syscall '{name.scoped}': look up: a system call has no module")
    target = kind.resolve(wanted, types)
    kind.contexts(target, role=role)
    why = (kind.unavailable() or kind.obstacle(target, role=role)) if here else None
    if why is not None:
        raise NotSupportedError(
            f"{kind_name} '{target.name}': attach: {why}{_instead(name, kind_name)}"
        )
    return Choice(kind, target, role, _WHY[kind_name], (), types)


def _instead(name: Name, kind_name: str) -> str:
    """A hint to the kinds that could do it."""
    if kind_name in {"fentry", "kprobe"}:
        return f" (say function:{name.scoped} to take what works here)"
    if kind_name == "tracepoint":
        return f" (raw_tracepoint:{name.name} needs no tracefs)"
    return ""


def _function(name: Name, role: Role, types: Btf, *, here: bool) -> Choice:
    """The first kind for functions that works."""
    rejected: list[tuple[str, str]] = []
    unknown: TargetError | None = None
    for kind_name in _FUNCTION_KINDS[role]:
        kind = get(kind_name)
        why = kind.unavailable() if here else None
        try:
            target = kind.resolve(name.name, types)
            kind.contexts(target, role=role)
        except TargetError as error:
            unknown = unknown or error
            rejected.append((kind_name, str(error)))
            continue
        if why is None and here:
            why = kind.obstacle(target, role=role)
        if why is None:
            return Choice(kind, target, role, _WHY[kind_name], tuple(rejected), types)
        rejected.append((kind_name, why))
    if unknown is not None:
        raise unknown
    reasons = "; ".join(f"{kind_name}: {why}" for kind_name, why in rejected)
    raise NotSupportedError(f"function '{name.scoped}': attach: no way on this machine: {reasons}")


def _sort(name: Name, kernel: Btf) -> str:
    """What a name without a kind means: function, raw_tracepoint, tracepoint or syscall."""
    if name.scope:
        return _sort_scoped(name, kernel)
    if kernel.find(name.name, Func) is not None:
        return names.FUNCTION
    from syscast.probes import registers, syscall_table  # noqa: PLC0415  # not for functions

    try:
        syscall_table.find(name.name, registers.here().machine)
    except TargetError:
        pass
    else:
        return "syscall"
    if kernel.find(f"btf_trace_{name.name}", Typedef) is not None:
        return "raw_tracepoint"
    return names.FUNCTION


def _sort_scoped(name: Name, kernel: Btf) -> str:
    """``sched:sched_switch`` is a tracepoint, ``nf_tables:nft_do_chain`` a module's function."""
    from syscast.btf import source  # noqa: PLC0415  # not needed to attach
    from syscast.kernel import tracefs  # noqa: PLC0415  # few names have a scope

    if kernel.find(f"btf_trace_{name.name}", Typedef) is not None:
        return "tracepoint"
    if name.scope in source.modules():
        module = source.module(name.scope)
        if module.find(f"btf_trace_{name.name}", Typedef) is None:
            return names.FUNCTION
    elif tracefs.find_root() is None:
        raise TargetError(
            f"target '{name.scoped}': look up: no module '{name.scope}' with BTF is loaded, and "
            f"no tracepoint '{name.name}' is in the kernel's BTF",
            [
                near.removeprefix("btf_trace_")
                for near in kernel.near(f"btf_trace_{name.name}", Typedef)
            ],
        )
    return "tracepoint"


def _types_of_function(name: Name, kernel: Btf) -> Btf:
    """The BTF that declares a function: the kernel's, or that of a loaded module."""
    from syscast.btf import source  # noqa: PLC0415  # not needed to attach

    if name.scope:
        return source.module(name.scope)
    if kernel.find(name.name, Func) is not None:
        return kernel
    return _module_with(name.name, Func, kernel) or kernel


def _types_of_tracepoint(name: Name, kernel: Btf) -> Btf:
    typedef = f"btf_trace_{name.name}"
    if kernel.find(typedef, Typedef) is not None:
        return kernel
    return _module_with(typedef, Typedef, kernel) or kernel


def _module_with(name: str, sort: type[Func | Typedef], kernel: Btf) -> Btf | None:
    """The loaded module whose BTF has a name that the kernel's has not."""
    from syscast.btf import source  # noqa: PLC0415  # not needed to attach

    if kernel is not source.kernel():
        return None
    for module_name in source.modules():
        module = source.module(module_name)
        if module.find(name, sort) is not None:
            return module
    return None


def prepare(program: ProgramSpec) -> ProgramSpec:
    """Let a program's kind choose what only the running kernel decides, before it is loaded."""
    return _kind_of(program).prepare(program)


def attach(program: LoadedProgram) -> Link:
    """Attach a loaded program to what its spec names.

    Raises:
        NotSupportedError: No kind attaches programs of this sort.
        TargetError: The target is not there, or cannot be traced; says why.
        KernelError: The kernel refused for another reason.
    """
    try:
        return _kind_of(program.spec).attach(program)
    except PermissionDeniedError:
        raise
    except KernelError as error:
        why = explain(program.spec)
        if why is None:
            raise
        raise why from error


def explain(program: ProgramSpec) -> TargetError | None:
    """Why the kernel may have refused to load or attach a program on a function.

    Returns:
        None where the program is on something else, or nothing speaks against its function.
    """
    if not program.section.startswith(("kprobe", "kretprobe")) and program.attach_type not in {
        "trace_fentry",
        "trace_fexit",
    }:
        return None
    from syscast.probes import functions  # noqa: PLC0415  # only when refused

    found = functions.explanation(program.target.rpartition(":")[2].partition("+")[0])
    return None if found is None else found.error()


def _kind_of(program: ProgramSpec) -> Kind:
    form = program.section.partition("/")[0].partition(".")[0]
    match program.type, program.attach_type:
        case "tracing", "trace_fentry" | "trace_fexit" | "trace_iter":
            return get("iter" if program.attach_type == "trace_iter" else "fentry")
        case ("tracing", "trace_raw_tp") | ("raw_tracepoint", _):
            return get("raw_tracepoint")
        case "tracepoint", _:
            return get("tracepoint")
        case "kprobe", _ if form in {"kprobe", "kretprobe"}:
            return get("kprobe")
        case "kprobe", _ if form in names.USER_KINDS:
            return get(form)
        case "perf_event", _ if program.target:
            return get(program.target.partition(":")[0])
    raise NotSupportedError(
        f"program '{program.name}': attach: no kind for programs in section '{program.section}' "
        "(kprobe, kretprobe, uprobe, uretprobe, usdt, perf_event, fentry, fexit, tp_btf, raw_tp, iter and tracepoint are known)"
    )
