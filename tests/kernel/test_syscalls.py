"""The kind `syscall` on all calls that the kernel has: each attaches, and common ones tell exactly what was asked for.

The workload makes its calls through syscall(2), so that every argument is known to the bit.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from observing import complaints, drained, observed, values

from syscast.btf import source
from syscast.cli.trace import jobs_of
from syscast.errors import TargetError
from syscast.kernel import tracefs
from syscast.probes import registers, registry, syscall_table
from syscast.session.filters import Filters

pytestmark = pytest.mark.kernel

PAGE = mmap.PAGESIZE
PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
RW = mmap.PROT_READ | mmap.PROT_WRITE
AT_FDCWD = -100
NO_FD = (1 << 64) - 1  # mmap's fd is an unsigned long to the kernel
AT_REMOVEDIR = 0x200
RENAME_NOREPLACE = 1
PR_SET_NAME = 15
MFD_CLOEXEC = 1
ERESTARTNOHAND = 514  # include/linux/errno.h

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

CHUNKS = 12
"""Parts of the list of all calls: one object for each, so that no test takes long."""


@pytest.fixture(scope="module", autouse=True)
def types_of_this_kernel():
    """Open for the life of the process; not a leak of the first test that needs it."""
    return source.kernel()


# ---------------------------------------------------------------- all of them


def portions():
    """Jobs for all calls that this kernel is built with, as `syscast trace syscall:NAME` makes them, in chunks."""
    jobs = []
    for call in sorted(syscall_table.every(registers.here().machine), key=lambda each: each.name):
        with contextlib.suppress(TargetError):  # this kernel is built without it
            jobs += jobs_of([f"syscall:{call.name}"], (), None)
    return [jobs[number::CHUNKS] for number in range(CHUNKS)]


def listed():
    """The calls that this kernel has tracepoints for, by the names that the table gives them."""
    machine = registers.here().machine
    found = {name for category, name in tracefs.events() if category == "syscalls"}
    entries = (name for name in found if name.startswith("sys_enter_"))
    return {f"syscall:{syscall_table.find(name, machine).name}" for name in entries}


def test_every_listed_call_is_known():
    """No call that the kernel lists is missing from the table."""
    if tracefs.find_root() is None:
        pytest.skip("tracefs is not mounted")
    known = {job.target for jobs in portions() for job in jobs}
    assert len(listed()) > 300
    assert listed() - known == set()


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_call_attaches(chunk):
    """Entry and exit, with all arguments; each program is on its tracepoint and has its row in the ledger."""
    jobs = portions()[chunk]
    with observed(jobs) as session:
        attached = session.describe()
        entries = sum("sys_enter" in line for line in attached)
        exits = sum("sys_exit" in line for line in attached)
        assert entries == len(jobs)
        assert exits == sum(job.role == "call" for job in jobs)
        assert len(session.stats().rows) == entries + exits


def test_calls_that_never_return_have_no_exit():
    machine = registers.here().machine
    lonely = [each.name for each in syscall_table.every(machine) if not each.returns]
    assert {"exit", "exit_group"} <= set(lonely)
    for name in lonely:
        with pytest.raises(TargetError, match="never returns"):
            registry.choose(f"syscall:{name}", "call")


# ---------------------------------------------------------------- thirty and more, exactly


class Caller:
    """Makes system calls and writes down what each must show."""

    def __init__(self):
        self.made = []
        self.kept = []
        self._machine = registers.here().machine

    def keep(self, data):
        """The address of a copy that stays where it is."""
        self.kept.append(ctypes.create_string_buffer(data))
        return ctypes.addressof(self.kept[-1])

    def __call__(self, name, *arguments, fails=0):
        """Call; returns the result.

        Args:
            name: Of the system call.
            arguments: Integers, and bytes for strings or buffers.
            fails: The error number that must come.
        """
        call = syscall_table.find(name, self._machine)
        assert len(arguments) == len(call.arguments), name
        passed, shown = [], {}
        for value, argument in zip(arguments, call.arguments, strict=True):
            number = self.keep(value) if isinstance(value, bytes) else value
            passed.append(ctypes.c_void_p(number % (1 << 64)))
            text = value.decode("utf-8", "backslashreplace") if argument.string else ""
            shown[argument.name] = text if argument.string else number
        ctypes.set_errno(0)
        result = libc.syscall(ctypes.c_long(call.number), *passed)
        if fails:
            assert (result, ctypes.get_errno()) == (-1, fails), name
            result = -fails
        else:
            assert result >= 0, (name, os.strerror(ctypes.get_errno()))
        self.made.append((name, shown | {"ret": result}))
        return result


CALLS = (
    "openat",
    "write",
    "lseek",
    "read",
    "pread64",
    "pwrite64",
    "newfstat",
    "ftruncate",
    "fsync",
    "dup",
    "dup3",
    "fcntl",
    "close",
    "mkdirat",
    "symlinkat",
    "readlinkat",
    "faccessat",
    "renameat2",
    "unlinkat",
    "getdents64",
    "chdir",
    "umask",
    "pipe2",
    "eventfd2",
    "epoll_create1",
    "memfd_create",
    "getrandom",
    "mmap",
    "mprotect",
    "madvise",
    "munmap",
    "socket",
    "bind",
    "listen",
    "connect",
    "accept4",
    "setsockopt",
    "getsockopt",
    "sendto",
    "recvfrom",
    "shutdown",
    "getpid",
    "getppid",
    "kill",
    "setpriority",
    "getpriority",
    "sched_yield",
    "prctl",
    "uname",
    "clock_nanosleep",
)


def use_files(call, directory):
    path = os.fsencode(directory / "file")
    fd = call("openat", AT_FDCWD, path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
    call("openat", AT_FDCWD, os.fsencode(directory / "none"), os.O_RDONLY, 0, fails=errno.ENOENT)
    call("openat", fd, b"x", os.O_RDONLY, 0, fails=errno.ENOTDIR)
    assert call("write", fd, b"x" * 333, 333) == 333
    assert call("lseek", fd, -3, os.SEEK_END) == 330
    assert call("read", fd, bytes(1000), 1000) == 3
    assert call("read", fd, bytes(10), 10) == 0
    assert call("pwrite64", fd, b"y" * 10, 10, 1 << 33) == 10
    assert call("pread64", fd, bytes(100), 100, (1 << 33) + 4) == 6
    call("ftruncate", fd, 1 << 40)
    call("fsync", fd)
    copy = call("dup", fd)
    call("dup3", fd, copy, os.O_CLOEXEC)
    assert call("fcntl", copy, 1, 0) == 1  # F_GETFD, FD_CLOEXEC
    call("close", copy)
    call("close", fd)
    call("close", fd, fails=errno.EBADF)
    folder = os.fsencode(directory / "folder")
    call("mkdirat", AT_FDCWD, folder, 0o750)
    call("mkdirat", AT_FDCWD, folder, 0o750, fails=errno.EEXIST)
    call("symlinkat", b"leads to nothing \xff\xfe", AT_FDCWD, folder + b"/link")
    assert call("readlinkat", AT_FDCWD, folder + b"/link", bytes(64), 64) == 19
    call("faccessat", AT_FDCWD, folder, os.R_OK)
    call("renameat2", AT_FDCWD, path, AT_FDCWD, folder + b"/moved", RENAME_NOREPLACE)
    opened = call("openat", AT_FDCWD, folder, os.O_RDONLY | os.O_DIRECTORY, 0)
    assert call("getdents64", opened, bytes(4096), 4096) > 0
    call("close", opened)
    for name in (b"/link", b"/moved"):
        call("unlinkat", AT_FDCWD, folder + name, 0)
    call("unlinkat", AT_FDCWD, folder, AT_REMOVEDIR)
    before = Path.cwd()
    call("chdir", os.fsencode(directory))
    call("chdir", os.fsencode(before))
    old = call("umask", 0o077)
    assert call("umask", old) == 0o077


def use_descriptors(call):
    call("pipe2", bytes(8), os.O_CLOEXEC)
    read, write = (ctypes.c_int * 2).from_buffer(call.kept[-1])
    call("close", read)
    call("close", write)
    for fd in (
        call("eventfd2", 7, os.EFD_CLOEXEC),
        call("epoll_create1", select.EPOLL_CLOEXEC),
        call("memfd_create", b"a name for memory", MFD_CLOEXEC),
    ):
        call("close", fd)
    assert call("getrandom", bytes(16), 16, 0) == 16


def use_memory(call):
    place = call("mmap", 0, 9 * PAGE, RW, PRIVATE, NO_FD, 0)
    assert place % PAGE == 0
    call("madvise", place, 9 * PAGE, mmap.MADV_DONTNEED)
    call("mprotect", place, 9 * PAGE, mmap.PROT_READ)
    call("mprotect", place + 1, PAGE, mmap.PROT_READ, fails=errno.EINVAL)
    call("munmap", place, 9 * PAGE)


def use_sockets(call):
    server = call("socket", socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC, 0)
    call("socket", 77, 1, 0, fails=errno.EAFNOSUPPORT)
    where = b"\x02\x00\x00\x00\x7f\x00\x00\x01" + bytes(8)
    call("bind", server, where, 16)
    call("listen", server, 5)
    with socket.socket(fileno=os.dup(server)) as copy:
        port = copy.getsockname()[1]
    where = b"\x02\x00" + port.to_bytes(2, "big") + b"\x7f\x00\x00\x01" + bytes(8)
    client = call("socket", socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    call("connect", client, where, 16)
    accepted = call("accept4", server, 0, 0, socket.SOCK_CLOEXEC)
    one = (1).to_bytes(4, "little")
    call("setsockopt", client, socket.IPPROTO_TCP, socket.TCP_NODELAY, one, 4)
    length = (4).to_bytes(4, "little")
    call("getsockopt", client, socket.IPPROTO_TCP, socket.TCP_NODELAY, bytes(4), length)
    assert call("sendto", client, b"z" * 99, 99, socket.MSG_NOSIGNAL, 0, 0) == 99
    assert call("recvfrom", accepted, bytes(200), 200, 0, 0, 0) == 99
    call("shutdown", client, socket.SHUT_WR)
    for fd in (client, accepted, server):
        call("close", fd)


def use_processes(call):
    assert call("getpid") == os.getpid()
    assert call("getppid") == os.getppid()
    call("kill", os.getpid(), 0)
    call("kill", os.getpid(), 999, fails=errno.EINVAL)
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    assert call("getpriority", os.PRIO_PROCESS, 0) == 20 - nice  # as the raw call tells it
    call("setpriority", os.PRIO_PROCESS, 0, nice)
    call("sched_yield")
    comm = Path("/proc/self/comm").read_bytes().strip()
    for name in (b"by-prctl", comm):
        call("prctl", PR_SET_NAME, call.keep(name), 0, 0, 0)
    call("uname", bytes(400))
    span = bytes(8) + (3_000_000).to_bytes(8, "little")
    call("clock_nanosleep", time.CLOCK_MONOTONIC, 0, span, 0)


def test_arguments_strings_and_results(tmp_path):
    """Every call that was made is there once, in order, with every argument and its result."""
    call = Caller()
    jobs = [jobs_of([f"syscall:{name}"], (), None)[0] for name in CALLS]
    with observed(jobs) as session:
        use_files(call, tmp_path)
        use_descriptors(call)
        use_memory(call)
        use_sockets(call)
        use_processes(call)
        events = drained(session)
        problems = complaints(session)
    assert problems == []
    made = {name for name, _ in call.made}
    assert len(made) >= 30
    wrong = []
    for name in sorted(made):
        own = syscall_table.find(name, registers.here().machine).name
        seen = iter([values(event) for event in events if event.probe == own])
        for wanted in (shown for each, shown in call.made if each == name):
            passed = []
            for fields in seen:
                assert fields.pop("duration") > 0
                if fields == wanted:
                    break
                passed.append(fields)
            else:
                wrong.append(f"{name}: no {wanted} in {passed}")
                break
    assert wrong == []


def test_a_string_whose_page_is_not_there_at_the_entry(tmp_path):
    """A path in a mapped file that nobody has touched: the entry cannot read it, the exit can."""
    text = bytes(tmp_path / "it")
    (tmp_path / "page").write_bytes(text + bytes(PAGE - len(text)))
    number = syscall_table.find("openat", registers.here().machine).number
    with (
        (tmp_path / "page").open("r+b") as file,
        mmap.mmap(file.fileno(), PAGE, mmap.MAP_SHARED, RW) as page,
        observed(jobs_of(["syscall:openat"], ["filename", "flags", "ret"], None)) as session,
    ):
        place = ctypes.c_char.from_buffer(page)
        address = ctypes.c_void_p(ctypes.addressof(place))
        arguments = (ctypes.c_long(AT_FDCWD), address, ctypes.c_long(os.O_PATH), ctypes.c_long(0))
        assert libc.syscall(ctypes.c_long(number), *arguments) == -1
        nowhere = ctypes.c_void_p(0)
        arguments = (ctypes.c_long(AT_FDCWD), nowhere, ctypes.c_long(os.O_PATH), ctypes.c_long(0))
        assert libc.syscall(ctypes.c_long(number), *arguments) == -1
        del place
        events = drained(session)
        assert complaints(session) == []
    seen = [values(event) for event in events if event.flags == os.O_PATH]
    assert seen == [
        {"filename": os.fsdecode(text), "flags": os.O_PATH, "ret": -errno.ENOENT},
        {"filename": "", "flags": os.O_PATH, "ret": -errno.EFAULT},
    ]


def test_execve(tmp_path):
    """The path is that of the caller, though the exit runs in another memory; a failure is seen too."""
    missing = str(tmp_path / "no-such-program")
    jobs = jobs_of(["syscall:execve"], ["filename", "ret"], None)
    with observed(jobs, Filters(pid=os.getpid(), follow=True)) as session:
        pid = os.fork()
        if pid == 0:
            try:
                os.execv(missing, ["x"])
            except OSError:
                os.execv("/usr/bin/true", ["true"])
        os.waitpid(pid, 0)
        events = drained(session)
    assert [(event.pid, event.filename, event.ret) for event in events] == [
        (pid, missing, -errno.ENOENT),
        (pid, "/usr/bin/true", 0),
    ]


def test_a_call_that_blocks_has_its_duration(tmp_path):
    """Between the entry and the exit of a read lies what the writer waited."""
    del tmp_path
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        time.sleep(0.2)
        os.write(write, b"late")
        os._exit(0)
    jobs = jobs_of(["syscall:read"], ["fd", "ret", "duration"], None)
    with observed(jobs) as session:
        began = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        assert os.read(read, 100) == b"late"
        took = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - began
        events = [event for event in drained(session) if event.fd == read]
    os.waitpid(pid, 0)
    os.close(read)
    os.close(write)
    (event,) = events
    assert event.ret == 4
    assert 0 < event.duration <= took


def test_a_call_that_a_signal_ends():
    """Nothing of the first call is left for the second.

    The caller reads EINTR. At sys_exit the kernel has not made that of its own ERESTARTNOHAND yet; strace
    shows the same number.
    """
    old = signal.signal(signal.SIGALRM, lambda *_: None)
    name = "ppoll"
    jobs = jobs_of([f"syscall:{name}"], ["nfds", "ret"], None)
    number = syscall_table.find(name, registers.here().machine).number
    facts = SimpleNamespace(results=[])
    with observed(jobs) as session:
        for _ in range(2):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            zero = [ctypes.c_long(0)] * 5
            returned = libc.syscall(ctypes.c_long(number), *zero)
            facts.results.append((returned, ctypes.get_errno()))
        events = drained(session)
    signal.signal(signal.SIGALRM, old)
    assert facts.results == [(-1, errno.EINTR)] * 2
    assert [(event.nfds, event.ret) for event in events] == [(0, -ERESTARTNOHAND)] * 2


def test_as_much_of_a_path_as_is_asked_for():
    """A path is read at the entry: room for it is made by what the probe asks for."""
    import syscast as sc  # noqa: PLC0415

    class Asked(sc.Event):
        path: Annotated[str, 2048]
        length: sc.u32
        short: Annotated[str, 32]

    @sc.syscall("access")
    def access(filename):
        path = sc.user_str(filename, 2048)
        return Asked(path=path, length=len(path), short=sc.user_str(filename, 16))

    path = "/" + "x" * 1000
    with access.attach(pid=os.getpid()) as session:
        libc.access(path.encode(), 0)
        (event,) = drained(session)
    assert (event.path, event.length, event.short) == (path, len(path), path[:15])
