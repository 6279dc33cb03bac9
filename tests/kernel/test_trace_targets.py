"""`syscast trace` of targets all over the kernel: every value is what the workload did.

One table for each part of the kernel: target, expressions as on the command line, what must come out. The targets of
a table are attached in one session; then the workload runs. Most expressions walk through three or
more structs.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from observing import complaints, drained, observed, values

from syscast.btf import source
from syscast.cli.trace import jobs_of
from syscast.probes import registers, syscall_table
from syscast.session.filters import Filters
from syscast.session.plan import Job

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.kernel

PAGE = mmap.PAGESIZE
PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
RW = mmap.PROT_READ | mmap.PROT_WRITE
TMPFS_MAGIC = 0x01021994
CLONE_NEWUTS = 0x04000000
PR_SET_NAME = 15
IPC_PRIVATE, IPC_RMID = 0, 0
DEFAULT_PRIO = 120
MODULE_STATE_COMING = 1

libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Row:
    """One target.

    Attributes:
        target: As on the command line.
        expressions: Likewise.
        expected: From what the workload knows to the fields of the events that must come, each once.
        condition: `--if`.
    """

    target: str
    expressions: tuple[str, ...]
    expected: Callable[[SimpleNamespace], list[dict[str, object]]]
    condition: str | None = None


def row(target, *expressions, condition=None, **expected):
    """A row with one event; what an expected field is, may be computed from what the workload knows."""

    def one(facts):
        return [{name: _of(facts, value) for name, value in expected.items()}]

    return Row(target, expressions, one, condition)


def _of(facts, value):
    return value(facts) if callable(value) else value


def fact(name):
    """What the workload wrote down under a name."""
    return lambda facts: getattr(facts, name)


@pytest.fixture(scope="module", autouse=True)
def types_of_this_kernel():
    """Open for the life of the process; not a leak of the first test that needs it."""
    subprocess.run(["modprobe", "dummy", "numdummies=0"], check=True)
    if "dummy" in source.modules():
        source.module("dummy")
    return source.kernel()


def check(rows, work, facts, *, follow=False):
    """Attach all rows, do the work, compare."""
    plain = [jobs_of([each.target], each.expressions, each.condition)[0] for each in rows]
    jobs = [Job(each.target, each.role, each.body, each.target) for each in plain]
    with observed(jobs, Filters(pid=os.getpid(), follow=follow)) as session:
        work(facts)
        events = drained(session)
        problems = complaints(session)
    wrong = []
    for each in rows:
        got = [values(event) for event in events if event.probe == each.target]
        for wanted in each.expected(facts):
            count = got.count(wanted)
            if count != 1:
                wrong.append(f"{each.target}: {count} times {wanted} in {got}")
    assert wrong == []
    assert problems == []


# ---------------------------------------------------------------- files


def kernel_device(number):
    """A device number of stat(2) as the kernel itself keeps it."""
    return os.major(number) << 20 | os.minor(number)


FILES = (
    row(
        "vfs_open",
        "path.dentry.d_name.name",
        "path.mnt.mnt_sb.s_magic as magic",
        "path.dentry.d_inode.i_ino as inode",
        condition='path.dentry.d_name.name == "traced-file"',
        name="traced-file",
        magic=TMPFS_MAGIC,
        inode=fact("inode"),
    ),
    row(
        "security_inode_create",
        "dentry.d_name.name",
        "dentry.d_parent.d_inode.i_ino as directory",
        "mode",
        name="traced-file",
        directory=fact("directory_inode"),
        mode=0o100640,
    ),
    row(
        "vfs_write",
        "file.f_path.dentry.d_name.name",
        "file.f_path.dentry.d_parent.d_name.name as directory",
        "file.f_inode.i_sb.s_dev as device",
        "count",
        name="traced-file",
        directory=lambda facts: facts.directory.name,
        device=fact("device"),
        count=1234,
    ),
    row(
        "vfs_read",
        "file.f_inode.i_ino as inode",
        "file.f_inode.i_size as size",
        "file.f_cred.uid.val as uid",
        "count",
        inode=fact("inode"),
        size=1234,
        uid=0,
        count=999,
    ),
    row(
        "vfs_fsync_range",
        "file.f_path.dentry.d_name.name",
        "datasync",
        "ret",
        name="traced-file",
        datasync=1,
        ret=0,
    ),
    row(
        "vfs_truncate",
        "path.dentry.d_inode.i_size as before",
        "length",
        before=1234,
        length=55,
    ),
    row(
        "vfs_fallocate",
        "file.f_path.dentry.d_name.name",
        "offset",
        "len as length",
        name="traced-file",
        offset=PAGE,
        length=3 * PAGE,
    ),
    row(
        "security_inode_getattr",
        "path.dentry.d_inode.i_ino as inode",
        "path.dentry.d_inode.i_uid.val as uid",
        "path.dentry.d_sb.s_dev as device",
        condition="path.dentry.d_inode.i_uid.val == 4321",
        inode=fact("inode"),
        uid=4321,
        device=fact("device"),
    ),
    row(
        "security_inode_link",
        "old_dentry.d_inode.i_nlink as links",
        "new_dentry.d_name.name",
        links=1,
        name="second-name",
    ),
    row(
        "security_inode_symlink",
        "dentry.d_name.name",
        "kernel_str(old_name) as leads_to",
        name="symbolic",
        leads_to="traced-file",
    ),
    row(
        "security_inode_mkdir",
        "dentry.d_name.name",
        "mode & 0o777 as mode",
        "dir.i_sb.s_root.d_name.name as root",
        name="made",
        mode=0o750,
        root="/",
    ),
    row(
        "security_inode_rename",
        "old_dentry.d_name.name as old",
        "new_dentry.d_name.name as new",
        "new_dentry.d_parent.d_inode.i_ino as into",
        old="second-name",
        new="third-name",
        into=fact("made_inode"),
    ),
    row(
        "security_inode_unlink",
        "dentry.d_name.name",
        "dentry.d_inode.i_ino as inode",
        "dentry.d_parent.d_inode.i_ino as directory",
        condition='dentry.d_name.name == "traced-file"',
        name="traced-file",
        inode=fact("inode"),
        directory=fact("directory_inode"),
    ),
    row(
        "iterate_dir",
        "file.f_path.dentry.d_name.name",
        "file.f_inode.i_ino as inode",
        name=lambda facts: facts.directory.name,
        inode=fact("directory_inode"),
    ),
    row(
        "do_sys_openat2",
        "user_str(filename) as path",
        "how.mode",
        "ret",
        condition="how.mode == 0o640",
        path=lambda facts: str(facts.directory / "traced-file"),
        mode=0o640,
        ret=fact("fd"),
    ),
    row("do_pipe2", "flags", flags=os.O_CLOEXEC),
    row("do_eventfd", "count", "flags", count=17, flags=os.O_CLOEXEC),
    row("do_epoll_wait", "epfd", "maxevents", epfd=fact("epoll"), maxevents=23),
    row(
        "path_mount",
        "kernel_str(dev_name) as device",
        "path.dentry.d_name.name as on",
        "kernel_str(type_page) as type",
        condition='dev_name == "traced-device"',
        device="traced-device",
        on="made",
        type="tmpfs",
    ),
)


def use_files(facts):
    directory = facts.directory
    facts.directory_inode = directory.stat().st_ino
    path = directory / "traced-file"
    old_mask = os.umask(0o027)
    fd = facts.fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o640)
    os.umask(old_mask)
    facts.inode = os.fstat(fd).st_ino
    facts.device = kernel_device(os.fstat(fd).st_dev)
    os.write(fd, bytes(1234))
    os.lseek(fd, 0, os.SEEK_SET)
    os.read(fd, 999)
    os.fdatasync(fd)
    os.truncate(path, 55)
    os.posix_fallocate(fd, PAGE, 3 * PAGE)
    os.chown(path, 4321, 4321)
    path.stat()
    os.link(path, directory / "second-name")
    (directory / "symbolic").symlink_to("traced-file")
    (directory / "made").mkdir(0o750)
    facts.made_inode = (directory / "made").stat().st_ino
    (directory / "second-name").rename(directory / "made" / "third-name")
    with os.scandir(directory) as entries:
        next(entries)
    os.close(fd)
    path.unlink()
    for end in os.pipe2(os.O_CLOEXEC):
        os.close(end)
    os.close(os.eventfd(17, os.EFD_CLOEXEC))
    use_epoll(facts)
    mounted = os.fsencode(directory / "made")
    assert libc.mount(b"traced-device", mounted, b"tmpfs", 0, None) == 0
    assert libc.umount(mounted) == 0


def use_epoll(facts):
    with select.epoll() as epoll:
        facts.epoll = epoll.fileno()
        epoll.poll(0, 23)


def test_files(tmp_path):
    check(FILES, use_files, SimpleNamespace(directory=tmp_path))


# ---------------------------------------------------------------- network


NETWORK = (
    row(
        "__sock_create",
        "net.ns.inum as netns",
        "family",
        "type",
        condition="type == 5",
        netns=fact("netns"),
        family=socket.AF_INET,
        type=socket.SOCK_SEQPACKET,
    ),
    row(
        "inet_bind",
        'cast("struct sockaddr_in", uaddr).sin_port as port',
        'cast("struct sockaddr_in", uaddr).sin_addr.s_addr as addr',
        "sock.sk.skc_family as family",
        condition='cast("struct sockaddr_in", uaddr).sin_addr.s_addr == 0x7f000003',
        port=0,
        addr=ip_address("127.0.0.3"),
        family=socket.AF_INET,
    ),
    row(
        "inet_listen",
        "sock.sk.skc_num as port",
        "sock.sk.skc_net.net.ns.inum as netns",
        "sock.file.f_inode.i_ino as inode",
        "backlog",
        port=fact("port"),
        netns=fact("netns"),
        inode=fact("listener_inode"),
        backlog=9,
    ),
    row(
        "tcp_connect",
        "sk.skc_dport as port",
        "sk.sk_socket.file.f_inode.i_ino as inode",
        "sk.skc_prot.name as protocol",
        port=fact("port"),
        inode=fact("client_inode"),
        protocol="TCP",
    ),
    row(
        "inet_csk_accept",
        "ret.skc_dport as peer",
        "ret.skc_num as port",
        "sk.sk_socket.file.f_inode.i_ino as inode",
        peer=fact("client_port"),
        port=fact("port"),
        inode=fact("listener_inode"),
    ),
    row(
        "tcp_sendmsg",
        "size",
        "sk.skc_dport as peer",
        "sk.sk_socket.type as type",
        size=777,
        peer=fact("port"),
        type=socket.SOCK_STREAM,
    ),
    row(
        "tcp_recvmsg",
        "len as length",
        "sk.sk_socket.file.f_inode.i_ino as inode",
        "ret",
        length=1000,
        inode=fact("server_inode"),
        ret=777,
    ),
    row(
        "tcp_setsockopt",
        "level",
        "optname as option",
        "optlen as size",
        level=socket.IPPROTO_TCP,
        option=socket.TCP_KEEPIDLE,
        size=4,
    ),
    row(
        "tcp_close",
        "sk.skc_num as port",
        "sk.skc_dport as peer",
        'cast("struct tcp_sock", sk).bytes_sent as sent',
        port=fact("client_port"),
        peer=fact("port"),
        sent=777,
    ),
    row(
        "raw_tracepoint:inet_sock_set_state",
        'cast("struct inet_sock", sk).inet_sport as port',
        "newstate as state",
        "sk.skc_net.net.ns.inum as netns",
        condition="newstate == 10",
        port=fact("port"),
        state=10,
        netns=fact("netns"),
    ),
    row(
        "tracepoint:sock:inet_sock_set_state",
        "dport",
        "newstate as state",
        "protocol",
        condition="newstate == 2",
        dport=fact("port"),
        state=2,
        protocol=socket.IPPROTO_TCP,
    ),
    row(
        "udp_sendmsg",
        'cast("struct sockaddr_in", msg.msg_name).sin_port as port',
        'cast("struct sockaddr_in", msg.msg_name).sin_addr.s_addr as addr',
        "sk.skc_prot.name as protocol",
        "len as length",
        port=fact("udp_port"),
        addr=ip_address("127.0.0.1"),
        protocol="UDP",
        length=321,
    ),
    row(
        "__ip_local_out",
        "skb.len as length",
        "sk.skc_prot.name as protocol",
        "net.ns.inum as netns",
        condition="skb.len == 349",
        length=20 + 8 + 321,
        protocol="UDP",
        netns=fact("netns"),
    ),
    row(
        "__dev_queue_xmit",
        "skb.dev.name as device",
        "skb.dev.nd_net.net.ns.inum as netns",
        "skb.sk.sk_socket.file.f_inode.i_ino as inode",
        condition="skb.len == 363",
        device="lo",
        netns=fact("netns"),
        inode=fact("udp_inode"),
    ),
    row(
        "raw_tracepoint:net_dev_queue",
        "skb.dev.name as device",
        "skb.dev.ifindex as number",
        condition="skb.len == 363",
        device="lo",
        number=lambda _facts: socket.if_nametoindex("lo"),
    ),
    row(
        "tracepoint:net:net_dev_queue",
        "name",
        "len as length",
        condition="len == 363",
        name="lo",
        length=14 + 20 + 8 + 321,
    ),
    row(
        "unix_stream_connect",
        'cast("struct sockaddr_un", uaddr).sun_path as path',
        "sock.sk.sk_socket.file.f_inode.i_ino as inode",
        path=lambda facts: str(facts.directory / "s"),
        inode=fact("unix_inode"),
    ),
)


def inode_of(sock):
    return os.fstat(sock.fileno()).st_ino


def use_network(facts):
    facts.netns = Path("/proc/self/ns/net").stat().st_ino
    with pytest.raises(OSError, match=r".*"):
        socket.socket(socket.AF_INET, socket.SOCK_SEQPACKET)
    with socket.socket() as listener, socket.socket() as client:
        listener.bind(("127.0.0.3", 0))
        listener.listen(9)
        facts.port = listener.getsockname()[1]
        client.connect(("127.0.0.3", facts.port))
        facts.client_port = client.getsockname()[1]
        facts.listener_inode, facts.client_inode = inode_of(listener), inode_of(client)
        server, _ = listener.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
        client.send(bytes(777))
        with server:
            facts.server_inode = inode_of(server)
            assert len(server.recv(1000)) == 777
            client.close()
    kind = socket.SOCK_DGRAM
    with socket.socket(type=kind) as to, socket.socket(type=kind) as sender:
        to.bind(("127.0.0.1", 0))
        facts.udp_port, facts.udp_inode = to.getsockname()[1], inode_of(sender)
        sender.sendto(bytes(321), to.getsockname())
    path = str(facts.directory / "s")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(path)
        listener.listen()
        facts.unix_inode = inode_of(client)
        client.connect(path)


def test_network(tmp_path):
    check(NETWORK, use_network, SimpleNamespace(directory=tmp_path))


# ---------------------------------------------------------------- memory and IPC


MEMORY = (
    row(
        "vm_mmap_pgoff",
        "file.f_path.dentry.d_name.name",
        "len as length",
        "pgoff",
        "ret",
        condition="pgoff == 3",
        name="mapped",
        length=2 * PAGE,
        pgoff=3,
        ret=fact("shared"),
    ),
    row(
        "security_mmap_file",
        "file.f_inode.i_ino as inode",
        "file.f_path.dentry.d_parent.d_name.name as directory",
        "prot",
        condition="file and file.f_inode.i_size == 20480",
        inode=fact("inode"),
        directory=lambda facts: facts.directory.name,
        prot=RW,
    ),
    row(
        "handle_mm_fault",
        "address",
        "vma.vm_end - vma.vm_start as length",
        "vma.vm_file.f_path.dentry.d_name.name",
        "vma.vm_mm.owner.tgid as owner",
        condition="vma.vm_file and vma.vm_file.f_inode.i_size == 20480",
        address=lambda facts: facts.shared + PAGE + 17,
        length=2 * PAGE,
        name="mapped",
        owner=os.getpid(),
    ),
    row(
        "do_mprotect_pkey",
        "start",
        "len as length",
        "prot",
        condition="len == 28672",
        start=fact("private"),
        length=7 * PAGE,
        prot=mmap.PROT_READ,
    ),
    row(
        "do_madvise",
        "mm.owner.tgid as owner",
        "start",
        "behavior",
        condition="behavior == 4",
        owner=os.getpid(),
        start=fact("private"),
        behavior=mmap.MADV_DONTNEED,
    ),
    row(
        "__vm_munmap",
        "start",
        "len as length",
        condition="len == 28672",
        start=fact("private"),
        length=7 * PAGE,
    ),
    row(
        "do_shmat",
        "shmid",
        "shmflg as flags",
        "ret",
        shmid=fact("shared_memory"),
        flags=0o10000,
        ret=0,
    ),
    row(
        "newseg",
        "ns.ns.inum as ipcns",
        "params.flg as flags",
        "params.u.size as size",
        ipcns=lambda _facts: Path("/proc/self/ns/ipc").stat().st_ino,
        flags=0o1600,
        size=5 * PAGE,
    ),
    row(
        "do_prlimit",
        "tsk.tgid as pid",
        "resource",
        "new_rlim.rlim_cur as soft",
        condition="new_rlim != None",
        pid=os.getpid(),
        resource=resource.RLIMIT_CORE,
        soft=4096,
    ),
)


def use_memory(facts):
    path = facts.directory / "mapped"
    path.write_bytes(bytes(5 * PAGE))
    facts.inode = path.stat().st_ino
    with path.open("r+b") as file:
        shared = mmap.mmap(file.fileno(), 2 * PAGE, mmap.MAP_SHARED, RW, offset=3 * PAGE)
    facts.shared = ctypes.addressof(ctypes.c_char.from_buffer(shared))
    shared[PAGE + 17] = 1
    shared.close()
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
    facts.private = libc.mmap(None, 7 * PAGE, RW, PRIVATE, -1, 0)
    place = ctypes.c_void_p(facts.private)
    length = ctypes.c_size_t(7 * PAGE)
    assert libc.madvise(place, length, mmap.MADV_DONTNEED) == 0
    assert libc.mprotect(place, length, mmap.PROT_READ) == 0
    assert libc.munmap(place, length) == 0
    facts.shared_memory = libc.shmget(IPC_PRIVATE, ctypes.c_size_t(5 * PAGE), 0o1600)
    libc.shmat.restype = ctypes.c_void_p
    at = libc.shmat(facts.shared_memory, None, 0o10000)
    assert libc.shmdt(ctypes.c_void_p(at)) == 0
    assert libc.shmctl(facts.shared_memory, IPC_RMID, None) == 0
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (4096, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


def test_memory(tmp_path):
    check(MEMORY, use_memory, SimpleNamespace(directory=tmp_path))


# ---------------------------------------------------------------- processes, scheduler, signals


PROCESSES = (
    row(
        "wake_up_new_task",
        "p.tgid as child",
        "p.real_parent.tgid as parent",
        "p.real_parent.real_parent.tgid as grandparent",
        "p.cred.uid.val as uid",
        child=fact("child"),
        parent=os.getpid(),
        grandparent=lambda _facts: os.getppid(),
        uid=0,
    ),
    row(
        "raw_tracepoint:sched_process_fork",
        "parent.tgid as parent",
        "child.mm.owner.tgid as owner",
        "child.nsproxy.net_ns.ns.inum as netns",
        condition="child.pid == child.tgid",
        parent=os.getpid(),
        owner=fact("child"),
        netns=lambda _facts: Path("/proc/self/ns/net").stat().st_ino,
    ),
    row(
        "begin_new_exec",
        "kernel_str(bprm.filename) as path",
        "bprm.file.f_path.dentry.d_name.name",
        "bprm.file.f_inode.i_size as size",
        "bprm.argc",
        "current.ppid as parent",
        path="/usr/bin/true",
        name="true",
        size=lambda _facts: Path("/usr/bin/true").stat().st_size,
        argc=2,
        parent=os.getpid(),
    ),
    row(
        "tracepoint:sched:sched_process_exec",
        "filename",
        "pid",
        filename="/usr/bin/true",
        pid=fact("child"),
    ),
    row("do_group_exit", "exit_code >> 8 as status", condition="exit_code >> 8 == 42", status=42),
    row(
        "set_user_nice",
        "p.tgid as pid",
        "p.static_prio as before",
        "nice",
        pid=os.getpid(),
        before=DEFAULT_PRIO,
        nice=1,
    ),
    row(
        "sched_setaffinity",
        "pid",
        "in_mask.bits[0] as mask",
        pid=0,
        mask=fact("cpus"),
    ),
    row(
        "commit_creds",
        "new.uid.val as uid",
        "new.user.uid.val as accounted",
        "new.user_ns.ns.inum as userns",
        condition="new.uid.val == 4321",
        uid=4321,
        accounted=4321,
        userns=lambda _facts: Path("/proc/self/ns/user").stat().st_ino,
    ),
    row(
        "switch_task_namespaces",
        "p.tgid as pid",
        "new.uts_ns.name.nodename as host",
        "new.pid_ns_for_children.ns.inum as pidns",
        condition="new != None",
        pid=fact("unsharing"),
        host=lambda _facts: socket.gethostname(),
        pidns=lambda _facts: Path("/proc/self/ns/pid").stat().st_ino,
    ),
    row(
        "__set_task_comm",
        "tsk.group_leader.comm as old",
        "kernel_str(buf) as new",
        condition='buf == "traced-name"',
        old=fact("comm"),
        new="traced-name",
    ),
    row(
        "raw_tracepoint:task_rename",
        "kernel_str(comm) as new",
        "task.mm.owner.tgid as pid",
        condition='comm == "traced-name"',
        new="traced-name",
        pid=os.getpid(),
    ),
    row(
        "hrtimer_nanosleep",
        "rqtp as ns",
        "clockid",
        condition="rqtp == 3000000",
        ns=3_000_000,
        clockid=time.CLOCK_MONOTONIC,
    ),
    row(
        "do_sched_setscheduler",
        "pid",
        "policy",
        pid=0,
        policy=os.SCHED_BATCH,
    ),
    row(
        "do_send_sig_info",
        "sig",
        "p.tgid as to",
        "info._sifields._kill._pid as sender",
        condition="sig == 10",
        sig=int(signal.SIGUSR1),
        to=os.getpid(),
        sender=os.getpid(),
    ),
    row(
        "security_task_kill",
        "sig",
        "p.cred.uid.val as uid",
        "p.signal.rlim[4].rlim_max as core_limit",
        condition="sig == 10",
        sig=int(signal.SIGUSR1),
        uid=0,
        core_limit=lambda _facts: resource.getrlimit(resource.RLIMIT_CORE)[1] % (1 << 64),
    ),
    row(
        "raw_tracepoint:signal_generate",
        "sig",
        "task.tgid as to",
        "info.si_signo as same",
        condition="sig == 10",
        sig=int(signal.SIGUSR1),
        to=os.getpid(),
        same=int(signal.SIGUSR1),
    ),
    row(
        "tracepoint:signal:signal_deliver",
        "sig",
        "errno",
        condition="sig == 10",
        sig=int(signal.SIGUSR1),
        errno=0,
    ),
    row(
        "do_sigaction",
        "sig",
        "act.sa.sa_mask.sig[0] as blocked",
        condition="sig == 34",
        sig=34,
        blocked=1 << (int(signal.SIGUSR2) - 1),
    ),
    row(
        "do_setitimer",
        "which",
        "value.it_value.tv_sec as seconds",
        condition="value.it_value.tv_sec != 0",
        which=int(signal.ITIMER_VIRTUAL),
        seconds=1000,
    ),
    row(
        "cgroup_mkdir",
        "kernel_str(name) as name",
        "mode & 0o777 as mode",
        name="traced-group",
        mode=0o750,
    ),
    row(
        "cgroup_attach_task",
        "kernel_str(dst_cgrp.kn.name) as to",
        "leader.tgid as pid",
        condition='dst_cgrp.kn.name == "traced-group"',
        to="traced-group",
        pid=fact("moved"),
    ),
)


class Action(ctypes.Structure):
    """struct kernel_sigaction of x86 and arm64 alike."""

    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("flags", ctypes.c_ulong),
        ("restorer", ctypes.c_void_p),
        ("mask", ctypes.c_ulong),
    )


def forked(work):
    """Run something in a child; its pid."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            work()
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def use_processes(facts):
    facts.comm = Path("/proc/self/comm").read_text(encoding="ascii").strip()
    facts.child = forked(lambda: os.execv("/usr/bin/true", ["true", "once"]))
    forked(lambda: (os.setgroups([]), os.setuid(4321)))
    facts.unsharing = forked(lambda: libc.unshare(CLONE_NEWUTS))
    forked(lambda: os._exit(42))
    os.setpriority(os.PRIO_PROCESS, 0, 1)
    cpus = os.sched_getaffinity(0)
    facts.cpus = sum(1 << cpu for cpu in cpus)
    os.sched_setaffinity(0, cpus)
    assert libc.prctl(PR_SET_NAME, b"traced-name", 0, 0, 0) == 0
    assert libc.prctl(PR_SET_NAME, facts.comm.encode(), 0, 0, 0) == 0
    span = (ctypes.c_long * 2)(0, 3_000_000)
    assert libc.clock_nanosleep(time.CLOCK_MONOTONIC, 0, span, None) == 0
    os.setpriority(os.PRIO_PROCESS, 0, 0)
    for policy in (os.SCHED_BATCH, os.SCHED_OTHER):
        os.sched_setscheduler(0, policy, os.sched_param(0))
    old = signal.signal(signal.SIGUSR1, lambda *_: None)
    os.kill(os.getpid(), signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, old)
    number = syscall_table.find("rt_sigaction", registers.here().machine).number
    for handler, mask in ((signal.SIG_IGN, 1 << (signal.SIGUSR2 - 1)), (signal.SIG_DFL, 0)):
        action = Action(int(handler), 0, None, mask)
        assert libc.syscall(number, 34, ctypes.byref(action), None, 8) == 0
    signal.setitimer(signal.ITIMER_VIRTUAL, 1000)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    group = Path("/sys/fs/cgroup/traced-group")
    old_mask = os.umask(0)
    group.mkdir(0o750)
    os.umask(old_mask)
    facts.moved = forked(lambda: (group / "cgroup.procs").write_text("0", encoding="ascii"))
    time.sleep(0.1)
    group.rmdir()


