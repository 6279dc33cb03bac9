"""A program with many kinds of descendants that says, as JSON lines, what each of them did.

It is run by path under ``attach(command=...)``. Every line is written by one write(2), so that several processes
share the file. Each open of a path below /nonexistent is told with the task that made it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import subprocess
import sys
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWPID = 0x20000000
SYS_EXIT = {"x86_64": 60, "aarch64": 93}[os.uname().machine]
OTHER_UID = 1000
counter = 0


def tell(**facts):
    os.write(truth, (json.dumps(facts) + "\n").encode())


def touch(label, pid=None, tid=None):
    """Try to open a path that is unique."""
    global counter  # noqa: PLW0603
    counter += 1
    path = f"/nonexistent/{label}-{os.getpid()}-{counter}"
    tell(
        what="open",
        path=path,
        pid=os.getpid() if pid is None else pid,
        tid=threading.get_native_id() if tid is None else tid,
    )
    with contextlib.suppress(OSError):
        os.open(path, os.O_RDONLY)


def child(act, *, wait=True):
    """Fork and run; the parent tells who was born."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    tell(what="fork", child=pid, parent=os.getpid())
    if wait:
        _, status = os.waitpid(pid, 0)
        assert status == 0, act
    return pid


def thread(act):
    """Start a thread; it tells of its birth itself, as its starter may not live to do so."""

    def run():
        tell(what="fork", child=threading.get_native_id(), parent=os.getpid())
        act()

    made = threading.Thread(target=run)
    made.start()
    return made


def execute(path, *argv):
    """What execve(2) shows: the path, and the process."""
    tell(what="exec", path=path, pid=os.getpid())
    os.execv(path, argv)


# ---------------------------------------------------------------- descendants


def threads():
    made = [thread(lambda: touch("thread")) for _ in range(3)]
    for each in made:
        each.join()


def generations():
    def deeper(left):
        touch("generation")
        if left:
            child(lambda: deeper(left - 1))
        touch("generation-after")

    child(lambda: deeper(4))


def daemon():
    """Forked twice, adopted by somebody else, alive after the command has ended."""

    def grandchild():
        os.setsid()
        # The command is gone once its end of the pipe is closed.
        os.close(alive_writing)
        os.read(alive_reading, 1)
        time.sleep(0.3)
        touch("daemon")
        child(lambda: touch("daemon-child"))

    child(lambda: child(grandchild, wait=False))


def burst():
    pids = [child(lambda: touch("burst"), wait=False) for _ in range(30)]
    for pid in pids:
        os.waitpid(pid, 0)


def other_program():
    """By vfork and exec, as subprocess does it."""
    done = subprocess.Popen(["/bin/true"], close_fds=False)
    tell(what="fork", child=done.pid, parent=os.getpid())
    tell(what="exec", path="/bin/true", pid=done.pid)
    assert done.wait() == 0


def exec_by_thread():
    """The thread becomes the leader; what the new program opens is its."""
    path = f"/nonexistent/by-shell-{os.getpid()}"

    def act():
        def run():
            tell(what="open", path=path, pid=os.getpid(), tid=os.getpid())
            tell(what="becomes leader", tid=threading.get_native_id(), pid=os.getpid())
            execute("/bin/sh", "sh", "-c", f"true 2>/dev/null < {path} || exit 0")

        made = thread(run)
        made.join()

    child(act)


def leader_leaves_first():
    """The process goes on in a thread while its first thread is a zombie."""

    def act():
        def run():
            status = f"/proc/self/task/{os.getpid()}/stat"
            while True:
                with open(status) as file:  # noqa: PTH123
                    if file.read().rpartition(")")[2].split()[0] == "Z":
                        break
                time.sleep(0.01)
            touch("leaderless")
            child(lambda: touch("leaderless-child"))
            os._exit(0)

        thread(run)
        libc.syscall(SYS_EXIT, 0)

    child(act)


def other_user():
    def act():
        os.setgid(OTHER_UID)
        os.setuid(OTHER_UID)
        touch("other-user")

    child(act)


def other_pid_namespace():
    """Numbers inside are others; those of the kernel are reported."""

    def act():
        if libc.unshare(CLONE_NEWPID):
            raise OSError(ctypes.get_errno(), "unshare")
        reading, writing = os.pipe()

        def inside():
            pid = int(os.read(reading, 20))
            assert os.getpid() == 1
            touch("pid-namespace", pid=pid, tid=pid)

        pid = child(inside, wait=False)
        os.write(writing, str(pid).encode())
        _, status = os.waitpid(pid, 0)
        assert status == 0

    child(act)


PARTS = (
    threads,
    generations,
    daemon,
    burst,
    other_program,
    exec_by_thread,
    leader_leaves_first,
    other_user,
    other_pid_namespace,
)


if __name__ == "__main__":
    truth = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    alive_reading, alive_writing = os.pipe()
    tell(what="start", pid=os.getpid())
    touch("first")
    for part in PARTS:
        part()
    touch("last")
    sys.exit(7)
