from __future__ import annotations

import contextlib
import os
import pathlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscast.errors import FormatError
from syscast.kernel import host


def test_cpu_lists() -> None:
    assert host.parse_cpu_list("0\n") == (0,)
    assert host.parse_cpu_list("0-3,8,10-11") == (0, 1, 2, 3, 8, 10, 11)
    for bad in ("", "a", "1-", "-", "1,,2"):
        with pytest.raises(FormatError, match="cpu list"):
            host.parse_cpu_list(bad)


@given(st.text(max_size=20))
def test_any_text_is_a_list_or_a_format_error(text: str) -> None:
    if "-" in text and any(char.isdigit() for char in text):
        return  # "0-99999999999" is a valid, endless list
    with contextlib.suppress(FormatError):
        host.parse_cpu_list(text)


def test_cpus_agree_with_python() -> None:
    assert host.possible_cpus() >= len(os.sched_getaffinity(0))
    assert set(os.sched_getaffinity(0)) <= set(host.online_cpus())


def test_capabilities_agree_with_proc() -> None:
    text = host.read_text("/proc/thread-self/status")
    assert text is not None
    mask = int(text.partition("CapEff:")[2].split()[0], 16)
    assert host.capability_mask() == mask
    assert ("CAP_BPF" in host.capabilities()) == bool(mask >> 39 & 1)


def test_kernel_time_becomes_wall_time() -> None:
    for clock in (time.CLOCK_BOOTTIME, time.CLOCK_MONOTONIC):
        wall = time.clock_gettime_ns(clock) + host.wall_offset_ns(clock)
        assert abs(time.time_ns() - wall) < 50_000_000


def test_processes() -> None:
    me = os.getpid()
    assert host.comm(me) == host.read_text("/proc/self/comm")
    assert host.comm(2**22 + 1) is None
    assert host.namespace_inode(me, "net") == pathlib.Path("/proc/self/ns/net").stat().st_ino
    assert host.namespace_inode(2**22 + 1, "net") is None
    assert host.cgroup_paths(2**22 + 1) == {}
    assert all(path.startswith("/") for path in host.cgroup_paths().values())


def test_mount_points_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "none /mnt/with\\040blank tracefs rw 0 0\nproc /proc proc rw 0 0"
    monkeypatch.setattr(host, "read_text", lambda _path: text)
    assert list(host.mounts("tracefs")) == ["/mnt/with blank"]


def test_lockdown_is_the_bracketed_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "read_text", lambda _path: "none [integrity] confidentiality")
    assert host.lockdown() == "integrity"
    monkeypatch.setattr(host, "read_text", lambda _path: None)
    assert host.lockdown() is None


def test_missing_switches_are_none() -> None:
    assert host.sysctl("kernel/no_such_switch") is None
    assert host.sysctl("kernel/osrelease") is None
    assert isinstance(host.sysctls()["kernel/perf_event_paranoid"], int)


def test_memlock_is_raised_within_the_hard_limit() -> None:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            unlimited = host.raise_memlock()
            soft, hard = host.memlock_limit()
            status = int(soft != hard or unlimited != (soft == -1))
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
