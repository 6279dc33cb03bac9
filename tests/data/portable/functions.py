"""Probes of functions. Rebuild the object beside it with: syscast build functions.py -o functions.bpf.o

The object in the repository was built on Linux 6.18; the tests run it on the kernels of the matrix, without a compiler.
"""

import syscast as sc


class Listen(sc.Event):
    port: sc.Port
    backlog: sc.i32
    netns: sc.u32
    ret: sc.i32


@sc.kprobe("inet_listen")
def by_kprobe(sock, backlog):
    sk = sock.sk
    return Listen(port=sk.skc_num, backlog=backlog, netns=sk.skc_net.net.ns.inum, ret=0)


@sc.fentry("inet_listen")
def by_fentry(sock, backlog):
    sk = sock.sk
    return Listen(port=sk.skc_num, backlog=backlog, netns=sk.skc_net.net.ns.inum, ret=1)


@sc.call("inet_listen")
def by_fexit(sock, backlog):
    ret = yield
    sk = sock.sk
    return Listen(port=sk.skc_num, backlog=backlog, netns=sk.skc_net.net.ns.inum, ret=2 + ret)
