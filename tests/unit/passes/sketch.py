"""A kernel of a few types, and short ways to write IR by hand."""

from __future__ import annotations

import os
from pathlib import Path

from syscast.btf.encode import BtfBuilder
from syscast.btf.lookup import Btf
from syscast.btf.types import Array, Enum, EnumValue, Int, Member, Ptr, Struct, Typedef, TypeTag
from syscast.diagnostics import Span
from syscast.ir import ops
from syscast.ir.builder import Builder
from syscast.ir.ops import FieldInit
from syscast.ir.program import (
    ITERATOR,
    ArgumentSource,
    Function,
    Guard,
    Program,
    ProgramContext,
)
from syscast.ir.types import I64, U16, PtrType, Space
from syscast.passes.members import member
from syscast.spec.meta import FieldMeta, SchemaMeta, SiteMeta

GOLDEN = Path(__file__).parents[2] / "golden"
SOURCE = "def probe(sock, backlog):\n    port = sock.sk.num\n    return Listen(port=port)\n"
SITE = SiteMeta(0, "MemoryError", "probe.py", 2, 12, "port = sock.sk.num")
SCHEMA = SchemaMeta(
    1, "Listen", 16, (FieldMeta("port", "int", 0, 2), FieldMeta("backlog", "int", 8, 8))
)


