"""How do TCP sockets go through their states?

A raw tracepoint hands over its own arguments, and works on kernels without kprobes too. The
states' names come from a Python enum; the kernel sends numbers only.
"""

from enum import IntEnum
from typing import Annotated

import syscast as sc
from syscast import u8, u16
from syscast.kernel import inet_sock, sock


class State(IntEnum):
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


class Change(sc.Event):
    port: u16
    peer_port: u16
    old: Annotated[State, u8]
    new: Annotated[State, u8]


@sc.raw_tracepoint
def inet_sock_set_state(sk: sock, old: State, new: State) -> Change:
    inet = sc.cast(inet_sock, sk)
    return Change(port=inet.inet_sport, peer_port=sk.skc_dport, old=old, new=new)


if __name__ == "__main__":
    with inet_sock_set_state.attach() as events:
        for event in events:
            print(event)
