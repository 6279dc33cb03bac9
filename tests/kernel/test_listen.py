"""``syscast listen`` over the whole machine, from every source at once, beside bpftrace.

One workload (listeners.py) by several users, in two network namespaces, inside and outside of a container's cgroup,
is watched by all. It says itself what it did; each watcher has to report that, once, and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from processes import wait_until

from syscast import features

pytestmark = pytest.mark.kernel

IN_VM = bool(os.environ.get("SYSCAST_VM"))
only_in_vm = pytest.mark.skipif(not IN_VM, reason="watches everybody: only inside a test VM")
LISTENERS = str(Path(__file__).with_name("listeners.py"))
EVERYTHING = ("tcp", "mptcp", "nothing_to_report", "other_user", "other_namespace", "strange_name")
CONTAINER = "fedcba9876543210" * 4
GROUP = Path(f"/sys/fs/cgroup/machine.slice/docker-{CONTAINER}.scope")

SOURCES = {
    "fexit": ("", "fexit on inet_listen"),
    "kprobe.multi": ("fentry,fexit", "kretprobe.multi on inet_listen"),
    "kprobe": ("fentry,fexit,kprobe_multi", "kretprobe on inet_listen"),
    "syscall": ("fentry,fexit,kprobe,kprobe_multi", "on sys_exit"),
}
"""Features that are switched off, and how the probe is attached then."""

ATTACHED = re.compile(r"^syscast: \S+ on \w+$", re.MULTILINE)
"""A line of ``-v``; a source that was passed over is told of in other words."""
WITNESS = """
kprobe:inet_listen, kprobe:mptcp_listen { @sock[tid] = arg0; }
kretprobe:inet_listen, kretprobe:mptcp_listen /@sock[tid]/ {
    if (retval == 0) {
        $sk = ((struct socket *)@sock[tid])->sk;
        printf("seen %d %d %d\\n", pid, $sk->__sk_common.skc_num, $sk->sk_protocol);
    }
    delete(@sock[tid]);
}
BEGIN { printf("ready\\n"); }
"""


class Watcher:
    """A running ``syscast listen`` that is attached, or about to be."""

    def __init__(self, directory, name, disabled, *options):
        self.name = name
        self.events = Path(directory, f"{name}.events")
        self.error = Path(directory, f"{name}.error")
        with self.error.open("w") as error:
            self.process = subprocess.Popen(
                [
                    *[sys.executable, "-m", "syscast", "listen", "-v", "--json"],
                    *["-o", str(self.events), *options],
                ],
                stdin=subprocess.DEVNULL,
                stderr=error,
                env={**os.environ, "SYSCAST_DISABLE": disabled},
            )

    def attached(self):
        """Whether it has said how it is attached."""
        assert self.process.poll() is None, self.error.read_text()
        return ATTACHED.search(self.error.read_text()) is not None

    def rows(self):
        """What it has reported so far."""
        lines = self.events.read_text().split("\n") if self.events.exists() else []
        return [json.loads(line) for line in lines[:-1]]

    def stop(self):
        """End it as Ctrl-C would; give what it said."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        finally:
            self.process.kill()
        return self.error.read_text()


def sources():
    """Those that this kernel has: each is a way of its own."""
    for name, (disabled, form) in SOURCES.items():
        needed = {"fexit": "fexit", "kprobe.multi": "kprobe_multi", "kprobe": "kprobe"}.get(name)
        if needed is None or features.supported(needed):
            yield name, disabled, form


@contextlib.contextmanager
def bpftrace():
    """The witness; gives a function that ends it and returns what it saw."""
    program = WITNESS
    if "mptcp_listen" not in Path("/proc/kallsyms").read_text():
        program = program.replace(", kprobe:mptcp_listen", "").replace(
            ", kretprobe:mptcp_listen", ""
        )
    with (
        tempfile.TemporaryFile("w+") as error,
        subprocess.Popen(
            ["bpftrace", "-B", "line", "-e", program],
            stdout=subprocess.PIPE,
            stderr=error,
            text=True,
        ) as witness,
    ):
        try:
            started = any(line == "ready\n" for line in witness.stdout)
            error.seek(0)
            assert started, error.read()

            def seen():
                witness.terminate()
                return {
                    tuple(map(int, line.split()[1:]))
                    for line in witness.stdout
                    if line.startswith("seen ")
                }

            yield seen
        finally:
            witness.kill()


