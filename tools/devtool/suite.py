"""`./dev test`: checks, tests on this machine, tests in virtual machines; one closing line over all, printed last."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from devtool import checks, native
from vmtest import cli, matrix, results
from vmtest.host import HarnessError, end_on_signals
from vmtest.results import Outcome
from vmtest.suite import Report

if TYPE_CHECKING:
    from collections.abc import Sequence

VM_SECONDS = 1980  # with checks and native tests before it, all ends within 45 minutes

# One submission's part of the matrix: all kernel tests on all four kernels take more than the
# 45 minutes that CI has on two processors under emulation. `./dev vm` runs everything.
SUBMISSION_KERNELS = ("5.10", "6.1")
SUBMISSION_TESTS = tuple(
    f"tests/kernel/test_{name}.py"
    for name in (
        *("environment", "buffers", "loader", "features", "compiled"),
        *("kinds", "cli_listen", "examples", "cost", "refusals"),
        *("loops", "calls", "where", "paths", "state", "cli_count", "differential", "tables"),
        *("many_functions", "misses"),
        # Probes of user space, samples and C's pointers run on this machine, too: here only what needs kprobes.
        *("bcc_seeds", "bcc_programs", "bcc_tools"),
    )
)
ROOT = Path(__file__).resolve().parents[2]


def _parser() -> argparse.ArgumentParser:
    form = argparse.ArgumentParser(
        prog="./dev test",
        description="Run all checks and tests. Further arguments go to pytest, on this machine and in the VMs.",
        allow_abbrev=False,
    )
    form.add_argument(
        "--quick", action="store_true", help="no virtual machines (within 5 minutes)"
    )
    form.add_argument("--no-checks", action="store_true", help="tests only")
    form.add_argument(
        "--kernel",
        action="append",
        default=[],
        metavar="NAME",
        help="kernels of the VMs, as in ./dev vm",
    )
    form.add_argument(
        "--jobs", type=int, default=2, metavar="N", help="VMs at the same time (default 2)"
    )
    return form


def _checks() -> Report:
    """The checks as a report: each that fails counts as an error."""
    report = Report("checks", seconds=0.0)
    began = time.monotonic()
    for name, output in checks.run_all():
        report.progress.record(Outcome(f"check: {name}", "error", text=output))
    report.seconds = time.monotonic() - began
    return report


def _native(rest: Sequence[str]) -> Report:
    """Everything that runs without a VM."""
    report = Report("native", machines=0)
    began = time.monotonic()
    obstacle = native.why_no_kernel_tests()
    if obstacle:
        report.progress.notes.append(
            f"kernel tests did not run on this machine's own kernel: {obstacle}"
        )
    selection = "not kernel" if obstacle else "not kernel or native"
    run = native.NativeRun(["-m", selection, *rest], test_timeout=180, timeout=1200)
    run.progress.notes += report.progress.notes
    report.progress = run.run()
    report.seconds = time.monotonic() - began
    rules = matrix.SKIP_RULES
    if rules.exists():
        results.forbid_skips(
            report.progress, results.parse_skip_rules(rules.read_text()), "native"
        )
    return report


def _virtual(arguments: argparse.Namespace, rest: Sequence[str]) -> list[Report]:
    """The kernel matrix; what hinders it becomes a report, and a failure."""
    kernels: Sequence[str] = arguments.kernel
    if os.environ.get("CI") and not kernels and not rest:
        kernels, rest = SUBMISSION_KERNELS, SUBMISSION_TESTS
    words = [f"--kernel={name}" for name in kernels] + [
        f"--jobs={arguments.jobs}",
        f"--total={VM_SECONDS}",
    ]
    options = cli.parser().parse_args(words)
    try:
        return cli.run_matrix(options, cli.make_options(options), rest)
    except HarnessError as error:
        report = Report("vm")
        text = (
            f"the kernel tests did not run: {error} (provide a kernel with ./dev vm --kernel PATH)"
        )
        report.progress.record(Outcome("[vm] kernel tests", "error", text=text))
        return [report]


def main(argv: Sequence[str] | None = None) -> int:
    """Run `./dev test`; the closing line is the last thing printed."""
    began = time.monotonic()
    arguments, rest = _parser().parse_known_args(argv)
    end_on_signals()
    rest = [word for word in rest if word != "--"]
    reports = [] if arguments.no_checks else [_checks()]
    reports.append(_native(rest))
    if not arguments.quick:
        reports += _virtual(arguments, rest)
    matrix.print_reports(reports)
    counts = results.total(report.progress.counts() for report in reports)
    bad = any(report.progress.bad() for report in reports)
    nothing = not any(counts[word] for word in ("passed", "failed", "error"))
    print(results.closing_line(counts, time.monotonic() - began), flush=True)
    return 1 if bad or nothing else 0


if __name__ == "__main__":
    sys.exit(main())
