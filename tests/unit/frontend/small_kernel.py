"""A kernel of a few types, so that what the front end says does not depend on the machine."""

from __future__ import annotations

from syscast.btf.encode import BtfBuilder
from syscast.btf.lookup import Btf
from syscast.btf.types import (
    Array,
    Enum,
    EnumValue,
    Func,
    FuncProto,
    Int,
    Member,
    Param,
    Ptr,
    Struct,
    Typedef,
)


def small_kernel() -> Btf:
    """``inet_listen``, ``struct socket``, ``struct sock``, ``struct file``, ``struct task_struct``."""
    b = BtfBuilder()
    i32, u8 = b.add(Int("int", 4, 1, 32)), b.add(Int("unsigned char", 1, 0, 8))
    u16, u32 = b.add(Int("unsigned short", 2, 0, 16)), b.add(Int("unsigned int", 4, 0, 32))
    u64, char = b.add(Int("unsigned long", 8, 0, 64)), b.add(Int("char", 1, 1, 8))
    be16, be32 = b.add(Typedef("__be16", u16)), b.add(Typedef("__be32", u32))
    void_p, char_p = b.add(Ptr(0)), b.add(Ptr(char))
    comm = b.add(Array(char, u32, 16))
    in6 = b.add(Struct("in6_addr", 16, (Member("s6_addr", b.add(Array(u8, u32, 16)), 0),)))
    ns = b.add(Struct("ns_common", 8, (Member("inum", u32, 0),)))
    net = b.add(Struct("net", 16, (Member("ns", ns, 64),)))
    pair = b.add(Struct("", 8, (Member("skc_daddr", be32, 0), Member("skc_rcv_saddr", be32, 32))))
    anonymous = b.add(
        Struct("", 8, (Member("skc_addrpair", u64, 0), Member("", pair, 0)), is_union=True)
    )
    common = b.add(
        Struct(
            "sock_common",
            48,
            (
                Member("", anonymous, 0),
                Member("skc_dport", be16, 64),
                Member("skc_num", u16, 80),
                Member("skc_family", u16, 96),
                Member("skc_net", b.add(Ptr(net)), 128),
                Member("skc_v6_rcv_saddr", in6, 192),
            ),
        )
    )
    sock = b.add(
        Struct(
            "sock",
            64,
            (
                Member("__sk_common", common, 0),
                Member("sk_protocol", u16, 384),
                Member("sk_bits", u32, 416, 3),
                Member("sk_flag", u32, 419, 1),
            ),
        )
    )
    link = b.reserve()
    link_p = b.add(Ptr(link))
    b.define(
        link, Struct("list_head", 16, (Member("next", link_p, 0), Member("prev", link_p, 64)))
    )
    b.add(Struct("entry", 24, (Member("number", u32, 0), Member("link", link, 64))))
    members = (
        Member("private_data", void_p, 0),
        Member("f_path", char_p, 64),
        Member("entries", link, 128),
    )
    file = b.add(Struct("file", 32, members))
    state = b.add(Enum("socket_state", 4, (EnumValue("SS_FREE", 0), EnumValue("SS_CONNECTED", 3))))
    socket = b.add(
        Struct(
            "socket",
            32,
            (
                Member("state", state, 0),
                Member("type", b.add(Int("short", 2, 1, 16)), 32),
                Member("flags", u64, 64),
                Member("file", b.add(Ptr(file)), 128),
                Member("sk", b.add(Ptr(sock)), 192),
            ),
        )
    )
    task = b.reserve()
    b.define(
        task,
        Struct(
            "task_struct",
            40,
            (
                Member("pid", i32, 0),
                Member("tgid", i32, 32),
                Member("real_parent", b.add(Ptr(task)), 64),
                Member("comm", comm, 128),
            ),
        ),
    )
    socket_p = b.add(Ptr(socket))
    proto = b.add(FuncProto(i32, (Param("sock", socket_p), Param("backlog", i32))))
    b.add(Func("inet_listen", proto))
    return Btf.from_bytes(b.encode(), name="vmlinux")