def test_processes_and_signals():
    check(PROCESSES, use_processes, SimpleNamespace(), follow=True)


# ---------------------------------------------------------------- disks


BLOCK = (
    row(
        "submit_bio",
        "bio.bi_iter.bi_sector as sector",
        "bio.bi_io_vec[0].bv_len as first",
        "bio.bi_opf & 0xff as operation",
        condition="bio.bi_opf & 0xff == 1",
        sector=16 * PAGE // 512,
        first=PAGE,
        operation=1,
    ),
    row(
        "raw_tracepoint:block_bio_queue",
        "bio.bi_iter.bi_sector as sector",
        "bio.bi_iter.bi_size as size",
        condition="bio.bi_iter.bi_sector == 192",
        sector=24 * PAGE // 512,
        size=PAGE,
    ),
    row(
        "tracepoint:block:block_bio_queue",
        "dev",
        "sector",
        "nr_sector",
        "comm",
        condition="sector == 128",
        dev=fact("device"),
        sector=16 * PAGE // 512,
        nr_sector=PAGE // 512,
        comm=fact("comm"),
    ),
)


def use_disk(facts):
    facts.comm = Path("/proc/self/comm").read_text(encoding="ascii").strip()
    facts.device = kernel_device(Path("/dev/ram0").stat().st_rdev)
    fd = os.open("/dev/ram0", os.O_RDWR | os.O_DIRECT)
    with mmap.mmap(-1, PAGE) as buffer:
        os.pwritev(fd, [buffer], 16 * PAGE)
        os.preadv(fd, [buffer], 24 * PAGE)
    os.close(fd)


