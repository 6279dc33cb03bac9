"""``CONFIG_`` options: from the kernel's configuration, or from traces that they leave in BTF.

An option adds members to structs. Where the configuration cannot be read (no /proc/config.gz, no file in
/boot), the members say how the kernel was built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf import types as btf_types
from syscast.btf.layout import find_member

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syscast.frontend.c.surroundings import Surroundings

_MEMBERS: dict[str, tuple[tuple[str, str], ...]] = {
    "NET_NS": (("possible_net_t", "net"),),
    "NUMA": (("zone", "node"),),
    "SLUB": (("kmem_cache", "cpu_slab"), ("kmem_cache", "cpu_sheaves")),
    "SLAB": (("kmem_cache", "cpu_cache"),),
    "SLUB_CPU_PARTIAL": (("kmem_cache", "cpu_partial"),),
    "SLUB_DEBUG": (("kmem_cache_node", "full"),),
    "MEMCG": (("task_struct", "memcg_in_oom"), ("mm_struct", "owner"), ("sock", "sk_memcg")),
    "SMP": (("task_struct", "wake_entry"), ("task_struct", "on_cpu")),
    "CGROUPS": (("task_struct", "cgroups"),),
    "CGROUP_BPF": (("cgroup", "bpf"),),
    "CGROUP_SCHED": (("task_struct", "sched_task_group"),),
    "FAIR_GROUP_SCHED": (("sched_entity", "my_q"),),
    "CFS_BANDWIDTH": (("cfs_rq", "throttled"),),
    "SCHEDSTATS": (("sched_statistics", "wait_start"),),
    "SCHED_INFO": (("sched_info", "run_delay"),),
    "IPV6": (("sock_common", "skc_v6_daddr"),),
    "BLK_CGROUP": (("bio", "bi_blkg"),),
    "BLK_DEV_INTEGRITY": (("bio", "bi_integrity"),),
    "SECURITY": (("file", "f_security"), ("inode", "i_security"), ("cred", "security")),
    "AUDIT": (("task_struct", "loginuid"),),
    "AUDITSYSCALL": (("task_struct", "audit_context"),),
    "KEYS": (("cred", "session_keyring"),),
    "USER_NS": (("user_namespace", "ns"),),
    "PREEMPT_RCU": (("task_struct", "rcu_read_lock_nesting"),),
    "LOCKDEP": (("task_struct", "lockdep_depth"),),
    "XPS": (("net_device", "xps_maps"), ("net_device", "xps_cpus_map")),
    "RPS": (("net_device", "_rx"),),
    "NETFILTER": (("sk_buff", "_nfct"), ("net", "nf")),
    "XFRM": (("sock", "sk_policy"),),
    "TASK_XACCT": (("task_struct", "acct_rss_mem1"),),
    "TASKSTATS": (("signal_struct", "stats"),),
    "FUTEX": (("task_struct", "robust_list"), ("futex_q", "pi_state")),
    "PERF_EVENTS": (("task_struct", "perf_event_ctxp"), ("task_struct", "perf_event_mutex")),
    "THREAD_INFO_IN_TASK": (("task_struct", "thread_info"),),
    "VMAP_STACK": (("task_struct", "stack_vm_area"),),
    "UPROBES": (("task_struct", "utask"),),
    "BPF_SYSCALL": (("bpf_map", "ops"),),
    "BPF_LSM": (("bpf_local_storage", "owner"),),
    "MMU": (("vm_area_struct", "vm_mm"),),
    "FSNOTIFY": (("inode", "i_fsnotify_mask"),),
    "QUOTA": (("super_block", "s_dquot"),),
    "RSEQ": (("task_struct", "rseq"),),
    "SWAP": (("swap_info_struct", "prio"),),
    "TRACING": (("trace_array", "current_trace"),),
}
"""Option to members, by record or typedef, of which each shows it by itself."""

_FUNCTIONS = {
    "KPROBES": "register_kprobe",
    "KRETPROBES": "register_kretprobe",
    "NETFILTER": "nf_hook_slow",
    "CFS_BANDWIDTH": "throttle_cfs_rq",
    "MPTCP": "mptcp_sendmsg",
}

_ARCH = {
    "x86_64": frozenset({"X86_64", "X86", "64BIT", "X86_5LEVEL", "DYNAMIC_MEMORY_LAYOUT"}),
    "aarch64": frozenset({"ARM64", "64BIT"}),
}


class Config:
    """The options of one kernel."""

    def __init__(self, surroundings: Surroundings) -> None:
        """Nothing is asked yet."""
        self._surroundings = surroundings
        self._btf = surroundings.btf

    def macro(self, name: str) -> str | None:
        """What kernel headers define ``CONFIG_X`` or ``CONFIG_X_MODULE`` as; None where they do not.

        An option that is on is ``1``, one that is a module defines the name with ``_MODULE``, others are their value.
        """
        if name == "CONFIG_ARCH_HAS_SYSCALL_WRAPPER":
            return "1" if self._surroundings.syscall_wrapper() else None
        known = self._surroundings.config
        if known is None:
            return "1" if self._derived(name.removeprefix("CONFIG_")) else None
        return _of_config(known, name)

    def _derived(self, option: str) -> bool:
        if option in _ARCH.get(self._surroundings.arch, ()):
            return True
        function = _FUNCTIONS.get(option)
        if function and self._btf.find(function, btf_types.Func) is not None:
            return True
        return any(self._has(record, member) for record, member in _MEMBERS.get(option, ()))

    def _has(self, record: str, member: str) -> bool:
        """Asks the kernel itself, never what the text declares."""
        found = self._btf.find(record, btf_types.Struct) or self._btf.find(
            record, btf_types.Typedef
        )
        return found is not None and find_member(self._btf, found, member) is not None


def _of_config(known: Mapping[str, str], name: str) -> str | None:
    if name.endswith("_MODULE") and name not in known:
        return "1" if known.get(name.removesuffix("_MODULE")) == "m" else None
    value = known.get(name)
    if value in {None, "n", "m"}:
        return None
    return "1" if value == "y" else value
