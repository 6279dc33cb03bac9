"""How tracing ends, and with which exit code: the same on every kernel, so on this one too."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from syscast.btf import source
from syscast.cli.main import run

pytestmark = [pytest.mark.kernel, pytest.mark.native]

SYSCAST = [sys.executable, "-m", "syscast"]
PYTHON = [sys.executable, "-c"]
TRACE = ["trace", "syscall:getpriority", "which"]
CALLS = "import os, time\nfor n in range({}): os.getpriority(os.PRIO_PROCESS, 0)\n{}"
"""A program that makes so many calls, and then goes on with something."""
FOREVER = CALLS.format(5, "os.write(1, b'called\\n'); time.sleep(600)")
SUMMARY = re.compile(
    r"^syscast: [\d,]+ events? delivered, \d+ lost \(.*\), [\d,]+ filtered, \d+ raised$",
    re.MULTILINE,
)


@pytest.fixture(scope="module", autouse=True)
def types_of_this_kernel():
    """Open for the life of the process; not a leak of the first test that needs it."""
    return [source.kernel(), *map(source.module, source.modules())]


class Done(NamedTuple):
    """What a finished command line leaves."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def syscast(capfd):
    """Run a command line in this process: starting another one takes seconds in a test VM."""

    def command_line(*args):
        code = run(args)
        return Done(code, *capfd.readouterr())

    return command_line


def rows(done):
    """The table's lines; what the command prints does not look like them."""
    return [line.split("\t") for line in done.stdout.splitlines() if "\t" in line]


def _default_signals():
    """What ran the tests may have them ignored, as shells do in the background."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def running(*args, **options):
    """Start syscast and wait until the traced program says that it has made its calls."""
    with subprocess.Popen(
        [*SYSCAST, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_default_signals,  # noqa: PLW1509 - no threads here
        **options,
    ) as process:
        try:
            seen = []
            for line in process.stdout:
                if line == "called\n":
                    break
                seen.append(line)
            yield process, seen
        finally:
            if process.poll() is None:
                process.kill()


@pytest.mark.parametrize(
    ("ending", "code"),
    [("", 0), ("raise SystemExit(7)", 7), ("os.kill(os.getpid(), 15); time.sleep(9)", 143)],
)
def test_the_command_s_exit_code_is_handed_on(syscast, ending, code):
    done = syscast(*TRACE, "--", *PYTHON, CALLS.format(3, ending))
    assert done.returncode == code, done.stderr
    assert len(rows(done)) == 3
    assert SUMMARY.search(done.stderr)
    assert "3 events delivered, 0 lost" in done.stderr


def test_descendants_are_waited_for(syscast):
    program = CALLS.format(1, "os.fork() and os._exit(5); time.sleep(0.5); os.getpriority(0, 0)")
    done = syscast(*TRACE, "--", *PYTHON, program)
    assert done.returncode == 5, done.stderr
    assert len(rows(done)) == 2


def test_count_ends_the_command_and_gives_0(syscast):
    done = syscast(*TRACE, "--count", "4", "--", *PYTHON, FOREVER)
    assert done.returncode == 0, done.stderr
    assert len(rows(done)) == 4
    assert "4 events delivered, 0 lost" in done.stderr


def test_duration_ends_the_command_and_gives_0(syscast):
    start = time.monotonic()
    done = syscast(*TRACE, "--duration", "2s", "--fail-on-loss", "--", *PYTHON, FOREVER)
    assert done.returncode == 0, done.stderr
    assert len(rows(done)) == 5
    assert 2 <= time.monotonic() - start < 100


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_normally_and_take_the_command_along(number):
    with running(*TRACE, "--", *PYTHON, FOREVER) as (process, seen):
        time.sleep(0.5)
        child = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(number)
        out, err = process.stdout.read(), process.stderr.read()
        assert process.wait(100) == 0
    assert len([line for line in [*seen, *out.splitlines()] if "\t" in line]) == 5
    assert SUMMARY.search(err)
    assert len(child) == 1
    assert not Path("/proc", child[0]).exists()


@pytest.mark.parametrize("after", [0.3, 0.6, 1.0, 1.5])
def test_ctrl_c_at_any_moment_is_quiet(after):
    """Too early, it is the interpreter's affair; from then on it is never a traceback."""
    with subprocess.Popen(
        [
            *SYSCAST,
            *TRACE,
            f"who + {time.time_ns()} as never_compiled_before",
            "--",
            "sleep",
            "20",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_default_signals,  # noqa: PLW1509 - no threads here
    ) as process:
        time.sleep(after)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=100)
    if "site.py" not in err and "<frozen" not in err:
        assert process.returncode in {0, 130, -signal.SIGINT}
        assert "Traceback" not in err