def test_disks():
    subprocess.run(["modprobe", "brd", "rd_nr=1", "rd_size=1024"], check=True)
    check(BLOCK, use_disk, SimpleNamespace())


# ---------------------------------------------------------------- modules


LOADING = (
    row(
        "do_init_module",
        "mod.name",
        "mod.state",
        "current.ppid as parent",
        condition='mod.name == "dummy"',
        name="dummy",
        state=MODULE_STATE_COMING,
        parent=os.getpid(),
    ),
    row(
        "raw_tracepoint:module_load",
        "mod.name",
        condition='mod.name == "dummy"',
        name="dummy",
    ),
    row("tracepoint:module:module_load", "name", condition='name == "dummy"', name="dummy"),
    row(
        "register_netdevice",
        "dev.name",
        "dev.nd_net.net.ns.inum as netns",
        "kernel_str(dev.rtnl_link_ops.kind) as kind",
        name="traced0",
        netns=fact("netns"),
        kind="dummy",
    ),
    row(
        "unregister_netdevice_queue",
        "dev.name",
        "dev.mtu",
        name="traced0",
        mtu=1400,
    ),
)


def load_module(facts):
    facts.netns = Path("/proc/self/ns/net").stat().st_ino
    subprocess.run(["modprobe", "dummy", "numdummies=0"], check=True)
    for words in ("link add traced0 type dummy", "link set traced0 mtu 1400", "link del traced0"):
        subprocess.run(["ip", *words.split()], check=True)


