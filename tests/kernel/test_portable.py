"""Objects that run where they were not built: other kernels, no compiler, other loaders.

tests/data/portable holds objects that were built on another kernel than any of the matrix.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from processes import listen

import syscast as sc
from syscast import features
from syscast.btf import source

pytestmark = [pytest.mark.kernel, pytest.mark.native]

IN_VM = bool(os.environ.get("SYSCAST_VM"))
ME = os.getpid()
DATA = Path(__file__).parents[1] / "data"
PORTABLE = DATA / "portable"
OBJECTS = DATA / "objects"
PINS = Path("/sys/fs/bpf/syscast-test")
only_in_vm = pytest.mark.skipif(not IN_VM, reason="loads for others: only inside a test VM")


@pytest.fixture(scope="module", autouse=True)
def warm():
    """What stays open for the life of the process is no leak of the first test that opens it."""
    for types in (source.kernel, *(partial(source.module, name) for name in source.modules())):
        types()


HIDE_LLVMLITE = """
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = classmethod(
    lambda cls, name, *rest: None if name.partition(".")[0] == "llvmlite" else find(name, *rest)
)
"""


@pytest.fixture
def no_compiler(tmp_path):
    """An environment in which llvmlite is not to be found, and nothing is cached."""
    hiding = tmp_path / "hiding"
    hiding.mkdir()
    (hiding / "sitecustomize.py").write_text(HIDE_LLVMLITE)
    path = os.pathsep.join([str(hiding), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "XDG_CACHE_HOME": str(tmp_path / "cache")}


def syscast(*args, **options):
    return subprocess.run(
        [sys.executable, "-m", "syscast", *map(str, args)],
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
        **options,
    )


WORKLOAD = """
import json, os
path = "/nonexistent/portable"
try:
    os.open(path, os.O_RDWR)
except OSError:
    pass
