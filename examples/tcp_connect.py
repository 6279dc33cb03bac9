"""Who opens TCP connections, and to where?

``tcp_connect`` sends the first packet of a connection; both addresses are settled by then. Members
that the kernel stores in network order, such as ``skc_dport``, arrive as plain numbers.
"""

from socket import AF_INET6

import syscast as sc
from syscast import u16
from syscast.kernel import sock


class Connect(sc.Event):
    source: sc.IP
    sport: u16
    dest: sc.IP
    dport: u16


@sc.function
def tcp_connect(sk: sock) -> Connect:
    sport = sk.skc_num
    dport = sk.skc_dport
    if sk.skc_family == AF_INET6:
        return Connect(source=sk.skc_v6_rcv_saddr, sport=sport, dest=sk.skc_v6_daddr, dport=dport)
    return Connect(source=sk.skc_rcv_saddr, sport=sport, dest=sk.skc_daddr, dport=dport)


if __name__ == "__main__":
    with tcp_connect.attach() as events:
        for event in events:
            print(event)
