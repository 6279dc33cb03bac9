"""Probes that any kernel takes. Rebuild the object beside it with: syscast build everywhere.py -o everywhere.bpf.o

The object in the repository was built on Linux 6.18; the tests run it on the kernels of the matrix, without a compiler.
"""

import syscast as sc
from syscast import current, kernel_str


class Forked(sc.Event):
    child: sc.u32
    grandparent: sc.u32
    netns: sc.u32
    uts: str
    nice: sc.i32


class Opened(sc.Event):
    path: str
    flags: sc.i32
    ret: sc.i64
    uid: sc.u32
    inverse: sc.i64


@sc.raw_tracepoint("sched_process_fork")
def sched_process_fork(parent, child):
    # Members that stand at other offsets on each kernel.
    return Forked(
        child=child.tgid,
        grandparent=parent.real_parent.tgid,
        netns=parent.nsproxy.net_ns.ns.inum,
        uts=kernel_str(parent.nsproxy.uts_ns.name.nodename, 64),
        nice=parent.static_prio - 120,
    )


@sc.syscall("openat")
def openat(*, filename, flags, ret):
    inverse = 1000 // ret  # raises where the descriptor is 0
    return Opened(path=filename, flags=flags, ret=ret, uid=current.uid, inverse=inverse)
