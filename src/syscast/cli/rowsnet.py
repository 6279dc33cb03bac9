"""Rows of tables of the network: sockets of TCP, UDP, unix and netlink.

The table ``tcp`` has three sorts of sockets. Connections that close (TIME_WAIT) and those that are not
accepted yet (NEW_SYN_RECV) are small structs of their own, which share ``struct sock_common`` with the
whole ones and nothing else: so their rows have no queues and no inode.
"""

# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False
# A probe's parameters have the types that BTF gives them.
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Annotated

from syscast.btf.layout import find_member
from syscast.btf.types import Struct
from syscast.events.event import Event
from syscast.events.fieldtypes import IP, Port, u8, u16, u32, u64
from syscast.events.text import decode_text
from syscast.frontend.python.language import cast, container_of, wrap32

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.btf.lookup import Btf

AF_INET6 = 10
NEGATIVE = 1 << 31


class TcpState(IntEnum):
    """The states of include/net/tcp_states.h."""

    ESTABLISHED = 1
    SYN_SENT = 2
    SYN_RECV = 3
    FIN_WAIT1 = 4
    FIN_WAIT2 = 5
    TIME_WAIT = 6
    CLOSE = 7
    CLOSE_WAIT = 8
    LAST_ACK = 9
    LISTEN = 10
    CLOSING = 11
    NEW_SYN_RECV = 12


LISTEN, TIME_WAIT, NEW_SYN_RECV = TcpState.LISTEN, TcpState.TIME_WAIT, TcpState.NEW_SYN_RECV


class UdpState(IntEnum):
    """What UDP uses of them."""

    ESTABLISHED = 1
    CLOSE = 7


class UnixState(IntEnum):
    """What unix sockets use of them."""

    ESTABLISHED = 1
    SYN_SENT = 2
    CLOSE = 7
    LISTEN = 10


class SocketType(IntEnum):
    """The types of socket(2)."""

    STREAM = 1
    DGRAM = 2
    RAW = 3
    RDM = 4
    SEQPACKET = 5


class NetlinkProtocol(IntEnum):
    """The families of include/uapi/linux/netlink.h."""

    ROUTE = 0
    USERSOCK = 2
    FIREWALL = 3
    SOCK_DIAG = 4
    NFLOG = 5
    XFRM = 6
    SELINUX = 7
    ISCSI = 8
    AUDIT = 9
    FIB_LOOKUP = 10
    CONNECTOR = 11
    NETFILTER = 12
    IP6_FW = 13
    DNRTMSG = 14
    KOBJECT_UEVENT = 15
    GENERIC = 16
    SCSITRANSPORT = 18
    ECRYPTFS = 19
    RDMA = 20
    CRYPTO = 21
    SMC = 22


class Tcp(Event):
    """A socket of TCP.

    Attributes:
        recv_q: Bytes that nobody has read yet; of a listener, connections that wait to be accepted.
        send_q: Bytes that the peer has not acknowledged yet.
        backlog: Of a listener: how many connections may wait.
        inode: Of the socket, as in ``/proc/PID/fd``; 0 where no process has it.
    """

    state: Annotated[TcpState, u8]
    recv_q: u32
    send_q: u32
    backlog: u32
    address: IP
    port: Port
    peer: IP
    peer_port: Port
    uid: u32
    inode: u64
    netns: u32


class Udp(Event):
    """A socket of UDP; the queues are in bytes of memory."""

    state: Annotated[UdpState, u8]
    recv_q: u32
    send_q: u32
    address: IP
    port: Port
    peer: IP
    peer_port: Port
    uid: u32
    inode: u64
    netns: u32


class Unix(Event):
    """A unix socket.

    Attributes:
        peer: Inode of the socket at the other end, or 0.
        path: With an at sign in front where it is in no file system.
    """

    type: Annotated[SocketType, u8]
    state: Annotated[UnixState, u8]
    recv_q: u32
    uid: u32
    inode: u64
    peer: u64
    netns: u32
    length: u16
    path: Annotated[bytes, 108]


class Netlink(Event):
    """A netlink socket.

    Attributes:
        port: What others address it by, 0 for the kernel; mostly the pid of its process.
        groups: The first 64 multicast groups that it is in, as bits.
    """

    protocol: Annotated[NetlinkProtocol, u16]
    port: u32
    groups: u64
    recv_q: u32
    inode: u64
    netns: u32


def _inode_of(sk):
    """The inode of a whole socket."""
    socket = sk.sk_socket
    if socket is None:
        return 0
    return container_of(socket, "struct socket_alloc", "socket").vfs_inode.i_ino


def _distance(high, low):
    """From one sequence number to another; 0 where it is behind it."""
    found = wrap32(high - low)
    if found >= NEGATIVE:
        return 0
    return found


