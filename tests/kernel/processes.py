"""Processes that the kernel tests watch: each does on request what it is told, and says who it is.

An actor is a fork of the test process, so that it costs no interpreter's start. What it calls carries
a number of the test's choice, which is how events are told apart.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
NO_SUCH_PROCESS = -3
"""What getpriority(2) answers in the kernel for the numbers of `ask`."""
FIRST_TOKEN = 1 << 23
"""Beyond every process number, so that `ask` finds nobody."""


def ask(token: int) -> None:
    """Call getpriority(PRIO_PROCESS, token), which is rare and has no effect."""
    LIBC.getpriority(0, token)


def listen(backlog: int) -> None:
    """Listen on a TCP socket without an address, with this backlog, for a moment."""
    with socket.socket() as server:
        server.listen(backlog)


def set_comm(name: bytes) -> None:
    """Name the calling thread."""
    assert LIBC.prctl(PR_SET_NAME, name, 0, 0, 0) == 0


def new_netns() -> None:
    """Go into a network namespace of its own."""
    if LIBC.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")


def forked(act: Callable[[], object]) -> int:
    """Run something in a child, which ends with it; returns the child's process number."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        act()
        code = 0
    except BaseException:  # noqa: BLE001 - the test sees the exit code, people see this
        traceback.print_exc()
    finally:
        os._exit(code)


def in_child(act: Callable[[], object]) -> int:
    """Run something in a child and wait for it; returns the child's process number."""
    pid = forked(act)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return pid


class Actor:
    """A child that waits for numbers and does its act with each.

    Attributes:
        pid: Its process number.
    """

    def __init__(
        self, act: Callable[[int], object], setup: Callable[[], object] = lambda: None
    ) -> None:
        self._act = act
        ours, theirs = socket.socketpair()
        self._socket = ours
        with theirs:
            self.pid = forked(lambda: self._live(theirs, setup))
        self._answer()

    def _live(self, channel: socket.socket, setup: Callable[[], object]) -> None:
        self._socket.close()
        setup()
        channel.sendall(b"!")
        while word := channel.recv(8):
            self._act(int.from_bytes(word, "little"))
            channel.sendall(b"!")

    def _answer(self) -> None:
        assert self._socket.recv(1) == b"!", "the actor is gone"

    def do(self, token: int) -> None:
        """Have it act, and wait until it is done."""
        self._socket.sendall(token.to_bytes(8, "little"))
        self._answer()

    def close(self) -> None:
        """End it."""
        if self._socket.fileno() >= 0:
            self._socket.close()
            os.waitpid(self.pid, 0)


@contextlib.contextmanager
def actor(
    act: Callable[[int], object], setup: Callable[[], object] = lambda: None
) -> Iterator[Actor]:
    """An actor for one block."""
    made = Actor(act, setup)
    try:
        yield made
    finally:
        made.close()


def in_thread(act: Callable[[], object]) -> int:
    """Run something in a thread and wait for it; returns the thread's number."""
    tids: list[int] = []

    def run() -> None:
        tids.append(threading.get_native_id())
        act()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return tids[0]


def wait_until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for what no call waits for."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
