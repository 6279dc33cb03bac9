"""Scripts run as Python runs them, but for what ``bcc`` is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

_CLI = [sys.executable, "-m", "syscast", "bcc"]


def run(*command, cwd=None, env=None):
    return subprocess.run(
        [*map(str, command)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=env,
        timeout=60,
    )


@pytest.fixture
def script(tmp_path):
    def write(text, name="tool"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def both(path, *arguments):
    """What Python and syscast make of a script that does not use bcc."""
    return run(sys.executable, path, *arguments), run(*_CLI, path, *arguments)


@pytest.mark.parametrize(
    "text",
    [
        "import sys\nprint(__name__, __file__, sys.argv, __spec__, sys.path[0])\n",
        "import sys\nsys.exit(7)\n",
        "import sys\nsys.exit('words')\n",
        "def f():\n    raise ValueError(3)\nf()\n",
        "x = (1\n",
        "raise KeyboardInterrupt\n",
        "import atexit\natexit.register(print, 'last')\nraise KeyboardInterrupt\n",
        "import pickle\nclass A: pass\nprint(pickle.loads(pickle.dumps(A())).__class__)\n",
        "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n",
        "import threading\nthreading.Timer(0.1, print, ['later']).start()\n",
    ],
)
def test_ends_and_prints_as_under_python(script, text):
    ours, theirs = both(script(text), "-x", "--", "-h")
    assert (ours.returncode, ours.stdout, ours.stderr) == (
        theirs.returncode,
        theirs.stdout,
        theirs.stderr,
    )


def test_modules_next_to_the_script(script):
    script("NAME = 'mine'\n", "neighbour.py")
    assert run(*_CLI, script("import neighbour\nprint(neighbour.NAME)\n")).stdout == "mine\n"


def test_the_drop_in_is_bcc(script):
    text = (
        "import bcc, bcc.constants, syscast.bcc\n"
        "from bcc import PerfType\n"
        "from bcc.constants import PerfType as again\n"
        "print(bcc is syscast.bcc, PerfType is again, syscast.bcc.__spec__.name, PerfType.SOFTWARE)\n"
    )
    assert run(*_CLI, script(text)).stdout == "True True syscast.bcc 1\n"


def test_no_such_module_of_bcc(script):
    done = run(*_CLI, script("import bcc.nothing\n"))
    assert done.returncode == 1
    assert "No module named 'bcc.nothing'" in done.stderr


def test_a_program_of_the_path(script, tmp_path):
    path = script("import sys\nprint(sys.argv)\n", "found-bpfcc")
    path.chmod(0o755)
    env = {**os.environ, "PATH": f"/nowhere:{tmp_path}"}
    done = run(*_CLI, "found-bpfcc", "-p", "1", cwd="/", env=env)
    assert done.stdout == f"{[str(path), '-p', '1']}\n"


@pytest.mark.parametrize(
    ("name", "words"), [("nosuch", "here or in PATH"), ("./nosuch", "run: no such file\n")]
)
def test_no_such_script(name, words):
    done = run(*_CLI, name)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_script_for_another_program(script):
    done = run(*_CLI, script("#!/bin/bash\nexec other -l java\n"))
    assert done.returncode == 2
    assert "it is a program for /bin/bash, not for Python" in done.stderr


def test_ctrl_c_ends_by_the_signal(script):
    path = script("import time\nprint('ready', flush=True)\ntime.sleep(60)\n")
    with subprocess.Popen(
        [*_CLI, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert b"KeyboardInterrupt" in errors