def tcp_of(types: Btf) -> object:
    """The function for ``tcp(sk_common, uid)``."""
    v6 = _has_v6(types)

    def send(sk, known, state, counts, uid, inode):
        recv_q, send_q, backlog = counts
        if known and sk.skc_family == AF_INET6:
            return Tcp(
                state=state,
                recv_q=recv_q,
                send_q=send_q,
                backlog=backlog,
                address=sk.skc_v6_rcv_saddr,
                port=sk.skc_num,
                peer=sk.skc_v6_daddr,
                peer_port=sk.skc_dport,
                uid=uid,
                inode=inode,
                netns=sk.skc_net.net.ns.inum,
            )
        return Tcp(
            state=state,
            recv_q=recv_q,
            send_q=send_q,
            backlog=backlog,
            address=sk.skc_rcv_saddr,
            port=sk.skc_num,
            peer=sk.skc_daddr,
            peer_port=sk.skc_dport,
            uid=uid,
            inode=inode,
            netns=sk.skc_net.net.ns.inum,
        )

    def tcp(sk_common, uid):
        state = sk_common.skc_state
        recv_q = 0
        send_q = 0
        backlog = 0
        inode = 0
        if state not in (TIME_WAIT, NEW_SYN_RECV):
            sk = cast("struct sock", sk_common)
            inode = _inode_of(sk)
            if state == LISTEN:
                recv_q = sk.sk_ack_backlog
                backlog = sk.sk_max_ack_backlog
            else:
                tp = cast("struct tcp_sock", sk_common)
                recv_q = _distance(tp.rcv_nxt, tp.copied_seq)
                send_q = _distance(tp.write_seq, tp.snd_una)
        return send(sk_common, v6, state, (recv_q, send_q, backlog), uid, inode)

    return tcp


def udp_of(types: Btf) -> object:
    """The function for ``udp(udp_sk, uid, bucket)``."""
    v6 = _has_v6(types)

    def send(sk, known, counts, uid, inode):
        recv_q, send_q = counts
        if known and sk.skc_family == AF_INET6:
            return Udp(
                state=sk.skc_state,
                recv_q=recv_q,
                send_q=send_q,
                address=sk.skc_v6_rcv_saddr,
                port=sk.skc_num,
                peer=sk.skc_v6_daddr,
                peer_port=sk.skc_dport,
                uid=uid,
                inode=inode,
                netns=sk.skc_net.net.ns.inum,
            )
        return Udp(
            state=sk.skc_state,
            recv_q=recv_q,
            send_q=send_q,
            address=sk.skc_rcv_saddr,
            port=sk.skc_num,
            peer=sk.skc_daddr,
            peer_port=sk.skc_dport,
            uid=uid,
            inode=inode,
            netns=sk.skc_net.net.ns.inum,
        )

    def udp(udp_sk, uid):
        sk = udp_sk.inet.sk
        recv_q = wrap32(sk.sk_backlog.rmem_alloc.counter)
        send_q = _distance(sk.sk_wmem_alloc.refs.counter, 1)
        return send(sk, v6, (recv_q, send_q), uid, _inode_of(sk))

    return udp


def unix_of(_types: Btf) -> object:
    """The function for ``unix(unix_sk, uid)``."""

    def unix(unix_sk, uid):
        sk = unix_sk.sk
        peer_inode = 0
        peer = unix_sk.peer
        if peer is not None:
            peer_inode = _inode_of(peer)
        length = 0
        address = unix_sk.addr
        if address is not None:
            length = address.len
            return Unix(
                type=sk.sk_type,
                state=sk.skc_state,
                recv_q=wrap32(sk.sk_backlog.rmem_alloc.counter),
                uid=uid,
                inode=_inode_of(sk),
                peer=peer_inode,
                netns=sk.skc_net.net.ns.inum,
                length=length,
                path=address.name[0].sun_path,
            )
        return Unix(
            type=sk.sk_type,
            state=sk.skc_state,
            recv_q=wrap32(sk.sk_backlog.rmem_alloc.counter),
            uid=uid,
            inode=_inode_of(sk),
            peer=peer_inode,
            netns=sk.skc_net.net.ns.inum,
            length=0,
            path=b"",
        )

    return unix


def unix_path(event: Event) -> str:
    """The name of a unix socket: its length counts two bytes of the family in front of it."""
    assert isinstance(event, Unix)
    name = event.path[: max(0, event.length - 2)]
    if name.startswith(b"\0"):
        return "@" + decode_text(name[1:].replace(b"\0", b"@"))
    return decode_text(name.partition(b"\0")[0])


def netlink_of(_types: Btf) -> object:
    """The function for ``netlink(sk)``."""

    def netlink(nlk):
        groups = 0
        bits = nlk.groups
        if bits is not None and nlk.ngroups > 0:
            groups = bits[0]
        sk = nlk.sk
        return Netlink(
            protocol=sk.sk_protocol,
            port=nlk.portid,
            groups=groups,
            recv_q=wrap32(sk.sk_backlog.rmem_alloc.counter),
            inode=_inode_of(sk),
            netns=sk.skc_net.net.ns.inum,
        )

    return netlink


def _has_v6(types: Btf) -> bool:
    sock = types.find("sock", Struct)
    return sock is not None and find_member(types, sock, "skc_v6_rcv_saddr") is not None


FUNCTIONS: dict[str, Callable[[Btf], object]] = {
    "tcp": tcp_of,
    "udp": udp_of,
    "unix": unix_of,
    "netlink": netlink_of,
}
EVENTS: dict[str, type[Event]] = {"tcp": Tcp, "udp": Udp, "unix": Unix, "netlink": Netlink}
STATES: dict[str, tuple[str, type[IntEnum]]] = {
    "tcp": ("sk_common.skc_state", TcpState),
    "udp": ("udp_sk.inet.sk.skc_state", UdpState),
    "unix": ("unix_sk.sk.skc_state", UnixState),
}
"""How a row's state is found in the kernel, and its names."""
