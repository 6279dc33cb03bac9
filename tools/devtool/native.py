"""Tests on this machine: unit, golden, property and typing tests, and the kernel tests that its kernel can run."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from vmtest.results import Outcome, Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]
# bpf(2): BPF_PROG_LOAD with a two-instruction program of type BPF_PROG_TYPE_RAW_TRACEPOINT (include/uapi/linux/bpf.h).
BPF_PROG_LOAD = 5
RAW_TRACEPOINT = 17
RETURN_0 = struct.pack("<BBhiBBhi", 0xB7, 0, 0, 0, 0x95, 0, 0, 0)
SYS_BPF = {"x86_64": 321, "aarch64": 280}


def why_no_kernel_tests() -> str:
    """Why the kernel tests cannot run on this machine itself; empty when they can."""
    if os.geteuid() != 0:
        return "not root"
    if not Path("/sys/kernel/btf/vmlinux").exists():
        return "the kernel has no BTF"
    number = SYS_BPF.get(platform.machine())
    if number is None:
        return f"unknown architecture {platform.machine()}"
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.create_string_buffer(RETURN_0)
    licence = ctypes.create_string_buffer(b"GPL")
    attributes = ctypes.create_string_buffer(
        struct.pack(
            "=IIQQ", RAW_TRACEPOINT, 2, ctypes.addressof(code), ctypes.addressof(licence)
        ).ljust(128, b"\0"),
        128,
    )
    fd = int(libc.syscall(number, BPF_PROG_LOAD, attributes, 128))
    if fd < 0:
        return f"bpf() refuses a program: {os.strerror(ctypes.get_errno())}"
    os.close(fd)
    return ""


class NativeRun:
    """One pytest process on this machine, followed through its event file."""

    def __init__(self, arguments: Sequence[str], *, test_timeout: float, timeout: float) -> None:
        self.arguments = arguments
        self.test_timeout = test_timeout
        self.timeout = timeout
        self.progress = Progress()
        self._tail: list[str] = []

    def run(self) -> Progress:
        """Run to the end; a hang becomes a failure of the test that hung."""
        with tempfile.TemporaryDirectory(prefix="syscast-test-") as work:
            events = Path(work) / "events"
            events.touch()
            while not self._attempt(events, Path(work) / "done"):
                pass
        return self.progress

    def _attempt(self, events: Path, done: Path) -> bool:
        self.progress.begin()
        done.write_text(json.dumps(list(self.progress.outcomes)))
        env = {
            **os.environ,
            "SYSCAST_TEST_EVENTS": str(events),
            "SYSCAST_TESTS_DONE": str(done),
            "PYTHONPATH": str(ROOT / "tools"),
        }
        command = [sys.executable, "-m", "pytest", "-p", "vmtest.guest.report", *self.arguments]
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        reader = threading.Thread(target=self._forward, args=(child,), daemon=True)
        reader.start()
        offset = events.stat().st_size
        finished = self._follow(child, events, offset)
        reader.join(5)
        if finished:
            self._judge_exit(child.returncode)
            return True
        return not self.progress.left()

    def _follow(self, child: subprocess.Popen[str], events: Path, offset: int) -> bool:
        """Take events until the process ends; False when it was ended for a test that took too long."""
        began = since = time.monotonic()
        while True:
            over = child.poll() is not None
            with events.open("rb") as handle:
                handle.seek(offset)
                data = handle.read()
            offset += len(data)
            if data and self.progress.feed(data):
                since = time.monotonic()
            if over:
                return True
            now = time.monotonic()
            if now - since > self.test_timeout or now - began > self.timeout:
                return self._end(child, now - since)
            time.sleep(0.05)

    def _end(self, child: subprocess.Popen[str], seconds: float) -> bool:
        """End the process; its faulthandler tells where it was."""
        for number, patience in ((signal.SIGABRT, 5.0), (signal.SIGKILL, 20.0)):
            os.killpg(child.pid, number)
            try:
                child.wait(patience)
                break
            except subprocess.TimeoutExpired:
                continue
        test = self.progress.running
        text = f"no end after {seconds:.0f} s\n{''.join(self._tail)}"
        self.progress.record(Outcome(test or "[native] pytest", "failed", seconds, text=text))
        if not test:
            self.progress.plan.clear()  # ended outside of any test: going on would hang again
        return False

    def _forward(self, child: subprocess.Popen[str]) -> None:
        assert child.stdout is not None
        with child.stdout:
            for line in child.stdout:
                sys.stdout.write(line)
                sys.stdout.flush()
                self._tail = [*self._tail[-80:], line]

    def _judge_exit(self, code: int) -> None:
        if code in {0, 1} or (code == 5 and not self.progress.bad()) or self.progress.bad():
            return
        text = f"pytest ended with {code}\n{''.join(self._tail)}"
        self.progress.record(Outcome("[native] pytest", "error", text=text))
