"""Events from many targets at once: each says which target it was, and what is left out is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import syscast as sc
from syscast.btf import source
from syscast.cli.main import run
from syscast.errors import TargetError, UsageError
from syscast.link.many import Refused

pytestmark = [pytest.mark.kernel]
native = pytest.mark.native

CALLS = """
import ctypes, os
libc = ctypes.CDLL(None)
for number in range(5): libc.getpriority(number % 2, 1 << 23)
for number in range(3): libc.sched_get_priority_max(1)
os.close(os.open("/dev/null", os.O_RDONLY))
"""


@pytest.fixture(scope="module", autouse=True)
def types_of_this_kernel():
    """Open for the life of the process; not a leak of the first test that needs it."""
    return [source.kernel(), *map(source.module, source.modules())]


class Asked(sc.Event):
    """What a declared event of many targets has: no field for the target."""

    which: sc.u32
    answer: sc.i64


@sc.syscall("*priority*")
def asked(which, ret):
    return Asked(which=which, answer=ret)


@sc.syscall("getp*")
def timed(ret, duration): ...


def priorities():
    for which in (0, 1, 1):
        os.getpriority(which, 0)
    os.getppid()


# ---------------------------------------------------------------- system calls


@native
def test_events_of_a_declared_class_say_which_call_it_was():
    with sc.attach(asked, pid=os.getpid()) as session:
        priorities()
        found = list(session.events(timeout=5, count=3))
        refused = session.refused()
    assert [type(each) for each in found] == [Asked] * 3
    assert {each.probe for each in found} == {"getpriority"}
    assert [(each.which, each.answer) for each in found] == [(0, 20), (1, 20), (1, 20)]
    assert found[0].to_dict()["probe"] == "getpriority"
    assert Refused("ioprio_get", "it has no argument 'which'") not in refused
    assert Refused("sched_get_priority_max", "it has no argument 'which'") in refused
    assert session.stats()["*priority*"].delivered >= 3


@native
def test_events_without_a_class_have_the_function_as_a_field_and_batches_too():
    with sc.attach(timed, pid=os.getpid()) as session:
        priorities()
        found = list(session.events(timeout=5, count=4))
        priorities()
        batch = next(session.batches(timeout=5))
    names = [each.function for each in found if each.function != "getpid"]
    assert set(names) <= {"getpriority", "getppid"}
    assert all(each.probe == each.function and each.duration > 0 for each in found)
    labels = batch.array.dtype.names
    assert "function" in labels
    assert {each.function for each in batch.events()} <= {"getpriority", "getppid", "getpid"}


@native
def test_a_filter_in_python_sees_the_function():
    with sc.attach(timed, pid=os.getpid(), where=lambda e: e.probe == "getppid") as session:
        priorities()
        found = list(session.events(timeout=5, count=1))
        assert "in Python" in session.explain()[-1]
    assert [each.function for each in found] == ["getppid"]


@native
def test_an_event_sent_at_the_entry_says_which_call_it_was():
    class Begun(sc.Event):
        which: sc.u32

    @sc.syscall("getp*")
    def both(which):
        sc.emit(Begun(which=which))
        ret = yield
        return Asked(which=which, answer=ret)

    with sc.attach(both, pid=os.getpid()) as session:
        priorities()
        found = list(session.events(timeout=5, count=6))
    assert [type(each).__name__ for each in found] == ["Begun", "Asked"] * 3
    assert {each.probe for each in found} == {"getpriority"}


def traced(capsys, *words):
    code = run(["trace", *words])
    out, err = capsys.readouterr()
    return code, out, err


@native
def test_calls_by_their_own_arguments_and_the_rest_left_out(capsys):
    code, out, err = traced(
        capsys, "syscall:*priority*", "which", "ret", "--json", "--", sys.executable, "-c", CALLS
    )
    events = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [(each["function"], each["which"]) for each in events] == [
        ("getpriority", number % 2) for number in range(5)
    ]
    assert {each["event"] for each in events} == {"syscall:*priority*"}
    assert all(each["probe"] == each["function"] for each in events)
    assert "left out: sched_get_priority_max" in err
    assert "it has no argument 'which'" in err


@native
def test_one_class_of_events_for_calls_whose_arguments_lie_elsewhere(capsys):
    code, out, _ = traced(
        capsys,
        *("syscall:open*", "filename", "--if", "ret >= 0", "--json"),
        *("--", sys.executable, "-c", CALLS),
    )
    events = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert "/dev/null" in {each["filename"] for each in events}
    assert {each["event"] for each in events} == {"syscall:open*"}


@native
def test_the_table_names_arguments_where_no_expression_does(capsys):
    code, out, _ = traced(capsys, "syscall:*priority*", "--", sys.executable, "-c", CALLS)
    rows = [line.split("\t") for line in out.splitlines()]
    assert code == 0
    assert [row[3] for row in rows] == ["getpriority"] * 5 + ["sched_get_priority_max"] * 3
    assert rows[1][6] == f"which=1 who={1 << 23}"
    assert rows[5][6] == "policy=1"
    assert all(int(row[5]) > 0 for row in rows)


# ---------------------------------------------------------------- tracepoints


@native
def test_each_tracepoint_has_a_program_of_its_own(capsys):
    code, out, err = traced(capsys, "raw_tracepoint:sched_process_e*", "--json", "--", "/bin/true")
    events = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [each["probe"] for each in events] == ["sched_process_exec", "sched_process_exit"]
    assert "old_pid" in events[0]
    assert "left out" not in err


@native
def test_tracepoints_by_the_name_of_an_argument():
    class Exec(sc.Event):
        old: sc.i32

    @sc.raw_tracepoint("sched_process_e*")
    def executed(old_pid):
        return Exec(old=old_pid)

    with sc.attach(executed, command=["/bin/true"]) as session:
        found = list(session.events(timeout=10))
        assert session.refused() == [Refused("sched_process_exit", "it has no argument 'old_pid'")]
    assert [(type(each), each.old) for each in found] == [(Exec, found[0].pid)]


# ---------------------------------------------------------------- what is wrong


@native
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["syscall:zzz*"], "pattern 'syscall:zzz*': look up: nothing matches"),
        (["syscall:get*", "nonesuch"], "it has no argument 'nonesuch'"),
        (["raw_tracepoint:*"], "raw_tracepoints, and 200 are the most (say more of the name)"),
        (["syscall:[z-a]*"], "pattern"),
        (["profile:*"], "are named one by one"),
        (["uprobe:c:getprio*", "nonesuch"], "no such name"),
    ],
)
def test_patterns_that_mean_nothing_or_too_much(capsys, words, message):
    code, out, err = traced(capsys, *words, "--duration", "1s")
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


@native
def test_errors_of_patterns_in_python():
    @sc.syscall("get*")
    def lacks(nonesuch): ...

    with pytest.raises(TargetError, match=r"none of the \d+ that match will do"):
        sc.attach(lacks)

    @sc.raw_tracepoint("*")
    def all_of_them(): ...

    with pytest.raises(UsageError, match="are the most"):
        sc.attach(all_of_them)


@native
def test_an_interrupted_pipe_of_many_ends_quietly():
    command = [sys.executable, "-m", "syscast", "trace", "syscall:*priority*", "--"]
    script = "import os, time\nwhile True: os.getpriority(0, 0); time.sleep(0.002)"
    with subprocess.Popen(
        [*command, sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert "getpriority" in process.stdout.readline()
        process.stdout.close()
        assert process.wait(200) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
