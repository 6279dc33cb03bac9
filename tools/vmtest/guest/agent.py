"""Agent inside the test VM: runs commands for the host over a virtio-serial port.

A frame is two little-endian u32 (length of the JSON head, length of the payload), the JSON head, the payload. The host sends `run`,
`kill` and `get`; the agent sends `hello`, `out`, `exit` and `file`. A second process, which executes nothing and allocates nothing,
writes one byte a second to a second port: the heartbeat that tells a busy guest from a hung one.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import subprocess
import threading
import time
from pathlib import Path
from typing import IO, TypedDict

PORTS = Path("/sys/class/virtio-ports")


class Request(TypedDict):
    """Head of a frame from the host; each operation uses some of the fields."""

    op: str
    id: int
    argv: list[str]
    cwd: str
    env: dict[str, str]
    uid: int | None
    signal: int
    path: str


def find_port(name: str) -> str:
    """Device of the virtio port with this name; it can appear a little later than the driver."""
    for _ in range(200):
        for entry in PORTS.glob("*"):
            if (entry / "name").read_text().strip() == name:
                return f"/dev/{entry.name}"
        time.sleep(0.05)
    raise SystemExit(f"agent: no virtio port {name}")


def open_port(name: str) -> int:
    """Open the virtio port with this name."""
    return os.open(find_port(name), os.O_RDWR | os.O_CLOEXEC)


def start_heartbeat() -> None:
    """Fork the process that beats, above everything else in priority so that a busy test does not stop it."""
    if os.fork():
        return
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    port = open_port("syscast.beat")
    while True:
        os.write(port, b".")
        time.sleep(1)


class Agent:
    """One connection to the host."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.lock = threading.Lock()
        self.children: dict[int, subprocess.Popen[bytes]] = {}

    def send(self, head: dict[str, object], payload: bytes = b"") -> None:
        """Send one frame; frames of several threads do not mix."""
        encoded = json.dumps(head).encode()
        data = memoryview(struct.pack("<II", len(encoded), len(payload)) + encoded + payload)
        with self.lock:
            while data:
                data = data[os.write(self.port, data) :]

    def read(self, size: int) -> bytes:
        """Read exactly this many bytes."""
        parts: list[bytes] = []
        while size:
            part = os.read(self.port, min(size, 65536))
            if not part:  # the host is gone; it ends the VM as well
                time.sleep(0.1)
                continue
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def serve(self) -> None:
        """Greet, then serve requests for ever."""
        self.send(
            {"op": "hello", "release": Path("/proc/sys/kernel/osrelease").read_text().strip()}
        )
        while True:
            head_size, payload_size = struct.unpack("<II", self.read(8))
            head: Request = json.loads(self.read(head_size))
            payload = self.read(payload_size)
            match head["op"]:
                case "run":
                    threading.Thread(target=self.run, args=(head, payload), daemon=True).start()
                case "kill":
                    self.kill(head)
                case "get":
                    self.get(head)
                case _:
                    pass

    def run(self, head: Request, payload: bytes) -> None:
        """Run a command, forward what it says, tell its exit status."""
        number = head["id"]
        uid = head["uid"]
        try:
            child = subprocess.Popen(
                head["argv"],
                cwd=head["cwd"],
                env=head["env"],
                start_new_session=True,
                stdin=subprocess.PIPE if payload else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                user=uid,
                group=uid,
                extra_groups=[] if uid else None,
            )
        except OSError as error:
            self.send({"op": "out", "id": number, "fd": 2}, f"{error}\n".encode())
            self.send({"op": "exit", "id": number, "code": 127})
            return
        self.children[number] = child
        readers = [
            threading.Thread(target=self.forward, args=(number, fd, stream), daemon=True)
            for fd, stream in ((1, child.stdout), (2, child.stderr))
        ]
        for reader in readers:
            reader.start()
        if child.stdin is not None:
            with contextlib.suppress(BrokenPipeError), child.stdin:
                child.stdin.write(payload)
        code = child.wait()
        deadline = (
            time.monotonic() + 3
        )  # something the command left behind can hold the pipes open
        for reader in readers:
            reader.join(max(0, deadline - time.monotonic()))
        del self.children[number]
        self.send({"op": "exit", "id": number, "code": code})

    def forward(self, number: int, fd: int, stream: IO[bytes]) -> None:
        """Send a command's output as it comes."""
        while data := os.read(stream.fileno(), 65536):
            self.send({"op": "out", "id": number, "fd": fd}, data)

    def kill(self, head: Request) -> None:
        """Signal a command's whole session."""
        child = self.children.get(head["id"])
        if child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, head.get("signal", signal.SIGKILL))

    def get(self, head: Request) -> None:
        """Send a file."""
        try:
            data = Path(head["path"]).read_bytes()
        except OSError as error:
            self.send({"op": "file", "id": head["id"], "found": False, "error": str(error)})
        else:
            self.send({"op": "file", "id": head["id"], "found": True}, data)


def main() -> None:
    """Serve until the VM ends."""
    # A shell starts its background processes with these ignored, and every command would inherit that.
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    Path("/run/test-events").symlink_to(find_port("syscast.events"))
    port = open_port("syscast.agent")
    start_heartbeat()
    Agent(port).serve()


if __name__ == "__main__":
    main()
