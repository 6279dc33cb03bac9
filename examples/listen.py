"""Who starts to listen for TCP connections, where, and with which queue?

A generator sees one call from entry to exit: what stands before ``yield`` runs at the entry, the
rest when ``inet_listen`` returns. Only then the port is known where the kernel chose it.
"""

from collections.abc import Generator
from socket import AF_INET6

import syscast as sc
from syscast import i32, u16, u32
from syscast.kernel import socket


class Listen(sc.Event):
    address: sc.IP
    port: u16
    backlog: i32
    netns: u32
    ret: i32


@sc.call
def inet_listen(sock: socket, backlog: int) -> Generator[None, int, Listen]:
    ret = yield
    sk = sock.sk
    netns = sk.skc_net.net.ns.inum
    if sk.skc_family == AF_INET6:
        return Listen(
            address=sk.skc_v6_rcv_saddr, port=sk.skc_num, backlog=backlog, netns=netns, ret=ret
        )
    return Listen(address=sk.skc_rcv_saddr, port=sk.skc_num, backlog=backlog, netns=netns, ret=ret)


if __name__ == "__main__":
    with inet_listen.attach() as events:
        for event in events:
            print(event)
