"""Who sends UDP over IPv4, how much and to where?

The receiver stands in the message, or in the socket where it is connected.
"""

import syscast as sc
from syscast import u16, u64
from syscast.kernel import msghdr, sock, sockaddr_in


class Send(sc.Event):
    dest: sc.IPv4
    port: u16
    size: u64


@sc.function
def udp_sendmsg(sk: sock, msg: msghdr, length: int) -> Send:
    if msg.msg_name is None:
        return Send(dest=sk.skc_daddr, port=sk.skc_dport, size=length)
    to = sc.cast(sockaddr_in, msg.msg_name)
    return Send(dest=to.sin_addr.s_addr, port=to.sin_port, size=length)


if __name__ == "__main__":
    with udp_sendmsg.attach() as events:
        for event in events:
            print(event)
