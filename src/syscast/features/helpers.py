"""Probes of helper functions: does the verifier know the helper in this type of program?

As in libbpf's ``libbpf_probe_bpf_helper``: a call without its arguments is refused for the
arguments where the helper is known, and for the helper where it is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.asm import build
from syscast.asm.opcodes import R0
from syscast.errors import VerifierError
from syscast.features.feature import NO, Feature, Result, attempt
from syscast.features.programs import load, tracepoint_id
from syscast.kernel import bpfprogs

if TYPE_CHECKING:
    from collections.abc import Callable

_UNKNOWN = ("invalid func ", "unknown func ", "program of this type cannot use helper ")

# Program types to ask in.
_KPROBE = "kprobe"
_TP_BTF = "tp_btf"

# Name, number (BPF_FUNC_*), where, and what happens without it.
_HELPERS = (
    ("ktime_get_boot_ns", 125, _KPROBE, "the monotonic clock, which stands still during suspend"),
    ("ktime_get_tai_ns", 208, _KPROBE, "clocks are converted in user space"),
    ("probe_read_kernel", 113, _KPROBE, "nothing reads kernel memory without it"),
    ("probe_read_kernel_str", 115, _KPROBE, "nothing reads kernel strings without it"),
    ("probe_read_user_str", 114, _KPROBE, "nothing reads user strings without it"),
    ("ringbuf_reserve", 131, _KPROBE, "perf_event_output"),
    ("ringbuf_output", 130, _KPROBE, "perf_event_output"),
    ("perf_event_output", 25, _KPROBE, "ringbuf_output"),
    ("get_current_cgroup_id", 80, _KPROBE, "the cgroup is read from the task"),
    ("get_current_ancestor_cgroup_id", 123, _KPROBE, "the cgroup tree is read from the task"),
    ("current_task_under_cgroup", 37, _KPROBE, "the cgroup tree is read from the task"),
    ("get_ns_current_pid_tgid", 120, _KPROBE, "pid namespaces are read from the task"),
    ("get_current_task_btf", 158, _KPROBE, "the task is read with probe reads"),
    ("d_path", 147, _TP_BTF, "paths are walked by hand"),
    ("task_storage_get", 156, _TP_BTF, "a hash map keyed by thread"),
    ("loop", 181, _KPROBE, "loops are bounded by the verifier's patience"),
    ("strncmp", 182, _KPROBE, "strings are compared byte by byte"),
    ("snprintf", 165, _KPROBE, "texts are formatted in user space"),
    ("trace_vprintk", 177, _KPROBE, "trace_printk with three arguments"),
    ("get_func_ip", 173, _KPROBE, "the address is read from the registers"),
    ("get_attach_cookie", 174, _KPROBE, "one program per attachment"),
)


def _load(where: str, number: int) -> None:
    code = [build.call_helper(number), build.mov_imm(R0, 0), build.exit_()]
    if where == _KPROBE:
        load(bpfprogs.TYPE_KPROBE, code).close()
        return
    # A typed tracepoint needs no ftrace, so that this works where fentry is refused. d_path
    # is refused there too, but by its list of allowed functions, which proves that it is known.
    target = tracepoint_id("sched_process_hang", "oom_score_adj_update")
    kind = bpfprogs.TRACE_RAW_TP
    load(bpfprogs.TYPE_TRACING, code, attach_type=kind, btf_id=target).close()


def _known(where: str, number: int) -> Callable[[], Result]:
    def ask() -> None:
        try:
            _load(where, number)
        except VerifierError as error:
            if any(text in error.log for text in _UNKNOWN):
                raise
            if not error.log:
                raise

    def probe() -> Result:
        result = attempt(ask)
        if result.outcome == NO and "refused by the verifier" in result.reason:
            return Result(NO, f"the verifier does not know it in a {where} program", result.errno)
        return result

    return probe


ROWS = tuple(
    Feature(f"helper_{name}", f"bpf_{name}", fallback, _known(where, number))
    for name, number, where, fallback in _HELPERS
)
