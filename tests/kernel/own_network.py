"""A process in a network namespace of its own, with the sockets that a test asks for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

_SCRIPT = r"""
import ctypes, fcntl, json, os, resource, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x40000000) == 0, ctypes.get_errno()  # CLONE_NEWNET
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
most = max(hard, 20000)  # root may raise it on machines of its own
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
with socket.socket() as one:  # the loopback up: SIOCSIFFLAGS, IFF_UP | IFF_RUNNING
    fcntl.ioctl(one, 0x8914, struct.pack("16sh", b"lo", 0x41).ljust(40, b"\0"))
held = []
def say(made):
    print(json.dumps(made), flush=True)
say(os.stat("/proc/self/ns/net").st_ino)
for line in sys.stdin:
    exec(line)
"""


class Network:
    """The process; `run` has it run a line of Python that calls ``say(value)`` once.

    Attributes:
        pid: Of the process.
        path: Of its network namespace.
        inode: Of its network namespace.
    """

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self.process.pid
        self.path = f"/proc/{self.pid}/ns/net"
        self.inode = self._answer()

    def run(self, line):
        """Run a line; gives what it said."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        assert line, "the process has ended"
        return json.loads(line)

    def read(self, file):
        """The lines of one of its /proc/net files, without the title."""
        text = Path(f"/proc/{self.pid}/net/{file}").read_text(encoding="utf-8")
        return text.splitlines()[1:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(30)
