"""Which connections does a server take, and from whom?

What ``inet_csk_accept`` returns is the new connection's socket, or null where there was none.
"""

from collections.abc import Generator
from socket import AF_INET6

import syscast as sc
from syscast import u16
from syscast.kernel import sock


class Accept(sc.Event):
    peer: sc.IP
    peer_port: u16
    port: u16


@sc.call
def inet_csk_accept(_sk: sock) -> Generator[None, sock | None, Accept | None]:
    new = yield
    if new is None:
        return None
    if new.skc_family == AF_INET6:
        return Accept(peer=new.skc_v6_daddr, peer_port=new.skc_dport, port=new.skc_num)
    return Accept(peer=new.skc_daddr, peer_port=new.skc_dport, port=new.skc_num)


if __name__ == "__main__":
    with inet_csk_accept.attach() as events:
        for event in events:
            print(event)
