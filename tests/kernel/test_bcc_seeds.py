"""Three programs written for bcc, unmodified, through ``syscast bcc``: who listens, here and in another network namespace."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from syscast import features
from syscast.kernel import tracefs

pytestmark = pytest.mark.kernel
SCRIPTS = Path(__file__).parents[1] / "data/bcc"
PATIENCE = 60

# Listens on 127.0.0.1 with each backlog given, and says where.
LISTENER = """
import json, os, socket, sys
held = []
for backlog in map(int, sys.argv[1:]):
    held.append(socket.socket())
    held[-1].bind(("127.0.0.1", 0))
    held[-1].listen(backlog)
    netns = os.stat("/proc/self/ns/net").st_ino
    print(json.dumps([held[-1].getsockname()[1], backlog, netns]))
"""
KNOCK = 97  # the backlog of listeners that only show whether the script is there yet


@pytest.fixture(autouse=True)
def kprobes():
    if not features.supported("kprobe"):
        pytest.skip("this kernel has no kprobe")
    yield
    features.forget()


def listen(*backlogs, netns=False):
    """Listeners with these backlogs, in a network namespace of their own if asked for: port, backlog, inode."""
    prefix = ["unshare", "--net", "sh", "-c", 'ip link set lo up 2>/dev/null; exec "$@"', "sh"]
    done = subprocess.run(
        [*(prefix if netns else []), sys.executable, "-c", LISTENER, *map(str, backlogs)],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


class Script:
    """A running script whose lines are read as they come."""

    def __init__(self, name):
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "syscast", "bcc", SCRIPTS / name],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._rest = b""

    def lines(self, seconds):
        """Whole lines that come within a time."""
        found = []
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([self.process.stdout], [], [], left)
            if not ready:
                break
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            if not data:
                pytest.fail(f"it ended: {self.process.stderr.read().decode()}")
            *whole, self._rest = (self._rest + data).split(b"\n")
            found += [line.decode() for line in whole]
        return found

    def wait(self):
        """Listen until it shows that."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            listen(KNOCK)
            if self.lines(0.5):
                return
        pytest.fail("it shows nothing")

    def end(self):
        """Press Ctrl-C; gives the exit code and what stands on standard error."""
        self.process.send_signal(signal.SIGINT)
        _, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, errors.decode()


@pytest.fixture
def started():
    scripts = []

    def start(name):
        scripts.append(Script(name))
        scripts[-1].wait()
        return scripts[-1]

    yield start
    for each in scripts:
        if each.process.poll() is None:
            each.process.kill()
        each.process.communicate()


def expected_and_seen(script, pattern):
    """What was done after the script is known to look, and what its lines say of it."""
    done = listen(1, 128) + listen(5, 77, netns=True)
    # The format's own line end makes an empty line behind each of the trace pipe.
    lines = [line for line in script.lines(2) if f" {KNOCK} " not in line and line != "b''"]
    found = [re.search(pattern, line) for line in lines]
    assert all(found), lines
    return done, [tuple(each.groups()) for each in found]


def test_perf_buffer(started):
    script = started("listen_perf.py")
    done, seen = expected_and_seen(
        script, r"^Listening on (\w+) (\d+) with (\d+) about process (\d+)$"
    )
    assert seen == [("7f000001", *map(str, each)) for each in done]
    assert len({netns for _, _, netns in done}) == 2
    code, errors = script.end()
    assert code == -signal.SIGINT
    assert errors.splitlines()[-1] == "KeyboardInterrupt"


def test_trace_pipe(started):
    if tracefs.find_root() is None:
        pytest.skip("tracefs: find: it is not mounted (a test cannot mount it)")
    script = started("listen_printk.py")
    done, seen = expected_and_seen(
        script, r"^b'.*: Listening on (\w+) (\d+) with (\d+) pending connections"
    )
    assert seen == [("7f000001", str(port), str(backlog)) for port, backlog, _ in done]


def test_four_values_in_a_line(started):
    if not features.supported("helper_trace_vprintk"):
        pytest.skip("this kernel has no helper_trace_vprintk")
    script = started("listen_printk_overflow.py")
    done, seen = expected_and_seen(
        script,
        r"^b'.*: Listening on (\w+) (\d+) with (\d+) pending connections in container (-?\d+)",
    )
    # It prints address and port as the network has them, and the inode as a signed number.
    swapped = [(port >> 8 | port << 8) & 0xFFFF for port, _, _ in done]
    assert seen == [
        ("100007f", str(port), str(backlog), str(netns - (1 << 32) if netns >> 31 else netns))
        for port, (_, backlog, netns) in zip(swapped, done, strict=True)
    ]


def test_four_values_where_the_kernel_has_room_for_three():
    if features.supported("helper_trace_vprintk"):
        pytest.skip("this kernel has helper_trace_vprintk")
    path = SCRIPTS / "listen_printk_overflow.py"
    done = subprocess.run(
        [sys.executable, "-m", "syscast", "bcc", path],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "Exception: Failed to compile BPF module <text>"
    assert "/virtual/main.c:15:" in done.stderr
    assert re.search(r"three|3", done.stderr)
    assert "BPF_PERF_OUTPUT" in done.stderr
