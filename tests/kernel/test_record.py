"""Recording on a live kernel: what comes back is what was delivered, however the recording ended."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from processes import FIRST_TOKEN, ask, set_comm

import syscast as sc
from syscast import current
from syscast.btf import source
from syscast.cli.main import run
from syscast.session.recording import Recorder

pytestmark = [pytest.mark.kernel, pytest.mark.native]

SYSCAST = [sys.executable, "-m", "syscast"]
ME = os.getpid()
CALLS = [
    sys.executable,
    "-c",
    "import os\nfor n in range(7): os.getpriority(os.PRIO_PROCESS, 0)",
]
OFTEN = [sys.executable, "-c", "import os\nfor n in range(50): os.getppid(), os.getpid()"]
FOREVER = [
    sys.executable,
    "-c",
    "import os, time\n[os.getpriority(0, 0) for _ in range(5)]\nos.write(1, b'called\\n')\ntime.sleep(600)",
]
TARGET = ["syscall:getpriority", "which", "who"]


class Asked(sc.Event):
    who: sc.i32
    comm_then: str


class Parent(sc.Event):
    number: sc.u32
    task: sc.Pointer


@sc.syscall("getpriority")
def getpriority(who):
    return Asked(who=who, comm_then=current.comm)


@sc.syscall("getppid")
def getppid(ret):
    return Parent(number=ret, task=0)


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture(scope="module", autouse=True)
def types_of_this_kernel():
    """Open for the life of the process; not a leak of the first test that needs it."""
    return [source.kernel(), *map(source.module, source.modules())]


@pytest.fixture
def syscast(capfd):
    """Run a command line in this process: starting another one takes seconds in a test VM."""

    def command_line(*args):
        code = run([str(each) for each in args])
        return Done(code, *capfd.readouterr())

    return command_line


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.arrows"


@pytest.fixture
def comm():
    """This thread's name, given back at the end."""
    before = Path("/proc/thread-self/comm").read_bytes().rstrip(b"\n")
    yield
    set_comm(before)


@pytest.mark.usefixtures("comm")
def test_what_comes_back_is_what_was_delivered(path):
    live = []
    with sc.attach(getpriority, getppid, pid=ME) as session:
        with Recorder(session, path) as recorder:
            for name in (b"plain", b"\xff\xfeundef", b"n\xc3\xa9e", b"a\nb\x1b[0m"):
                set_comm(name)
                for token in range(FIRST_TOKEN, FIRST_TOKEN + 10):
                    ask(token)
                    os.getppid()
                for batch in session.batches(timeout=0.05):
                    live += batch.events()
                    recorder.write(batch)
            session.detach()
            for batch in session.batches(timeout=0):
                live += batch.events()
                recorder.write(batch)
        ledger = session.stats()
    assert len(live) == 80
    live.sort(key=lambda event: event.time)
    with sc.replay(path) as again:
        events = list(again)
        assert again.stats().total == ledger.total
        assert again.describe() == session.describe()
        assert "return Asked(who=who" in again.provenance().probes["getpriority"]
    assert events == live
    assert {type(each) for each in events} == {Asked, Parent}
    assert [each.envelope for each in events] == [each.envelope for each in live]
    assert {each.comm for each in events} == {"plain", "\\xff\\xfeundef", "née", "a\nb\x1b[0m"}


def test_record_ends_with_its_session_or_its_limits(path):
    with getpriority.attach(pid=ME) as session:
        for token in range(100):
            ask(FIRST_TOKEN + token)
        assert session.record(path, count=30) == 30
    with sc.replay(path) as again:
        assert [each.who for each in again] == list(range(FIRST_TOKEN, FIRST_TOKEN + 30))
        assert again.stats()["getpriority"].delivered == 30
    with getpriority.attach(pid=ME) as session:
        before = time.monotonic()
        assert session.record(path, timeout=0.3) == 0
        assert 0.3 <= time.monotonic() - before < 3
    with sc.replay(path) as again:
        assert list(again) == []
    with getpriority.attach(command=CALLS) as session:
        assert session.record(path) == 7
        assert session.stats().lost == 0