def test_kill_9_leaves_nothing_behind():
    """The guard of conftest looks for programs and links; the command lives on, unwatched."""
    with running(*TRACE, "--", *PYTHON, FOREVER) as (process, _):
        child = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
        process.wait(100)
        os.kill(int(child[0]), signal.SIGKILL)


def test_a_reader_that_leaves_early_ends_it_quietly():
    shell = " ".join(f"'{word}'" for word in [*SYSCAST, *TRACE, "--json", "--", *PYTHON])
    calls = CALLS.format(200_000, "pass")
    done = subprocess.run(
        ["bash", "-c", f'{shell} "$0" | head -n 2; echo ${{PIPESTATUS[0]}}', calls],
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
    )
    *events, code = done.stdout.splitlines()
    assert [json.loads(line)["event"] for line in events] == ["getpriority"] * 2
    assert code == "0"
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_a_full_disk_is_an_error():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*SYSCAST, *TRACE, "--", *PYTHON, FOREVER],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=200,
        )
    assert done.returncode == 1
    assert "no space left on device" in done.stderr


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (["/nonexistent/program"], 2, "command '/nonexistent/program': start: no such file"),
        (["no-such-program-at-all"], 2, "command not found"),
        (["/dev/null"], 2, "not an executable file"),
    ],
)
def test_a_command_that_cannot_run(syscast, command, code, words):
    done = syscast(*TRACE, "--", *command)
    assert done.returncode == code
    assert words in done.stderr


def test_a_terminal_gets_a_header_and_colour():
    def on_terminal(**environment):
        got = b""
        child, fd = pty.fork()
        if child == 0:
            os.environ.update(environment)
            os.execv(sys.executable, [*SYSCAST, *TRACE, "--", *PYTHON, CALLS.format(1, "")])
        with contextlib.suppress(OSError):  # EIO is the end of a terminal
            while data := os.read(fd, 4096):
                got += data
        os.close(fd)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        return got.decode().splitlines()

    header, row, summary = on_terminal(NO_COLOR="", TERM="xterm")
    assert re.sub(r"\x1b\[\d*m", "", header).split() == ["TIME", "COMM", "PID", "WHICH"]
    assert "\x1b[" in header
    assert "\x1b[" in row
    assert SUMMARY.fullmatch(summary)
    header, row, _ = on_terminal(NO_COLOR="1", TERM="xterm")
    assert header.split() == ["TIME", "COMM", "PID", "WHICH"]
    assert "\x1b" not in row


def test_output_goes_to_the_file(syscast, tmp_path):
    target = tmp_path / "events.jsonl"
    done = syscast(
        *TRACE, "--json", "-o", str(target), "--", *PYTHON, CALLS.format(2, "print('own')")
    )
    assert done.stdout == "own\n"
    assert [json.loads(line)["which"] for line in target.read_text().splitlines()] == [0, 0]
    missing = str(tmp_path / "none" / "file")
    done = syscast(*TRACE, "-o", missing, "--", "true")
    assert done.returncode == 2
    assert f"output '{missing}': open: no such file" in done.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["syscall:getpriority", "wihch"], "did you mean which?"),
        (["syscall:getpriority", "xyz"], "the arguments are which, who"),
        (["syscall:getpriority", "vfs_read"], "to trace both: syscall:getpriority,vfs_read"),
        (["syscall:getpriority", "--if", "which >"], "<--if>:1:8: error: not a Python expression"),
        (["syscall:getpriotity"], "did you mean getpriority"),
        (["no_function_is_called_so"], "no such function"),
        (["raw_tracepoint:sched_swich"], "did you mean sched_switch"),
        (["syscall:getpriority", "ret.member"], "an integer, which has no members"),
        (["raw_tracepoint:sched_switch", "prev.pdi"], "struct task_struct has no member 'pdi'"),
        (["tracepoint:x:y:z"], "not of the form"),
    ],
)
def test_wrong_targets_and_expressions_exit_with_2(syscast, args, words):
    done = syscast("trace", *args, "--", "true")
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_names_with_escapes_stay_harmless(syscast, tmp_path):
    hostile = tmp_path / "a\x1b[31m\nb\udcff"
    program = f"import os\nos.access({str(hostile)!r}, os.R_OK)"
    done = syscast("trace", "syscall:access", "filename", "--", *PYTHON, program)
    mine = [row[-1] for row in rows(done) if "\\x1b[31m" in row[-1]]
    assert mine == [f"{tmp_path}/a\\x1b[31m\\x0ab\\xff"]
    done = syscast("trace", "syscall:access", "filename", "--json", "--", *PYTHON, program)
    found = [json.loads(line)["filename"] for line in done.stdout.splitlines()]
    assert f"{tmp_path}/a\x1b[31m\nb\\xff" in found
