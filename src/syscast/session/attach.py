"""``attach``: from probes to a running session."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING

from syscast.errors import (
    FormatError,
    KernelError,
    NotSupportedError,
    SyscastError,
    UsageError,
    VerifierError,
)
from syscast.probes.names import is_pattern
from syscast.session.delivery import DEFAULT, Delivery
from syscast.session.filters import Filters
from syscast.session.part import Part
from syscast.session.plan import Attachable, Plan, plan
from syscast.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syscast.events.event import Event
    from syscast.kernel.spawn import StoppedCommand
    from syscast.link.many import Refused
    from syscast.session.plan import Job
    from syscast.session.watched import Watched
    from syscast.spec.objectspec import ObjectSpec
    from syscast.state.state import State


def attach(  # noqa: PLR0913  (one argument for each filter)
    *probes: object,
    pid: int | None = None,
    tid: int | None = None,
    comm: str | None = None,
    uid: int | None = None,
    cgroup: str | None = None,
    netns: int | str | None = None,
    follow: bool = False,
    where: Callable[[Event], object] | None = None,
    command: Sequence[str] | None = None,
    ring_size: int | None = None,
    latency: str | float = "10ms",
    mode: str = "adaptive",
    rings: str = "one",
    pressure: str = "drop",
    limit: str | None = None,
    budget: str | float | None = None,
    cost: bool = False,
) -> Session:
    """Compile probes, load them, attach them, and give the session that reads their events.

    All filters apply inside the kernel, to the task that runs the probe; what is given must all hold.
    ``where`` is a function of the event, such as ``lambda e: e.port < 1024``: it becomes part of the
    probe where it can, else Python runs it on each event; `Session.explain` says which, and why.

    Args:
        probes: Functions decorated with ``@syscast.function``, ``@syscast.call`` and so on, or
            lists of them.
        pid: Process (thread group) id.
        tid: Thread id.
        comm: Command name, at most 15 bytes.
        uid: Real user id in the initial user namespace.
        cgroup: Path of a cgroup v2 directory; tasks in it and below it pass.
        netns: Network namespace: inode number, name of ip-netns(8), or path.
        follow: With ``pid``: also every descendant born from then on.
        where: A function of an event; only events for which it is true are sent.
        command: Start this command, stopped, and let it run once everything is attached; only it
            and its descendants are reported. The session ends when they have.
        ring_size: Bytes of the ring, rounded up to a power of two of pages.
        latency: How long an event may wait before it is read: ``10ms``, or seconds; 0: no wait.
        mode: ``push`` (told), ``poll`` (ask), or ``adaptive``: by how much there is.
        rings: ``one`` for all CPUs, ``per-cpu``, or ``auto``.
        pressure: When there are more events than can be read: ``drop`` the newest, ``overwrite``
            the oldest, ``sample``, or ``aggregate``.
        limit: At most so many events per key: ``100/s by comm``.
        budget: CPU time that tracing may take: ``1%``.
        cost: Measure what programs cost.

    Raises:
        CompileError: A probe is outside the language; the message shows the place.
        TargetError: No such function, tracepoint or syscall; the message has near matches.
        PermissionDeniedError: A capability is missing; the message names it.
        NotSupportedError: This kernel lacks what is needed.
        VerifierError: The kernel's verifier refused; the message shows the source line.
        UsageError: Filters that do not go together, or a command that does not exist.
    """
    try:
        filters = Filters(pid, tid, comm, uid, cgroup, netns, follow)
        delivery = Delivery(ring_size, latency, mode, rings, pressure, limit, budget, cost)
        jobs = [_job_of(probe, where) for probe in _flat(probes)]
        return open_session(jobs, filters, command=command, delivery=delivery)
    except SyscastError as error:
        # The mistake is the caller's: a traceback that ends in the compiler would only hide its line.
        raise error.with_traceback(None) from error.__cause__


def _flat(probes: Sequence[object]) -> list[object]:
    found: list[object] = []
    for probe in probes:
        found += _flat(probe) if isinstance(probe, list | tuple) else [probe]
    return found


def _job_of(probe: object, where: Callable[[Event], object] | None) -> Job:
    if isinstance(probe, Attachable):
        return _filtered(probe.job(), where)
    what = getattr(probe, "__name__", repr(probe))
    raise UsageError(
        f"probe '{what}': attach: it is not a probe (put @sc.function, @sc.call, ... on it)"
    )


def _filtered(job: Job, where: Callable[[Event], object] | None) -> Job:
    """The job with one more filter, if there is one."""
    if where is None:
        return job
    if not callable(where):
        raise UsageError(f"filter 'where': set: {where!r:.60} is no function of an event")
    from syscast.events.where import Where  # noqa: PLC0415  (only with this filter)
    from syscast.session.plan import Job  # noqa: PLC0415

    functions = (*(job.where.functions if job.where is not None else ()), where)
    return Job(job.target, job.role, job.body, job.name, job.choice, Where(functions))


def open_session(
    jobs: Sequence[Job],
    filters: Filters | None = None,
    *,
    command: Sequence[str] | None = None,
    delivery: Delivery = DEFAULT,
) -> Session:
    """`attach` for probes that need not be decorated functions."""
    filters = filters or Filters()
    check_rights(", ".join(f"probe '{each.name or each.target}'" for each in jobs[:3]))
    follow = filters.follow or command is not None
    left_out: list[Refused] = []
    if any(is_pattern(each.target) for each in jobs):
        from syscast.session.patterns import expand  # noqa: PLC0415  (with patterns only)

        jobs, left_out = expand(jobs, filters.whom)
    try:
        plans = plan(jobs, follow=follow, whom=filters.whom, delivery=delivery)
        if delivery.pressing:
            from syscast.session.pressing import check_events  # noqa: PLC0415  (few sessions)

            check_events(
                [each.spec for each in plans], delivery.pressure, delivery.limit, delivery.budget
            )
        session = _open(plans, filters, command, delivery)
    except VerifierError as error:
        if not error.bug:
            raise
        from syscast.compiler.bugs import in_program  # noqa: PLC0415  (never, one hopes)
        from syscast.session.plan import programs_of  # noqa: PLC0415

        raise in_program(error, programs_of(jobs, follow=follow, whom=filters.whom)) from error
    session.written = {each.name or each.target: each.body for each in jobs}
    session.explained = _explained(jobs, filters)
    session.left_out = left_out
    return session


def _explained(jobs: Sequence[Job], filters: Filters) -> list[str]:
    """Where each filter runs, and why."""
    lines = [f"filter '{name}': in the kernel" for name in filters.given()]
    for job in jobs:
        name = job.name or job.target
        if getattr(job.body, "condition", None) is not None:
            lines.append(f"filter 'if' of probe '{name}': in the kernel")
        if job.where is not None:
            why = f"in Python: {job.where.refused}" if job.where.refused else "in the kernel"
            lines.append(f"filter 'where' of probe '{name}': {why}")
    return lines


def run_object(
    file: str | os.PathLike[str] | bytes,
    filters: Filters | None = None,
    *,
    command: Sequence[str] | None = None,
    delivery: Delivery = DEFAULT,
    event: str = "",
) -> Session:
    """Load a BPF object, attach its programs to what their sections name, and read its events.

    Args:
        file: A path, or the object itself: syscast's own, or one that clang made.
        filters: As for `attach`; only syscast's own objects can filter.
        command: As for `attach`; only with syscast's own objects.
        delivery: How events come.
        event: Name of the struct that a foreign object's ring carries; found by itself where the
            object names only one.

    Raises:
        FormatError: Not a BPF object, or its events' type is not known.
        KernelError: As for `attach`.
    """
    from syscast.spec.read import read_object  # noqa: PLC0415  (for files only)

    if isinstance(file, bytes):
        data, name = file, "object"
    else:
        name = os.path.basename(os.fspath(file)).split(".")[0]  # noqa: PTH119  (see kernel.host)
        try:
            with open(file, "rb") as stream:  # noqa: PTH123
                data = stream.read()
        except OSError as error:
            raise UsageError(
                f"object '{os.fspath(file)}': read: {os.strerror(error.errno or 0).lower()}"
            ) from None
    check_rights(f"object '{name}'")
    spec = read_object(data, name)
    _check_machine(spec)
    if spec.meta is None:
        from syscast.session.foreign import described  # noqa: PLC0415  (objects of others only)

        if command is not None or (filters is not None and filters.config()["flags"]):
            raise UsageError(f"object '{name}': filter: only objects that syscast made can filter")
        spec = described(spec, event)
    elif event:
        raise UsageError(f"object '{name}': it names its own events (leave out the event's name)")
    if (command is not None or (filters and filters.follow)) and not any(
        each.role == "follow" for each in (spec.meta.programs if spec.meta else ())
    ):
        raise FormatError(f"object '{name}': follow: it was built without the programs for that")
    states: dict[str, State] = {}
    if spec.meta is not None and spec.meta.states:
        from syscast.state.described import from_meta  # noqa: PLC0415  (few objects have state)

        states = {each.name: from_meta(each) for each in spec.meta.states}
    made = Plan(spec, (), {}, cached=False, kinds={}, states=states)
    return _open([made], filters or Filters(), command, delivery)


def _check_pid_namespace() -> None:
    """The kernel side knows the process numbers of the first PID namespace only."""
    from syscast.kernel import host  # noqa: PLC0415  (filters by process only)

    if not host.in_first_pid_namespace():
        raise UsageError(
            "filter 'pid': set: this process is in a PID namespace, whose numbers the kernel's programs do not "
            "see (run syscast on the host, or in a container with the host's PID namespace)"
        )


def _check_machine(spec: ObjectSpec) -> None:
    """Refuse an object whose facts about a kernel or a machine no relocation can mend."""
    from syscast.btf import source  # noqa: PLC0415  (for files only)
    from syscast.probes import registers  # noqa: PLC0415

    meta = spec.meta
    if meta is None:
        return
    if meta.btf_identity and meta.btf_identity != source.kernel().key:
        raise NotSupportedError(
            f"object '{spec.name}': load: it holds offsets of the kernel it was built on "
            "(a tracepoint's record without a BTF struct; build it on this one, or use raw_tracepoint)"
        )
    machine = registers.here().machine
    if meta.arch not in {"", machine}:
        raise NotSupportedError(
            f"object '{spec.name}': load: it was built for {meta.arch}, this is {machine} (build it here)"
        )


def check_rights(what: str) -> None:
    """Refuse at once what the kernel would refuse after a compilation."""
    from syscast.kernel.rights import cure_for, missing_for  # noqa: PLC0415  (needs the capabilities only)

    if missing_for("BPF_PROG_LOAD"):
        raise KernelError.from_errno(
            f"{what}: attach", errno.EPERM, "BPF_PROG_LOAD", cure_for("BPF_PROG_LOAD")
        )


def _open(
    plans: Sequence[Plan],
    filters: Filters,
    command: Sequence[str] | None,
    delivery: Delivery,
) -> Session:
    """Load and attach; whatever fails, nothing stays behind."""
    for each in plans:
        _check_events(each.spec)
    if command is not None or filters.pid is not None or filters.tid is not None:
        _check_pid_namespace()
    with contextlib.ExitStack() as undo:
        watched = _watch(filters)
        if watched is not None:
            undo.callback(watched.close)
        started = _start(command)
        if started is not None:
            undo.callback(started.close)
            undo.callback(started.terminate)
            filters = _following(filters, started.pid)
        parts = []
        for each in plans:
            part = Part.load(each, filters, delivery)
            part.sift_by(each.sifted)
            parts.append(part)
            undo.callback(part.close)
        for part in parts:
            part.attach()
        session = Session(parts, started, delivery, watched)
        undo.pop_all()
    session.announce()
    if started is not None:
        try:
            started.release()
        except BaseException:
            session.close()
            raise
    return session


def _watch(filters: Filters) -> Watched | None:
    """The process that is filtered by, if there is one."""
    if filters.pid is None and filters.tid is None:
        return None
    from syscast.session import watched  # noqa: PLC0415  (only with these filters)

    if filters.tid is not None:
        watched.check_thread(filters.tid)
    return watched.watch(filters.pid) if filters.pid is not None else None


def _check_events(spec: ObjectSpec) -> None:
    for program in spec.programs:
        if program.attach_type == "trace_iter":
            raise UsageError(
                f"iterator '{program.target}': attach: it has rows to read, not events to wait for (call its "
                "snapshot(), or use syscast snapshot)"
            )


def _start(command: Sequence[str] | None) -> StoppedCommand | None:
    if command is None:
        return None
    from syscast.kernel.spawn import StoppedCommand  # noqa: PLC0415  (only with a command)

    return StoppedCommand(command)


def _following(filters: Filters, pid: int) -> Filters:
    if filters.pid is not None:
        raise UsageError(
            "filter 'pid': set: a command is given as well, and it is what is followed"
        )
    return Filters(
        pid, filters.tid, filters.comm, filters.uid, filters.cgroup, filters.netns, follow=True
    )
