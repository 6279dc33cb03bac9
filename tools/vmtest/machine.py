"""One virtual machine: QEMU, its console, its heartbeat, and the agent that runs commands in it.

Everything is driven from one thread: a method that waits pumps the agent's frames, the heartbeat and the console, and raises
MachineDied as soon as the VM cannot answer any more. Life is judged like this:

- the process ended, or the console shows a panic, Oops or lockup: dead at once;
- no heartbeat although QEMU burnt HANG_CPU seconds of processor time since the last one: the guest spins (a starved host does
  not count, since QEMU then gets no processor time);
- no heartbeat for HANG_WALL seconds whatever the load: the guest waits for ever.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from vmtest import monitor
from vmtest.console import Watcher
from vmtest.host import HarnessError, find_tool, require_tool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# One thread for all virtual processors. With a thread each, patching of kernel text (kprobes, ftrace) loses races: a processor
# goes on running a stale int3, which ends in a hang or an Oops (6.1, two processors: 3 of 6 runs of 100 kprobe attaches died;
# with one thread none).
TCG = "tcg,thread=single"
TCG_CPU = "max"
# The kernel without cmpxchg16b (x86 feature bit 141): QEMU 7.2 computes the flags after it from stale state, and the kernel's
# allocator uses it: 12 of 60 boots of 6.12 ended in an Oops or a stray debug exception, none without it. The processor keeps
# it, because NumPy's wheels insist on all of x86-64-v2.
TCG_KERNEL = "clearcpuid=141"
HANG_CPU = 12.0
HANG_WALL = 60.0
BOOT_TIMEOUT = 180.0
CMDLINE = (
    "console=ttyS0 quiet panic=-1 oops=panic mitigations=off nokaslr tsc=reliable no_timer_check nowatchdog audit=0 apparmor=0 "
    "random.trust_cpu=on net.ifnames=0 rdinit=/init"
)
GUEST_ENV = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "PYTHONPATH": "/syscast/src:/syscast/tools:/opt/site:/opt/site-llvm",
    "SYSCAST_VM": "1",
}


class MachineDied(Exception):  # noqa: N818  # an event in a VM's life, named as such
    """The VM cannot be used any more.

    Attributes:
        kind: panic, oops, lockup, hang, exit, boot or timeout.
        detail: what was seen, for the report.
        addresses: where the processors of a hung guest were.
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
        self.addresses: list[int] = []


@dataclass(frozen=True, slots=True)
class Setup:
    """What a VM is started with.

    Attributes:
        boot: kernel image.
        initramfs: archive bytes.
        root: ext4 image of the root.
        modules: ext4 image with the kernel's modules, or None.
        seed: tar unpacked over the root, or None.
        headers: ext4 image with the kernel's headers, or None.
        cpus: number of virtual processors.
        memory: MiB.
        accel: tcg or kvm.
    """

    boot: Path
    initramfs: bytes
    root: Path
    modules: Path | None
    seed: Path | None
    headers: Path | None = None
    cpus: int = 2
    memory: int = 2048
    accel: str = "tcg"


@dataclass(frozen=True, slots=True)
class Invocation:
    """A command line with its surroundings.

    Attributes:
        argv: program and arguments.
        env: variables over the guest's own.
        uid: user and group to run as, None for root.
        stdin: what the command reads.
    """

    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    uid: int | None = None
    stdin: bytes = b""


@dataclass(slots=True)
class Command:
    """A command running in the guest, or its result once `code` is set.

    Attributes:
        code: exit status as of subprocess (negative: killed by that signal), None while it runs.
        out: standard output so far (not collected when a listener takes it).
        err: standard error so far, as `out`.
        timed_out: whether the host ended it.
    """

    number: int
    listener: Callable[[int, bytes], None] | None = None
    code: int | None = None
    out: bytearray = field(default_factory=bytearray)
    err: bytearray = field(default_factory=bytearray)
    timed_out: bool = False

    def ended(self) -> bool:
        """Whether it is over."""
        return self.code is not None

    def text(self) -> str:
        """Standard output as text."""
        return self.out.decode(errors="replace")


