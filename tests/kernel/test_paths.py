"""path_of on files of many sorts, against what the kernel's own links in /proc/self/fd say."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import socket
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Annotated

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "differential"))

from probing import I64, Probes

import syscast as sc
from syscast import current, features, path_of

pytestmark = pytest.mark.kernel

CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x00020000, 4096, 16384, 1 << 18
libc = ctypes.CDLL(None, use_errno=True)


class Named(sc.Event):
    path: Annotated[str, 256]


class Long(sc.Event):
    path: Annotated[str, 4096]


class Tiny(sc.Event):
    path: Annotated[str, 32]


def of_file(fd):
    return Named(path=path_of(current.task.files.fdt.fd[fd]))


def of_path(fd):
    return Long(path=path_of(current.task.files.fdt.fd[fd].f_path, 4096))


def of_dentry(fd):
    return Named(path=path_of(current.task.files.fdt.fd[fd].f_path.dentry))


def tiny(fd):
    return Tiny(path=path_of(current.task.files.fdt.fd[fd], 32))


def compared(fd):
    path = path_of(current.task.files.fdt.fd[fd], 64)
    if path.startswith("/dev/") and path.endswith("null") and path != "/dev/zero":
        return Named(path=f"<{path}>")
    return None


def program_of_task(fd):  # noqa: ARG001 - all take one
    return Named(path=path_of(current.task.mm.exe_file))


def nowhere(fd):
    return Named(path=path_of(current.task.files.fdt.fd[fd].f_path.dentry.d_parent.d_parent))


FUNCTIONS = [of_file, of_path, of_dentry, tiny, compared, program_of_task, nowhere]


@pytest.fixture(scope="module")
def probes():
    made = Probes(FUNCTIONS, [I64])
    yield made
    made.close()


@pytest.fixture
def run(probes):
    return lambda function, fd: getattr(probes.run(FUNCTIONS.index(function), fd), "path", None)


@pytest.fixture
def opened():
    fds = []

    def keep(fd):
        fds.append(fd)
        return fd

    yield keep
    for fd in fds:
        os.close(fd)


def link(fd):
    return str(Path(f"/proc/self/fd/{fd}").readlink())


def verify(run, fd):
    want = link(fd)
    assert run(of_path, fd) == want
    assert run(of_file, fd) == want[-255:] if len(want) < 256 else not want.startswith("/")


@pytest.mark.parametrize(
    "path",
    ["/", "/etc", "/etc/passwd", "/dev/null", "/proc/self/status", "/usr/bin/env", "/sys/kernel"],
)
def test_files_that_are_there(run, opened, path):
    verify(run, opened(os.open(path, os.O_RDONLY)))


def test_deep_directories(run, opened, tmp_path):
    deep = tmp_path.joinpath(*(f"directory{number}" for number in range(12)))
    deep.mkdir(parents=True)
    (deep / "file").write_text("x")
    fd = opened(os.open(deep / "file", os.O_RDONLY))
    verify(run, fd)
    assert run(tiny, fd) == link(fd)[-len("directory10/directory11/file") :]


@pytest.mark.parametrize("length", [1, 200, 254, 255])
def test_names_as_long_as_they_get(run, opened, tmp_path, length):
    file = tmp_path / ("n" * length)
    file.write_text("x")
    fd = opened(os.open(file, os.O_RDONLY))
    assert run(of_path, fd) == link(fd)


def test_a_path_that_just_fits(run, opened):
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        for length in (31, 32):  # 31 bytes and the NUL are what 32 hold
            file = Path(directory) / ("x" * (length - len(directory) - 1))
            file.write_text("x")
            fd = opened(os.open(file, os.O_RDONLY))
            assert len(link(fd)) == length
            assert run(tiny, fd) == (link(fd) if length == 31 else link(fd)[len("/tmp/") :])


def test_deleted_and_renamed_files(run, opened, tmp_path):
    file = tmp_path / "gone"
    file.write_text("x")
    fd = opened(os.open(file, os.O_RDONLY))
    file.rename(tmp_path / "other")
    verify(run, fd)
    (tmp_path / "other").unlink()
    assert link(fd).endswith("other (deleted)")
    verify(run, fd)


def test_what_is_in_no_directory(run, opened):
    reading, writing = os.pipe()
    listener = socket.socket()
    for fd in (opened(reading), opened(writing), listener.fileno()):
        verify(run, fd)
    verify(run, opened(os.eventfd(0)))
    verify(run, opened(os.memfd_create("an anonymous file")))
    for name in ("net", "mnt", "pid"):
        verify(run, opened(os.open(f"/proc/self/ns/{name}", os.O_RDONLY)))
    listener.close()


def test_a_file_in_memory(run):
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("no /dev/shm here")
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        verify(run, file.fileno())
        assert run(of_dentry, file.fileno()) == f"/{Path(file.name).name}"


def test_as_a_string(run, opened):
    fd = opened(os.open("/dev/null", os.O_RDONLY))
    assert run(compared, fd) == "</dev/null>"
    assert run(compared, opened(os.open("/dev/zero", os.O_RDONLY))) is None


def test_the_program(run):
    assert run(program_of_task, 0) == str(Path("/proc/self/exe").readlink())


def test_a_dentry_that_is_a_root(run, opened):
    assert run(nowhere, opened(os.open("/", os.O_RDONLY))) == "/"


def test_no_file(run):
    assert run(of_file, 60) is None


# ---------------------------------------------------------------- in a mount namespace of its own


def mount(source, target, kind, flags, data=None):
    encoded = [None if each is None else os.fsencode(each) for each in (source, target, kind)]
    if libc.mount(*encoded, flags, data and data.encode()):
        raise OSError(ctypes.get_errno(), "mount", str(target))


def seen_in_child(prepare, wanted, pipe):
    """Runs in a child: prepares, opens files, and compares each with its link."""
    wrong = []
    try:
        if libc.unshare(CLONE_NEWNS):
            pipe.send(["no namespace"])
            return
        mount(None, "/", None, MS_REC | MS_PRIVATE)
        probes = Probes([of_path], [I64])
        proc = os.open("/proc/self/fd", os.O_RDONLY)
        prepare()
        for path in wanted:
            fd = os.open(path, os.O_RDONLY)
            want = os.readlink(str(fd), dir_fd=proc)
            got = probes.run(0, fd).path
            if got != want:
                wrong.append(f"{path}: {got}, not {want}")
    except BaseException:  # noqa: BLE001 - it must reach the test
        wrong.append(traceback.format_exc())
    pipe.send(wrong)


def in_namespace(prepare, *wanted):
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(
        target=seen_in_child, args=(prepare, wanted, theirs)
    )
    child.start()
    found = ours.recv() if ours.poll(60) else ["no answer"]
    child.join(10)
    for end in (ours, theirs):
        end.close()
    with contextlib.suppress(ValueError):
        child.close()
    assert found == []


@pytest.fixture
def tree(tmp_path):
    for name in ("a/b/c", "bound", "memory", "root/inside"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "a/b/c/file").write_text("x")
    (tmp_path / "root/inside/file").write_text("x")
    return tmp_path


def test_bind_mounts_and_mounts_on_mounts(tree):
    def prepare():
        mount(tree / "a/b", tree / "bound", None, MS_BIND)
        mount("none", tree / "memory", "tmpfs", 0)
        (tree / "memory/again").mkdir()
        mount(tree / "bound", tree / "memory/again", None, MS_BIND)
        (tree / "memory/plain").write_text("x")

    in_namespace(
        prepare,
        tree / "bound/c/file",
        tree / "bound",
        tree / "memory/plain",
        tree / "memory/again/c/file",
        tree / "a/b/c/file",
    )


def test_a_root_of_its_own(tree):
    def prepare():
        os.chroot(tree / "root")
        os.chdir("/")

    in_namespace(prepare, "/inside/file", "/inside", "/")


def test_an_overlay(tree):
    if "overlay" not in Path("/proc/filesystems").read_text():
        pytest.skip("no overlay file system here")

    def prepare():
        mount("none", tree / "memory", "tmpfs", 0)
        for name in ("upper", "work", "merged"):
            (tree / "memory" / name).mkdir()
        layers = f"lowerdir={tree}/a,upperdir={tree}/memory/upper,workdir={tree}/memory/work"
        mount("none", tree / "memory/merged", "overlay", 0, layers)
        (tree / "memory/merged/b/new").write_text("x")

    in_namespace(prepare, tree / "memory/merged/b/c/file", tree / "memory/merged/b/new")


# ---------------------------------------------------------------- in programs of other kinds

ME = os.getpid()


class Seen(sc.Event):
    text: Annotated[str, 200]
    low: bool


@sc.raw_tracepoint("sched_process_exec")
def executed(p, old_pid, bprm):  # noqa: ARG001 - go by position
    if current.ppid != ME:
        return None
    path = path_of(bprm.file, 128)
    ends = path.endswith(("true", "env")) and "/bin" in path and path[-1] != "/"
    return Seen(text=f"{path}|{p.comm[:3]}|{current.pid:08x}|{len(path):>4}", low=ends)


def test_where_the_verifier_knows_pointers():
    """As tp_btf, where members are read directly; the same text operations as elsewhere."""
    import subprocess  # noqa: PLC0415

    with executed.attach() as session:
        child = subprocess.Popen(["/usr/bin/env", "-i", "/bin/true"])
        child.wait()
        session.detach()
        events = [
            event for event in session.read(0) if event.text.split("|")[2] == f"{child.pid:08x}"
        ]
        stats = session.stats()
    assert stats.problems() == []
    paths = [str(Path(each).resolve()) for each in ("/usr/bin/env", "/bin/true")]
    for event, path in zip(events, paths, strict=True):
        comm = Path(path).name[:3]
        assert event.text == f"{path}|{comm}|{child.pid:08x}|{len(path):>4}"
        assert event.low == path.endswith(("true", "env"))


@sc.fentry("security_file_open")
def opened_by_file(file):
    return Named(path=path_of(file))


@sc.kprobe("vfs_open")
def opened_by_path(path):
    return Named(path=path_of(path))


@pytest.mark.parametrize("probe", [opened_by_file, opened_by_path], ids=["fentry", "kprobe"])
def test_attached_to_functions(probe, tmp_path):
    kind = "fentry" if probe is opened_by_file else "kprobe"
    if not features.supported(kind):
        pytest.skip(features.probe(kind).reason)
    file = tmp_path / "one" / "two"
    file.parent.mkdir()
    file.write_text("x")
    with probe.attach(pid=ME) as session:
        for path in (file, Path("/dev/null"), Path("/proc/self/status")):
            os.close(os.open(path, os.O_RDONLY))
        session.detach()
        seen = [event.path for event in session.read(0)]
        stats = session.stats()
    assert stats.problems() == []
    assert [each for each in seen if each in {str(file), "/dev/null", f"/proc/{ME}/status"}] == [
        str(file),
        "/dev/null",
        f"/proc/{ME}/status",
    ]
