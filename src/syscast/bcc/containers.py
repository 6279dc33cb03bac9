"""bcc's module ``containers``: C text that asks whether an event belongs to the containers that a user chose."""

from __future__ import annotations

from typing import Protocol


class Options(Protocol):
    """A tool's options: paths of pinned maps, or None."""

    cgroupmap: str | None
    mntnsmap: str | None


# The kernel's own description of the struct is used; tools that bring one of their own leave it out then.
_COMMON = """
#define MNT_NAMESPACE_DEFINED 1
"""
_ALL = """
static inline int {name}_filter(void) {{
    return 0;
}}
"""
_CGROUP = """
BPF_TABLE_PINNED("hash", u64, u64, cgroupset, 1024, "{path}");
static inline int cgroup_filter(void) {{
    u64 id = bpf_get_current_cgroup_id();
    return cgroupset.lookup(&id) == 0;
}}
"""
_MNTNS = """
BPF_TABLE_PINNED("hash", u64, u32, mount_ns_set, 1024, "{path}");
static inline int mntns_filter(void) {{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    u64 id = task->nsproxy->mnt_ns->ns.inum;
    return mount_ns_set.lookup(&id) == 0;
}}
"""
_BOTH = """
static inline int container_should_be_filtered(void) {
    return cgroup_filter() || mntns_filter();
}
"""


def filter_by_containers(args: Options) -> str:
    """The text of ``container_should_be_filtered()``, to be put before a tool's own.

    Args:
        args: ``cgroupmap`` names a pinned table of cgroup ids, ``mntnsmap`` one of mount namespaces; what is in
            neither of those that are given is filtered out.
    """
    cgroups, namespaces = getattr(args, "cgroupmap", None), getattr(args, "mntnsmap", None)
    return "".join(
        (
            _COMMON,
            _CGROUP.format(path=cgroups) if cgroups else _ALL.format(name="cgroup"),
            _MNTNS.format(path=namespaces) if namespaces else _ALL.format(name="mntns"),
            _BOTH,
        )
    )
