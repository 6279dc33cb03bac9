"""Probes are not longer than the same in C: see bench/twins.py, which needs clang and bpftool."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TOOLS = ("clang", "bpftool")


def test_probes_are_at_most_a_tenth_longer_than_their_twins_in_c():
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    missing = [name for name in TOOLS if shutil.which(name, path=path) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not installed")
    if not Path("/sys/kernel/btf/vmlinux").exists():
        pytest.skip("this kernel has no BTF")
    done = subprocess.run(
        [sys.executable, "bench/twins.py"],
        check=False,
        capture_output=True,
        text=True,
        timeout=140,
        cwd=ROOT,
        env={**os.environ, "PATH": path},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split("|") for line in done.stdout.splitlines()[2:]]
    assert len(rows) == 7
    assert all(float(row[4]) <= 1.10 for row in rows), done.stdout
