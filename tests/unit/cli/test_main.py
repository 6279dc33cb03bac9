import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from syscast.cli.failures import Interrupted
from syscast.cli.main import COMMANDS, run

SYSCAST = [sys.executable, "-m", "syscast"]


def syscast(*args, **options):
    return subprocess.run(
        [*SYSCAST, *args], check=False, capture_output=True, text=True, timeout=60, **options
    )


def test_help_names_every_command_and_the_exit_codes():
    done = syscast("--help")
    assert done.returncode == 0
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout
    assert "3    events were lost" in done.stdout
    assert done.stderr == ""


def test_no_command_shows_the_help_and_is_wrong_usage():
    done = syscast()
    assert done.returncode == 2
    assert done.stdout == syscast("--help").stdout
    assert done.stderr == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_and_its_line_in_the_table_is_true(name, capsys):
    assert run([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: syscast {name}")
    assert COMMANDS[name].help.split()[0] in shown


def test_the_version_is_shown():
    assert syscast("--version").stdout.startswith("syscast 0.")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["lisen"], "syscast: no such command 'lisen' (did you mean listen or list?)"),
        (["listen", "--prot", "80"], "no such option"),
        (["listen", "--port", "70000"], "invalid value for '-p' / '--port'"),
        (["trace"], "no target is given"),
        (["run", "/nonexistent.py"], "file '/nonexistent.py': read: no such file"),
        (["completion", "tcsh"], "invalid value"),
    ],
)
def test_wrong_usage_exits_with_2_and_a_hint(args, words):
    done = syscast(*args)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def modules_after(*args):
    code = (
        "import sys\n"
        "from syscast.cli.main import run\n"
        f"run({list(args)!r})\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    return set(done.stderr.split())


HEAVY = {"numpy", "rich", "elftools", "llvmlite", "pathlib", "asyncio", "subprocess"}


def test_help_of_all_imports_no_command():
    loaded = modules_after("--help")
    ours = {name for name in loaded if name.startswith("syscast.")}
    assert ours <= {"syscast.cli", "syscast.cli.main", "syscast._version"}
    assert not loaded & HEAVY


def test_a_command_imports_no_other_and_nothing_heavy():
    loaded = modules_after("listen", "--help")
    others = {f"syscast.cli.{entry.module}" for entry in COMMANDS.values()} - {
        "syscast.cli.listen"
    }
    assert not loaded & (others | HEAVY)


@pytest.mark.parametrize(
    ("error", "code"),
    [(KeyboardInterrupt(), 130), (Interrupted(signal.SIGINT), 130), (Interrupted(15), 143)],
)
def test_a_signal_before_the_start_gives_the_codes_of_shells(monkeypatch, capsys, error, code):
    def interrupted(*_):
        raise error

    monkeypatch.setattr("syscast.cli.scripts.jobs_of", interrupted)
    assert run(["build", "probe.py"]) == code
    assert capsys.readouterr().err == ""


def test_a_reader_that_leaves_early_is_no_failure():
    with subprocess.Popen(
        [*SYSCAST, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(60) == 0
    assert said == b""


def test_an_output_that_is_full_is_a_failure():
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [*SYSCAST, "completion", "bash"],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1
    assert "no space left" in done.stderr


def test_a_closed_stdout_is_named():
    done = subprocess.run(
        ["sh", "-c", '"$0" -m syscast completion bash >&-', sys.executable],
        check=False,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "write: bad file descriptor" in done.stderr


def test_commands_complete_in_the_shell():
    words = {"_SYSCAST_COMPLETE": "bash_complete", "COMP_WORDS": "syscast l", "COMP_CWORD": "1"}
    done = syscast(env={**os.environ, **words})
    assert done.stdout.split() == ["plain,listen", "plain,list"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_for_this_program(shell):
    done = syscast("completion", shell)
    assert done.returncode == 0
    assert "_SYSCAST_COMPLETE" in done.stdout
    assert "%(" not in done.stdout


def complete(*words):
    environment = {
        **os.environ,
        "_SYSCAST_COMPLETE": "zsh_complete",
        "COMP_WORDS": " ".join(("syscast", *words)),
        "COMP_CWORD": str(len(words)),
    }
    answer = syscast(env=environment).stdout.splitlines()
    return [answer[at + 1] for at in range(0, len(answer) - 2, 3)]


@pytest.mark.skipif(not Path("/sys/kernel/btf/vmlinux").exists(), reason="no BTF here")
@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["trace", "syscall:openat"], ["syscall:openat", "syscall:openat2"]),
        (["trace", "syscall:read,syscall:openat2"], ["syscall:read,syscall:openat2"]),
        (["show", "inet_listen"], ["inet_listen"]),
        (["trace", "a"], []),
        (["trace", "f(vfs_read"], []),
    ],
)
def test_targets_complete_in_the_shell(words, wanted):
    assert complete(*words) == wanted