def test_counts_by_key_have_no_place_in_a_recording(path):
    words = "take the counts by aggregated"
    with (
        getppid.attach(pid=ME, pressure="aggregate") as session,
        pytest.raises(sc.UsageError, match=words),
    ):
        session.record(path, timeout=1)
    assert not path.exists()


def test_a_flood_is_recorded_whole_and_accounted_for(path):
    work = "import os, time\nend = time.time() + 0.7\nwhile time.time() < end: os.getppid()"
    with getppid.attach(command=[sys.executable, "-c", work]) as session:
        count = session.record(path)
        ledger = session.stats()
    assert ledger.problems() == []
    row = ledger["getppid"]
    assert row.delivered == count == row.tried - row.dropped > 1000
    with sc.replay(path) as again:
        numbers = [raw[1] for rows in again.tuples() for raw in rows]
        assert again.stats()["getppid"] == row
    assert len(numbers) == count
    if not row.dropped and len({each.cpu for each in row.cpus}) == 1:
        assert numbers == list(range(count))


def test_losses_are_recorded_where_they_were(path):
    with getppid.attach(pid=ME, ring_size=4096) as session:
        with session.recorder(path) as recorder:
            for _ in range(3):
                for _ in range(500):
                    os.getppid()
                for batch in session.batches(timeout=0):
                    recorder.write(batch)
            session.detach()
            for batch in session.batches(timeout=0):
                recorder.write(batch)
        ledger = session.stats()
    assert ledger.total.dropped > 1000
    with sc.replay(path) as again:
        items = list(again.stream())
    missing = [each for each in items if isinstance(each, sc.Lost)]
    assert sum(each.count for each in missing) == ledger.lost
    assert len(items) - len(missing) == ledger["getppid"].delivered == 1500 - ledger.lost
    assert {each.cause for each in missing} == {"ring full"}
    times = [each.time for each in items]
    assert times == sorted(times)


def test_record_and_replay_by_the_command_line(syscast, path):
    done = syscast("record", path, *TARGET, "--", *CALLS)
    assert (done.returncode, done.stdout) == (0, "")
    assert f"syscast: recorded 7 events in {path} (" in done.stderr
    assert "7 events delivered, 0 lost" in done.stderr
    shown = syscast("replay", path)
    assert shown.returncode == 0
    assert len([line for line in shown.stdout.splitlines() if line.endswith("\t0\t0")]) == 7
    assert "when it was recorded: 7 events delivered, 0 lost" in shown.stderr
    objects = [json.loads(line) for line in syscast("replay", path, "--json").stdout.splitlines()]
    assert [each["seq"] for each in objects] == list(range(7))
    told = syscast("replay", path, "-v", "--count", "1")
    assert "syscast: recorded 20" in told.stderr
    assert len(told.stdout.splitlines()) == 2 - (not told.stdout.startswith("TIME"))


def test_the_count_of_a_pattern_is_that_of_its_ledger(syscast, path):
    done = syscast("record", path, "syscall:getp*id", "--count", "3", "--", *OFTEN)
    assert "syscast: 3 events delivered" in done.stderr
    shown = syscast("replay", path)
    assert "when it was recorded: 3 events delivered" in shown.stderr
    copy = path.with_name("copy.arrows")
    assert syscast("replay", path, "--count", "2", "-o", copy).returncode == 0
    assert "when it was recorded: 2 events delivered" in syscast("replay", copy).stderr


@pytest.mark.parametrize("words", [["trace", *TARGET], ["--", "trace", *TARGET], TARGET])
def test_what_stands_behind_the_file(syscast, path, words):
    done = syscast("record", path, *words, "--count", "3", "--", *CALLS)
    assert done.returncode == 0
    assert "recorded 3 events" in done.stderr


