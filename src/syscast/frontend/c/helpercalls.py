"""Calls of BPF helpers by name: ``bpf_get_current_comm(&comm, sizeof(comm))``.

The types of arguments are those of the table in `syscast.ir.helpers`; pointers and numbers become each other,
as they do in bcc, whose prototypes say ``void *``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pycparser import c_ast

from syscast.frontend.c.dialect import arguments, map_address, number, pointer
from syscast.frontend.c.types import (
    INT,
    LONG,
    UNSIGNED_INT,
    UNSIGNED_LONG_LONG,
    VOID,
    VOID_POINTER,
    Pointer,
    named,
)
from syscast.ir.helpers import HELPERS, Arg, Returns

if TYPE_CHECKING:
    from syscast.frontend.c.dialect import Dialect
    from syscast.frontend.c.lowering import Handler, Lowering
    from syscast.frontend.c.types import CType
    from syscast.frontend.c.values import CValue
    from syscast.ir.helpers import HelperInfo
    from syscast.ir.types import Value

_U64 = named(UNSIGNED_LONG_LONG, "u64")
_U32 = named(UNSIGNED_INT, "u32")
_NUMBERS: dict[str, CType] = {
    **dict.fromkeys(
        (
            *("ktime_get_ns", "ktime_get_boot_ns", "ktime_get_coarse_ns", "ktime_get_tai_ns"),
            *("get_current_pid_tgid", "get_current_uid_gid", "get_current_task", "jiffies64"),
            *("get_current_cgroup_id", "get_current_ancestor_cgroup_id", "skb_cgroup_id"),
            *("skb_ancestor_cgroup_id", "sk_cgroup_id", "sk_ancestor_cgroup_id"),
            *("skb_cgroup_classid", "get_socket_cookie", "get_netns_cookie", "get_func_ip"),
            *("get_attach_cookie", "perf_event_read", "ringbuf_query", "xdp_get_buff_len"),
        ),
        _U64,
    ),
    **dict.fromkeys(
        (
            *("get_prandom_u32", "get_smp_processor_id", "get_cgroup_classid"),
            *("get_route_realm", "get_hash_recalc", "get_socket_uid"),
        ),
        _U32,
    ),
    **dict.fromkeys(("get_retval", "set_retval", "inode_storage_delete"), INT),
    **dict.fromkeys(
        (
            *("set_hash_invalid", "ringbuf_submit", "ringbuf_discard"),
            *("ringbuf_submit_dynptr", "ringbuf_discard_dynptr"),
        ),
        VOID,
    ),
}
"""Where the C result is not ``long``: the prototypes in uapi/linux/bpf.h."""

_STRUCTS = {
    "get_current_task_btf": "task_struct",
    "task_pt_regs": "pt_regs",
    "sock_from_file": "socket",
    "tcp_sock": "bpf_tcp_sock",
    **dict.fromkeys(
        ("sk_lookup_tcp", "sk_lookup_udp", "skc_lookup_tcp", "sk_fullsock", "get_listener_sock"),
        "bpf_sock",
    ),
    **{
        f"skc_to_{name}": name
        for name in (
            *("tcp6_sock", "tcp_sock", "tcp_timewait_sock", "tcp_request_sock"),
            *("udp6_sock", "unix_sock", "mptcp_sock"),
        )
    },
}

_OLD_READS = {"probe_read": "probe_read_kernel", "probe_read_str": "probe_read_kernel_str"}
"""Not there where user and kernel addresses overlap (CONFIG_ARCH_HAS_NON_OVERLAPPING_ADDRESS_SPACE)."""


def handlers(dialect: Dialect) -> dict[str, Handler]:
    """What lowers calls of helpers, by C name."""
    return {f"bpf_{name}": _handler(dialect, info) for name, info in HELPERS.items()}


def _handler(dialect: Dialect, info: HelperInfo) -> Handler:
    def lower(low: Lowering, call: c_ast.FuncCall) -> CValue:
        return lower_helper(dialect, low, call, info)

    return lower


def lower_helper(
    dialect: Dialect, low: Lowering, call: c_ast.FuncCall, info: HelperInfo
) -> CValue:
    """Call a helper with the arguments of a C call.

    Raises:
        Rejected: Their number is wrong, or one is of a type that cannot be meant.
    """
    given = arguments(call)
    if len(given) != len(info.args):
        takes = len(info.args)
        low.error(
            call,
            f"'bpf_{info.name}' takes {takes} argument{'s' * (takes != 1)}, {len(given)} given",
        )
    values = tuple(
        _argument(dialect, low, node, kind) for node, kind in zip(given, info.args, strict=True)
    )
    name = info.name
    if name in _OLD_READS and not dialect.surroundings.has_helper(name):
        name = _OLD_READS[name]
    return low.helper(name, values, result_type(dialect, info))


def _argument(dialect: Dialect, low: Lowering, node: c_ast.Node, kind: Arg) -> Value:
    if kind is Arg.NUMBER:
        return number(low, node)
    if kind is Arg.FUNCTION:
        low.error(node, "functions that the kernel calls back are not part of the dialect")
    if kind is Arg.MAP:
        inner = node.expr if isinstance(node, c_ast.UnaryOp) and node.op == "&" else node
        if isinstance(inner, c_ast.Cast):
            inner = inner.expr
        if isinstance(inner, c_ast.ID) and inner.name in dialect.tables:
            return map_address(low, inner.name)
    return pointer(low, node, "this argument")


def result_type(dialect: Dialect, info: HelperInfo) -> CType:
    """The C type of a helper's result."""
    if info.name in _STRUCTS:
        return Pointer(dialect.struct(_STRUCTS[info.name]))
    if info.returns in {Returns.NUMBER, Returns.KERNEL} and info.name in _NUMBERS:
        return _NUMBERS[info.name]
    return LONG if info.returns is Returns.NUMBER else VOID_POINTER
