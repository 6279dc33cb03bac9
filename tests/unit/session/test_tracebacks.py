"""What Python prints when a script's probe is refused."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import syscast

SCRIPT = """\
import syscast as sc

@sc.{kind}("{target}")
def probe(*, ret):
    return {result}

{attach}
"""


def _traceback(tmp_path, **parts):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(**parts))
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 1
    return done.stderr


@pytest.mark.parametrize("attach", ["probe.attach()", "sc.attach(probe)"])
@pytest.mark.parametrize(
    ("target", "result", "said"),
    [
        ("openat", "1.5", "CompileError: {script}:5:12: error: "),
        ("opennat", "None", "TargetError: "),
    ],
)
def test_the_last_frames_are_the_users(tmp_path, attach, target, result, said):
    text = _traceback(tmp_path, kind="syscall", target=target, result=result, attach=attach)
    own = str(Path(syscast.__file__).parent)
    frames = re.findall(r'^  File "(.*)", line \d+, in (.*)$', text, re.MULTILINE)
    assert frames[0] == (str(tmp_path / "script.py"), "<module>")
    assert {(file.startswith(own), name) for file, name in frames[1:]} == {(True, "attach")}
    assert len(frames) <= 3
    assert said.format(script=tmp_path / "script.py") in text
    assert "During handling" not in text
