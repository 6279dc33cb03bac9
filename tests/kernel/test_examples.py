"""Each example by every kind that can do it, over one workload: equal events, and the right ones.

The probe function of an example is attached by kprobe and by fentry (a call: kretprobe and fexit). Where
a tracepoint or syscall tells the same, a counterpart here reads it from there. What the events must
say comes from elsewhere: getsockname, stat, /proc, and what this process did.
"""

from __future__ import annotations

import ctypes
import importlib.util
import mmap
import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from observing import complaints, drained, observed, values

import syscast as sc
from syscast import current, features
from syscast.btf import source
from syscast.session.filters import Filters
from syscast.session.plan import Job
from syscast.session.probe import Probe

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import SimpleNamespace

pytestmark = pytest.mark.kernel

EXAMPLES = Path(__file__).parents[2] / "examples"
PAGE = mmap.PAGESIZE
CLONE_NEWUTS = 0x04000000
CLONE_THREAD = 0x00010000
ENOENT = 2


@pytest.fixture(scope="module", autouse=True)
def types_of_this_kernel():
    """Open for the life of the process; not a leak of the first test that needs it."""
    return source.kernel()


# ---------------------------------------------------------------- what is compared


@dataclass(frozen=True)
class Counterpart:
    """The same event from another source: a target, a probe function, and what it cannot tell."""

    target: str
    function: Callable[..., object]
    lacks: frozenset[str] = frozenset()
    role: str = "probe"


@dataclass(frozen=True)
class Case:
    """One example.

    Attributes:
        work: Makes things happen; returns the events that this must cause, as dicts.
        varies: Fields that no two probes agree on, such as durations.
        follow: Children are seen too.
        change: What is set in the example's module first.
    """

    name: str
    work: Callable[[SimpleNamespace], list[dict[str, object]]]
    counterparts: Callable[[SimpleNamespace], list[Counterpart]] = lambda _module: []
    varies: frozenset[str] = frozenset()
    follow: bool = False
    change: dict[str, object] = field(default_factory=dict)


def load_example(name):
    """An example as a module; its `__main__` part does not run."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclass-like annotations are looked up there
    spec.loader.exec_module(module)
    return module


def probe_of(module):
    """The one probe of an example."""
    (found,) = (each for each in vars(module).values() if isinstance(each, Probe))
    return found


def kinds_of(probe):
    """The function kinds that attach an example's own function."""
    if probe.kind == "raw_tracepoint":
        return ["raw_tracepoint"]
    return ["kretprobe", "fexit"] if probe.job().role == "call" else ["kprobe", "fentry"]


# ---------------------------------------------------------------- network


def tcp_pair(family, address):
    """A listener, a client and the accepted connection."""
    listener = socket.socket(family)
    listener.bind((address, 0))
    listener.listen(5)
    client = socket.socket(family)
    client.connect(listener.getsockname()[:2])
    server, _ = listener.accept()
    return listener, client, server


FAMILIES = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


def do_listen(_module):
    expected = []
    netns = Path("/proc/self/ns/net").stat().st_ino
    for backlog, (family, address) in enumerate(FAMILIES, 7):
        with socket.socket(family) as server:
            server.bind((address, 0))
            server.listen(backlog)
            host, port = server.getsockname()[:2]
        expected.append(
            {
                "address": ip_address(host),
                "port": port,
                "backlog": backlog,
                "netns": netns,
                "ret": 0,
            }
        )
    return expected


def listen_counterparts(module):
    Listen, State, AF_INET6 = module.Listen, 10, socket.AF_INET6  # noqa: N806  (a class, constants)

    def inet_sock_set_state(sk, _old, new):
        if new != State:
            return None
        netns = sk.skc_net.net.ns.inum
        backlog = sk.sk_max_ack_backlog
        if sk.skc_family == AF_INET6:
            whole = sk.skc_v6_rcv_saddr
            return Listen(address=whole, port=sk.skc_num, backlog=backlog, netns=netns, ret=0)
        short = sk.skc_rcv_saddr
        return Listen(address=short, port=sk.skc_num, backlog=backlog, netns=netns, ret=0)

    return [Counterpart("raw_tracepoint:inet_sock_set_state", inet_sock_set_state)]


