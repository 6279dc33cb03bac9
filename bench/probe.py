"""What `compile.py` compiles: an event and a probe of twenty lines."""

import syscast as sc
from syscast import current, i32, now, u8, u16, u32, u64
from syscast.kernel import sock

TCP_LISTEN = 10


class Listen(sc.Event):
    port: u16
    family: u16
    before: u8
    backlog: i32
    netns: u32
    parent: u32
    at: u64


@sc.raw_tracepoint
def inet_sock_set_state(sk: sock, oldstate: int, newstate: int) -> Listen | None:
    if newstate != TCP_LISTEN or oldstate == newstate:
        return None
    port = sk.skc_num
    if port < 1024 and current.uid != 0:
        return None
    return Listen(
        port=port,
        family=sk.skc_family,
        before=oldstate,
        backlog=sk.sk_max_ack_backlog,
        netns=sk.skc_net.net.ns.inum,
        parent=current.ppid,
        at=now(),
    )