def test_loading_a_module():
    subprocess.run(["modprobe", "-r", "dummy"], check=False)
    check(LOADING, load_module, SimpleNamespace(), follow=True)


@contextlib.contextmanager
def dummy_device():
    """A network device of the module dummy that packets to 192.0.2.0/24 go through."""
    commands = (
        "link add traced1 type dummy",
        "addr add 192.0.2.1/24 dev traced1",
        "link set traced1 up",
    )
    for words in commands:
        subprocess.run(["ip", *words.split()], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "link", "del", "traced1"], check=True)


def send_through_dummy(facts):
    facts.netns = Path("/proc/self/ns/net").stat().st_ino
    facts.number = socket.if_nametoindex("traced1")
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        sender.sendto(bytes(200), ("192.0.2.1", 9))  # to itself: not through the device
        sender.sendto(bytes(123), ("192.0.2.77", 9))
        time.sleep(0.2)


PACKET = 14 + 20 + 8 + 123


def test_function_of_a_module():
    """With the module's BTF where the kernel has it; else by registers and casts."""
    subprocess.run(["modprobe", "dummy", "numdummies=0"], check=True)
    if "dummy" in source.modules():
        expressions = (
            "skb.len as length",
            "skb.dev.name as device",
            "dev.nd_net.net.ns.inum as netns",
        )
        condition = "skb.len == 165"
        targets = ("dummy:dummy_xmit", "kprobe:dummy_xmit", "fentry:dummy_xmit")
    else:
        expressions = (
            'cast("struct sk_buff", arg0).len as length',
            'cast("struct sk_buff", arg0).dev.name as device',
            'cast("struct net_device", arg1).nd_net.net.ns.inum as netns',
        )
        condition = 'cast("struct sk_buff", arg0).len == 165'
        targets = ("kprobe:dummy_xmit",)
    facts = {"length": PACKET, "device": "traced1", "netns": fact("netns")}
    rows = [row(name, *expressions, condition=condition, **facts) for name in targets]
    with dummy_device():
        words = "neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev traced1"
        subprocess.run(["ip", *words.split()], check=True)
        check(rows, send_through_dummy, SimpleNamespace())
    subprocess.run(["modprobe", "-r", "dummy"], check=True)


# ---------------------------------------------------------------- how many


def test_there_are_enough():
    """At least forty targets, most with a walk through three structs."""
    rows = [*FILES, *NETWORK, *MEMORY, *PROCESSES, *BLOCK, *LOADING]
    assert len({each.target for each in rows}) == len(rows)
    assert len(rows) >= 40
    deep = [each for each in rows if any(text.count(".") >= 3 for text in each.expressions)]
    assert len(deep) >= 25
