"""The import contracts hold on the tree, and each one breaks on a violation planted for it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

PLANTED = {
    "Imports point down": ("errors.py", "import syscast.session.session"),
    "The compiler never touches the running kernel": (
        "passes/checks.py",
        "import syscast.kernel.bpfcall",
    ),
    "The runtime never needs a compiler": ("events/text.py", "import syscast.codegen.llvmtext"),
    "System calls live in syscast.kernel": ("loader/load.py", "import ctypes"),
    "Only codegen.llvm imports llvmlite": ("codegen/child.py", "import llvmlite.binding"),
    "The two front ends do not know each other": (
        "frontend/c/__init__.py",
        "import syscast.frontend.python.lower",
    ),
    "A probe kind does not know another kind": (
        "probes/fentry.py",
        "import syscast.probes.kprobe",
    ),
    "A sink does not know another sink": ("sinks/console.py", "import syscast.sinks.jsonl"),
    "No cycles at any depth": ("btf/record.py", "import syscast.btf.lookup"),
}


def contracts() -> set[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return {each["name"] for each in settings["tool"]["importlinter"]["contracts"]}


def lint(tree: Path) -> dict[str, str]:
    """Run the linter in a tree; contract name to KEPT or BROKEN."""
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [str(program), "--no-cache"],
        cwd=tree,
        env={"PYTHONPATH": str(tree / "src"), "PATH": "/usr/bin:/bin", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    found = dict(re.findall(r"^(.+) (KEPT|BROKEN)$", done.stdout, re.MULTILINE))
    assert found, done.stdout + done.stderr
    return found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copytree(
        ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_a_violation_is_planted_for_every_contract():
    assert set(PLANTED) == contracts()


def test_every_contract_breaks_on_its_violation_and_holds_without(tree):
    assert lint(tree) == dict.fromkeys(contracts(), "KEPT")
    for place, line in PLANTED.values():
        file = tree / "src" / "syscast" / place
        file.parent.mkdir(exist_ok=True)
        text = file.read_text() if file.exists() else '"""A second front end."""\n'
        file.write_text(f"{text}\n\ndef _planted() -> None:\n    {line}\n")
    assert lint(tree) == dict.fromkeys(contracts(), "BROKEN")
