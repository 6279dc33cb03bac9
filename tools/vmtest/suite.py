"""The kernel tests on one kernel: as many VMs as it takes, each test's result counted once.

A VM that hangs is killed and its tests go on in a fresh one. The test that ran when it hung is tried once more there; hanging
again is a failure. A kernel that dies with a panic or an Oops fails the test at once. Nothing of this is silent: each retry is a note in
the report.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vmtest import monitor, precompile, session
from vmtest.host import HarnessError
from vmtest.machine import Invocation, Machine, MachineDied
from vmtest.results import Outcome, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from vmtest.kernels import Kernel
    from vmtest.session import Options

MAX_MACHINES = 5
NOT_RUN = "not run: the kernel's time or number of VMs was used up"
EVENTS = "/run/test-events"
DONE = "/run/tests-done"
RETRIED = frozenset({"hang", "timeout", "boot", "exit"})


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that may pass.

    Attributes:
        test: for one test.
        kernel: for all of one kernel.
        total: for all kernels together; a kernel that begins late gets what is left.
    """

    test: float = 240.0
    kernel: float = 1500.0
    total: float = 6000.0


@dataclass(slots=True)
class Report:
    """What one kernel's run came to.

    Attributes:
        name: the kernel's name on the command line.
        release: its release, empty when it never booted.
        progress: the tests.
        seconds: wall time.
        machines: number of VMs used.
    """

    name: str
    release: str = ""
    progress: Progress = field(default_factory=Progress)
    seconds: float = 0.0
    machines: int = 0


