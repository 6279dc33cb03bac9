"""The static checks: linters, type checkers, import contracts. `./dev check`."""

from __future__ import annotations

import os
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
    Check(
        "mypy tools",
        ("mypy", "--no-error-summary", "tools/vmtest", "tools/devtool", "tools/differential"),
    ),
    Check("import contracts", ("lint-imports",)),
    Check(
        "public types", ("pyright", "--verifytypes", "syscast", "--ignoreexternal"), timeout=600
    ),
)


def run_all() -> list[tuple[str, str]]:
    """Run every check; returns name and output of those that fail."""
    failed: list[tuple[str, str]] = []
    for check in CHECKS:
        began = time.monotonic()
        try:
            done = subprocess.run(
                [str(BIN / check.argv[0]), *check.argv[1:]],
                cwd=ROOT,
                env={**os.environ, "PATH": f"{BIN}:{os.environ.get('PATH', os.defpath)}"},
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
            failed.append((check.name, output))
    return failed


def main() -> int:
    """Run `./dev check`."""
    failed = run_all()
    for name, output in failed:
        print(f"\n{f' {name} '.center(100, '_')}\n{output}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
