"""Who starts to listen: the event, and the probes that see it.

Two sources say the same. The kernel's own functions see every listener, also those that the
kernel opens itself (NFS) and those of io_uring. The system call is what is left on machines
whose kernel has no kprobes and no fentry. Both report at the exit and only on success: an
unbound socket has got its port by then.

MPTCP: ``mptcp_listen`` makes a TCP socket inside the MPTCP socket listen, the subflow, on some
kernels through ``inet_listen``. So ``inet_listen`` passes over subflows, which the name of their
upper layer protocol gives away, and ``mptcp_listen`` reports, where the kernel has it.
"""

# mypy: disallow-untyped-defs=False
# A probe's parameters have the types that BTF gives them.
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, NamedTuple

from syscast.btf import source
from syscast.btf.layout import find_member
from syscast.btf.types import Func, Struct
from syscast.events.event import Event
from syscast.events.fieldtypes import IP, Port, u16, u32
from syscast.frontend.python.language import cast, current, kernel_str
from syscast.session.plan import Job

AF_INET = 2
AF_INET6 = 10
SOCK_STREAM = 1
ANY_NETNS = 0
LAST_PORT = 65535


class Protocol(IntEnum):
    """IPPROTO_TCP and IPPROTO_MPTCP of linux/in.h."""

    tcp = 6
    mptcp = 262


class Listening(Event):
    """A socket began to listen, or its backlog was changed.

    Attributes:
        backlog: As the kernel keeps it: at most net.core.somaxconn.
        netns: Inode number of the socket's network namespace.
        uid: Real user id of the task, in the initial user namespace.
    """

    protocol: Annotated[Protocol, u16]
    address: IP
    port: Port
    backlog: u32
    netns: u32
    uid: u32


class Wanted(NamedTuple):
    """What the programs let pass; the values become constants in them.

    Attributes:
        low: Lowest port.
        high: Highest port.
        netns: Inode number of the socket's network namespace, or ANY_NETNS.
    """

    low: int = 0
    high: int = LAST_PORT
    netns: int = ANY_NETNS


TCP, MPTCP = Protocol.tcp, Protocol.mptcp
ULP_NAME_SIZE = 16


def inet_listen_of(wanted: Wanted) -> object:
    """The probe of ``inet_listen(sock, backlog)``: TCP."""
    low, high, netns = wanted

    def inet_listen(sock):
        ret = yield
        if ret != 0:
            return None
        sk = sock.sk
        inum = sk.skc_net.net.ns.inum
        if not low <= sk.skc_num <= high or (netns and inum != netns):
            return None
        ulp = cast("struct inet_connection_sock", sk).icsk_ulp_ops
        if ulp is not None and kernel_str(ulp.name, ULP_NAME_SIZE) == "mptcp":
            return None  # a subflow
        if sk.skc_family == AF_INET:
            return Listening(
                protocol=sk.sk_protocol,
                address=sk.skc_rcv_saddr,
                port=sk.skc_num,
                backlog=sk.sk_max_ack_backlog,
                netns=inum,
                uid=current.uid,
            )
        if sk.skc_family == AF_INET6:
            return Listening(
                protocol=sk.sk_protocol,
                address=sk.skc_v6_rcv_saddr,
                port=sk.skc_num,
                backlog=sk.sk_max_ack_backlog,
                netns=inum,
                uid=current.uid,
            )
        return None

    return inet_listen


def mptcp_listen_of(wanted: Wanted) -> object:
    """The probe of ``mptcp_listen(sock, backlog)``; the backlog is kept in the subflow only."""
    low, high, netns = wanted

    def mptcp_listen(sock, backlog):
        ret = yield
        if ret != 0:
            return None
        sk = sock.sk
        inum = sk.skc_net.net.ns.inum
        if not low <= sk.skc_num <= high or (netns and inum != netns):
            return None
        if sk.skc_family == AF_INET:
            return Listening(
                protocol=MPTCP,
                address=sk.skc_rcv_saddr,
                port=sk.skc_num,
                backlog=backlog,
                netns=inum,
                uid=current.uid,
            )
        if sk.skc_family == AF_INET6:
            return Listening(
                protocol=MPTCP,
                address=sk.skc_v6_rcv_saddr,
                port=sk.skc_num,
                backlog=backlog,
                netns=inum,
                uid=current.uid,
            )
        return None

    return mptcp_listen


def listen_of(wanted: Wanted) -> object:
    """The probe of the system call ``listen(fd, backlog)``: TCP and MPTCP."""
    low, high, netns = wanted

    def listen(fd, backlog):
        ret = yield
        if ret != 0:
            return None
        file = current.task.files.fdt.fd[fd]
        sk = cast("struct socket", file.private_data).sk
        inum = sk.skc_net.net.ns.inum
        if not low <= sk.skc_num <= high or (netns and inum != netns):
            return None
        if sk.sk_type != SOCK_STREAM or sk.sk_protocol not in (TCP, MPTCP):
            return None
        # As __sys_listen does it, in unsigned numbers; an MPTCP socket does not keep the backlog.
        most = sk.skc_net.net.core.sysctl_somaxconn
        if not 0 <= backlog <= most:
            backlog = most
        if sk.skc_family == AF_INET:
            return Listening(
                protocol=sk.sk_protocol,
                address=sk.skc_rcv_saddr,
                port=sk.skc_num,
                backlog=backlog,
                netns=inum,
                uid=current.uid,
            )
        if sk.skc_family == AF_INET6:
            return Listening(
                protocol=sk.sk_protocol,
                address=sk.skc_v6_rcv_saddr,
                port=sk.skc_num,
                backlog=backlog,
                netns=inum,
                uid=current.uid,
            )
        return None

    return listen


def listen_ipv4_of(wanted: Wanted) -> object:
    """As `listen_of`, for kernels without IPv6, whose sockets have no IPv6 address."""
    low, high, netns = wanted

    def listen(fd, backlog):
        ret = yield
        if ret != 0:
            return None
        file = current.task.files.fdt.fd[fd]
        sk = cast("struct socket", file.private_data).sk
        inum = sk.skc_net.net.ns.inum
        if not low <= sk.skc_num <= high or (netns and inum != netns):
            return None
        if sk.skc_family != AF_INET or sk.sk_type != SOCK_STREAM:
            return None
        if sk.sk_protocol not in (TCP, MPTCP):
            return None
        most = sk.skc_net.net.core.sysctl_somaxconn
        if not 0 <= backlog <= most:
            backlog = most
        return Listening(
            protocol=sk.sk_protocol,
            address=sk.skc_rcv_saddr,
            port=sk.skc_num,
            backlog=backlog,
            netns=inum,
            uid=current.uid,
        )

    return listen


def sources(wanted: Wanted) -> list[list[Job]]:
    """The jobs to try, best first; each list alone sees all listeners that it can see."""
    types = source.kernel()
    sock = types.find("sock", Struct)
    if sock is None or find_member(types, sock, "skc_v6_rcv_saddr") is None:
        return [[Job("syscall:listen", "call", listen_ipv4_of(wanted))]]
    functions = [Job("function:inet_listen", "call", inet_listen_of(wanted))]
    if types.find("mptcp_listen", Func) is not None:
        functions.append(Job("function:mptcp_listen", "call", mptcp_listen_of(wanted)))
    return [functions, [Job("syscall:listen", "call", listen_of(wanted))]]
