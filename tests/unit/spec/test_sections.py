"""Section names as libbpf documents them."""

from __future__ import annotations

import pytest

from syscast.spec.numbers import ATTACH_TYPES, MAP_TYPES, PROGRAM_TYPES
from syscast.spec.sections import KINDS, match


@pytest.mark.parametrize(
    ("section", "type_", "attach_type", "target", "sleepable"),
    [
        ("kprobe/inet_listen", "kprobe", "", "inet_listen", False),
        ("kretprobe", "kprobe", "", "", False),
        ("kprobe.multi/tcp_*", "kprobe", "trace_kprobe_multi", "tcp_*", False),
        ("kprobe.session/vfs_read", "kprobe", "trace_kprobe_session", "vfs_read", False),
        ("uretprobe.s//bin/sh:main", "kprobe", "", "/bin/sh:main", True),
        ("tp/sched/sched_switch", "tracepoint", "", "sched/sched_switch", False),
        ("raw_tracepoint.w/x", "raw_tracepoint_writable", "", "x", False),
        ("tp_btf/sys_enter", "tracing", "trace_raw_tp", "sys_enter", False),
        ("fentry/vfs_read", "tracing", "trace_fentry", "vfs_read", False),
        ("fexit.s/vfs_read", "tracing", "trace_fexit", "vfs_read", True),
        ("fmod_ret/x", "tracing", "modify_return", "x", False),
        ("lsm.s/file_open", "lsm", "lsm_mac", "file_open", True),
        ("iter/task", "tracing", "trace_iter", "task", False),
        ("?fentry/x", "tracing", "trace_fentry", "x", False),
        ("xdp", "xdp", "xdp", "", False),
        ("tc", "sched_cls", "", "", False),
        ("syscall", "syscall", "", "", True),
        ("socket", "socket_filter", "", "", False),
        ("cgroup/connect4", "cgroup_sock_addr", "cgroup_inet4_connect", "", False),
        ("cgroup/recvmsg_unix", "cgroup_sock_addr", "cgroup_unix_recvmsg", "", False),
    ],
)
def test_match(section, type_, attach_type, target, sleepable):
    kind, found = match(section)
    assert (kind.type, kind.attach_type, found) == (type_, attach_type, target)
    assert kind.sleepable is sleepable


@pytest.mark.parametrize("section", ["", "kprobes/x", "tc/sideways", "xdp/x", ".text", "socket1"])
def test_no_match(section):
    assert match(section) is None


def test_every_kind_has_numbers():
    for name, kind in KINDS.items():
        assert kind.type in PROGRAM_TYPES, name
        assert not kind.attach_type or kind.attach_type in ATTACH_TYPES, name


def test_numbers_are_the_kernels():
    # From include/uapi/linux/bpf.h, one at each end of what could have slipped.
    assert (MAP_TYPES["ringbuf"], MAP_TYPES["arena"]) == (27, 33)
    assert (PROGRAM_TYPES["tracing"], PROGRAM_TYPES["netfilter"]) == (26, 32)
    assert (ATTACH_TYPES["trace_fentry"], ATTACH_TYPES["perf_event"]) == (24, 41)
    assert ATTACH_TYPES["trace_uprobe_session"] == 57
