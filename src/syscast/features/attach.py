"""Probes of the ways to attach, each as far as creating the link.

Programs can load where the link is then refused: a probe that stops at the load would promise
too much.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from syscast.errors import KernelError, NotSupportedError, SyscastError
from syscast.features import programs
from syscast.features.feature import INCONCLUSIVE, NO, YES, Feature, Result, attempt
from syscast.features.programs import FUNCTION, TRACEPOINTS, load
from syscast.kernel import bpflinks, bpfprogs, perf, tracefs
from syscast.kernel.textfiles import read_text

if TYPE_CHECKING:
    from collections.abc import Callable

_COOKIE = 0xC00C1E
# pivot_root(2) has the two properties wanted: rarely called, and open to sleepable programs.
_SLEEPABLE_FUNCTIONS = ("__x64_sys_pivot_root", "__arm64_sys_pivot_root")
_LSM_HOOKS = ("bpf_lsm_quota_on", "bpf_lsm_syslog")
_BPF_LINK_INFO_WITH_MISSED = 56


def _trampoline(attach_type: int) -> Callable[[], Result]:
    def probe() -> None:
        target = programs.function_id(FUNCTION)
        with load(bpfprogs.TYPE_TRACING, attach_type=attach_type, btf_id=target) as prog:
            bpflinks.raw_tracepoint_open(prog).close()

    return lambda: attempt(probe)


def _fsession() -> Result:
    def probe() -> None:
        target = programs.function_id(FUNCTION)
        kind = bpfprogs.TRACE_FSESSION
        with load(bpfprogs.TYPE_TRACING, attach_type=kind, btf_id=target) as prog:
            bpflinks.link_tracing(prog, kind).close()

    return attempt(probe)


def _sleepable() -> Result:
    def probe() -> None:
        target = programs.function_id(*_SLEEPABLE_FUNCTIONS)
        with load(
            bpfprogs.TYPE_TRACING,
            attach_type=bpfprogs.TRACE_FENTRY,
            btf_id=target,
            flags=bpfprogs.F_SLEEPABLE,
        ) as prog:
            bpflinks.raw_tracepoint_open(prog).close()

    return attempt(probe)


def _lsm() -> Result:
    def probe() -> None:
        target = programs.function_id(*_LSM_HOOKS)
        with load(bpfprogs.TYPE_LSM, attach_type=bpfprogs.LSM_MAC, btf_id=target) as prog:
            bpflinks.raw_tracepoint_open(prog).close()

    modules = read_text("/sys/kernel/security/lsm")
    if modules is not None and "bpf" not in modules.split(","):
        return Result(NO, "the bpf security module is not active (boot with lsm=...,bpf)")
    return attempt(probe)


def _tp_btf() -> Result:
    def probe() -> None:
        target = programs.tracepoint_id(*TRACEPOINTS)
        kind = bpfprogs.TRACE_RAW_TP
        with load(bpfprogs.TYPE_TRACING, attach_type=kind, btf_id=target) as prog:
            bpflinks.raw_tracepoint_open(prog).close()

    return attempt(probe)


def _raw_tracepoint() -> Result:
    def probe() -> None:
        with load(bpfprogs.TYPE_RAW_TRACEPOINT) as prog:
            _first_that_exists(
                lambda name: bpflinks.raw_tracepoint_open(prog, name).close(), TRACEPOINTS
            )

    return attempt(probe)


def _first_that_exists(attach: Callable[[str], None], names: tuple[str, ...]) -> None:
    for name in names[:-1]:
        try:
            attach(name)
        except KernelError as error:
            if error.errno != errno.ENOENT:
                raise
        else:
            return
    attach(names[-1])


def _kprobe() -> Result:
    def probe() -> None:
        with perf.open_kprobe(FUNCTION) as event, load(bpfprogs.TYPE_KPROBE) as prog:
            perf.set_bpf(event, prog)

    return attempt(probe)


def _kprobe_multi(kind: int) -> Callable[[], Result]:
    def probe() -> None:
        session = kind == bpfprogs.TRACE_KPROBE_SESSION
        with load(bpfprogs.TYPE_KPROBE, attach_type=kind) as prog:
            bpflinks.link_kprobe_multi(prog, symbols=[FUNCTION], session=session).close()

    return lambda: attempt(probe)


def _perf_link(cookie: int) -> Callable[[], Result]:
    def probe() -> None:
        with load(bpfprogs.TYPE_PERF_EVENT) as prog, perf.open_dummy() as event:
            bpflinks.link_perf_event(prog, event, cookie).close()

    return lambda: attempt(probe)


def _tracepoint() -> Result:
    try:
        root = tracefs.root()
        name, category = _rare_event()
        number = tracefs.event_id(category, name)
    except NotSupportedError as error:
        return Result(NO, str(error), error.errno)
    except SyscastError as error:
        return Result(INCONCLUSIVE, f"{error} (looked under a tracefs)")

    def probe() -> None:
        with perf.open_tracepoint(number, name) as event, load(bpfprogs.TYPE_TRACEPOINT) as prog:
            perf.set_bpf(event, prog)

    assert root
    return attempt(probe)


def _rare_event() -> tuple[str, str]:
    categories = {name: category for category, name in tracefs.events()}
    for name in TRACEPOINTS:
        if name in categories:
            return name, categories[name]
    raise NotSupportedError("tracepoint: find a rarely fired one: there is none", errno.ENOENT)


def _uprobe() -> Result:
    def probe() -> None:
        with perf.open_uprobe(__file__, 0) as event, load(bpfprogs.TYPE_KPROBE) as prog:
            perf.set_bpf(event, prog)

    return attempt(probe)


def _uprobe_multi() -> Result:
    def probe() -> None:
        kind = bpfprogs.TRACE_UPROBE_MULTI
        with load(bpfprogs.TYPE_KPROBE, attach_type=kind) as prog:
            bpflinks.link_uprobe_multi(prog, __file__, [0]).close()

    return attempt(probe)


def _iterator() -> Result:
    def probe() -> None:
        target = programs.function_id("bpf_iter_task")
        kind = bpfprogs.TRACE_ITER
        with (
            load(bpfprogs.TYPE_TRACING, attach_type=kind, btf_id=target) as prog,
            bpflinks.link_iter(prog) as link,
        ):
            bpflinks.iter_create(link).close()

    return attempt(probe)


def _link_missed() -> Result:
    sizes: list[int] = []

    def probe() -> None:
        with load(bpfprogs.TYPE_RAW_TRACEPOINT) as prog:

            def attach(name: str) -> None:
                with bpflinks.raw_tracepoint_open(prog, name) as link:
                    from syscast.kernel import bpfinfo  # noqa: PLC0415  # 2 ms, for one row

                    sizes.append(bpfinfo.link_info_size(link))

            _first_that_exists(attach, TRACEPOINTS)

    result = attempt(probe)
    if result and sizes[0] < _BPF_LINK_INFO_WITH_MISSED:
        return Result(NO, "bpf_link_info has no missed counter")
    return result if not result else Result(YES)


ROWS = (
    Feature(
        "fentry",
        "attach to a function's entry by a trampoline",
        "kprobe",
        _trampoline(bpfprogs.TRACE_FENTRY),
    ),
    Feature(
        "fexit",
        "attach to a function's exit, with its arguments, by a trampoline",
        "kretprobe, and a map for the arguments",
        _trampoline(bpfprogs.TRACE_FEXIT),
    ),
    Feature(
        "fsession", "one program at a function's entry and exit", "fentry and fexit", _fsession
    ),
    Feature(
        "sleepable", "programs that may fault user memory in", "reads that may fail", _sleepable
    ),
    Feature("lsm", "programs at security hooks", "kprobe at the security_* function", _lsm),
    Feature("tp_btf", "typed raw tracepoints", "untyped raw tracepoints", _tp_btf),
    Feature("raw_tracepoint", "raw tracepoints", "tracepoints of tracefs", _raw_tracepoint),
    Feature(
        "tracepoint",
        "tracepoints by perf_event_open (needs tracefs)",
        "raw tracepoints",
        _tracepoint,
        volatile=True,  # tracefs may be mounted
        tells=True,  # that it is not; asking takes 70 ms
    ),
    Feature(
        "kprobe",
        "kprobes by perf_event_open",
        "fentry; tracepoints where one exists",
        _kprobe,
        volatile=True,  # debugfs has a switch for all kprobes
    ),
    Feature(
        "kprobe_multi",
        "one link to many functions",
        "one kprobe per function",
        _kprobe_multi(bpfprogs.TRACE_KPROBE_MULTI),
    ),
    Feature(
        "kprobe_session",
        "one link at entry and exit of many functions",
        "a kprobe and a kretprobe",
        _kprobe_multi(bpfprogs.TRACE_KPROBE_SESSION),
    ),
    Feature(
        "perf_link",
        "links from programs to perf events",
        "PERF_EVENT_IOC_SET_BPF",
        _perf_link(0),
    ),
    Feature(
        "bpf_cookie",
        "a number per attachment that the program can read",
        "one program per attachment",
        _perf_link(_COOKIE),
    ),
    Feature("uprobe", "uprobes by perf_event_open", "user code cannot be traced", _uprobe),
    Feature(
        "uprobe_multi", "one link to many places of a file", "one uprobe per place", _uprobe_multi
    ),
    Feature("iterator", "programs that walk kernel objects", "no tables (snapshot)", _iterator),
    Feature(
        "link_missed",
        "kprobe links count the hits that the kernel left out",
        "missed hits are shown as unknown",
        _link_missed,
    ),
)
