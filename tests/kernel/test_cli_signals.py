"""Signals at any moment, closed pipes, full disks and processes that end: quiet ends with a summary."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time

import pytest

import syscast as sc
from syscast.btf import source
from syscast.cli.main import run
from syscast.errors import UsageError

pytestmark = [pytest.mark.kernel, pytest.mark.native]

SYSCAST = [sys.executable, "-m", "syscast"]
CALLS = "nice > /dev/null; nice > /dev/null; sleep 0.3"
"""Asks for its priority, as `nice` does."""
SUMMARY = re.compile(r"^syscast: .* (delivered,|counted at) ", re.MULTILINE)
ROUNDS = int(os.environ.get("SYSCAST_SIGNAL_ROUNDS", "8"))
NONE = 4_194_303
"""A process number that no machine gives to anybody: PID_MAX_LIMIT - 1 is the last one."""


@pytest.fixture(scope="module", autouse=True)
def types_of_this_kernel():
    """Open for the life of the process; not a leak of the first test that needs it."""
    return [source.kernel(), *map(source.module, source.modules())]


def _own_group():
    """As a shell starts a job: the terminal's Ctrl-C reaches all of it."""
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def start(*words, **options):
    return subprocess.Popen(
        [*SYSCAST, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_own_group,  # noqa: PLW1509 - no threads here
        **options,
    )


def until_attached(process):
    """Read stderr up to the line about the last attachment, which -v writes once the session runs."""
    for line in process.stderr:
        if "sys_enter" in line:
            return
    pytest.fail("it never attached")


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_signal_at_a_random_moment(number):
    """Never a traceback; the summary whenever the session had started."""
    chance = random.Random(1000 + number)
    command = chance.choice(
        [
            ["trace", "-v", "syscall:getpriority", "which"],
            ["trace", "-v", "syscall:getpriority", f"which + {time.time_ns()} as never_compiled"],
            ["trace", "-v", "syscall:*priority*"],
            ["count", "-v", "syscall:getp*"],
        ]
    )
    wanted = chance.choice([signal.SIGINT, signal.SIGTERM])
    send = chance.choice([os.kill, os.killpg])
    with start(*command, "--", "sh", "-c", CALLS) as process:
        # Before its own first line runs, a program written in Python can do nothing about Ctrl-C.
        time.sleep(chance.uniform(0.0 if wanted == signal.SIGTERM else 0.1, 1.2))
        if process.poll() is None:
            send(process.pid, wanted)
        _, err = process.communicate(timeout=100)
    if "site.py" in err or "<frozen" in err:
        return
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    assert "bug" not in err
    assert process.returncode in {0, 128 + wanted, -wanted}
    if "sys_enter" in err:
        assert SUMMARY.search(err), err


def test_the_last_table_comes_though_the_signal_comes_twice():
    """As timeout(1) sends it: to the process, then to its whole group."""
    with start("count", "-v", "syscall:getpriority", "--", "sh", "-c", "nice; exec sleep 60") as p:
        until_attached(p)
        assert p.stdout.readline() == "0\n"
        os.kill(p.pid, signal.SIGTERM)
        os.killpg(p.pid, signal.SIGTERM)
        out, err = p.communicate(timeout=100)
    assert p.returncode == 0, err
    assert re.search(r"^getpriority +1$", out, re.MULTILINE)
    assert SUMMARY.search(err)


def test_a_second_ctrl_c_ends_at_once_even_inside_a_long_call():
    script = (
        "import os, signal, sys, time\n"
        "from syscast.cli.stopping import Stopper\n"
        "class Deaf:\n"
        "    def stop(self): signal.pthread_sigmask(signal.SIG_BLOCK, {2}); print('once', flush=True)\n"
        "with Stopper() as stopper:\n"
        "    stopper.watch(Deaf())\n"
        "    print('ready', flush=True)\n"
        "    for _ in range(600): time.sleep(0.1)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_own_group,  # noqa: PLW1509 - no threads here
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "once\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert process.wait(100) == -signal.SIGINT
        assert not process.stderr.read()


def test_a_signal_inside_a_destructor_is_not_lost():
    script = (
        "import signal, time\n"
        "from syscast.cli.failures import Interrupted\n"
        "from syscast.cli.stopping import Stopper\n"
        "class Dying:\n"
        "    def __del__(self): signal.raise_signal(signal.SIGINT); self.left = 1\n"
        "try:\n"
        "    with Stopper():\n"
        "        Dying()\n"
        "        time.sleep(60)\n"
        "except Interrupted as end: print('given up by', end.signal)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=50
    )
    assert (done.stdout, done.stderr) == ("given up by 2\n", "")


# ---------------------------------------------------------------- readers and disks


@pytest.mark.parametrize(
    "words",
    [
        ["count", "syscall:getpriority", "--every", "100ms"],
        ["hist", "syscall:getpriority", "duration", "--every", "100ms"],
        ["trace", "syscall:getpriority", "--json"],
    ],
    ids=lambda words: words[0],
)
def test_a_reader_that_leaves_ends_it_quietly(words):
    forever = "while :; do nice; done > /dev/null"
    with start(*words, "--", "sh", "-c", forever) as process:
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(100) == 0
        err = process.stderr.read()
    assert "Traceback" not in err
    assert "Broken" not in err


@pytest.mark.parametrize(
    "words", [["list", "tcp_*"], ["show", "inet_listen"], ["doctor"], ["snapshot"]]
)
def test_words_for_a_reader_that_is_gone(words):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*SYSCAST, *words],
            check=False,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=200,
        )
    finally:
        os.close(writing)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["trace", "syscall:getpriority", "which"],
        ["trace", "syscall:getpriority", "--json"],
        ["count", "syscall:getpriority"],
        ["hist", "syscall:getpriority", "duration"],
    ],
)
def test_a_full_disk_says_so_after_the_summary(capfd, words):
    code = run([*words, "-o", "/dev/full", "--", "sh", "-c", CALLS])
    err = capfd.readouterr().err
    assert code == 1
    assert "no space left on device" in err
    assert "Traceback" not in err
    assert SUMMARY.search(err)