class Machine:
    """A running VM. Use as a context manager: leaving it ends QEMU."""

    def __init__(self, setup: Setup, *, console_log: Path | None = None) -> None:
        self.setup = setup
        self.release = ""
        self.boot_seconds = 0.0
        self.watcher = Watcher()
        self.environment = dict(GUEST_ENV)
        self.on_event: Callable[[bytes], None] | None = None
        self._directory = Path(tempfile.mkdtemp(prefix="syscast-vm-"))
        self._console_log = console_log
        self._console = self._directory / "console"
        self._console_offset = 0
        self._commands: dict[int, Command] = {}
        self._files: dict[int, tuple[dict[str, object], bytes]] = {}
        self._next = 1
        self._buffer = bytearray()
        self._selector = selectors.DefaultSelector()
        self._qemu: subprocess.Popen[bytes] | None = None
        self._agent: socket.socket | None = None
        self._monitor: socket.socket | None = None
        self._beat_at = time.monotonic()
        self._beat_cpu = 0.0
        self._hello = False

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- life

    def start(self, patience: float = BOOT_TIMEOUT) -> None:
        """Boot to the agent's greeting within `patience` seconds. Raises MachineDied."""
        began = time.monotonic()
        ports = {}
        for name in ("agent", "beat", "events", "monitor"):
            ours, theirs = socket.socketpair()
            ports[name] = (ours, theirs)
        self._console.touch()
        try:
            self._qemu = subprocess.Popen(
                self._command_line({name: pair[1].fileno() for name, pair in ports.items()}),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[pair[1].fileno() for pair in ports.values()],
                start_new_session=True,
            )
        finally:
            for pair in ports.values():
                pair[1].close()
        self._agent = ports["agent"][0]
        self._monitor, _ = ports.pop("monitor")
        for name, pair in ports.items():
            pair[0].settimeout(0)
            self._selector.register(pair[0], selectors.EVENT_READ, name)
        try:
            self._pump(lambda: self._hello, began + patience, beating=False)
        except MachineDied as error:
            raise MachineDied("boot", f"{error.kind}: {error.detail}") from error
        if not self._hello:
            raise MachineDied("boot", f"no agent after {patience:.0f} s\n{self.console_tail()}")
        self.boot_seconds = time.monotonic() - began
        self._beat_at = time.monotonic()
        self._beat_cpu = self._cpu_seconds()

    def _command_line(self, ports: Mapping[str, int]) -> list[str]:
        setup = self.setup
        initramfs = self._directory / "initramfs"
        initramfs.write_bytes(setup.initramfs)
        command = [
            # The VM does not outlive this process, however that ends.
            *(["setpriv", "--pdeathsig", "KILL"] if find_tool("setpriv") else []),
            require_tool("qemu-system-x86_64"),
            "-nodefaults",
            "-no-user-config",
            "-no-reboot",
            "-display",
            "none",
            "-machine",
            "q35,usb=off,vmport=off,smbus=off,sata=off",
            "-m",
            str(setup.memory),
            "-smp",
            str(setup.cpus),
            "-kernel",
            str(setup.boot),
            "-initrd",
            str(initramfs),
            "-append",
            CMDLINE if setup.accel == "kvm" else f"{CMDLINE} {TCG_KERNEL}",
            "-serial",
            f"file:{self._console}",
            "-device",
            "virtio-serial-pci",
            "-device",
            "virtio-rng-pci",
        ]
        command += (
            ["-accel", "kvm", "-cpu", "host"]
            if setup.accel == "kvm"
            else ["-accel", TCG, "-cpu", TCG_CPU]
        )
        for name, number in ports.items():
            command += ["-chardev", f"socket,id={name},fd={number}"]
            if name == "monitor":
                command += ["-mon", "chardev=monitor,mode=control"]
                continue
            command += ["-device", f"virtserialport,chardev={name},name=syscast.{name}"]
        disks = {
            "root": setup.root,
            "modules": setup.modules,
            "headers": setup.headers,
            "seed": setup.seed,
        }
        for name, path in disks.items():
            if path is not None:
                command += [
                    "-drive",
                    f"if=none,id={name},file={path},format=raw,readonly=on,cache=unsafe,file.locking=off",
                ]
                command += ["-device", f"virtio-blk-pci,drive={name},serial={name}"]
        return command

    def close(self) -> None:
        """End the VM and remove what it used. Keeps the console when a place for it was given."""
        if self._qemu is not None:
            if self._qemu.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._qemu.pid, signal.SIGKILL)
            self._qemu.wait()
            if self._qemu.stderr is not None:
                self._qemu.stderr.close()
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self._selector.close()
        if self._monitor is not None:
            self._monitor.close()
        if self._console_log is not None and self._console.exists():
            self._console_log.parent.mkdir(parents=True, exist_ok=True)
            with self._console_log.open("ab") as log:
                log.write(self._console.read_bytes())
        shutil.rmtree(self._directory, ignore_errors=True)

    def console_tail(self, lines: int = 25) -> str:
        """The last lines of the console."""
        self._read_console()
        return "\n".join(self.watcher.tail[-lines:])

    def _cpu_seconds(self) -> float:
        assert self._qemu is not None
        try:
            fields = Path(f"/proc/{self._qemu.pid}/stat").read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    # ---- waiting

    def _pump(self, done: Callable[[], bool], deadline: float, *, beating: bool = True) -> None:
        """Serve the VM until `done()` or the deadline; raises MachineDied when it can answer no more."""
        while not done():
            now = time.monotonic()
            if now >= deadline:
                return
            for key, _ in self._selector.select(min(0.2, deadline - now)):
                assert isinstance(key.fileobj, socket.socket)
                self._receive(key.fileobj, key.data)
            self._check_console()
            self._check_process()
            if beating:
                self._check_heartbeat()

    def _receive(self, port: socket.socket, name: str) -> None:
        try:
            data = port.recv(1 << 18)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self._selector.unregister(port)
            port.close()
            return
        if name == "events":
            if self.on_event is not None:
                self.on_event(data)
            return
        self._beat_at = time.monotonic()
        self._beat_cpu = self._cpu_seconds()
        if name == "agent":
            self._buffer += data
            self._take_frames()

    def _take_frames(self) -> None:
        while len(self._buffer) >= 8:
            head_size, payload_size = struct.unpack_from("<II", self._buffer)
            end = 8 + head_size + payload_size
            if len(self._buffer) < end:
                return
            head = json.loads(self._buffer[8 : 8 + head_size])
            payload = bytes(self._buffer[8 + head_size : end])
            del self._buffer[:end]
            self._handle(head, payload)

    def _handle(self, head: dict[str, object], payload: bytes) -> None:
        number = head.get("id")
        command = self._commands.get(number) if isinstance(number, int) else None
        match head["op"]:
            case "hello":
                self._hello = True
                self.release = str(head["release"])
            case "out" if command is not None:
                if command.listener is not None:
                    command.listener(1 if head["fd"] == 1 else 2, payload)
                else:
                    (command.out if head["fd"] == 1 else command.err).extend(payload)
            case "exit" if command is not None:
                code = head["code"]
                command.code = code if isinstance(code, int) else 1
            case "file" if isinstance(number, int):
                self._files[number] = (head, payload)
            case _:
                pass  # the end of a command that nobody waits for any more

    def _read_console(self) -> None:
        with contextlib.suppress(OSError), self._console.open("rb") as console:
            console.seek(self._console_offset)
            data = console.read()
            self._console_offset += len(data)
            self.watcher.feed(data)

    def _check_console(self) -> None:
        seen = len(self.watcher.troubles)
        self._read_console()
        for trouble in self.watcher.troubles[seen:]:
            if trouble.fatal:
                time.sleep(0.5)  # let the rest of the report arrive
                raise MachineDied(trouble.kind, f"{trouble.line}\n{self.console_tail()}")

    def _check_process(self) -> None:
        assert self._qemu is not None
        if self._qemu.poll() is None:
            return
        said = (
            self._qemu.stderr.read().decode(errors="replace").strip() if self._qemu.stderr else ""
        )
        raise MachineDied(
            "exit", f"QEMU ended with {self._qemu.returncode}: {said}\n{self.console_tail()}"
        )

    def _check_heartbeat(self) -> None:
        silent = time.monotonic() - self._beat_at
        burnt = self._cpu_seconds() - self._beat_cpu
        if burnt > HANG_CPU or silent > HANG_WALL:
            state = "spinning" if burnt > HANG_CPU else "idle"
            died = MachineDied(
                "hang",
                f"no heartbeat for {silent:.0f} s, guest {state} ({burnt:.0f} s of processor time)\n{self.console_tail()}",
            )
            died.addresses = monitor.sample(self._monitor) if self._monitor is not None else []
            raise died

    # ---- requests

    def _send(self, head: dict[str, object], payload: bytes = b"") -> None:
        assert self._agent is not None
        encoded = json.dumps(head).encode()
        self._agent.settimeout(HANG_WALL)
        try:
            self._agent.sendall(struct.pack("<II", len(encoded), len(payload)) + encoded + payload)
        except OSError as error:
            raise MachineDied(
                "hang", f"the guest takes no more commands: {error}\n{self.console_tail()}"
            ) from error
        finally:
            with contextlib.suppress(OSError):
                self._agent.settimeout(0)

    def run(
        self,
        what: Invocation | Sequence[str],
        *,
        timeout: float = 120,
        listener: Callable[[int, bytes], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Command:
        """Run a command in the guest's checkout and wait for its end.

        Args:
            what: program and arguments, with or without surroundings.
            timeout: seconds; the whole process group is killed then, and `timed_out` is set.
            listener: takes (1 or 2, bytes) as output arrives, instead of collecting it.
            stop: asked several times a second; the command is ended as by the time-out once it says True.

        Raises:
            MachineDied: the VM died or hung meanwhile.
        """
        invocation = what if isinstance(what, Invocation) else Invocation(what)
        command = Command(self._next, listener)
        self._next += 1
        self._commands[command.number] = command
        home = {"HOME": "/home/user"} if invocation.uid else {}
        self._send(
            {
                "op": "run",
                "id": command.number,
                "argv": list(invocation.argv),
                "cwd": "/syscast",
                "uid": invocation.uid,
                "env": {**self.environment, **home, **invocation.env},
            },
            invocation.stdin,
        )
        self._pump(
            lambda: command.ended() or (stop is not None and stop()),
            time.monotonic() + timeout,
        )
        if not command.ended():
            command.timed_out = True
            # SIGABRT first: Python's faulthandler then tells where each thread was.
            for number, patience in ((signal.SIGABRT, 5), (signal.SIGKILL, 20)):
                self._send({"op": "kill", "id": command.number, "signal": int(number)})
                self._pump(command.ended, time.monotonic() + patience)
                if command.ended():
                    break
            if not command.ended():
                raise MachineDied(
                    "timeout",
                    f"a command could not be killed: {' '.join(invocation.argv)}\n{self.console_tail()}",
                )
        del self._commands[command.number]
        return command

    def get(self, path: str, *, timeout: float = 60) -> bytes:
        """Content of a file of the guest. Raises HarnessError when it cannot be read, MachineDied."""
        number = self._next
        self._next += 1
        self._send({"op": "get", "id": number, "path": path})
        self._pump(lambda: number in self._files, time.monotonic() + timeout)
        head, payload = self._files.pop(number, ({"error": "no answer"}, b""))
        if not head.get("found"):
            raise HarnessError(f"guest file '{path}': {head.get('error')}")
        return payload