os.close(0)
os.open("/dev/null", os.O_RDONLY)
reading, writing = os.pipe()
os.nice(3)
child = os.fork()
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
print(json.dumps({
    "child": child,
    "grandparent": os.getppid(),
    "netns": os.stat("/proc/self/ns/net").st_ino,
    "uts": os.uname().nodename,
    "nice": os.nice(0),
    "pid": os.getpid(),
}), flush=True)
"""


def check_everywhere(done, tmp_path):
    """What the probes of everywhere.py say of the workload."""
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    events = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
    (forked,) = [event for event in events if event["event"] == "Forked"]
    assert {key: forked[key] for key in told} == told
    (opened,) = [event for event in events if event.get("path") == "/nonexistent/portable"]
    assert opened["flags"] & os.O_ACCMODE == os.O_RDWR
    assert (opened["ret"], opened["uid"], opened["inverse"]) == (-2, os.getuid(), -500)
    assert not [event for event in events if event.get("path") == "/dev/null"]
    # Descriptor 0 divides by 0; that place of the source is named on whatever kernel it runs.
    assert " filtered, 1 raised" in done.stderr
    source_lines = (PORTABLE / "everywhere.py").read_text().splitlines()
    line = 1 + next(n for n, text in enumerate(source_lines) if "1000 // ret" in text)
    assert f"everywhere.py:{line}:15: ZeroDivisionError 1 time: inverse = 1000 // " in done.stderr


def test_an_object_of_another_kernel_runs_without_a_compiler(no_compiler, tmp_path):
    words = ["run", "--json", "-o", tmp_path / "events", PORTABLE / "everywhere.bpf.o"]
    done = syscast(*words, "--", sys.executable, "-c", WORKLOAD, env=no_compiler)
    check_everywhere(done, tmp_path)


def test_an_object_built_here_runs_without_a_compiler(no_compiler, tmp_path):
    shutil.copy(PORTABLE / "everywhere.py", tmp_path)
    target = tmp_path / "own.bpf.o"
    done = syscast("build", tmp_path / "everywhere.py", "-o", target)
    assert done.returncode == 0, done.stderr
    assert f"wrote {target}, {target.stat().st_size} bytes" in done.stderr
    words = ["run", "--json", "-o", tmp_path / "events", target]
    done = syscast(*words, "--", sys.executable, "-c", WORKLOAD, env=no_compiler)
    check_everywhere(done, tmp_path)


def test_source_without_a_compiler_says_what_to_do(no_compiler):
    done = syscast("run", PORTABLE / "everywhere.py", "--", "true", env=no_compiler)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        (
            "syscast: compiler 'llvmlite': start: not installed (install it with `pip install "
            "llvmlite`, or run an object built elsewhere)"
        )
    ]


def test_a_compiler_that_is_broken_is_no_bug_of_ours(tmp_path):
    broken = tmp_path / "llvmlite"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('libsomething.so: not found')\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = syscast("run", PORTABLE / "everywhere.py", "--", "true", env=env)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        (
            "syscast: compiler 'llvmlite': start: ImportError: libsomething.so: not found (install it "
            "anew: `pip install llvmlite`)"
        )
    ]


@pytest.mark.parametrize("disabled", ["", "ringbuf"])
def test_one_object_with_either_ring(disabled, monkeypatch, tmp_path):
    monkeypatch.setenv("SYSCAST_DISABLE", disabled)
    target = tmp_path / "file"
    with sc.run_object(PORTABLE / "everywhere.bpf.o", sc_filters(pid=ME)) as session:
        fd = os.open(target, os.O_CREAT | os.O_WRONLY, 0o600)
        os.close(fd)
        session.detach()
        events = session.read(0)
    (opened,) = [event for event in events if event.path == str(target)]
    assert (opened.ret, opened.uid, opened.inverse) == (fd, os.getuid(), 1000 // fd)


def sc_filters(**values):
    from syscast.session.filters import Filters  # noqa: PLC0415 - no part of the public names

    return Filters(**values)


@only_in_vm
@pytest.mark.parametrize("disabled", ["", "kprobe_multi"])
def test_an_object_of_functions_runs_on_every_kernel(disabled, monkeypatch):
    monkeypatch.setenv("SYSCAST_DISABLE", disabled)
    here = Path("/proc/self/ns/net").stat().st_ino
    with sc.run_object(PORTABLE / "functions.bpf.o", sc_filters(pid=ME)) as session:
        for backlog in (3, 4):
            listen(backlog)
        session.detach()
        events = session.read(0)
        problems = session.stats().problems()
    assert problems == []
    # One event from each of the three probes, for each call.
    assert [(event.backlog, event.ret) for event in events] == [
        (3, 0), (3, 1), (3, 2), (4, 0), (4, 1), (4, 2),
    ] or sorted((event.backlog, event.ret) for event in events) == [
        (3, 0), (3, 1), (3, 2), (4, 0), (4, 1), (4, 2),
    ]  # fmt: skip
    assert {event.netns for event in events} == {here}
    for event in events:
        # Only at the exit the socket has got its port.
        assert (event.port > 0) == (event.ret == 2)


@only_in_vm
@pytest.mark.parametrize("name", ["everywhere", "functions"])
def test_bpftool_loads_it(name):
    """libbpf applies the relocations by itself."""
    shutil.rmtree(PINS, ignore_errors=True)
    try:
        done = subprocess.run(
            ["bpftool", "prog", "loadall", PORTABLE / f"{name}.bpf.o", PINS],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        pinned = {path.name for path in PINS.iterdir()}
        listed = subprocess.run(
            ["bpftool", "-j", "prog", "list"],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        kinds = sorted(
            each["type"]
            for each in json.loads(listed.stdout)
            if any(each.get("name", "") and pin.startswith(each["name"]) for pin in pinned)
        )
        assert len(pinned) == len(kinds) > 2
        assert set(kinds) == ({"tracing", "kprobe"} if name == "functions" else {"tracing"})
    finally:
        if PINS.exists():
            for path in PINS.iterdir():
                path.unlink()
            PINS.rmdir()


# ---------------------------------------------------------------- objects of others


@only_in_vm
def test_an_object_of_clang_on_the_command_line(tmp_path):
    done = syscast(
        "run", "--json", "--count", "3", "-o", tmp_path / "events", OBJECTS / "sample.bpf.o"
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
    assert len(rows) == 3
    for row in rows:
        assert row["event"] == "event"
        assert row["pid"] > 0
        assert row["comm"]
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)


def test_objects_of_others_cannot_filter():
    with pytest.raises(sc.UsageError, match="only objects that syscast made can filter"):
        sc.run_object(OBJECTS / "sample.bpf.o", sc_filters(pid=ME))
    with pytest.raises(sc.UsageError, match="only objects that syscast made can filter"):
        sc.run_object(OBJECTS / "sample.bpf.o", command=["true"])


@pytest.mark.skipif(not features.supported("raw_tracepoint"), reason="no raw tracepoints")
def test_an_object_that_is_no_object(tmp_path):
    whole = (PORTABLE / "everywhere.bpf.o").read_bytes()
    for size in (0, 3, 4, 10, 64, 1000, len(whole) // 2, len(whole) - 1):
        cut = tmp_path / "cut.bpf.o"
        cut.write_bytes(whole[:size])
        with pytest.raises(sc.FormatError, match="'cut'"):
            sc.run_object(cut, sc_filters(pid=ME))
    with pytest.raises(sc.UsageError, match="no such file"):
        sc.run_object(tmp_path / "none.bpf.o", sc_filters(pid=ME))
    with pytest.raises(sc.UsageError, match="is a directory"):
        sc.run_object(tmp_path, sc_filters(pid=ME))
