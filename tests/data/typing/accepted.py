"""What type checkers in strict mode accept, with the kernel's stubs and without."""

from collections.abc import Generator
from typing import Annotated

import syscast as sc
from syscast import current, i32, u16, u64, user_str
from syscast.kernel import (
    bpf_map_type,
    file,
    functions,
    inet_sock,
    sock,
    socket,
    task_struct,
    tcp_sock,
    vm_area_struct,
)


class Seen(sc.Event):
    source: sc.IPv4
    either: sc.IP
    six: sc.IPv6
    port: u16
    name: Annotated[str, 16]
    mac: Annotated[bytes, 6]
    where: sc.Pointer
    ret: i32
    sent: u64
    flag: bool


class Opened(sc.Event):
    name: str
    ret: i32


@sc.function
def inet_listen(sock: socket, backlog: int) -> Seen | None:
    sk = sock.sk
    if sk is None or not sock.file or backlog > sk.sk_max_ack_backlog:
        return None
    if current.task.real_parent.comm == "init" or current.parent.pid == 1:
        return None
    tcp = sc.cast(tcp_sock, sk)
    other = sc.cast("struct inet_sock", sk)
    return Seen(
        source=sk.skc_rcv_saddr,
        either=sk.skc_v6_daddr,
        six=sk.skc_v6_rcv_saddr,
        port=sk.skc_dport,
        name=current.task.comm,
        mac=sk.skc_v6_daddr.in6_u.u6_addr8,
        where=other.inet_id,
        ret=sk.skc_family & 3,
        sent=tcp.bytes_sent // 2,
        flag=sk.skc_reuse != 0,
    )


@sc.function("wake_up_new_task")
def born(task: task_struct, /) -> Seen | None:
    if task.thread_info.flags & 1 and task.parent != task.real_parent:
        return None
    return inet_listen.function(task.files.fdt.fd[0].private_data, task.rt_priority)


@sc.call(functions.inet_csk_accept)
def accept(_sk: sock) -> Generator[None, sock | None, Seen | None]:
    new = yield
    if new is None:
        return None
    return None


@sc.syscall
def openat(filename: object, flags: int, ret: int) -> None:
    if ret < 0 and flags:
        sc.emit(Opened(name=user_str(filename), ret=ret))


@sc.function
def vfs_fsync(file: file | None) -> Seen | None:
    if file is None:
        return None
    return None


calls = sc.Counter[u16]()


@sc.function
def tcp_close(sk: sock) -> None:
    calls[sk.skc_num] += 1


@sc.function
def do_exit(code: int) -> Opened | None:
    oldest = 0
    for child in sc.list_entries(current.task.children, task_struct, "sibling", limit=16):
        oldest = max(oldest, child.pid)
    for child in sc.list_entries(current.task.children, "struct task_struct", "sibling", limit=4):
        oldest = max(oldest, child.pid)
    kinds = (bpf_map_type.BPF_MAP_TYPE_HASH, sc.enum(bpf_map_type).BPF_MAP_TYPE_ARRAY)
    if oldest == kinds[0] or oldest == sc.enum("tcp_state").TCP_LISTEN:
        return None
    return Opened(name=f"{current.comm}: {oldest}", ret=sc.wrap32(code + 1))


@sc.function
def handle_mm_fault(vma: vm_area_struct, address: int) -> Opened:
    area = sc.container_of(vma.vm_mm, task_struct, "mm")
    inet = sc.container_of(vma.vm_file, "struct inet_sock", "sk")
    other = sc.cast(inet_sock, address)
    return Opened(name="", ret=area.pid + inet.inet_id + other.inet_id)


def ports() -> list[int]:
    return [event.port for event in inet_listen.attach(pid=1, command=["true"])]


def names() -> list[str]:
    return [event.name for event in accept.attach(where=lambda e: e.port < 1024)]