class KernelRun:
    """Runs pytest in VMs with one kernel."""

    def __init__(
        self,
        kernel: Kernel,
        options: Options,
        arguments: Sequence[str],
        *,
        limits: Limits,
        artifacts: Path,
        show: Callable[[bytes], None],
    ) -> None:
        self.kernel = kernel
        self.options = options
        self.arguments = arguments
        self.limits = limits
        self.artifacts = artifacts
        self.show = show
        self.report = Report(kernel.name, kernel.release)
        self._deadline = 0.0
        self._test_since = 0.0
        self._hung: Counter[str] = Counter()
        self._addresses: list[int] = []
        self._tail = bytearray()

    @property
    def _progress(self) -> Progress:
        return self.report.progress

    def run(self) -> Report:
        """Run to the end; whatever happens becomes part of the report."""
        began = time.monotonic()
        self._deadline = began + self.limits.kernel
        named = [word for word in self.arguments if word.startswith("tests/")]
        if self.options.seeded and (not named or any("syscalls" in word for word in named)):
            precompile.fill(self.kernel, session.guest_cache(self.kernel))
        try:
            while self.report.machines < MAX_MACHINES and not self._one_machine():
                pass
        except HarnessError as error:
            self._fail("harness", str(error))
        for test in self._progress.left():
            self._progress.record(Outcome(test, "error", text=NOT_RUN))
        self.report.seconds = time.monotonic() - began
        self._write_artifacts()
        return self.report

    def _fail(self, what: str, text: str) -> None:
        self._progress.record(Outcome(f"[{self.kernel.name}] {what}", "error", text=text))

    def _one_machine(self) -> bool:
        """Use one VM as far as it goes; tells whether all is done."""
        self.report.machines += 1
        try:
            with session.booted(
                self.kernel, self.options, console_log=self.artifacts / "console.log"
            ) as machine:
                machine.on_event = self._on_event
                self._name_addresses(machine)
                while not self._attempt(machine):
                    if time.monotonic() > self._deadline:
                        return True
                self._judge_log(machine)
                if self.options.seeded:
                    session.keep_cache(machine, self.kernel)
        except MachineDied as died:
            return self._after_death(died)
        return True

    def _judge_log(self, machine: Machine) -> None:
        """Kernel trouble on the console fails the run, unless a test's own guard reported it."""
        reported = "\n".join(outcome.text for outcome in self._progress.bad())
        for trouble in machine.watcher.troubles:
            if trouble.line not in reported:
                self._fail(f"kernel log: {trouble.line}", trouble.line)

    def _after_death(self, died: MachineDied) -> bool:
        test = self._progress.running
        self._progress.begin()
        self._addresses = died.addresses
        what = f"{died.kind} during {test}" if test else f"{died.kind} outside of any test"
        self._hung[test] += 1
        if died.kind in RETRIED and self._hung[test] == 1:
            self._progress.notes.append(
                f"{what}: tried again on a fresh VM; {died.detail.splitlines()[0]}"
            )
            self.show(f"vm: {self._progress.notes[-1]}\n".encode())
        else:
            self._progress.record(
                Outcome(
                    test or f"[{self.kernel.name}] VM", "failed", text=f"{what}: {died.detail}"
                )
            )
        if time.monotonic() > self._deadline:
            return True
        return bool(self._progress.plan) and not self._progress.left()

    def _name_addresses(self, machine: Machine) -> None:
        """Tell where the VM before this one hung."""
        if self._addresses:
            symbols = machine.run(["cat", "/proc/kallsyms"], timeout=60).text()
            counted = Counter(monitor.name_addresses(self._addresses, symbols))
            places = ", ".join(f"{name} ({number})" for name, number in counted.most_common(8))
            self._progress.notes.append(f"its processors were at: {places}")
            self._addresses = []

    def _on_event(self, data: bytes) -> None:
        if self._progress.feed(data):
            self._test_since = time.monotonic()

    def _attempt(self, machine: Machine) -> bool:
        """One pytest process in the guest; False when it was ended because a test took too long and others are left."""
        self._progress.begin()
        self._test_since = time.monotonic()
        self._tail.clear()
        machine.run(
            Invocation(
                ["/bin/sh", "-c", f"cat > {DONE}"],
                stdin=json.dumps(list(self._progress.outcomes)).encode(),
            )
        )
        command = machine.run(
            Invocation(
                [
                    "python3",
                    "-m",
                    "pytest",
                    "-p",
                    "vmtest.guest.report",
                    "-o",
                    "cache_dir=/tmp/pytest_cache",
                    *self.arguments,
                ],
                {
                    "SYSCAST_TEST_EVENTS": EVENTS,
                    "SYSCAST_TESTS_DONE": DONE,
                    "SYSCAST_VM_KERNEL": self.kernel.name,
                },
            ),
            timeout=max(1.0, self._deadline - time.monotonic()),
            listener=self._output,
            stop=lambda: time.monotonic() - self._test_since > self.limits.test,
        )
        if not command.timed_out:
            self._judge_exit(command.code)
            return True
        test = self._progress.running
        if not test:
            self._fail(
                "pytest",
                f"ended by the time-out, outside of any test\n{self._tail.decode(errors='replace')}",
            )
            return True
        seconds = time.monotonic() - self._test_since
        whose = "" if time.monotonic() < self._deadline else " (the kernel's time was used up)"
        said = self._tail.decode(errors="replace")
        text = f"no end after {seconds:.0f} s{whose}\n{said}"
        self._progress.record(Outcome(test, "failed", seconds, text=text))
        return not self._progress.left()

    def _judge_exit(self, code: int | None) -> None:
        """A pytest that ended in another way than by its tests' results is a failure of its own."""
        nothing_left = code == 5 and bool(self._progress.outcomes)
        if code in {0, 1} or nothing_left or self._progress.bad():
            return
        meaning = {
            2: "interrupted",
            3: "internal error",
            4: "wrong usage",
            5: "no tests were collected",
        }.get(code or 0, f"ended with {code}")
        self._fail("pytest", f"{meaning}\n{self._tail.decode(errors='replace')}")

    def _output(self, _: int, data: bytes) -> None:
        self._tail += data
        del self._tail[:-6000]
        self.show(data)

    def _write_artifacts(self) -> None:
        self.artifacts.mkdir(parents=True, exist_ok=True)
        lines = [
            json.dumps(
                {
                    "test": one.test,
                    "outcome": one.outcome,
                    "seconds": one.seconds,
                    "reason": one.reason,
                    "text": one.text,
                }
            )
            for one in self._progress.outcomes.values()
        ]
        (self.artifacts / "results.jsonl").write_text("\n".join([*lines, ""]))
