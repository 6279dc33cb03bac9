"""What the name of an ELF section says about the programs in it.

The names are libbpf's; its documentation lists them under "Program Types and ELF Sections". A
name may carry what to attach to behind a slash: ``kprobe/inet_listen``.
"""

from __future__ import annotations

from typing import NamedTuple


class SectionKind(NamedTuple):
    """One row of the table.

    Attributes:
        type: ``enum bpf_prog_type`` without its prefix, lower case.
        attach_type: ``enum bpf_attach_type`` without its prefix, lower case, or ``""``.
        targeted: Whether a slash and a target may follow the name.
        sleepable: Whether the programs may sleep (BPF_F_SLEEPABLE).
    """

    type: str
    attach_type: str = ""
    targeted: bool = False
    sleepable: bool = False


def _traced() -> dict[str, SectionKind]:
    """Kinds that name a kernel function or tracepoint."""
    rows = {
        "kprobe": ("kprobe", ""),
        "kretprobe": ("kprobe", ""),
        "kprobe.multi": ("kprobe", "trace_kprobe_multi"),
        "kretprobe.multi": ("kprobe", "trace_kprobe_multi"),
        "kprobe.session": ("kprobe", "trace_kprobe_session"),
        "ksyscall": ("kprobe", ""),
        "kretsyscall": ("kprobe", ""),
        "tracepoint": ("tracepoint", ""),
        "tp": ("tracepoint", ""),
        "raw_tracepoint": ("raw_tracepoint", ""),
        "raw_tp": ("raw_tracepoint", ""),
        "raw_tracepoint.w": ("raw_tracepoint_writable", ""),
        "raw_tp.w": ("raw_tracepoint_writable", ""),
        "tp_btf": ("tracing", "trace_raw_tp"),
        "freplace": ("ext", ""),
        "lsm_cgroup": ("lsm", "lsm_cgroup"),
        "struct_ops": ("struct_ops", ""),
    }
    sleepable_too = {
        "fentry": ("tracing", "trace_fentry"),
        "fexit": ("tracing", "trace_fexit"),
        "fsession": ("tracing", "trace_fsession"),
        "fmod_ret": ("tracing", "modify_return"),
        "lsm": ("lsm", "lsm_mac"),
        "iter": ("tracing", "trace_iter"),
        "uprobe": ("kprobe", ""),
        "uretprobe": ("kprobe", ""),
        "uprobe.multi": ("kprobe", "trace_uprobe_multi"),
        "uretprobe.multi": ("kprobe", "trace_uprobe_multi"),
        "uprobe.session": ("kprobe", "trace_uprobe_session"),
        "usdt": ("kprobe", ""),
    }
    kinds = {name: SectionKind(*row, targeted=True) for name, row in rows.items()}
    for name, row in sleepable_too.items():
        kinds[name] = SectionKind(*row, targeted=True)
        kinds[f"{name}.s"] = SectionKind(*row, targeted=True, sleepable=True)
    kinds["struct_ops.s"] = SectionKind("struct_ops", "", targeted=True, sleepable=True)
    return kinds


