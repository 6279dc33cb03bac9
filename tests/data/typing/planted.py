"""Mistakes that a type checker has to find with the kernel's stubs: in each line marked WRONG, in no other."""

from collections.abc import Generator

import syscast as sc
from syscast import current, u16, u32
from syscast.kernel import bpf_map_type, file, functions, sock, socket, task_struct, tcp_sock


class Listen(sc.Event):
    address: sc.IPv4
    port: u16
    backlog: u32


class Name(sc.Event):
    name: str


@sc.kprobe
def inet_listen(sock: socket, backlog: int) -> Listen | None:
    sk = sock.sk
    if sk is None or sk.skc_nmu == 0:  # WRONG: no such member
        return None
    if not sk.skc_net.net.ns.inmu:  # WRONG: no such member at the end of a chain
        return None
    where = sk.skc_rcv_saddr
    return Listen(address=where, prt=sk.skc_num, backlog=backlog)  # WRONG: no such field


@sc.kprobe(functions.tcp_close)
def closing(sk: sock) -> Listen:
    tcp = sc.cast(tcp_sock, sk)
    if tcp.bytes_snet > 1:  # WRONG: no such member of what the pointer was cast to
        return Listen(address=sk.skc_rcv_saddr, port=sk.skc_num, backlog=0)
    return tcp  # WRONG: not an event


@sc.kprobe(functions.tcp_clsoe)  # WRONG: no such function
def misspelt(sk: sock) -> Name:
    return Name(name=sk.skc_num)  # WRONG: a number is no text


@sc.call
def vfs_read(file: file) -> Generator[None, int, Name | None]:
    ret = yield
    if ret.bytes > 0:  # WRONG: a number has no members
        return Name(name=current.task.com)  # WRONG: no such member of struct task_struct
    return ret  # WRONG: not an event


@sc.function
def do_exit(code: int) -> Name | None:
    for child in sc.list_entries(current.task.children, task_struct, "sibling", limit=16):
        if child.pdi == code:  # WRONG: no such member of an entry
            return None
    if code == sc.enum(bpf_map_type).BPF_MAP_TYPE_HSAH:  # WRONG: no such enumerator
        return None
    return Name(name=current.comm)


inet_listen.attach(pdi=1).close()  # WRONG: no such filter

with inet_listen.attach(pid=1) as events:
    for event in events:
        print(event.prot)  # WRONG: no such field

inet_listen.attach(where=lambda e: e.prot < 1024).close()  # WRONG: no such field in a filter

for read in vfs_read.attach():
    print(read.name + 1)  # WRONG: text plus a number
