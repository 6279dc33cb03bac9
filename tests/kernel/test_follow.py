"""A command and all its descendants: nothing of them is missed, nothing of others appears.

The witness is the command itself (family.py), which writes down what each of its processes does.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from processes import LIBC, forked, in_child, wait_until

import syscast as sc
from syscast import features, kernel_str
from syscast.btf import source

pytestmark = [pytest.mark.kernel, pytest.mark.native]

IN_VM = bool(os.environ.get("SYSCAST_VM"))
FAMILY = str(Path(__file__).with_name("family.py"))
PYTHON = os.path.realpath(sys.executable)


class Opened(sc.Event):
    path: str


class Execed(sc.Event):
    path: str
    ret: sc.i64


class Born(sc.Event):
    child: sc.u32


class Became(sc.Event):
    path: str


class Ended(sc.Event):
    code: sc.i32


@sc.syscall("openat")
def openat(*, filename):
    return Opened(path=filename)


@sc.syscall("execve")
def execve(*, filename, ret):
    return Execed(path=filename, ret=ret)


@sc.raw_tracepoint("sched_process_fork")
def fork(_parent, child):
    return Born(child=child.pid)


@sc.raw_tracepoint("sched_process_exec")
def became(_task, _old_pid, bprm):
    return Became(path=kernel_str(bprm.filename))


@sc.raw_tracepoint("sched_process_exit")
def ended(task):
    return Ended(code=task.exit_code)


PROBES = (openat, execve, fork, became, ended)


@pytest.fixture(scope="module", autouse=True)
def warm():
    """What stays open for the life of the process is no leak of the first test that opens it."""
    source.kernel()
    with sc.attach(*PROBES, pid=os.getpid(), follow=True):
        pass


@contextlib.contextmanager
def noise():
    """Another process that does the same calls all the time."""

    def act():
        while True:
            with contextlib.suppress(OSError):
                os.open("/nonexistent/noise", os.O_RDONLY)
            in_child(lambda: None)

    pid = forked(act)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.fixture(scope="module")
def family():
    """One run of the family: events, what it says of itself, and the session at its end."""
    with tempfile.TemporaryDirectory() as directory:
        truth = Path(directory, "truth")
        truth.touch()
        truth.chmod(0o666)
        Path(directory).chmod(0o755)
        command = [PYTHON, FAMILY, str(truth)]
        with noise() as noisy, sc.attach(*PROBES, command=command, ring_size=1 << 22) as session:
            events = list(session)
            code = session.command.poll()
            session.detach()
            stats = session.stats()
        told = [json.loads(line) for line in truth.read_text().splitlines()]
        return events, told, code, stats, noisy


def said(told, what):
    return [each for each in told if each["what"] == what]


def test_every_open_of_every_descendant_is_there_once(family):
    events, told, *_ = family
    wanted = Counter((each["path"], each["pid"], each["tid"]) for each in said(told, "open"))
    assert len(wanted) > 45
    seen = Counter(
        (event.path, event.pid, event.tid)
        for event in events
        if isinstance(event, Opened) and event.path.startswith("/nonexistent/")
    )
    assert seen == wanted


def test_every_birth_and_every_end_is_there_once(family):
    events, told, *_ = family
    born = Counter(each["child"] for each in said(told, "fork"))
    assert Counter(event.child for event in events if isinstance(event, Born)) == born
    (start,) = said(told, "start")
    wanted = born + Counter([start["pid"]])
    # A thread that calls execve ends the first thread of its process and takes its number.
    for each in said(told, "becomes leader"):
        del wanted[each["tid"]]
        wanted[each["pid"]] += 1
    assert Counter(event.tid for event in events if isinstance(event, Ended)) == wanted


def test_every_program_is_there_the_first_one_first(family):
    events, told, *_ = family
    (start,) = said(told, "start")
    wanted = Counter((each["path"], each["pid"]) for each in said(told, "exec"))
    wanted[PYTHON, start["pid"]] += 1
    assert Counter((e.path, e.pid) for e in events if isinstance(e, Became)) == wanted
    calls = [event for event in events if isinstance(event, Execed)]
    assert Counter((event.path, event.pid) for event in calls) == wanted
    assert {event.ret for event in calls} == {0}
    # Nothing of what syscast does in the child before that shows up.
    assert isinstance(events[0], Became)
    assert (events[0].path, events[0].pid) == (PYTHON, start["pid"])


def test_nothing_of_others_appears(family):
    events, told, _, _, noisy = family
    (start,) = said(told, "start")
    ours = {start["pid"], *(each["child"] for each in said(told, "fork"))}
    assert {event.tid for event in events} <= ours
    assert noisy not in ours
    assert "/nonexistent/noise" not in {e.path for e in events if isinstance(e, Opened)}


def test_the_daemon_is_waited_for_and_the_code_is_the_command_s(family):
    events, told, code, *_ = family
    assert code == 7
    (start,) = said(told, "start")
    end = max(event.time for event in events if event.pid == start["pid"])
    late = [event.path for event in events if event.time > end and isinstance(event, Opened)]
    assert [path.split("/")[-1].rpartition("-")[0].rpartition("-")[0] for path in late] == [
        "daemon",
        "daemon-child",
    ]


def test_the_ledger_of_the_family_is_whole(family):
    events, _, _, stats, _ = family
    assert stats.problems() == []
    assert stats.lost == 0
    assert stats.total.delivered == len(events)
    assert stats.total.raised == 0


# ---------------------------------------------------------------- one command


def test_events_of_one_process_come_in_its_order():
    """Entry and exit of the command's life enclose the rest."""
    with sc.attach(*PROBES, command=["/bin/sh", "-c", ": < /etc/hosts; /bin/true; exit 3"]) as s:
        events = list(s)
        assert s.command.poll() == 3
        assert s.ended
    assert isinstance(events[0], Became)
    assert isinstance(events[-1], Ended)
    assert (events[-1].pid, events[-1].code) == (s.command.pid, 3 << 8)
    assert "/etc/hosts" in {event.path for event in events if isinstance(event, Opened)}
    assert [event.path for event in events if isinstance(event, Became)] == [
        "/bin/sh",
        "/bin/true",
    ]


