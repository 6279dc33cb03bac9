"""``syscast count`` and ``syscast hist``: the numbers are those of the calls that the test's own command made."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from typing import NamedTuple

import pytest

from syscast import features
from syscast.btf import source
from syscast.cli.main import run

IN_VM = bool(os.environ.get("SYSCAST_VM"))
pytestmark = [pytest.mark.kernel]
native = pytest.mark.native

SUMMARY = re.compile(
    r"^syscast: ([\d,]+) calls? counted at ([\d,]+) targets?, (\d+) lost \(no room (\d+), missed "
    r"(\d+|unknown|at least \d+)\), ([\d,]+) filtered, (\d+) raised$",
    re.MULTILINE,
)
CALLS = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
for number in range({}): libc.getpriority(number % 2, 1 << 23)
for number in range({}): libc.sched_get_priority_max(1)
"""
"""Asks for the priority of processes and groups that there are not, and so on."""


@pytest.fixture(scope="module", autouse=True)
def types_of_this_kernel():
    """Open for the life of the process; not a leak of the first test that needs it."""
    return [source.kernel(), *map(source.module, source.modules())]


class Done(NamedTuple):
    """What a finished command line leaves."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def objects(self):
        return [json.loads(line) for line in self.stdout.splitlines() if line.startswith("{")]

    @property
    def summary(self):
        found = SUMMARY.search(self.stderr)
        assert found, self.stderr
        return found


@pytest.fixture
def syscast(capfd):
    """Run a command line in this process: starting another one takes seconds in a test VM."""

    def command_line(*args):
        code = run(args)
        return Done(code, *capfd.readouterr())

    return command_line


def calls(first, second=0):
    return ["--", sys.executable, "-c", CALLS.format(first, second)]


def counts(done, *labels):
    (found,) = done.objects
    return {tuple(row["by"][label] for label in labels): row["count"] for row in found["counts"]}


# ---------------------------------------------------------------- system calls, on every kernel


@native
def test_one_system_call(syscast):
    done = syscast("count", "syscall:getpriority", "--json", *calls(7))
    assert done.returncode == 0
    assert counts(done, "func") == {("getpriority",): 7}
    assert done.summary.group(1, 2, 4, 7) == ("7", "1", "0", "0")


@native
def test_a_pattern_of_system_calls_as_a_table(syscast):
    done = syscast("count", "syscall:*priority*", *calls(7, 12))
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines == [
        ["FUNC", "COUNT"], ["sched_get_priority_max", "12"], ["getpriority", "7"],
    ]  # fmt: skip
    assert done.summary.group(1) == "19"


@native
def test_all_system_calls_by_comm_and_function(syscast):
    done = syscast("count", "syscall:*", "by", "comm,", "func", "--json", *calls(9, 4))
    found = counts(done, "comm", "func")
    comm = os.path.basename(sys.executable)[:15]  # noqa: PTH119
    of_python = {func: count for (name, func), count in found.items() if name.startswith("python")}
    assert comm.startswith("python")
    assert (of_python["getpriority"], of_python["sched_get_priority_max"]) == (9, 4)
    assert of_python["exit_group"] == 1
    assert int(done.summary[1].replace(",", "")) == sum(found.values())


@native
def test_by_an_argument_with_a_condition(syscast):
    done = syscast(
        "count", "syscall:getpriority", "by", "which,", "who >> 20 as high", "--if", "which == 1",
        "--json", *calls(9),
    )  # fmt: skip
    assert counts(done, "which", "high") == {(1, 8): 4}
    assert done.summary.group(1, 6) == ("4", "5")


@native
def test_several_targets_and_top(syscast):
    done = syscast(
        "count", "syscall:getpriority,syscall:sched_get_priority_max", "--top", "1", "--json",
        *calls(3, 8),
    )  # fmt: skip
    assert counts(done, "func") == {("sched_get_priority_max",): 8}
    assert done.objects[0]["others"] == 3


@native
def test_by_pid_is_the_task_that_calls(syscast):
    done = syscast("count", "syscall:getpriority", "by", "pid", "--json", *calls(5))
    ((pid, count),) = [(key[0], count) for key, count in counts(done, "pid").items()]
    assert count == 5
    assert pid != os.getpid()


@native
def test_a_key_at_the_exit(syscast):
    done = syscast("count", "syscall:*priority*", "by", "ret,", "func", "--json", *calls(6, 2))
    found = counts(done, "ret", "func")
    assert found[-3, "getpriority"] == 6  # ESRCH
    assert found[99, "sched_get_priority_max"] == 2


@native
def test_a_histogram_holds_every_call(syscast):
    done = syscast("hist", "syscall:getpriority", "duration", "by", "comm", "--json", *calls(50))
    (found,) = done.objects
    (hist,) = found["histograms"]
    assert hist["by"]["comm"].startswith("python")
    assert hist["count"] == sum(bucket["count"] for bucket in hist["buckets"]) == 50
    assert all(bucket["low"] > 0 for bucket in hist["buckets"])


@native
def test_a_histogram_of_many_by_function(syscast):
    done = syscast("hist", "syscall:*priority*", "ret", "by", "func", "--json", *calls(6, 2))
    (found,) = done.objects
    assert {each["by"]["func"]: each["buckets"] for each in found["histograms"]} == {
        "getpriority": [{"low": None, "high": 0, "count": 6}],
        "sched_get_priority_max": [{"low": 64, "high": 128, "count": 2}],
    }


@native
def test_a_linear_histogram_draws_itself(syscast):
    done = syscast(
        "hist", "syscall:getpriority", "which * 10 as tens", "--linear", "0:20:10", *calls(9)
    )
    assert done.stdout.splitlines()[0] == "tens: 9 values"
    assert [line.split("│")[0].split()[-1] for line in done.stdout.splitlines()[1:]] == ["5", "4"]
    assert "█" in done.stdout


@native
def test_tables_at_an_interval_add_up_to_all_calls(syscast):
    program = (
        "import ctypes, time\nlibc = ctypes.CDLL(None)\n"
        "for number in range(30):\n"
        "  for _ in range(100): libc.getpriority(0, 1 << 23)\n"
        "  time.sleep(0.03)"
    )
    done = syscast(
        "count", "syscall:getpriority", "--every", "200ms", "--json",
        "--", sys.executable, "-c", program,
    )  # fmt: skip
    assert len(done.objects) >= 3
    each = [sum(row["count"] for row in found["counts"]) for found in done.objects]
    assert sum(each) == 3000
    assert max(each) < 3000
    assert done.summary[1] == "3,000"


FLOOD = """
import ctypes, os
libc = ctypes.CDLL(None)
child = os.fork()
for number in range({}): libc.getpriority(0, 1 << 23)
if not child: os._exit(0)
os.wait()
"""


@native
def test_nothing_is_counted_twice_or_missed_while_two_processes_never_pause(syscast):
    calls = 10000 if IN_VM else 60000
    for words in (["count"], ["hist"]):
        value = ["duration"] if words == ["hist"] else []
        done = syscast(
            *words, "syscall:getpriority", *value, "by", "cpu", "--every", "20ms", "--json",
            "--", sys.executable, "-c", FLOOD.format(calls),
        )  # fmt: skip
        rows = [
            row for found in done.objects for row in found.get("counts", found.get("histograms"))
        ]
        assert len(done.objects) > 2
        assert sum(row["count"] for row in rows) == 2 * calls
        assert done.summary.group(1, 3) == (f"{2 * calls:,}", "0")


@native
def test_what_runs_where_is_explained(syscast):
    done = syscast(
        "count", "syscall:*priority*", "by", "which", "--if", "which == 0", "--explain", "-v",
        *calls(3),
    )  # fmt: skip
    assert "filter 'if' of probe 'syscall:*priority*': in the kernel\n" in done.stderr
    assert "on sys_enter" in done.stderr


@native
def test_so_many_tables_and_no_more(syscast):
    done = syscast(
        "count", "syscall:getpriority", "--every", "100ms", "--count", "2",
        "--", sys.executable, "-c", "import time; time.sleep(600)",
    )  # fmt: skip
    assert done.returncode == 0
    assert len(re.findall(r"^\d\d:\d\d:\d\d$", done.stdout, re.MULTILINE)) == 2


@native
def test_keys_without_room_are_lost_and_said(syscast):
    program = (
        "import ctypes\nlibc = ctypes.CDLL(None)\n"
        "for number in range(400): libc.getpriority(0, (1 << 23) + number)"
    )
    done = syscast(
        "count", "syscall:getpriority", "by", "who", "--keys", "100", "--fail-on-loss", "--json",
        "--", sys.executable, "-c", program,
    )  # fmt: skip
    assert done.returncode == 3
    total, lost = int(done.summary[1]), int(done.summary[4])
    assert lost > 0
    assert total + lost == 400


@native
def test_an_output_file(syscast, tmp_path):
    path = tmp_path / "counts"
    done = syscast("count", "syscall:getpriority", "-o", str(path), *calls(3))
    assert done.stdout == ""
    assert path.read_text().split() == ["FUNC", "COUNT", "getpriority", "3"]


@native
@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["count", "syscall:gepid*"], "nothing matches"),
        (["count", "tpc_*"], "did you mean tcp_*"),
        (["count", "syscall:getpriority", "by", "comn"], "did you mean comm"),
        (["count", "syscall:getpriority", "by", "whom"], "did you mean who"),
        (["count", "syscall:g*", "by", "nothing"], "it has no argument 'nothing'"),
        (["count"], "no target is given"),
        (["count", "syscall:getpriority", "by"], "no key stands behind 'by'"),
        (["count", "syscall:getpriority", "--count", "3"], "needs --every"),
        (["hist", "syscall:getpriority"], "no value is given"),
        (["hist", "syscall:getpriority", "current.comm"], "an integer is needed here"),
        (["hist", "syscall:getpriority", "ret", "--linear", "1:2"], "is not LOW:HIGH:STEP"),
        (["hist", "syscall:getpriority", "ret", "--linear", "9:2:1"], "is no range"),
        (["hist", "raw_tracepoint:sched_switch", "duration"], "a tracepoint has no exit"),
        (["count", "syscall:exit*", "by", "ret"], "it never returns"),
    ],
)
def test_mistakes_are_told_and_exit_with_2(syscast, args, words):
    done = syscast(*args)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@native
def test_an_interrupt_ends_with_the_table():
    program = CALLS.format(7, 0) + "\nimport time\nos.write(2, b'called\\n'); time.sleep(600)"
    with subprocess.Popen(
        [sys.executable, "-m", "syscast", "count", "syscall:getpriority", "--json",
         "--", sys.executable, "-c", program],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as child:  # fmt: skip
        line = child.stderr.readline()
        assert line == "called\n"
        child.send_signal(signal.SIGINT)
        stdout, stderr = child.communicate(timeout=60)
    done = Done(child.returncode, stdout, stderr)
    assert done.returncode == 0
    assert counts(done, "func") == {("getpriority",): 7}


# ---------------------------------------------------------------- functions


def needs_functions():
    if not (features.supported("kprobe") or features.supported("fentry")):
        pytest.skip("this kernel has no kprobe")


LISTENS = """
import socket
for number in range({}):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(number)
"""


def listens(number):
    return ["--", sys.executable, "-c", LISTENS.format(number)]


def test_many_functions(syscast):
    needs_functions()
    done = syscast("count", "inet_*", "--json", *listens(5))
    found = counts(done, "func")
    assert (found["inet_listen",], found["inet_bind",]) == (5, 5)
    assert all(name.startswith("inet_") for (name,) in found)
    assert int(done.summary[2]) > 20


def test_one_function_by_an_argument(syscast):
    needs_functions()
    done = syscast("count", "inet_listen", "by", "backlog", "--json", *listens(3))
    assert counts(done, "backlog") == {(0,): 1, (1,): 1, (2,): 1}


def test_several_functions_with_a_condition_on_an_argument(syscast):
    needs_functions()
    done = syscast("count", "inet_*", "by", "func", "--if", "backlog > 2", "--json", *listens(5))
    found = counts(done, "func")
    assert found["inet_listen",] == 2
    assert set(found) <= {("inet_listen",), ("inet_csk_listen_start",)}  # older ones have both
    assert "it has no argument 'backlog'" in done.stderr


def test_reads_by_size(syscast, tmp_path):
    needs_functions()
    path = tmp_path / "data"
    path.write_bytes(bytes(1 << 20))
    program = f"import os\nfd = os.open({str(path)!r}, 0)\nwhile os.read(fd, 54321): pass"
    done = syscast(
        "count", "vfs_read", "by", "count", "--if", "count == 54321", "--json",
        "--", sys.executable, "-c", program,
    )  # fmt: skip
    assert counts(done, "count") == {(54321,): 21}


def test_durations_of_many_functions(syscast):
    needs_functions()
    done = syscast("hist", "inet_*", "duration", "by", "func", "--json", *listens(6))
    (found,) = done.objects
    by_name = {each["by"]["func"]: each for each in found["histograms"]}
    assert by_name["inet_listen"]["count"] == 6
    assert by_name["inet_bind"]["count"] == 6
    for each in by_name.values():
        assert sum(bucket["count"] for bucket in each["buckets"]) == each["count"]


def test_return_values_of_one_function(syscast):
    needs_functions()
    done = syscast("hist", "inet_listen", "ret", "--json", *listens(4))
    (found,) = done.objects
    assert found["histograms"] == [
        {"by": {}, "count": 4, "buckets": [{"low": 0, "high": 1, "count": 4}]},
    ]
