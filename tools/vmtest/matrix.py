"""Several kernels in turn or side by side, and the report about all."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vmtest import kernels, results
from vmtest.host import PROJECT, HarnessError
from vmtest.suite import NOT_RUN, KernelRun, Limits, Report

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from vmtest.session import Options

SKIP_RULES = PROJECT / "tests" / "kernel" / "skips.toml"
_printing = threading.Lock()


class LinePrinter:
    """Prints whole lines with the kernel's name in front, so that runs side by side stay readable."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix.encode()
        self._rest = b""

    def __call__(self, data: bytes) -> None:
        """Take output as it comes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._print(lines)

    def finish(self) -> None:
        """Print what has no line end."""
        if self._rest:
            self._print([self._rest])

    def _print(self, lines: Sequence[bytes]) -> None:
        with _printing:
            sys.stdout.flush()
            sys.stdout.buffer.write(b"".join(self._prefix + line + b"\n" for line in lines))
            sys.stdout.buffer.flush()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a matrix runs.

    Attributes:
        names: kernels.
        arguments: of pytest.
        jobs: VMs at the same time.
        limits: time-outs per test and per kernel.
        artifacts: directory for consoles and results, one subdirectory per kernel.
    """

    names: Sequence[str]
    arguments: Sequence[str]
    jobs: int
    limits: Limits
    artifacts: Path


def run(plan: Plan, options: Options) -> list[Report]:
    """Run all kernels; a kernel that cannot be fetched is a report with an error."""
    deadline = time.monotonic() + plan.limits.total
    with ThreadPoolExecutor(max_workers=plan.jobs) as pool:
        return list(pool.map(lambda name: _run_one(name, plan, options, deadline), plan.names))


def _run_one(name: str, plan: Plan, options: Options, deadline: float) -> Report:
    label = name.rsplit("/", 1)[-1]
    shutil.rmtree(plan.artifacts / label, ignore_errors=True)
    printer = LinePrinter(f"[{label}] " if len(plan.names) > 1 else "")
    try:
        kernel = kernels.get(name)
    except HarnessError as error:
        report = Report(name)
        report.progress.record(results.Outcome(f"[{name}] kernel", "error", text=str(error)))
        return report
    report = KernelRun(
        kernel,
        options,
        plan.arguments,
        limits=replace(
            plan.limits, kernel=max(60.0, min(plan.limits.kernel, deadline - time.monotonic()))
        ),
        artifacts=plan.artifacts / label,
        show=printer,
    ).run()
    printer.finish()
    rules = results.parse_skip_rules(SKIP_RULES.read_text()) if SKIP_RULES.exists() else []
    results.forbid_skips(report.progress, rules, name)
    return report


def print_reports(reports: Sequence[Report]) -> None:
    """One line per kernel, then each failure once more with its text."""
    print("\n" + " kernels ".center(100, "="))
    for report in reports:
        counts = report.progress.counts()
        text = (
            ", ".join(f"{number} {word}" for word, number in sorted(counts.items()))
            or "nothing ran"
        )
        print(
            f"{report.name:10} {report.release:32} {text} in {report.seconds:.0f} s ({report.machines} VM)"
        )
        for note in report.progress.notes:
            print(f"{'':10} note: {note}")
    for report in reports:
        bad = report.progress.bad()
        not_run = [outcome for outcome in bad if outcome.text == NOT_RUN]
        if not_run:
            print(f"\n{report.name}: {len(not_run)} tests, {NOT_RUN}:")
            print("\n".join(f"  {outcome.test}" for outcome in not_run))
        for outcome in bad:
            if outcome.text == NOT_RUN:
                continue
            print(f"\n{f' {report.name}: {outcome.test} '.center(100, '_')}\n{outcome.text}")
    sys.stdout.flush()


def failed(reports: Sequence[Report]) -> bool:
    """Whether anything went wrong; a kernel on which nothing ran went wrong too."""
    return any(report.progress.bad() or not report.progress.outcomes for report in reports)