def test_output_files_called_arrows_are_recordings(syscast, path):
    assert syscast("trace", *TARGET, "-o", path, "--", *CALLS).returncode == 0
    copy = path.with_name("copy.arrows")
    assert syscast("replay", path, "-o", copy).returncode == 0
    first, second = (syscast("replay", each, "--json").stdout for each in (path, copy))
    assert first == second != ""


def test_probes_of_a_file(syscast, path, tmp_path):
    script = tmp_path / "probe.py"
    script.write_text(
        "import syscast as sc\nclass Who(sc.Event):\n    who: sc.i32\n"
        "@sc.syscall('getpriority')\ndef asked(who):\n    return Who(who=who)\n"
    )
    assert syscast("record", path, "run", script, "--", *CALLS).returncode == 0
    with sc.replay(path) as again:
        events = list(again)
        assert "return Who(who=who)" in "".join(again.provenance().probes.values())
    assert [(type(each).__name__, each.who) for each in events] == [("Who", 0)] * 7


def test_listening_is_shown_as_it_was(syscast, path):
    work = "import socket\ns = socket.socket()\ns.bind(('127.0.0.1', 0))\ns.listen(5)"
    done = syscast("record", path, "listen", "--", sys.executable, "-c", work)
    assert done.returncode == 0
    assert "recorded 1 event in" in done.stderr
    shown = syscast("replay", path)
    assert "TCP" in shown.stdout.upper()
    assert "127.0.0.1:" in shown.stdout


def test_replay_needs_no_rights(syscast, path):
    syscast("record", path, *TARGET, "--", *CALLS)
    pid = os.fork()
    if not pid:
        os.dup2(os.open(path, os.O_RDONLY), 0)  # nobody else may look into pytest's directories
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        with sc.replay("-") as again:
            os._exit(len(list(again)))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def started(path, *options, limit=0):
    """Record a program that goes on for ever, from when it has made its calls."""

    def prepare():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    process = subprocess.Popen(
        [*SYSCAST, "record", path, *options, *TARGET, "--", *FOREVER],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=prepare,  # noqa: PLW1509 - no threads here
    )
    assert process.stdout.readline() == "called\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_file_properly(syscast, path, number):
    with started(path) as process:
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "recorded 5 events" in err
    done = syscast("replay", path, "--fail-on-loss")
    assert done.returncode == 0
    assert "did not come to its end" not in done.stderr


def test_a_kill_leaves_what_is_older_than_a_second(syscast, path):
    with started(path) as process:
        time.sleep(2)
        process.kill()
    done = syscast("replay", path, "--json")
    assert len(done.stdout.splitlines()) == 5
    assert done.returncode == 0
    assert "it did not come to its end: the recorder still runs, or was killed" in done.stderr
    assert syscast("replay", path, "--fail-on-loss").returncode == 3


def test_a_damaged_file_is_shown_up_to_the_damage(syscast, path):
    syscast("record", path, *TARGET, "--", *CALLS)
    data = path.read_bytes()
    path.write_bytes(data[:-100])
    done = syscast("replay", path, "--json")
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 7
    assert "the 7 events before it are whole" in done.stderr


def test_a_full_disk_ends_it_with_a_count(syscast, path):
    work = (
        "import os, time\nfor n in range(200): [os.getppid() for _ in range(500)], time.sleep(.01)"
    )
    process = subprocess.run(
        [*SYSCAST, "record", path, "syscall:getppid", "--", sys.executable, "-c", work],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000)),
    )
    assert process.returncode == 1
    assert "file too large" in process.stderr
    assert path.stat().st_size <= 1_500_000
    done = syscast("replay", path, "--json")
    count = len(done.stdout.splitlines())
    assert f"holds the first {count:,} events" in process.stderr
    assert count > 0
    assert "did not come to its end: file too large" in done.stderr
