"""Agent inside the test VM: runs commands for the host over a virtio-serial port.

A frame is two little-endian u32 (length of the JSON head, length of the payload), the JSON head, the payload. The host sends
`run`, `kill`, `get` and `off`; the agent sends `hello`, `out`, `exit` and `file`. A second process, which executes nothing and allocates
nothing, writes one byte a second to a second port: the heartbeat that tells a busy guest from a hung one.
"""

import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time

PORTS = "/sys/class/virtio-ports"


def find_port(name):
    """Device of the virtio port with this name; it can appear a little later than the driver."""
    for _ in range(200):
        for entry in os.listdir(PORTS) if os.path.isdir(PORTS) else ():
            with open(f"{PORTS}/{entry}/name") as handle:
                if handle.read().strip() == name:
                    return f"/dev/{entry}"
        time.sleep(0.05)
    raise SystemExit(f"agent: no virtio port {name}")


def open_port(name):
    """Open the virtio port with this name."""
    return os.open(find_port(name), os.O_RDWR | os.O_CLOEXEC)


def start_heartbeat():
    """Fork the process that beats, above everything else in priority so that a busy test does not stop it."""
    if os.fork():
        return
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    except OSError:
        pass
    port = open_port("syscast.beat")
    while True:
        os.write(port, b".")
        time.sleep(1)


class Agent:
    """One connection to the host."""

    def __init__(self, port):
        self.port = port
        self.lock = threading.Lock()
        self.children = {}

    def send(self, head, payload=b""):
        encoded = json.dumps(head).encode()
        data = memoryview(struct.pack("<II", len(encoded), len(payload)) + encoded + payload)
        with self.lock:
            while data:
                data = data[os.write(self.port, data) :]

    def read(self, size):
        parts = []
        while size:
            part = os.read(self.port, min(size, 65536))
            if not part:  # the host is gone; it ends the VM as well
                time.sleep(0.1)
                continue
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def serve(self):
        self.send({"op": "hello", "release": os.uname().release, "uptime": time.clock_gettime(time.CLOCK_BOOTTIME)})
        while True:
            head_size, payload_size = struct.unpack("<II", self.read(8))
            head = json.loads(self.read(head_size))
            payload = self.read(payload_size)
            getattr(self, f"do_{head['op']}")(head, payload)

    def do_run(self, head, payload):
        threading.Thread(target=self.run, args=(head, payload), daemon=True).start()

    def run(self, head, payload):
        try:
            child = subprocess.Popen(
                head["argv"], cwd=head["cwd"], env=head["env"], start_new_session=True,
                stdin=subprocess.PIPE if payload else subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                user=head.get("uid"), group=head.get("uid"), extra_groups=[] if head.get("uid") else None,
            )
        except OSError as error:
            self.send({"op": "out", "id": head["id"], "fd": 2}, f"{error}\n".encode())
            self.send({"op": "exit", "id": head["id"], "code": 127})
            return
        self.children[head["id"]] = child
        readers = [
            threading.Thread(target=self.forward, args=(head["id"], number, stream), daemon=True)
            for number, stream in ((1, child.stdout), (2, child.stderr))
        ]
        for reader in readers:
            reader.start()
        if payload:
            try:
                child.stdin.write(payload)
                child.stdin.close()
            except BrokenPipeError:
                pass
        code = child.wait()
        deadline = time.monotonic() + 3  # something the command left behind can hold the pipes open
        for reader in readers:
            reader.join(max(0, deadline - time.monotonic()))
        del self.children[head["id"]]
        self.send({"op": "exit", "id": head["id"], "code": code})

    def forward(self, command, number, stream):
        while data := stream.read1(65536):
            self.send({"op": "out", "id": command, "fd": number}, data)

    def do_kill(self, head, payload):
        child = self.children.get(head["id"])
        if child is not None:
            try:
                os.killpg(child.pid, head.get("signal", signal.SIGKILL))
            except ProcessLookupError:
                pass

    def do_get(self, head, payload):
        try:
            with open(head["path"], "rb") as handle:
                data = handle.read()
            self.send({"op": "file", "id": head["id"], "found": True}, data)
        except OSError as error:
            self.send({"op": "file", "id": head["id"], "found": False, "error": str(error)})

    def do_off(self, head, payload):
        sys.stdout.flush()
        os._exit(0)


def main():
    os.symlink(find_port("syscast.events"), "/run/test-events")
    port = open_port("syscast.agent")
    start_heartbeat()
    Agent(port).serve()


main()