def listeners(*parts, group=None):
    """Run the workload; give what it says of itself."""
    enter = f"echo $$ > {group}/cgroup.procs; " if group else ""
    done = subprocess.run(
        ["sh", "-c", f"{enter}exec {sys.executable} {LISTENERS} {' '.join(parts)}"],
        check=True,
        capture_output=True,
        text=True,
        timeout=200,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(rows, told, name):
    """Each listener once, in order, with all that it says of itself; and no other."""
    shown = [{key: row[key] for key in said} for row, said in zip(rows, told, strict=False)]
    assert shown == told, name
    assert len(rows) == len(told), name


@pytest.fixture
def group():
    """A cgroup with a container's name."""
    GROUP.mkdir(parents=True, exist_ok=True)
    yield GROUP
    wait_until(lambda: not (GROUP / "cgroup.procs").read_text())
    GROUP.rmdir()
    GROUP.parent.rmdir()


@only_in_vm
def test_every_listener_of_the_machine_from_every_source(tmp_path, group):
    here = Path("/proc/self/ns/net").stat().st_ino
    watchers = [Watcher(tmp_path, name, disabled) for name, disabled, _ in sources()]
    watchers.append(Watcher(tmp_path, "elsewhere", "", "--uid", "1000"))
    try:
        with bpftrace() as witness:
            for watcher in watchers:
                wait_until(watcher.attached, 200)
            outside = listeners(*EVERYTHING)
            inside = listeners(*EVERYTHING, group=group)
            told = outside + inside
            assert len({said["netns"] for said in told if "netns" in said} - {here}) == 2
            for watcher in watchers:
                wanted = 2 if watcher.name == "elsewhere" else len(told)
                with contextlib.suppress(AssertionError):  # what is missing is shown below
                    wait_until(lambda w=watcher, n=wanted: len(w.rows()) >= n, 20)
            seen = witness()
    finally:
        said = {watcher.name: watcher.stop() for watcher in watchers}
    for name, _, form in sources():
        watcher = next(each for each in watchers if each.name == name)
        rows = watcher.rows()
        compare(rows, told, name)
        assert watcher.process.returncode == 0
        assert f"syscast: {form}" in said[name] or form == "on sys_exit"
        assert f"{len(told)} events delivered, 0 lost" in said[name]
        containers = [row["container"] for row in rows]
        assert containers == [None] * len(outside) + [f"docker:{CONTAINER[:12]}"] * len(inside)
        assert {row["cgroup_id"] for row in rows[len(outside) :]} == {group.stat().st_ino}
        assert {(row["pid"], row["port"]) for row in rows} == {row[:2] for row in seen}
        assert {row["port"] for row in rows if row["protocol"] == "mptcp"} <= {
            port for _, port, protocol in seen if protocol == 262
        }
    compare(watchers[-1].rows(), [each for each in told if each.get("uid") == 1000], "uid")


@pytest.mark.native
def test_a_web_server_shows_up_while_it_runs(tmp_path):
    """The README's first command: the event is there before the server is asked anything."""
    target = tmp_path / "events"
    command = [sys.executable, "-m", "http.server", "0", "--bind", "127.0.0.1"]
    words = ["listen", "--json", "-o", str(target), "--", *command]
    with subprocess.Popen(
        [sys.executable, "-m", "syscast", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            wait_until(lambda: target.exists() and target.read_text().endswith("\n"), 200)
            (row,) = map(json.loads, target.read_text().splitlines())
            with socket.create_connection(("127.0.0.1", row["port"]), timeout=60) as client:
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                assert client.recv(4096).startswith(b"HTTP/1.0 200")
            listening = re.findall(
                rf"^ *\d+: 0100007F:{row['port']:04X} .* 0A ",
                Path(f"/proc/{row['pid']}/net/tcp").read_text(),
                re.MULTILINE,
            )
            assert len(listening) == 1
            assert (row["address"], row["backlog"], row["uid"]) == ("127.0.0.1", 5, os.getuid())
            assert row["netns"] == Path(f"/proc/{row['pid']}/ns/net").stat().st_ino
            assert row["comm"] == Path(f"/proc/{row['pid']}/comm").read_text().rstrip("\n")
            assert abs(row["time"] - time.time_ns()) < 300 * 10**9
        finally:
            process.terminate()
            _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "1 event delivered, 0 lost" in err
    assert not Path(f"/proc/{row['pid']}").exists()