def do_connect(_module):
    expected = []
    for family, address in FAMILIES:
        listener, client, server = tcp_pair(family, address)
        own, peer = client.getsockname(), client.getpeername()
        expected.append(
            {
                "source": ip_address(own[0]),
                "sport": own[1],
                "dest": ip_address(peer[0]),
                "dport": peer[1],
            }
        )
        for each in (client, server, listener):
            each.close()
    return expected


def connect_counterparts(module):
    Connect, SYN_SENT, AF_INET6 = module.Connect, 2, socket.AF_INET6  # noqa: N806  (a class, constants)

    def inet_sock_set_state(sk, _old, new):
        if new != SYN_SENT:
            return None
        dport = sk.skc_dport
        if sk.skc_family == AF_INET6:
            dest = sk.skc_v6_daddr
            return Connect(source=sk.skc_v6_rcv_saddr, sport=0, dest=dest, dport=dport)
        return Connect(source=sk.skc_rcv_saddr, sport=0, dest=sk.skc_daddr, dport=dport)

    # The port is chosen after the state.
    lacks = frozenset({"sport"})
    return [Counterpart("raw_tracepoint:inet_sock_set_state", inet_sock_set_state, lacks)]


def do_accept(_module):
    expected = []
    for family, address in FAMILIES:
        listener, client, server = tcp_pair(family, address)
        peer = server.getpeername()
        expected.append(
            {
                "peer": ip_address(peer[0]),
                "peer_port": peer[1],
                "port": listener.getsockname()[1],
            }
        )
        for each in (client, server, listener):
            each.close()
    return expected


def do_tcp_close(_module):
    listener, client, server = tcp_pair(*FAMILIES[0])
    client.sendall(b"a" * 1000)
    assert len(server.recv(1000, socket.MSG_WAITALL)) == 1000
    server.sendall(b"b" * 234)
    assert len(client.recv(234, socket.MSG_WAITALL)) == 234
    client_port, server_port = client.getsockname()[1], server.getsockname()[1]
    client.close()
    server.close()
    listener.close()
    return [
        {"port": client_port, "peer_port": server_port, "sent": 1000, "received": 234},
        {
            "port": server_port,
            "peer_port": client_port,
            "sent": 234,
            "received": 1001,  # the FIN counts
        },
        {"port": server_port, "peer_port": 0, "sent": 0, "received": 0},
    ]


def do_udp_send(_module):
    with (
        socket.socket(type=socket.SOCK_DGRAM) as to,
        socket.socket(type=socket.SOCK_DGRAM) as sock,
    ):
        to.bind(("127.0.0.2", 0))
        port = to.getsockname()[1]
        sock.sendto(b"x" * 11, ("127.0.0.2", port))
        sock.connect(("127.0.0.2", port))
        sock.send(b"x" * 12)
    return [{"dest": ip_address("127.0.0.2"), "port": port, "size": size} for size in (11, 12)]


TCP_LISTEN, TCP_SYN_RECV = 10, 3


def do_tcp_states(module):
    State = module.State  # noqa: N806  (a class)
    listener, client, server = tcp_pair(*FAMILIES[0])
    port, peer_port = client.getsockname()[1], listener.getsockname()[1]
    client.close()
    assert server.recv(1) == b""
    server.close()
    listener.close()
    steps = ("CLOSE", "SYN_SENT", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "CLOSE")
    changes = [(State[old], State[new]) for old, new in pairwise(steps)]
    return [
        # The first is before the port is chosen.
        {"port": port if place else 0, "peer_port": peer_port, "old": old, "new": new}
        for place, (old, new) in enumerate(changes)
    ]


def tcp_state_counterparts(module):
    Change = module.Change  # noqa: N806  (a class)

    def tcp_set_state(sk, state):
        inet = sc.cast("struct inet_sock", sk)
        return Change(port=inet.inet_sport, peer_port=sk.skc_dport, old=sk.skc_state, new=state)

    def record(*, sport, dport, oldstate, newstate):
        return Change(port=sport, peer_port=dport, old=oldstate, new=newstate)

    return [
        Counterpart("kprobe:tcp_set_state", tcp_set_state),
        Counterpart("fentry:tcp_set_state", tcp_set_state),
        Counterpart("tracepoint:sock:inet_sock_set_state", record),
    ]


