"""How much did each TCP connection carry?

``struct sock`` is the head of ``struct tcp_sock``, so a cast leads from one to the other. The
kernel counts the end mark of the peer as one byte received.
"""

import syscast as sc
from syscast import u16, u64
from syscast.kernel import sock, tcp_sock


class Close(sc.Event):
    port: u16
    peer_port: u16
    sent: u64
    received: u64


@sc.function
def tcp_close(sk: sock) -> Close:
    tcp = sc.cast(tcp_sock, sk)
    return Close(
        port=sk.skc_num,
        peer_port=sk.skc_dport,
        sent=tcp.bytes_sent,
        received=tcp.bytes_received,
    )


if __name__ == "__main__":
    with tcp_close.attach() as events:
        for event in events:
            print(event)
