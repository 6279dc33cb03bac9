"""A program that starts to listen in many ways and says, as JSON lines, what it did.

Its answers come from getsockname, /proc and the numbers it passed: nothing of syscast is asked. It is run by
path under ``syscast listen --``; every line is one listener that is to be reported, once.
"""

# ruff: noqa: PTH116, PTH123, T201 - a program of its own, as plain as can be

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import socket
import sys

IPPROTO_MPTCP = 262
CLONE_NEWNET = 0x40000000
OTHER_UID = 1000

libc = ctypes.CDLL(None, use_errno=True)
held = []


def effective(backlog):
    """What __sys_listen makes of a backlog."""
    with open("/proc/sys/net/core/somaxconn") as file:
        most = int(file.read())
    return most if backlog < 0 or backlog > most else backlog


def tell(server, backlog, protocol="tcp"):
    address, port = server.getsockname()[:2]
    with open("/proc/thread-self/comm") as file:
        comm = file.read().rstrip("\n")
    found = {
        "protocol": protocol,
        "address": address,
        "port": port,
        "backlog": effective(backlog),
        "netns": os.stat("/proc/self/ns/net").st_ino,
        "uid": os.getuid(),
        "pid": os.getpid(),
        "comm": comm,
    }
    print(json.dumps(found), flush=True)


def listen(family, address, backlog, *, protocol=0, only_v6=None):
    server = socket.socket(family, socket.SOCK_STREAM, protocol)
    held.append(server)
    if only_v6 is not None:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only_v6)
    if address is not None:
        server.bind((address, 0))
    server.listen(backlog)
    tell(server, backlog, "mptcp" if protocol == IPPROTO_MPTCP else "tcp")
    return server


def tcp():
    listen(socket.AF_INET, "127.0.0.1", 1)
    listen(socket.AF_INET, "0.0.0.0", 0)
    listen(socket.AF_INET, None, 100_000)  # unbound: the kernel gives it a port
    unsigned = socket.socket()
    held.append(unsigned)
    libc.listen(unsigned.fileno(), -1)  # Python's own listen() makes 0 of it
    tell(unsigned, -1)
    listen(socket.AF_INET6, "::1", 5)
    listen(socket.AF_INET6, "::", 7, only_v6=True)
    listen(socket.AF_INET6, "::ffff:127.0.0.1", 9, only_v6=False)
    listen(socket.AF_INET6, None, 11)
    again = listen(socket.AF_INET, "127.0.0.1", 2)
    again.listen(30)  # changes the backlog
    tell(again, 30)


def mptcp():
    with contextlib.suppress(OSError):  # not built in, or switched off
        listen(socket.AF_INET, "127.0.0.1", 13, protocol=IPPROTO_MPTCP)
        listen(socket.AF_INET6, "::1", 14, protocol=IPPROTO_MPTCP)
        listen(socket.AF_INET, None, 15, protocol=IPPROTO_MPTCP)


def nothing_to_report():
    """Calls that fail, and listeners of other families."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_INET, kind, 255 if kind == 3 else 0) as other,
        ):
            other.listen(1)
    libc.listen(-1, 1)
    with socket.socket(socket.AF_UNIX) as local:
        local.bind(f"\0syscast-{os.getpid()}")
        local.listen(3)
    taken = listen(socket.AF_INET, "127.0.0.1", 1)
    with socket.socket() as busy, contextlib.suppress(OSError):
        busy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        busy.bind(taken.getsockname())
        busy.listen(1)


def in_child(act):
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    act()
    os._exit(0)


def other_user():
    os.setgid(OTHER_UID)
    os.setuid(OTHER_UID)
    listen(socket.AF_INET, "127.0.0.1", 21)


def other_namespace():
    if libc.unshare(CLONE_NEWNET):
        return
    listen(socket.AF_INET, "0.0.0.0", 22)
    listen(socket.AF_INET6, "::", 23)


def strange_name():
    libc.prctl(15, b"a\x1b[31m\n\xff", 0, 0, 0)  # PR_SET_NAME
    server = socket.socket()
    held.append(server)
    server.listen(24)
    address, port = server.getsockname()
    found = {"address": address, "port": port, "backlog": 24, "comm": "a\x1b[31m\n\\xff"}
    print(json.dumps(found), flush=True)


PARTS = {each.__name__: each for each in (tcp, mptcp, nothing_to_report)}
CHILDREN = {each.__name__: each for each in (other_user, other_namespace, strange_name)}


if __name__ == "__main__":
    for name in sys.argv[1:]:
        if name in CHILDREN:
            in_child(CHILDREN[name])
        else:
            PARTS[name]()