# ---------------------------------------------------------------- processes that end


def test_a_process_that_is_not_there(capfd):
    assert run(["trace", "syscall:getppid", "--pid", str(NONE)]) == 2
    assert f"filter 'pid': set: there is no process {NONE}" in capfd.readouterr().err
    assert run(["count", "syscall:getppid", "--tid", str(NONE)]) == 2
    assert f"filter 'tid': set: there is no thread {NONE}" in capfd.readouterr().err


@pytest.mark.parametrize("words", [["trace"], ["count"]])
def test_it_ends_with_the_process_that_it_watches(capfd, words):
    with subprocess.Popen(["sleep", "3"]) as process:
        code = run([*words, "syscall:exit_group", "--pid", str(process.pid)])
        assert process.poll() is not None
    err = capfd.readouterr().err
    assert code == 0
    assert f"process {process.pid} has ended" in err
    assert SUMMARY.search(err)


def test_descendants_of_the_process_are_waited_for(capfd):
    script = "sleep 1; (sleep 1.5; nice > /dev/null) & exit 0"
    with subprocess.Popen(["sh", "-c", script]) as process:
        code = run(
            ["trace", "syscall:getpriority", "which", "--pid", str(process.pid), "--follow"]
        )
    out, _ = capfd.readouterr()
    assert code == 0
    assert out.count("nice") == 1


# ---------------------------------------------------------------- callbacks


@sc.syscall
def getpriority(which, ret): ...


def test_an_exception_in_a_callback_ends_the_session_with_the_events_before_it():
    seen = []

    def callback(event):
        seen.append(event)
        if len(seen) == 3:
            raise ValueError("enough")

    session = getpriority.attach(pid=os.getpid())
    for _ in range(5):
        os.getpriority(os.PRIO_PROCESS, 0)
    with pytest.raises(ValueError, match="enough"):
        session.run(callback, timeout=10)
    assert len(seen) == 3
    assert session.ended
    assert session.stats().lost == 0 or session.stats().total.delivered >= 3
    with pytest.raises(UsageError, match="it is closed"):
        session.read(0)
