from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess  # unshare is a command
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscast.errors import FormatError, NotSupportedError
from syscast.kernel import tracefs
from syscast.kernel.tracefs import TraceField

OPENAT = """name: sys_enter_openat
ID: 715
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:int __syscall_nr;\toffset:8;\tsize:4;\tsigned:1;
\tfield:int dfd;\toffset:16;\tsize:8;\tsigned:0;
\tfield:const char * filename;\toffset:24;\tsize:8;\tsigned:0;

print fmt: "dfd: 0x%08lx, filename: 0x%08lx", ((unsigned long)(REC->dfd)), REC->filename
"""
OTHERS = """name: others
ID: 3
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;

\tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;
\tfield:__data_loc char[] filename;\toffset:24;\tsize:4;\tsigned:0;
\tfield:__rel_loc __u8[] tail;\toffset:28;\tsize:4;\tsigned:0;
\tfield:__u8 addr[sizeof(struct in6_addr)];\toffset:32;\tsize:16;\tsigned:0;
\tfield:pid_t pid;\toffset:48;\tsize:4;\tsigned:1;
\tfield:const void *skaddr;\toffset:56;\tsize:8;

print fmt: "x"
"""


def test_a_syscalls_format() -> None:
    found = tracefs.parse_format(OPENAT)
    assert (found.name, found.id) == ("sys_enter_openat", 715)
    assert [field.name for field in found.common] == ["common_type", "common_flags", "common_pid"]
    assert found.fields == (
        TraceField("__syscall_nr", "int", 8, 4, signed=True, array=None, loc=""),
        TraceField("dfd", "int", 16, 8, signed=False, array=None, loc=""),
        TraceField("filename", "const char *", 24, 8, signed=False, array=None, loc=""),
    )


def test_arrays_and_located_fields() -> None:
    comm, filename, tail, addr, pid, skaddr = tracefs.parse_format(OTHERS).fields
    assert (comm.c_type, comm.array, comm.loc) == ("char", 16, "")
    assert (filename.c_type, filename.array, filename.loc) == ("char", 0, "data_loc")
    assert (tail.c_type, tail.array, tail.loc) == ("__u8", 0, "rel_loc")
    assert (addr.name, addr.c_type, addr.array, addr.size) == ("addr", "__u8", 0, 16)
    assert (pid.c_type, pid.signed) == ("pid_t", True)
    assert (skaddr.c_type, skaddr.signed) == ("const void *", False)


@given(st.text(alphabet="\t;: \n[]_abfield:offsetsize0123456789", max_size=200))
def test_any_text_parses_or_is_refused(text: str) -> None:
    with contextlib.suppress(FormatError):
        tracefs.parse_format(f"name: x\nID: 1\n{text}")


def test_something_else_is_refused() -> None:
    with pytest.raises(FormatError, match="no name or ID"):
        tracefs.parse_format("field:int a;")
    with pytest.raises(FormatError, match="bad field '\\?'"):
        tracefs.parse_format("name: x\nID: 1\n\tfield:?;\toffset:0;\tsize:4;\tsigned:0;\n")


def test_without_a_mount_the_cure_is_told() -> None:
    if tracefs.find_root() is not None:
        pytest.skip("tracefs is mounted here")
    assert tracefs.state() == "not mounted"
    with pytest.raises(NotSupportedError, match="mount -t tracefs tracefs /sys/kernel/tracing"):
        tracefs.root()


IN_A_MOUNT_NAMESPACE = """
from syscast.errors import TargetError
from syscast.kernel import perf, tracefs
assert tracefs.state() == "mounted at /sys/kernel/tracing", tracefs.state()
count = 0
for category, name in tracefs.events():
    found = tracefs.event_format(category, name)
    assert found.name == name and found.common[0].name == "common_type"
    for field in (*found.common, *found.fields):
        assert field.c_type and field.offset + field.size <= 4096
    count += 1
calls = tracefs.syscalls()
assert {"openat", "bpf", "execve"} <= set(calls)
perf.open_tracepoint(tracefs.event_id("syscalls", "sys_enter_openat")).close()
try:
    tracefs.event_format("syscalls", "sys_enter_openatt")
except TargetError as error:
    assert "syscalls:sys_enter_openat" in error.near
print(count, len(calls))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a mount namespace")
def test_every_format_of_this_kernel() -> None:
    mount = "mount -t tracefs none /sys/kernel/tracing"
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c",
         f'mountpoint -q /sys/kernel/tracing || {mount} || exit 77; exec "$0" -c "$1"',
         sys.executable, IN_A_MOUNT_NAMESPACE],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    if done.returncode == 77:
        pytest.skip(f"tracefs cannot be mounted: {done.stderr}")
    assert done.returncode == 0, done.stderr
    events, calls = map(int, done.stdout.split())
    assert events > 200
    assert calls > 200
    assert not pathlib.Path("/sys/kernel/tracing/events").exists() or tracefs.find_root()