def golden(name: str, text: str) -> None:
    """Compare with a golden file; SYSCAST_UPDATE_GOLDEN=1 writes it."""
    path = GOLDEN / name
    if os.environ.get("SYSCAST_UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


class Kernel:
    """BTF with ``socket -> sock -> net``, ``task_struct`` and ``pt_regs``."""

    def __init__(self) -> None:
        b = BtfBuilder()
        i32, u32 = b.add(Int("int", 4, 1, 32)), b.add(Int("unsigned int", 4, 0, 32))
        u16, u64 = b.add(Int("unsigned short", 2, 0, 16)), b.add(Int("unsigned long", 8, 0, 64))
        char, u8 = b.add(Int("char", 1, 1, 8)), b.add(Int("unsigned char", 1, 0, 8))
        flag = b.add(Int("_Bool", 1, 4, 8))
        void_p, char_p = b.add(Ptr(0)), b.add(Ptr(char))
        self.net = b.add(Struct("net", 16, (Member("inum", u32, 64),)))
        net_p = b.add(Ptr(self.net))
        pair = b.add(Struct("", 8, (Member("rcv_saddr", u32, 0), Member("net", net_p, 0))))
        union = b.add(
            Struct("", 8, (Member("addrpair", u64, 0), Member("", pair, 0)), is_union=True)
        )
        state = b.add(Enum("state", 4, (EnumValue("FREE", 0), EnumValue("LISTEN", 10))))
        self.sock = b.add(
            Struct(
                "sock",
                64,
                (
                    Member("", union, 0),
                    Member("num", b.add(Typedef("u16", u16)), 64),
                    Member("state", state, 96),
                    Member("net", net_p, 128),
                    Member("name", char_p, 192),
                    Member("bits", u32, 256, 3),
                    Member("signed_bits", i32, 259, 5),
                    Member("shut", flag, 288),
                    Member("user_net", b.add(Ptr(b.add(TypeTag("user", self.net)))), 320),
                    Member("ports", b.add(Array(u16, u32, 4)), 384),
                ),
            )
        )
        self.socket = b.add(
            Struct(
                "socket",
                24,
                (
                    Member("flags", u64, 0),
                    Member("sk", b.add(Ptr(self.sock)), 64),
                    Member("data", void_p, 128),
                ),
            )
        )
        nsproxy = b.add(Struct("nsproxy", 8, (Member("net_ns", b.add(Ptr(b.reserve())), 0),)))
        ns = b.add(Struct("ns_common", 8, (Member("inum", u32, 0),)))
        # The reserved id is the one before the pointer's: struct net as tasks have it.
        b.define(nsproxy - 2, Struct("net_of_task", 16, (Member("ns", ns, 32),)))
        info = b.add(
            Struct("thread_info", 8, (Member("flags", u32, 0), Member("status", u32, 32)))
        )
        self.task = b.reserve()
        b.define(
            self.task,
            Struct(
                "task_struct",
                48,
                (
                    Member("thread_info", info, 0),
                    Member("tgid", i32, 64),
                    Member("real_parent", b.add(Ptr(self.task)), 128),
                    Member("nsproxy", b.add(Ptr(nsproxy)), 192),
                    Member("comm", b.add(Array(u8, u32, 16)), 256),
                ),
            ),
        )
        self.regs = b.add(
            Struct(
                "pt_regs",
                40,
                tuple(
                    Member(n, u64, 64 * i)
                    for i, n in enumerate(("di", "si", "ax", "orig_ax", "sp"))
                ),
            )
        )
        seq_file = b.add(Struct("seq_file", 8, (Member("buf", char_p, 0),)))
        b.add(Struct("bpf_iter_meta", 8, (Member("seq", b.add(Ptr(seq_file)), 0),)))
        self.btf = Btf.from_bytes(b.encode(), name="vmlinux")

    def pointer(self, struct: int, space: Space = Space.KERNEL) -> PtrType:
        return PtrType(space, struct)


class Sketch(Builder):
    """A function being written; spans count lines up."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__()
        self.kernel = kernel
        self.line = 1
        self.start("entry")

    @property
    def here(self) -> Span:
        return Span("probe.py", self.line, 5)

    def op(self, kind, type_=None, **members):
        """Add an op; gives its result."""
        result = {} if type_ is None else {"result": self.register(type_)}
        self.add(kind(**result, **members, span=self.here))
        return result.get("result")

    def argument(self, index, type_):
        return self.op(ops.Argument, type_, index=index)

    def read(self, base, name, type_, site=0):
        field = self.field(base.type.pointee, name)
        return self.op(ops.FieldLoad, type_, base=base, field=field, site=site)

    def field(self, struct, name):
        return member(self.kernel.btf, struct, name)

    def emit(self, **values):
        fields = tuple(FieldInit(name, value) for name, value in values.items())
        self.op(ops.Emit, schema=1, fields=fields)

    def finish(self):
        self.op(ops.Finish)

    def function(self, context, **members) -> Function:
        members = {"id": 0, "probe": "probe", "filtered": False, **members}
        return Function(
            members.pop("name", "probe"),
            self.blocks(),
            self.slots(),
            context,
            span=Span("probe.py", 1, 1),
            **members,
        )


def tracing(**members) -> ProgramContext:
    """fentry of a function (struct socket *, int)."""
    arguments = (
        ArgumentSource("sock", trusted=True),
        ArgumentSource("backlog", offset=8, size=4, signed=True),
    )
    members = {"arguments": arguments, "direct_reads": True, **members}
    return ProgramContext(
        "fentry", "inet_listen", "fentry/inet_listen", "tracing", "trace_fentry", **members
    )


def iterating(**members) -> ProgramContext:
    """A table of sockets: (meta, struct socket *, int)."""
    arguments = (
        ArgumentSource("sock", offset=8, trusted=True),
        ArgumentSource("backlog", offset=16, size=4, signed=True),
    )
    guard = Guard(arguments[0], 0, others=(0,), absent=True)
    members = {"arguments": arguments, "direct_reads": True, "guards": (guard,), **members}
    return ProgramContext(ITERATOR, "socket", "iter/socket", "tracing", "trace_iter", **members)


def raw(**members) -> ProgramContext:
    """A raw tracepoint with two words."""
    arguments = (ArgumentSource("sock"), ArgumentSource("backlog", offset=8, size=4, signed=True))
    members = {"arguments": arguments, **members}
    return ProgramContext("raw_tracepoint", "listen", "raw_tp/listen", "raw_tracepoint", **members)


def program(*functions, **members) -> Program:
    members = {"schemas": (SCHEMA,), "sites": (SITE,), "sources": {"probe.py": SOURCE}, **members}
    return Program("probe", functions, **members)


def listen(kernel: Kernel, context: ProgramContext, **members) -> Program:
    """The usual probe: two members, one event."""
    s = Sketch(kernel)
    sock = s.argument(0, kernel.pointer(kernel.socket))
    backlog = s.argument(1, I64)
    s.line = 2
    sk = s.read(sock, "sk", kernel.pointer(kernel.sock))
    port = s.read(sk, "num", U16)
    s.line = 3
    s.emit(port=port, backlog=backlog)
    s.finish()
    return program(s.function(context, **members))
