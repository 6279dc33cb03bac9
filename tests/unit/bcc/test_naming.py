"""The distribution ``syscast-bcc``: who gets the name, and that nobody loses it silently."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import syscast

ROOT = Path(__file__).parents[3]
OURS = ROOT / "packages/syscast-bcc"
ASK = "import bcc, sys; import bcc.constants; print(bcc.__name__, bcc.__file__)"


@pytest.fixture
def other(tmp_path):
    """A bcc of somebody else's, to be found behind ours."""
    place = tmp_path / "dist"
    (place / "bcc").mkdir(parents=True)
    (place / "bcc/__init__.py").write_text("BPF = 'theirs'\n")
    (place / "bcc/constants.py").write_text("")
    return place


def ask(*path, code=ASK, **environment):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), **environment}
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=env,
        timeout=60,
    )


def test_it_is_the_drop_in():
    done = ask(OURS / "src")
    assert done.stdout.split()[0] == "syscast.bcc"
    assert not done.stderr


def test_another_bcc_is_not_hidden_silently(other):
    done = ask(OURS / "src", other)
    assert done.stdout.split()[0] == "syscast.bcc"
    assert done.stderr.count("\n") == 1
    assert f"hides the one in {other}/bcc" in done.stderr


def test_quiet_by_choice(other):
    done = ask(OURS / "src", other, SYSCAST_BCC="syscast")
    assert (done.stdout.split()[0], done.stderr) == ("syscast.bcc", "")


def test_the_other_by_choice(other):
    done = ask(OURS / "src", other, code="import bcc; print(bcc.BPF)", SYSCAST_BCC="system")
    assert (done.stdout, done.stderr) == ("theirs\n", "")


def test_the_other_is_wanted_but_not_there():
    done = ask(OURS / "src", SYSCAST_BCC="system")
    assert "ImportError: SYSCAST_BCC=system, but no other bcc is installed" in done.stderr


def test_a_wrong_choice():
    done = ask(OURS / "src", SYSCAST_BCC="mine")
    assert "'mine' is neither 'system' nor 'syscast'" in done.stderr


def test_versions_go_together():
    ours = tomllib.loads((OURS / "pyproject.toml").read_text())["project"]
    main = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert ours["version"] == main["version"] == syscast.__version__
    assert main["optional-dependencies"]["bcc"] == [f"syscast-bcc=={ours['version']}"]
    assert ours["dependencies"] == [f"syscast>={ours['version']}"]