def _networking() -> dict[str, SectionKind]:
    rows = {
        "socket": ("socket_filter", ""),
        "sk_reuseport/migrate": ("sk_reuseport", "sk_reuseport_select_or_migrate"),
        "sk_reuseport": ("sk_reuseport", "sk_reuseport_select"),
        "tc/ingress": ("sched_cls", "tcx_ingress"),
        "tc/egress": ("sched_cls", "tcx_egress"),
        "tcx/ingress": ("sched_cls", "tcx_ingress"),
        "tcx/egress": ("sched_cls", "tcx_egress"),
        "tc": ("sched_cls", ""),
        "classifier": ("sched_cls", ""),
        "action": ("sched_act", ""),
        "netkit/primary": ("sched_cls", "netkit_primary"),
        "netkit/peer": ("sched_cls", "netkit_peer"),
        "xdp/devmap": ("xdp", "xdp_devmap"),
        "xdp/cpumap": ("xdp", "xdp_cpumap"),
        "xdp": ("xdp", "xdp"),
        "lwt_in": ("lwt_in", ""),
        "lwt_out": ("lwt_out", ""),
        "lwt_xmit": ("lwt_xmit", ""),
        "lwt_seg6local": ("lwt_seg6local", ""),
        "sockops": ("sock_ops", "cgroup_sock_ops"),
        "sk_skb/stream_parser": ("sk_skb", "sk_skb_stream_parser"),
        "sk_skb/stream_verdict": ("sk_skb", "sk_skb_stream_verdict"),
        "sk_skb/verdict": ("sk_skb", "sk_skb_verdict"),
        "sk_skb": ("sk_skb", ""),
        "sk_msg": ("sk_msg", "sk_msg_verdict"),
        "lirc_mode2": ("lirc_mode2", "lirc_mode2"),
        "flow_dissector": ("flow_dissector", "flow_dissector"),
        "sk_lookup": ("sk_lookup", "sk_lookup"),
        "netfilter": ("netfilter", "netfilter"),
    }
    kinds = {name: SectionKind(*row) for name, row in rows.items()}
    # libbpf takes no target here; syscast names the event: perf_event/profile:99hz.
    kinds["perf_event"] = SectionKind("perf_event", targeted=True)
    return kinds


def _cgroup() -> dict[str, SectionKind]:
    kinds = {
        "cgroup_skb/ingress": SectionKind("cgroup_skb", "cgroup_inet_ingress"),
        "cgroup_skb/egress": SectionKind("cgroup_skb", "cgroup_inet_egress"),
        "cgroup/skb": SectionKind("cgroup_skb"),
        "cgroup/sock_create": SectionKind("cgroup_sock", "cgroup_inet_sock_create"),
        "cgroup/sock_release": SectionKind("cgroup_sock", "cgroup_inet_sock_release"),
        "cgroup/sock": SectionKind("cgroup_sock", "cgroup_inet_sock_create"),
        "cgroup/post_bind4": SectionKind("cgroup_sock", "cgroup_inet4_post_bind"),
        "cgroup/post_bind6": SectionKind("cgroup_sock", "cgroup_inet6_post_bind"),
        "cgroup/sysctl": SectionKind("cgroup_sysctl", "cgroup_sysctl"),
        "cgroup/getsockopt": SectionKind("cgroup_sockopt", "cgroup_getsockopt"),
        "cgroup/setsockopt": SectionKind("cgroup_sockopt", "cgroup_setsockopt"),
        "cgroup/dev": SectionKind("cgroup_device", "cgroup_device"),
    }
    for call in ("bind", "connect", "getpeername", "getsockname"):
        for family in "46":
            attach = f"cgroup_inet{family}_{call}"
            kinds[f"cgroup/{call}{family}"] = SectionKind("cgroup_sock_addr", attach)
    for call in ("sendmsg", "recvmsg"):
        for family in "46":
            attach = f"cgroup_udp{family}_{call}"
            kinds[f"cgroup/{call}{family}"] = SectionKind("cgroup_sock_addr", attach)
    for call in ("connect", "sendmsg", "recvmsg", "getpeername", "getsockname"):
        attach = f"cgroup_unix_{call}"
        kinds[f"cgroup/{call}_unix"] = SectionKind("cgroup_sock_addr", attach)
    return kinds


KINDS: dict[str, SectionKind] = {
    **_traced(),
    **_networking(),
    **_cgroup(),
    "syscall": SectionKind("syscall", sleepable=True),
}
"""Every section name that is known, without targets."""


def match(section: str) -> tuple[SectionKind, str] | None:
    """The kind of a section, and the target in its name (``""`` if none).

    A leading ``?`` (libbpf: do not load by default) is ignored here.
    """
    name = section.removeprefix("?")
    if name in KINDS:
        return KINDS[name], ""
    head, slash, target = name.partition("/")
    kind = KINDS.get(head)
    if kind and kind.targeted and slash:
        return kind, target
    return None
