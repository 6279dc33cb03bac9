"""Members that kernel headers rename by macros: ``#define sk_state __sk_common.skc_state``.

BTF knows only what stands behind. Each name here is looked for in its own record alone, and only where the
record has no member of that name: what was a member in one version and a macro in another works in both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_SOCK = [
    "node",
    "nulls_node",
    "refcnt",
    "tx_queue_mapping",
    "rx_queue_mapping",
    "hash",
    "portpair",
    "num",
    "dport",
    "addrpair",
    "daddr",
    "rcv_saddr",
    "family",
    "state",
    "reuse",
    "reuseport",
    "ipv6only",
    "net_refcnt",
    "bound_dev_if",
    "bind_node",
    "prot",
    "net",
    "v6_daddr",
    "v6_rcv_saddr",
    "cookie",
    "incoming_cpu",
    "flags",
    "rxhash",
]
_INET = ["daddr", "rcv_saddr", "addrpair", "dport", "num", "portpair"]
_REQUEST = {
    "ir_loc_addr": "skc_rcv_saddr", "ir_num": "skc_num", "ir_rmt_addr": "skc_daddr",
    "ir_rmt_port": "skc_dport", "ir_v6_rmt_addr": "skc_v6_daddr",
    "ir_v6_loc_addr": "skc_v6_rcv_saddr", "ir_iif": "skc_bound_dev_if", "ir_cookie": "skc_cookie",
    "ireq_net": "skc_net", "ireq_state": "skc_state", "ireq_family": "skc_family",
}  # fmt: skip
_WAITING = [
    "family",
    "state",
    "reuse",
    "reuseport",
    "ipv6only",
    "bound_dev_if",
    "node",
    "bind_node",
    "refcnt",
    "hash",
    "prot",
    "net",
    "daddr",
    "v6_daddr",
    "rcv_saddr",
    "v6_rcv_saddr",
    "dport",
    "num",
    "cookie",
    "dr",
]

ALIASES: Mapping[str, Mapping[str, str]] = {
    # include/net/sock.h
    "sock": {f"sk_{name}": f"__sk_common.skc_{name}" for name in _SOCK},
    # include/net/inet_sock.h
    "inet_sock": {f"inet_{name}": f"sk.__sk_common.skc_{name}" for name in _INET},
    "inet_request_sock": {name: f"req.__req_common.{member}" for name, member in _REQUEST.items()},
    # include/net/inet_timewait_sock.h
    "inet_timewait_sock": {f"tw_{name}": f"__tw_common.skc_{name}" for name in _WAITING},
    # include/net/request_sock.h
    "request_sock": {
        "rsk_refcnt": "__req_common.skc_refcnt",
        "rsk_hash": "__req_common.skc_hash",
        "rsk_listener": "__req_common.skc_listener",
        "rsk_window_clamp": "__req_common.skc_window_clamp",
        "rsk_rcv_wnd": "__req_common.skc_rcv_wnd",
    },
    # include/uapi/linux/in6.h, in.h
    "in6_addr": {
        "s6_addr": "in6_u.u6_addr8",
        "s6_addr16": "in6_u.u6_addr16",
        "s6_addr32": "in6_u.u6_addr32",
    },
    "sockaddr_in": {"sin_zero": "__pad"},
    # include/linux/dcache.h since v6.14: the name within the dentry has a union of its own
    "dentry": {"d_iname": "d_shortname.string"},
    # include/linux/sched.h: the state lost its name in v5.14, so that all uses were looked at
    "task_struct": {"state": "__state"},
    # include/linux/fs.h
    "file": {"f_dentry": "f_path.dentry", "f_vfsmnt": "f_path.mnt"},
    # include/uapi/asm-generic/siginfo.h
    "siginfo": {
        "si_pid": "_sifields._kill._pid",
        "si_uid": "_sifields._kill._uid",
        "si_status": "_sifields._sigchld._status",
        "si_addr": "_sifields._sigfault._addr",
        "si_value": "_sifields._rt._sigval",
        "si_int": "_sifields._rt._sigval.sival_int",
        "si_ptr": "_sifields._rt._sigval.sival_ptr",
        "si_band": "_sifields._sigpoll._band",
        "si_fd": "_sifields._sigpoll._fd",
    },
}
"""Tag of a record to names of members to their paths."""
