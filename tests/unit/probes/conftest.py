"""A small kernel's BTF, with every shape of argument that a kind must place."""

from types import SimpleNamespace

import pytest

from syscast.btf.encode import BtfBuilder
from syscast.btf.lookup import Btf
from syscast.btf.types import (
    INT_BOOL,
    INT_SIGNED,
    Array,
    Const,
    Enum,
    EnumValue,
    Func,
    FuncProto,
    Fwd,
    Int,
    Member,
    Param,
    Ptr,
    Struct,
    Typedef,
    TypeTag,
)


def _function(made, name, returns, *params, variadic=False):
    proto = FuncProto(returns, tuple(Param(n, t) for n, t in params), variadic)
    return made.add(Func(name, made.add(proto)))


def _tracepoint(made, name, *params):
    """As the macros of linux/tracepoint.h do: a typedef without names, functions with names."""
    hidden = ("__data", made.add(Ptr(0)))
    unnamed = FuncProto(0, tuple(Param("", t) for _, t in (hidden, *params)))
    made.add(Typedef(f"btf_trace_{name}", made.add(Ptr(made.add(unnamed)))))
    _function(
        made, f"__traceiter_{name}", made.add(Int("int", 4, INT_SIGNED, 32)), hidden, *params
    )


@pytest.fixture(scope="session")
def ids():
    """The builder's ids by a short name, and its BTF."""
    made = BtfBuilder()
    t = SimpleNamespace()
    t.int = made.add(Int("int", 4, INT_SIGNED, 32))
    t.uint = made.add(Int("unsigned int", 4, 0, 32))
    t.long = made.add(Int("long int", 8, INT_SIGNED, 64))
    t.ulong = made.add(Int("long unsigned int", 8, 0, 64))
    t.bool = made.add(Int("_Bool", 1, INT_BOOL, 8))
    t.char = made.add(Int("char", 1, INT_SIGNED, 8))
    t.pid_t = made.add(Typedef("pid_t", t.int))
    t.size_t = made.add(Typedef("size_t", t.ulong))
    t.umode_t = made.add(Typedef("umode_t", made.add(Int("short unsigned int", 2, 0, 16))))
    t.state = made.add(Enum("state", 4, (EnumValue("ON", 1),)))
    t.socket = made.add(
        Struct("socket", 16, (Member("state", t.int, 0), Member("flags", t.ulong, 64)))
    )
    t.task = made.add(
        Struct("task_struct", 16, (Member("pid", t.pid_t, 0), Member("tgid", t.pid_t, 32)))
    )
    t.sockaddr = made.add(Struct("sockaddr", 16, (Member("sa_family", t.int, 0),)))
    t.small = made.add(Struct("kuid", 4, (Member("val", t.uint, 0),)))
    t.pair = made.add(Struct("pair", 16, (Member("a", t.ulong, 0), Member("b", t.ulong, 64))))
    t.large = made.add(
        Struct("large", 24, tuple(Member(n, t.ulong, 64 * i) for i, n in enumerate("abc")))
    )
    t.socket_p = made.add(Ptr(t.socket))
    t.task_p = made.add(Ptr(t.task))
    t.const_char_p = made.add(Ptr(made.add(Const(t.char))))
    t.user_p = made.add(Ptr(made.add(TypeTag("user", t.socket))))
    t.void_p = made.add(Ptr(0))
    t.fwd_p = made.add(Ptr(made.add(Fwd("secret"))))
    t.pp = made.add(Ptr(t.socket_p))

    _function(made, "inet_listen", t.int, ("sock", t.socket_p), ("backlog", t.int))
    _function(
        made, "mixed", t.socket_p, ("flag", t.bool), ("mode", t.umode_t), ("name", t.const_char_p),
        ("where", t.user_p), ("any", t.void_p), ("hidden", t.fwd_p),
    )  # fmt: skip
    _function(made, "eight", 0, *[(f"a{n}", t.long) for n in range(8)])
    _function(made, "with_small", t.pair, ("uid", t.small), ("x", t.int))
    _function(made, "with_pair", t.int, ("x", t.int), ("p", t.pair), ("y", t.int))
    _function(
        made,
        "pair_late",
        t.int,
        *[(f"a{n}", t.int) for n in range(5)],
        ("p", t.pair),
        ("y", t.int),
    )
    _function(made, "with_large", t.int, ("x", t.int), ("p", t.large), ("y", t.int))
    _function(made, "many", t.int, *[(f"a{n}", t.int) for n in range(13)])
    _function(made, "print", t.int, ("format", t.const_char_p), variadic=True)
    _function(made, "pointers", t.pp, ("list", t.pp))
    _function(made, "__x64_sys_openat", t.long, ("regs", t.void_p))
    _function(made, "__x64_sys_newuname", t.long, ("regs", t.void_p))
    _function(made, "__x64_sys_exit_group", t.long, ("regs", t.void_p))
    _function(made, "__x64_sys_bind", t.long, ("regs", t.void_p))
    _function(made, "__arm64_sys_openat", t.long, ("regs", t.void_p))
    _tracepoint(made, "sched_process_fork", ("parent", t.task_p), ("child", t.task_p))
    _tracepoint(made, "sched_process_free", ("p", t.task_p))
    _tracepoint(made, "sched_switch", ("preempt", t.bool), ("prev", t.task_p), ("next", t.task_p))
    entry = made.add(Struct("trace_entry", 8, (Member("type", t.int, 0),)))
    comm = made.add(Array(t.char, t.int, 16))
    made.add(
        Struct(
            "trace_event_raw_sched_process_template",
            32,
            (
                Member("ent", entry, 0),
                Member("comm", comm, 64),
                Member("pid", t.pid_t, 192),
                Member("prio", t.int, 224),
                Member("__data", made.add(Array(t.char, t.int, 0)), 256),
            ),
        )
    )
    t.btf = Btf.from_bytes(made.encode(), name="vmlinux")
    return t


@pytest.fixture
def btf(ids):
    """The small kernel's BTF."""
    return ids.btf
