"""The static checks: linters, type checkers, import contracts. `./dev check`."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".venv" / "bin"


@dataclass(frozen=True, slots=True)
class Check:
    """One command that has to end with 0.

    Attributes:
        name: for the report.
        argv: command; the first word is a program of the virtual environment.
        timeout: seconds.
    """

    name: str
    argv: tuple[str, ...]
    timeout: float = 300


CHECKS = (
    Check("ruff check", ("ruff", "check", "--quiet", ".", "dev")),
    Check("ruff format", ("ruff", "format", "--check", "--quiet", ".", "dev")),
    Check("mypy", ("mypy", "--no-error-summary")),
    Check("mypy tools", ("mypy", "--no-error-summary", "tools/vmtest", "tools/devtool")),
    Check("import contracts", ("lint-imports",)),
    Check(
        "public types", ("pyright", "--verifytypes", "syscast", "--ignoreexternal"), timeout=600
    ),
)


def run_all() -> list[str]:
    """Run every check, show the output of those that fail, and return their names."""
    failed = []
    for check in CHECKS:
        began = time.monotonic()
        try:
            done = subprocess.run(
                [str(BIN / check.argv[0]), *check.argv[1:]],
                cwd=ROOT,
                check=False,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                errors="replace",
                timeout=check.timeout,
            )
            output, code = done.stdout, done.returncode
        except subprocess.TimeoutExpired:
            output, code = f"no end after {check.timeout:.0f} s\n", 124
        print(
            f"check: {check.name:18} {'ok' if code == 0 else 'FAILED'} ({time.monotonic() - began:.1f} s)",
            flush=True,
        )
        if code != 0:
            sys.stdout.write(output)
            failed.append(check.name)
    return failed


if __name__ == "__main__":
    sys.exit(1 if run_all() else 0)
