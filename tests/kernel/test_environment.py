"""The test VM itself: what kernel tests rely on is there, and its guards can fail."""

import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(not os.environ.get("SYSCAST_VM"), reason="only inside a test VM"),
]


@pytest.mark.parametrize(
    "path",
    [
        "/sys/kernel/btf/vmlinux",
        "/sys/kernel/tracing/events",
        "/sys/kernel/debug/tracing/events",
        "/sys/fs/cgroup/cgroup.controllers",
        "/proc/net/tcp6",
        "/dev/kmsg",
    ],
)
def test_pseudo_file_systems_are_mounted(path):
    assert Path(path).exists()


def test_bpf_file_system_is_mounted():
    mounts = Path("/proc/mounts").read_text()
    assert any(line.split()[1:3] == ["/sys/fs/bpf", "bpf"] for line in mounts.splitlines())


def test_ipv4_and_ipv6_loopback_work():
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with (
            socket.create_server((address, 0), family=family) as server,
            socket.create_connection(server.getsockname()[:2]) as client,
        ):
            assert client.getpeername()[1] == server.getsockname()[1]


def test_unprivileged_user_has_no_rights():
    done = subprocess.run(
        ["bpftool", "prog"],
        check=False,
        user=1000,
        group=1000,
        extra_groups=[],
        capture_output=True,
    )
    assert done.returncode != 0


def test_second_network_namespace_has_another_inode():
    inner = subprocess.run(
        ["unshare", "--net", "readlink", "/proc/self/ns/net"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert inner.stdout.strip() != str(Path("/proc/self/ns/net").readlink())


def test_a_module_can_be_loaded():
    subprocess.run(["modprobe", "veth"], check=True)
    assert Path("/sys/module/veth").is_dir()


def test_bpftrace_sees_this_process():
    program = f"tracepoint:syscalls:sys_enter_getpriority /pid == {os.getpid()}/ {{ exit(); }}"
    with subprocess.Popen(["bpftrace", "-e", program], stdout=subprocess.PIPE) as witness:
        deadline = time.monotonic() + 100
        while witness.poll() is None and time.monotonic() < deadline:
            os.getpriority(os.PRIO_PROCESS, 0)
            time.sleep(0.05)
        seen = witness.poll() == 0
        witness.kill()
    assert seen
