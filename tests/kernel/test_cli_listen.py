"""``syscast listen`` against what the listening programs themselves know."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from syscast import features

pytestmark = pytest.mark.kernel

IN_VM = bool(os.environ.get("SYSCAST_VM"))
LISTENERS = str(Path(__file__).with_name("listeners.py"))
EVERYTHING = ("tcp", "mptcp", "nothing_to_report", "other_user", "other_namespace", "strange_name")

SOURCES = {
    "best": "",
    "kprobe": "fentry,fexit",
    "kretprobe_by_perf": "fentry,fexit,kprobe_multi",
    "syscall": "fentry,fexit,kprobe,kprobe_multi",
    "perf_buffer": "ringbuf",
}
"""Features that are switched off, to have each source tried on a kernel that has all."""


def run(*args, disable="", timeout=200):
    """Run ``syscast listen --json`` and return its events and the finished process."""
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory, "events")
        done = subprocess.run(
            [sys.executable, "-m", "syscast", "listen", "--json", "-o", str(output), *args],
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**os.environ, "SYSCAST_DISABLE": disable},
        )
        lines = output.read_text().splitlines() if output.exists() else []
    return [json.loads(line) for line in lines], done


def told(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(events, wanted):
    """Each listener once, in order, with all that it says of itself."""
    shown = [
        {key: event[key] for key in said} for event, said in zip(events, wanted, strict=False)
    ]
    assert shown == wanted
    assert len(events) == len(wanted)


@pytest.mark.native
def test_every_listener_is_reported_once_and_right():
    events, done = run("--", sys.executable, LISTENERS, *EVERYTHING)
    assert done.returncode == 0, done.stderr
    wanted = told(done)
    assert len(wanted) >= 12
    compare(events, wanted)
    assert f"{len(wanted)} events delivered, 0 lost" in done.stderr


@pytest.mark.parametrize("source", SOURCES)
def test_all_sources_say_the_same(source):
    disabled = SOURCES[source]
    if source != "syscall" and not any(
        features.supported(name)
        for name in ("fexit", "kprobe", "kprobe_multi")
        if name not in disabled.split(",")
    ):
        pytest.skip("this kernel has no other source than the system call")
    events, done = run("-v", "--", sys.executable, LISTENERS, *EVERYTHING, disable=disabled)
    assert done.returncode == 0, done.stderr
    compare(events, told(done))
    probes = {event["probe"] for event in events}
    assert probes <= ({"listen"} if source == "syscall" else {"inet_listen", "mptcp_listen"})


@pytest.mark.native
def test_only_wanted_ports_are_shown():
    events, done = run("--port", "1", "--", sys.executable, LISTENERS, "tcp")
    assert done.returncode == 0, done.stderr
    assert told(done)
    assert events == []
    program = (
        "import socket\n"
        "held = [socket.create_server(('127.0.0.1', port)) for port in (47321, 47322, 47323)]\n"
    )
    for ports, wanted in (((47322,), [47322]), ((47323, 47321), [47321, 47323])):
        options = [word for port in ports for word in ("--port", str(port))]
        events, done = run(*options, "--", sys.executable, "-c", program)
        assert done.returncode == 0, done.stderr
        assert [event["port"] for event in events] == wanted


@pytest.mark.native
def test_the_socket_s_namespace_decides():
    here = Path("/proc/self/ns/net").stat().st_ino
    events, done = run(
        "--netns", str(here), "--", sys.executable, LISTENERS, "other_namespace", "tcp"
    )
    assert done.returncode == 0, done.stderr
    compare(events, [said for said in told(done) if said["netns"] == here])
    assert events
    events, _ = run("--netns", "1", "--", sys.executable, LISTENERS, "tcp")
    assert events == []


@pytest.mark.native
def test_other_users_and_names_are_filtered_in_the_kernel():
    events, done = run("--uid", "1000", "--", sys.executable, LISTENERS, "tcp", "other_user")
    assert done.returncode == 0, done.stderr
    compare(events, [said for said in told(done) if said["uid"] == 1000])
    assert len(events) == 1


@pytest.mark.skipif(not IN_VM, reason="makes cgroups: only inside a test VM")
def test_the_container_is_named_by_the_cgroup():
    number = "0123456789abcdef" * 4
    cgroup = Path(f"/sys/fs/cgroup/system.slice/docker-{number}.scope")
    cgroup.mkdir(parents=True, exist_ok=True)
    try:
        script = f"echo $$ > {cgroup}/cgroup.procs; exec {sys.executable} {LISTENERS} tcp mptcp"
        events, done = run("--", "sh", "-c", script)
        assert done.returncode == 0, done.stderr
        compare(events, told(done))
        assert {event["container"] for event in events} == {f"docker:{number[:12]}"}
        assert {event["cgroup_id"] for event in events} == {cgroup.stat().st_ino}
        events, done = run("--cgroup", str(cgroup), "--", "sh", "-c", script)
        compare(events, told(done))
    finally:
        cgroup.rmdir()


# Where bpftrace knows no structs (it reads no BTF of 5.10), it sees no port.
WITNESSES = {
    ("pid", "backlog", "port"): (
        "kprobe:inet_listen { @backlog[tid] = arg1; @sk[tid] = ((struct socket *)arg0)->sk; } "
        "kretprobe:inet_listen /@sk[tid]/ { if (retval == 0) "
        '{ printf("%d %d %d\\n", pid, @backlog[tid], @sk[tid]->__sk_common.skc_num); } '
        "delete(@sk[tid]); delete(@backlog[tid]); }"
    ),
    ("pid", "backlog"): (
        "kprobe:inet_listen { @backlog[tid] = arg1; } "
        "kretprobe:inet_listen { if (retval == 0) "
        '{ printf("%d %d\\n", pid, @backlog[tid]); } delete(@backlog[tid]); }'
    ),
}


@contextlib.contextmanager
def bpftrace():
    """Start a witness; gives the names of its numbers and the process."""
    for names, program in WITNESSES.items():
        with subprocess.Popen(
            ["bpftrace", "-e", program + 'BEGIN { printf("ready\\n"); }'],
            stdout=subprocess.PIPE,
            text=True,
        ) as witness:
            if any(line == "ready\n" for line in iter(witness.stdout.readline, "")):
                yield names, witness
                return
    pytest.fail("bpftrace does not start")


@pytest.mark.skipif(not IN_VM, reason="bpftrace sees all processes: only inside a test VM")
def test_bpftrace_sees_the_same_set():
    with bpftrace() as (names, witness):
        events, done = run("--", sys.executable, LISTENERS, "tcp", "other_user", "other_namespace")
        witness.terminate()
        seen = [tuple(map(int, line.split())) for line in witness.stdout if line[:1].isdigit()]
    assert done.returncode == 0, done.stderr
    mine = {event["pid"] for event in events}
    assert [tuple(event[name] for name in names) for event in events] == [
        row for row in seen if row[0] in mine
    ]


@pytest.mark.skipif(not IN_VM, reason="runs as another user: only inside a test VM")
def test_without_rights_the_capability_is_named():
    done = subprocess.run(
        [sys.executable, "-m", "syscast", "listen", "--", "true"],
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
        user=1000,
        group=1000,
        extra_groups=[],
    )
    assert done.returncode == 1
    assert "CAP_BPF" in done.stderr
    assert "sudo syscast" in done.stderr
    assert "Traceback" not in done.stderr