# ---------------------------------------------------------------- processes


TRUE = "/usr/bin/true"


def do_exec(_module):
    subprocess.run([TRUE, "one", "two"], check=True)
    return [{"path": TRUE, "argc": 3, "parent": os.getpid()}]


def exec_counterparts(module):
    Exec = module.Exec  # noqa: N806  (a class)

    def begin_new_exec(bprm):
        return Exec(path=bprm.filename, argc=bprm.argc, parent=current.ppid)

    def record(*, filename):
        return Exec(path=filename, argc=0, parent=current.ppid)

    return [
        Counterpart("kprobe:begin_new_exec", begin_new_exec),
        Counterpart("fentry:begin_new_exec", begin_new_exec),
        Counterpart("tracepoint:sched:sched_process_exec", record, frozenset({"argc"})),
    ]


def forked(work):
    """Run something in a child; gives its pid and how it ended."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid, os.waitpid(pid, 0)[1]


def do_fork(_module):
    child, _ = forked(lambda: None)
    numbers = []
    thread = threading.Thread(target=lambda: numbers.append(threading.get_native_id()))
    thread.start()
    thread.join()
    return [
        {"child": child, "process": child, "thread": False},
        {"child": numbers[0], "process": os.getpid(), "thread": True},
    ]


def fork_counterparts(module):
    Fork = module.Fork  # noqa: N806  (a class)

    def task_newtask(task, _flags):
        return Fork(child=task.pid, process=task.tgid, thread=task.pid != task.tgid)

    def sched_process_fork(_parent, child):
        return Fork(child=child.pid, process=child.tgid, thread=child.pid != child.tgid)

    def record(*, pid, clone_flags):
        return Fork(child=pid, process=0, thread=(clone_flags & CLONE_THREAD) != 0)

    return [
        Counterpart("raw_tracepoint:task_newtask", task_newtask),
        Counterpart("raw_tracepoint:sched_process_fork", sched_process_fork),
        Counterpart("tracepoint:task:task_newtask", record, frozenset({"process"})),
    ]


def do_exit(_module):
    _, first = forked(lambda: os._exit(7))
    _, second = forked(lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert (os.WEXITSTATUS(first), os.WTERMSIG(second)) == (7, signal.SIGKILL)
    return [
        {"status": 7, "signal": 0, "core": False},
        {"status": 0, "signal": int(signal.SIGKILL), "core": False},
    ]


def exit_counterparts(module):
    Exit = module.Exit  # noqa: N806  (a class)

    def sched_process_exit(task):
        code = task.exit_code or task.signal.group_exit_code
        return Exit(status=(code >> 8) & 0xFF, signal=code & 0x7F, core=(code & 0x80) != 0)

    return [Counterpart("raw_tracepoint:sched_process_exit", sched_process_exit)]


def do_signal(_module):
    ready, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        os.write(say, b"!")
        signal.pause()
        os._exit(0)
    os.read(ready, 1)
    comm = Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()
    for number in (signal.SIGUSR1, signal.SIGTERM):
        os.kill(pid, number)
    os.waitpid(pid, 0)
    os.close(ready)
    os.close(say)
    return [
        {"number": int(number), "to": pid, "to_comm": comm}
        for number in (signal.SIGUSR1, signal.SIGTERM)
    ]


def signal_counterparts(module):
    Signal = module.Signal  # noqa: N806  (a class)

    def signal_generate(sig, _info, task):
        return Signal(number=sig, to=task.pid, to_comm=task.comm)

    def record(*, sig, comm, pid):
        return Signal(number=sig, to=pid, to_comm=comm)

    return [
        Counterpart("raw_tracepoint:signal_generate", signal_generate),
        Counterpart("tracepoint:signal:signal_generate", record),
    ]


def do_become(_module):
    def change():
        os.setresgid(1234, 1234, 1234)
        os.setresuid(0, 4321, 0)
        os.setresuid(4321, 4321, 4321)

    forked(change)
    return [
        {"old_uid": 0, "uid": 0, "euid": 4321, "gid": 1234},
        {"old_uid": 0, "uid": 4321, "euid": 4321, "gid": 1234},
    ]


def do_enter(_module):
    read, write = os.pipe()

    def change():
        assert ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUTS) == 0
        found = [Path(f"/proc/self/ns/{kind}").stat().st_ino for kind in ("net", "mnt", "uts")]
        os.write(write, repr(found).encode())

    pid, status = forked(change)
    assert status == 0
    net, mnt, uts = (int(word) for word in os.read(read, 1000).decode().strip("[]").split(","))
    os.close(read)
    os.close(write)
    assert uts != Path("/proc/self/ns/uts").stat().st_ino
    return [{"task": pid, "net": net, "mnt": mnt, "uts": uts}]


# ---------------------------------------------------------------- files


def new_file(module, name):
    """A path in the module's own directory, on tmpfs."""
    return module.directory / name