def test_a_command_that_ends_at_once_is_seen_to_its_end():
    for _ in range(5):
        with sc.attach(*PROBES, command=["/bin/true"]) as session:
            kinds = [type(event) for event in session]
        assert (kinds[0], kinds[-1]) == (Became, Ended)
        assert (kinds.count(Became), kinds.count(Ended)) == (1, 1)


def test_a_script_without_an_interpreter_line_goes_to_the_shell(tmp_path):
    script = tmp_path / "script"
    script.write_text(": < /etc/hosts\nexit 4\n")
    script.chmod(0o755)
    with sc.attach(*PROBES, command=[str(script)]) as session:
        events = list(session)
        assert session.command.poll() == 4
    assert "/etc/hosts" in {event.path for event in events if isinstance(event, Opened)}


def test_closing_ends_the_command_and_whoever_ignores_that():
    script = "trap '' TERM; touch $0; while :; do sleep 0.05; done"
    with tempfile.TemporaryDirectory() as directory:
        ready = Path(directory, "ready")
        session = sc.attach(*PROBES, command=["/bin/sh", "-c", script, str(ready)])
        wait_until(ready.exists)
        session.close()
    assert session.command.poll() == -signal.SIGKILL


def test_closing_ends_what_the_command_started():
    """Also what has left it: nobody else knows of them."""
    script = "(setsid sleep 600 & ) ; exec sleep 600"
    session = sc.attach(*PROBES, command=["/bin/sh", "-c", script])
    started = set()
    for event in session.events(timeout=100):
        if isinstance(event, Became) and event.path.endswith("/sleep"):
            started.add(event.pid)
        if len(started) == 2:
            break
    assert len(started) == 2
    assert session.command.pid in started
    session.close()
    assert session.command.poll() == -signal.SIGTERM
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started), 20)


def test_other_filters_apply_to_the_family_too():
    """All filters that are given must hold."""
    with sc.attach(
        openat, command=["/bin/sh", "-c", "/bin/cat /etc/hosts"], comm="cat"
    ) as session:
        events = list(session)
    assert {event.comm for event in events} == {"cat"}
    assert "/etc/hosts" in {event.path for event in events}
    with sc.attach(openat, command=["/bin/cat", "/etc/hosts"], uid=4321) as session:
        assert list(session) == []


def test_a_pid_and_a_command_exclude_each_other():
    with pytest.raises(sc.UsageError, match="filter 'pid'"):
        sc.attach(*PROBES, command=["true"], pid=os.getpid())


def test_functions_too_are_followed_from_the_first_instruction():
    """By the best kind for functions, where the kernel has one."""
    if not any(features.supported(name) for name in ("fentry", "kprobe", "kprobe_multi")):
        pytest.skip(features.probe("kprobe").reason)

    class Listened(sc.Event):
        backlog: sc.i32

    @sc.function
    def inet_listen(*, backlog):
        return Listened(backlog=backlog)

    program = (
        "import os, socket\n"
        "for n in range(1, 4):\n"
        "    if os.fork() == 0:\n"
        "        socket.socket().listen(n)\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
        "socket.socket().listen(9)\n"
    )
    with sc.attach(inet_listen, command=[PYTHON, "-c", program]) as session:
        assert [event.backlog for event in session] == [1, 2, 3, 9]


