"""BPF helpers: number, arguments and result, from ``include/uapi/linux/bpf.h``.

Numbers never change. A helper that old kernels lack is guarded with `ir.ops.HelperExists`.
"""

from __future__ import annotations

from enum import Enum

import msgspec


class Arg(Enum):
    """What a helper takes in one argument."""

    CTX = "ctx"  # the program's context
    MAP = "map"  # a map, by MapAddr
    IN = "in"  # memory that it reads
    OUT = "out"  # memory that it writes; need not be initialised
    RECORD = "record"  # a record from ringbuf_reserve
    ADDRESS = "address"  # any address as a number or pointer; checked when it runs
    FUNCTION = "function"  # a function of the program, by FunctionAddr
    NUMBER = "number"  # any integer, such as sizes and flags


class Returns(Enum):
    """What a helper gives back."""

    NUMBER = "number"  # 64 bits; errors are negative
    VALUE = "value"  # pointer to a map's value, or NULL
    RECORD = "record"  # pointer to a reserved record, or NULL
    KERNEL = "kernel"  # address of a kernel object


class HelperInfo(msgspec.Struct, frozen=True):
    """One helper; the name is without its prefix ``bpf_``."""

    name: str
    number: int
    args: tuple[Arg, ...]
    returns: Returns = Returns.NUMBER


def _table() -> dict[str, HelperInfo]:
    ctx, map_, in_, out = Arg.CTX, Arg.MAP, Arg.IN, Arg.OUT
    record, address, number = Arg.RECORD, Arg.ADDRESS, Arg.NUMBER
    rows = (
        HelperInfo("map_lookup_elem", 1, (map_, in_), Returns.VALUE),
        HelperInfo("map_update_elem", 2, (map_, in_, in_, number)),
        HelperInfo("map_delete_elem", 3, (map_, in_)),
        HelperInfo("probe_read", 4, (out, number, address)),
        HelperInfo("ktime_get_ns", 5, ()),
        HelperInfo("trace_printk", 6, (in_, number, number, number, number)),
        HelperInfo("get_prandom_u32", 7, ()),
        HelperInfo("get_smp_processor_id", 8, ()),
        HelperInfo("tail_call", 12, (ctx, map_, number)),
        HelperInfo("get_current_pid_tgid", 14, ()),
        HelperInfo("get_current_uid_gid", 15, ()),
        HelperInfo("get_current_comm", 16, (out, number)),
        HelperInfo("perf_event_read", 22, (map_, number)),
        HelperInfo("perf_event_output", 25, (ctx, map_, number, in_, number)),
        HelperInfo("get_stackid", 27, (ctx, map_, number)),
        HelperInfo("get_current_task", 35, (), Returns.KERNEL),
        HelperInfo("current_task_under_cgroup", 37, (map_, number)),
        HelperInfo("get_numa_node_id", 42, ()),
        HelperInfo("probe_read_str", 45, (out, number, address)),
        HelperInfo("override_return", 58, (ctx, number)),
        HelperInfo("get_stack", 67, (ctx, out, number, number)),
        HelperInfo("get_current_cgroup_id", 80, ()),
        HelperInfo("send_signal", 109, (number,)),
        HelperInfo("probe_read_user", 112, (out, number, address)),
        HelperInfo("probe_read_kernel", 113, (out, number, address)),
        HelperInfo("probe_read_user_str", 114, (out, number, address)),
        HelperInfo("probe_read_kernel_str", 115, (out, number, address)),
        HelperInfo("jiffies64", 118, ()),
        HelperInfo("get_ns_current_pid_tgid", 120, (number, number, out, number)),
        HelperInfo("get_current_ancestor_cgroup_id", 123, (number,)),
        HelperInfo("ktime_get_boot_ns", 125, ()),
        HelperInfo("ringbuf_output", 130, (map_, in_, number, number)),
        HelperInfo("ringbuf_reserve", 131, (map_, number, number), Returns.RECORD),
        HelperInfo("ringbuf_submit", 132, (record, number)),
        HelperInfo("ringbuf_discard", 133, (record, number)),
        HelperInfo("ringbuf_query", 134, (map_, number)),
        HelperInfo("get_task_stack", 141, (address, out, number, number)),
        HelperInfo("copy_from_user", 148, (out, number, address)),
        HelperInfo("per_cpu_ptr", 153, (address, number), Returns.KERNEL),
        HelperInfo("this_cpu_ptr", 154, (address,), Returns.KERNEL),
        HelperInfo("get_current_task_btf", 158, (), Returns.KERNEL),
        HelperInfo("ktime_get_coarse_ns", 160, ()),
        HelperInfo("get_func_ip", 173, (ctx,)),
        HelperInfo("get_attach_cookie", 174, (ctx,)),
        HelperInfo("task_pt_regs", 175, (address,), Returns.KERNEL),
        HelperInfo("loop", 181, (number, Arg.FUNCTION, out, number)),
        HelperInfo("get_func_arg", 183, (ctx, number, out)),
        HelperInfo("get_func_ret", 184, (ctx, out)),
        HelperInfo("get_func_arg_cnt", 185, (ctx,)),
        HelperInfo("copy_from_user_task", 191, (out, number, address, address, number)),
    )
    return {row.name: row for row in rows}


HELPERS = _table()
"""Every helper that IR may call, by name without ``bpf_``."""