def do_open(module):
    path = new_file(module, "opened-by-example")
    first = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    second = os.open(path, os.O_RDONLY)
    os.close(second)
    os.close(first)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        os.open(path, os.O_WRONLY)
    text = str(path)
    return [
        {"path": text, "mode": os.O_RDWR, "create": True, "ret": first},
        {"path": text, "mode": os.O_RDONLY, "create": False, "ret": second},
        {"path": text, "mode": os.O_WRONLY, "create": False, "ret": -ENOENT},
    ]


def open_counterparts(module):
    Open = module.Open  # noqa: N806  (a class)

    def openat(*, filename, flags, ret):
        return Open(path=filename, mode=flags & 3, create=(flags & os.O_CREAT) != 0, ret=ret)

    return [Counterpart("syscall:openat", openat, role="call")]


def do_read(module):
    path = new_file(module, "read-by-example")
    path.write_bytes(b"x" * 1000)
    fd = os.open(path, os.O_RDONLY)
    inode = os.fstat(fd).st_ino
    os.read(fd, 600)
    os.read(fd, 600)
    os.close(fd)
    read, write = os.pipe()
    os.write(write, b"abc")
    os.read(read, 100)
    pipe = os.fstat(read).st_ino
    os.close(read)
    os.close(write)
    module.inodes = {inode, pipe}
    return [
        {"name": path.name, "inode": inode, "ret": 600},
        {"name": path.name, "inode": inode, "ret": 400},
        {"name": "", "inode": pipe, "ret": 3},
    ]


def do_write(module):
    path = new_file(module, "written-by-example")
    fd = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    inode = os.fstat(fd).st_ino
    os.write(fd, b"x" * 100)
    os.write(fd, b"x" * 5)
    os.close(fd)
    path.unlink()
    return [
        {"name": path.name, "inode": inode, "offset": 0, "size": 100},
        {"name": path.name, "inode": inode, "offset": 100, "size": 5},
    ]


def do_unlink(module):
    path = new_file(module, "deleted-by-example")
    path.touch()
    os.chown(path, 4321, 1234)
    inode, directory = path.stat().st_ino, path.parent.stat().st_ino
    path.unlink()
    return [{"name": path.name, "inode": inode, "directory": directory, "owner": 4321}]


def do_rename(module):
    old, new = new_file(module, "old-name"), new_file(module, "new-name")
    old.touch()
    new.touch()
    inode = old.stat().st_ino
    old.rename(new)
    (module.directory / "sub").mkdir()
    new.rename(module.directory / "sub" / "moved")
    return [
        {"old": "old-name", "new": "new-name", "inode": inode, "moved": False, "replaces": True},
        {"old": "new-name", "new": "moved", "inode": inode, "moved": True, "replaces": False},
    ]


# ---------------------------------------------------------------- memory


def address_of(mapped):
    """Where a writable mapping lies; the exporting view is given up at once."""
    view = ctypes.c_char.from_buffer(mapped)
    return ctypes.addressof(view)


PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
RW = mmap.PROT_READ | mmap.PROT_WRITE


def do_map(module):
    path = new_file(module, "mapped-by-example")
    path.write_bytes(bytes(PAGE))
    with path.open("r+b") as file:
        shared = mmap.mmap(file.fileno(), PAGE, flags=mmap.MAP_SHARED, prot=RW)
        private = mmap.mmap(-1, 7 * PAGE, flags=PRIVATE, prot=RW)
    places = address_of(shared), address_of(private)
    shared.close()
    private.close()
    module.places = set(places)
    return [
        {
            "name": path.name,
            "length": PAGE,
            "prot": RW,
            "flags": mmap.MAP_SHARED,
            "address": places[0],
        },
        {"name": "", "length": 7 * PAGE, "prot": RW, "flags": PRIVATE, "address": places[1]},
    ]