# ---------------------------------------------------------------- ends at any moment

MARK = "SYSCAST_TEST_MARK"


def marked(mark):
    """Processes that carry a mark in their environment, zombies left out."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}\0".encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


class Start:
    """``syscast trace`` of a command that writes a file, to be interrupted."""

    def __init__(self, directory, number, **environment):
        self.mark = f"{os.getpid()}-{number}"
        self.ran = Path(directory, f"ran-{number}")
        self.error = Path(directory, f"error-{number}")
        # The command tells that it ran, and lives until it is ended.
        script = "touch $0; exec sleep 60"
        words = [sys.executable, "-m", "syscast", "trace", "syscall:openat", "filename", "--json"]
        with self.error.open("w") as error:
            self.process = subprocess.Popen(
                [*words, "--", "/bin/sh", "-c", script, str(self.ran)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=error,
                env={**os.environ, MARK: self.mark, **environment},
                start_new_session=True,
                # Who starts the tests in the background has SIGINT ignored.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
            )

    def others(self):
        return [pid for pid in marked(self.mark) if pid != self.process.pid]

    def end(self):
        """Whatever happened, nothing of it lives on."""
        for pid in marked(self.mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(30)


@pytest.fixture(scope="module")
def whole_start(tmp_path_factory):
    """How long it takes until the command runs, in seconds."""
    directory = tmp_path_factory.mktemp("start")
    times = []
    for number in range(2):  # the first may have to compile
        start = Start(directory, number)
        before = time.monotonic()
        try:
            wait_until(start.ran.exists, 120)
            times.append(time.monotonic() - before)
        finally:
            start.end()
    return times[-1]


def moments(seconds, number):
    """Delays over a whole start and a little more."""
    return [seconds * 1.2 * step / number for step in range(1, number + 1)]


STARTING = re.compile(r"init_import_site|syscast/__(?:init|main)__\.py|<frozen ")


def check_end(code, text):
    """A clean end: without traceback, and with one of the promised codes.

    Python's own start, until it has read the first lines of syscast, is not ours.
    """
    frames = [line for line in text.splitlines() if line.startswith('  File "')]
    if frames and not any("/syscast/" in line and not STARTING.search(line) for line in frames):
        return
    assert "Traceback" not in text
    assert "bug in syscast" not in text
    assert code in {0, 128 + signal.SIGINT, -signal.SIGINT}


@pytest.mark.parametrize("whole_group", [False, True], ids=["process", "group"])
def test_ctrl_c_at_any_moment(tmp_path, whole_start, whole_group):
    """To syscast alone, as `kill -INT` does; to its group, as a terminal does."""
    for number, delay in enumerate(moments(whole_start, 5 if IN_VM else 25)):
        start = Start(tmp_path, number)
        try:
            time.sleep(delay)
            (os.killpg if whole_group else os.kill)(start.process.pid, signal.SIGINT)
            code = start.process.wait(60)
            text = start.error.read_text()
            check_end(code, text)
            if start.ran.exists():
                assert code == 0
                assert "delivered" in text
            wait_until(lambda start=start: not start.others(), 10)
        finally:
            start.end()


def test_ctrl_c_while_it_compiles(tmp_path, whole_start):
    """The compiler is a child process; it has to go as well."""
    for number, delay in enumerate(moments(whole_start * 2, 3 if IN_VM else 12)):
        cache = tmp_path / f"cache-{number}"
        start = Start(tmp_path, number, XDG_CACHE_HOME=str(cache))
        try:
            time.sleep(delay)
            os.killpg(start.process.pid, signal.SIGINT)
            code = start.process.wait(60)
            text = start.error.read_text()
            check_end(code, text)
            wait_until(lambda start=start: not start.others(), 10)
        finally:
            start.end()


def test_kill_9_at_any_moment_leaves_nothing(tmp_path, whole_start):
    """Programs and links are looked for by the guard of conftest, in a VM.

    A command that runs already is the user's; one that waits for its start goes away.
    """
    for number, delay in enumerate(moments(whole_start, 5 if IN_VM else 25)):
        start = Start(tmp_path, number)
        try:
            time.sleep(delay)
            start.process.kill()
            start.process.wait(60)

            def only_the_command(start=start):
                names = {Path(f"/proc/{pid}/comm").read_text() for pid in start.others()}
                return names <= {"sleep\n"} if start.ran.exists() else not names

            with contextlib.suppress(FileNotFoundError):
                wait_until(only_the_command, 10)
        finally:
            start.end()
    assert LIBC
