"""bcc's module ``perf``: perf_event_open(2) for scripts that open events themselves."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from syscast.kernel import perf as kernel_perf
from syscast.kernel.host import online_cpus
from syscast.kernel.syscalls import MACHINE

if TYPE_CHECKING:
    from _ctypes import CFuncPtr
    from typing import ClassVar

    from syscast.kernel.descriptors import Fd

# The flags of struct perf_event_attr, from the lowest bit on (include/uapi/linux/perf_event.h).
_FLAGS = [
    "disabled",
    "inherit",
    "pinned",
    "exclusive",
    "exclude_user",
    "exclude_kernel",
    "exclude_hv",
    "exclude_idle",
    "mmap",
    "comm",
    "freq",
    "inherit_stat",
    "enable_on_exec",
    "task",
    "watermark",
    "precise_ip:2",
    "mmap_data",
    "sample_id_all",
    "exclude_host",
    "exclude_guest",
    "exclude_callchain_kernel",
    "exclude_callchain_user",
    "mmap2",
    "comm_exec",
    "use_clockid",
    "context_switch",
    "write_backward",
    "namespaces",
    "ksymbol",
    "bpf_event",
    "aux_output",
    "cgroup",
    "text_poke",
    "build_id",
    "inherit_thread",
    "remove_on_exec",
    "sigtrap",
    "reserved_1:26",
]


def _flag(text: str) -> tuple[str, type[ctypes.c_ulonglong], int]:
    name, _, bits = text.partition(":")
    return name, ctypes.c_ulonglong, int(bits or 1)


class Perf:
    """perf_event_open(2)."""

    class perf_event_attr(ctypes.Structure):
        """``struct perf_event_attr``; `BPF.attach_perf_event_raw` takes it too."""

        _fields_ = (
            ("type", ctypes.c_uint),
            ("size", ctypes.c_uint),
            ("config", ctypes.c_ulonglong),
            ("sample_period", ctypes.c_ulonglong),
            ("sample_type", ctypes.c_ulonglong),
            ("read_format", ctypes.c_ulonglong),
            *map(_flag, _FLAGS),
            ("wakeup_events", ctypes.c_uint),
            ("bp_type", ctypes.c_uint),
            ("bp_addr", ctypes.c_ulonglong),
            ("bp_len", ctypes.c_ulonglong),
            ("branch_sample_type", ctypes.c_ulonglong),
            ("sample_regs_user", ctypes.c_ulonglong),
            ("sample_stack_user", ctypes.c_uint),
            ("clockid", ctypes.c_int),
            ("sample_regs_intr", ctypes.c_ulonglong),
            ("aux_watermark", ctypes.c_uint),
            ("sample_max_stack", ctypes.c_ushort),
            ("reserved_2", ctypes.c_ushort),
        )

    NR_PERF_EVENT_OPEN = 298 if MACHINE == "x86_64" else 241
    PERF_TYPE_HARDWARE = 0
    PERF_TYPE_SOFTWARE = 1
    PERF_TYPE_TRACEPOINT = 2
    PERF_TYPE_HW_CACHE = 3
    PERF_SAMPLE_RAW = 1024
    PERF_FLAG_FD_CLOEXEC = 8
    PERF_EVENT_IOC_SET_FILTER = 1074275334
    PERF_EVENT_IOC_ENABLE = 9216

    libc: ClassVar[ctypes.CDLL] = ctypes.CDLL(None, use_errno=True)
    syscall: ClassVar[CFuncPtr] = libc.syscall
    ioctl: ClassVar[CFuncPtr] = libc.ioctl

    _kept: list[Fd] = []  # noqa: RUF012 - events live until the process ends, as bcc keeps them

    @staticmethod
    def perf_event_open(
        tpoint_id: int, pid: int = -1, ptype: int = PERF_TYPE_TRACEPOINT, freq: int = 0
    ) -> None:
        """Open an event on every CPU; it stays open until the process ends.

        Args:
            tpoint_id: The event's number: of a tracepoint that in its file ``id``.
            pid: Only this process; -1 for all.
            ptype: ``PERF_TYPE_*``.
            freq: Samples a second; 0 for one at every event.

        Raises:
            KernelError: Refused.
        """
        attr = Perf.perf_event_attr(type=ptype, config=tpoint_id, sample_type=Perf.PERF_SAMPLE_RAW)
        if freq:
            attr.freq, attr.sample_period = 1, freq
        else:
            attr.sample_period = attr.wakeup_events = 1
        Perf.perf_custom_event_open(attr, pid)

    @staticmethod
    def perf_custom_event_open(attr: perf_event_attr, pid: int = -1) -> None:
        """Open an event of your own on every CPU; it stays open until the process ends.

        Args:
            attr: What to open; its size is filled in.
            pid: Only this process; -1 for all.

        Raises:
            KernelError: Refused.
        """
        attr.size = ctypes.sizeof(attr)
        data = ctypes.string_at(ctypes.addressof(attr), attr.size)
        for cpu in online_cpus():
            opened = kernel_perf.open_raw(data, kernel_perf.Aim(pid=pid, cpu=cpu))
            kernel_perf.enable(opened)
            Perf._kept.append(opened)