def map_counterparts(module):
    Map = module.Map  # noqa: N806  (a class)

    def call(len, prot, flags, ret):  # noqa: A002  (the kernel's name of it)
        return Map(name="", length=len, prot=prot, flags=flags, address=ret)

    return [Counterpart("syscall:mmap", call, frozenset({"name"}), role="call")]


def do_fault(module):
    path = new_file(module, "faulted-by-example")
    path.write_bytes(bytes(PAGE))
    private = mmap.mmap(-1, 5 * PAGE, flags=PRIVATE, prot=RW)
    private[0] = 1  # makes the mapping's bookkeeping, for which newer kernels take a second turn
    base = address_of(private)
    with path.open("r+b") as file:
        shared = mmap.mmap(file.fileno(), PAGE, flags=mmap.MAP_SHARED, prot=RW)
    there = address_of(shared)
    for page in (1, 2, 3):
        private[page * PAGE + 5] = 1
    assert shared[9] == 0
    module.ranges = [range(base + PAGE, base + 4 * PAGE), range(there, there + PAGE)]
    private.close()
    shared.close()
    return [
        *({"address": base + page * PAGE + 5, "write": True, "name": ""} for page in (1, 2, 3)),
        {"address": there + 9, "write": False, "name": path.name},
    ]


def fault_counterparts(module):
    Fault = module.Fault  # noqa: N806  (a class)

    def page_fault_user(address, _regs, error_code):
        return Fault(address=address, write=(error_code & 2) != 0, name="")

    def record(*, address, error_code):
        return Fault(address=address, write=(error_code & 2) != 0, name="")

    lacks = frozenset({"name"})
    return [
        Counterpart("raw_tracepoint:page_fault_user", page_fault_user, lacks),
        Counterpart("tracepoint:exceptions:page_fault_user", record, lacks),
    ]


# ---------------------------------------------------------------- disks


def do_block(module):
    """Reads and writes past the page cache, of a disk made of memory."""
    fd = os.open(module.disk, os.O_RDWR | os.O_DIRECT)
    with mmap.mmap(-1, 4 * PAGE) as buffer, memoryview(buffer) as view:
        os.pwritev(fd, [view[: 2 * PAGE]], 16 * PAGE)
        os.preadv(fd, [view[:PAGE]], 17 * PAGE)
    os.close(fd)
    Operation, sectors = module.Operation, PAGE // 512  # noqa: N806  (a class)
    return [
        {"operation": Operation.WRITE, "sector": 16 * sectors, "size": 2 * PAGE},
        {"operation": Operation.READ, "sector": 17 * sectors, "size": PAGE},
    ]


def block_counterparts(module):
    Io = module.Io  # noqa: N806  (a class)

    def block_bio_queue(*, bio):
        return Io(
            operation=bio.bi_opf & 0xFF, sector=bio.bi_iter.bi_sector, size=bio.bi_iter.bi_size
        )

    def record(*, sector, nr_sector):
        return Io(operation=0, sector=sector, size=nr_sector * 512)

    return [
        Counterpart("raw_tracepoint:block_bio_queue", block_bio_queue),
        Counterpart("tracepoint:block:block_bio_queue", record, frozenset({"operation"})),
    ]


@pytest.fixture(scope="session")
def disk():
    """A block device in memory."""
    path = Path("/dev/ram0")
    subprocess.run(["modprobe", "brd", "rd_nr=1", "rd_size=1024"], check=True)
    assert path.is_block_device()
    return path


# ---------------------------------------------------------------- the tests


CASES = (
    Case("listen", do_listen, listen_counterparts),
    Case("tcp_connect", do_connect, connect_counterparts),
    Case("tcp_accept", do_accept),
    Case("tcp_close", do_tcp_close),
    Case("tcp_state", do_tcp_states, tcp_state_counterparts),
    Case("udp_send", do_udp_send),
    Case("execs", do_exec, exec_counterparts, follow=True),
    Case("forks", do_fork, fork_counterparts),
    Case("exits", do_exit, exit_counterparts, follow=True),
    Case("signals", do_signal, signal_counterparts),
    Case("credentials", do_become, follow=True),
    Case("namespaces", do_enter, follow=True),
    Case("opens", do_open, open_counterparts),
    Case("slow_reads", do_read, varies=frozenset({"ns"}), change={"SLOW_NS": 0}),
    Case("writes", do_write),
    Case("unlinks", do_unlink),
    Case("renames", do_rename),
    Case("mappings", do_map, map_counterparts),
    Case("page_faults", do_fault, fault_counterparts),
    Case("block_io", do_block, block_counterparts),
)


# Which events are of the workload: this process does other things too, such as reading files.
OURS = {
    # What the function tcp_set_state does not see: sockets that are born in a state.
    "tcp_state": lambda _module, first, event: (
        event.new not in {TCP_LISTEN, TCP_SYN_RECV} and event.peer_port == first["peer_port"]
    ),
    "opens": lambda _module, first, event: event.path == first["path"],
    "slow_reads": lambda module, _first, event: event.inode in module.inodes,
    "writes": lambda _module, first, event: event.inode == first["inode"],
    "unlinks": lambda _module, first, event: event.name == first["name"],
    "mappings": lambda module, _first, event: event.address in module.places,
    "page_faults": lambda module, _first, event: any(
        event.address in each for each in module.ranges
    ),
}


COUNTING = ("read_latency", "syscalls")
"""Examples that send no events; see test_state.py."""
HANDED_ON = ("opens_sql",)
"""Examples whose events go to another library; see test_arrow.py."""
KEPT = ("last_calls",)
"""Examples whose events stay in the kernel; see test_rings.py."""
USER = ("bashreadline", "profile")
"""Examples of user space and of samples; see test_uprobes.py and test_stacks.py."""


def test_every_example_is_here():
    """No example without a test, and the twenty that are promised."""
    names = sorted([*(each.name for each in CASES), *COUNTING, *HANDED_ON, *KEPT, *USER])
    assert sorted(each.stem for each in EXAMPLES.glob("*.py")) == names
    assert len(CASES) == 20
    page = (EXAMPLES.parent / "docs" / "examples.md").read_text(encoding="utf-8")
    assert [name for name in names if f"(../examples/{name}.py)" not in page] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_all_kinds_agree(case, tmp_path, request):
    module = load_example(case.name)
    module.directory = tmp_path
    if case.name == "block_io":
        module.disk = request.getfixturevalue("disk")
    for name, value in case.change.items():
        setattr(module, name, value)
    probe = probe_of(module)
    role = probe.job().role
    own = [f"{kind}:{probe.target}" for kind in kinds_of(probe)]
    others = case.counterparts(module)
    jobs = [Job(target, role, probe.function, target) for target in own]
    jobs += [Job(each.target, each.role, each.function, each.target) for each in others]
    lacks = {each.target: each.lacks for each in others}
    with observed(jobs, Filters(pid=os.getpid(), follow=case.follow)) as session:
        attached = session.describe()
        expected = case.work(module)
        events = drained(session)
        problems = complaints(session)
    ours = OURS.get(case.name, lambda *_: True)
    ours_only = [event for event in events if ours(module, expected[0], event)]
    for job in jobs:
        assert any(line.endswith(place_of(job.target)) for line in attached), (job, attached)
        missing = case.varies | lacks.get(job.target, frozenset())
        seen = [values(event, missing) for event in ours_only if event.probe == job.name]
        assert seen == [without(each, missing) for each in expected], job.target
    assert problems == []
    assert all(event.ns > 0 for event in ours_only if "ns" in case.varies)


def without(fields, missing):
    """Some fields left out."""
    return {name: value for name, value in fields.items() if name not in missing}


def place_of(target):
    """How a session describes the place of a target."""
    kind, _, name = target.partition(":")
    if kind == "syscall":
        return "on sys_exit"
    return f"on {name}"


def test_fentry_is_taken_where_it_works():
    """The decorators @sc.function and @sc.call choose by themselves."""
    if not features.supported("fexit"):
        pytest.skip(features.probe("fexit").reason)
    module = load_example("listen")
    with module.inet_listen.attach(pid=os.getpid()) as session:
        assert session.describe() == ["fexit on inet_listen", "fentry on inet_listen"]
