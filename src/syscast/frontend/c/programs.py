"""Which functions of a text are programs, what kind, and where their parameters come from.

Every function with a body that is not ``static`` or ``inline`` is a program. Its name says what it is for
(``kprobe__inet_listen``), or else what its first parameter points to, or else nothing: then it is attached by
hand, and loaded as what it is attached as.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from syscast.btf import types as btf_types
from syscast.errors import TargetError
from syscast.frontend.c.tracepoints import names_of
from syscast.frontend.c.types import Pointer, Record
from syscast.ir.program import ContextWord, Holds, ProgramContext

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syscast.btf.lookup import Btf
    from syscast.frontend.c.surroundings import Surroundings
    from syscast.frontend.c.types import CType

KIND = "c"
MOST_ARGUMENTS = 6

REGISTERS = {
    "x86_64": (112, 104, 96, 88, 72, 64),  # di si dx cx r8 r9
    "aarch64": (0, 8, 16, 24, 32, 40),  # regs[0] to regs[5]
}
"""Bytes into struct pt_regs at which the arguments of a function are, in order."""

SYSCALL_REGISTERS = {
    "x86_64": (112, 104, 96, 56, 72, 64),  # di si dx r10 r8 r9
    "aarch64": (0, 8, 16, 24, 32, 40),
}
"""The same for a system call."""

UNPACK = "syscast_unpack"
"""Attribute of programs whose parameters behind the first are the words of the context."""

_SYSCALLS = ("syscall__", "kprobe____x64_sys_", "kprobe____arm64_sys_")
_TRACED = {
    "kfunc__": ("fentry", "trace_fentry"),
    "kretfunc__": ("fexit", "trace_fexit"),
    "kmod_ret__": ("fmod_ret", "modify_return"),
}
_CONTEXTS = {
    "bpf_perf_event_data": "perf_event",
    "xdp_md": "xdp",
    "__sk_buff": "sched_cls",
    "bpf_raw_tracepoint_args": "raw_tracepoint",
    "bpf_sock_ops": "sock_ops",
    "sk_msg_md": "sk_msg",
    "bpf_sock_addr": "cgroup_sock_addr",
    "bpf_sock": "cgroup_sock",
    "bpf_cgroup_dev_ctx": "cgroup_device",
    "bpf_sysctl": "cgroup_sysctl",
    "bpf_sockopt": "cgroup_sockopt",
    "sk_reuseport_md": "sk_reuseport",
    "bpf_sk_lookup": "sk_lookup",
}
_PLAIN = frozenset({"bpf_raw_tracepoint_args"})
_PACKETS = frozenset({"data", "data_end", "data_meta"})
_SOCKETS = frozenset({"sk", "migrating_sk"})


class Named(NamedTuple):
    """What a program's name says."""

    section: str
    type: str
    attach_type: str = ""
    target: str = ""
    module: str = ""


def named(name: str, btf: Btf) -> Named | None:
    """What a program is for by its name; None where that says nothing.

    Args:
        name: Of the function.
        btf: Where functions are looked up, to tell a module's name from a part of a function's.
    """
    if (place := names_of(name)) is not None:
        return Named(f"tracepoint/{place[0]}/{place[1]}", "tracepoint", "", "/".join(place))
    for prefix, section, kind in (
        ("kprobe__", "kprobe", "kprobe"),
        ("kretprobe__", "kretprobe", "kprobe"),
        ("raw_tracepoint__", "raw_tp", "raw_tracepoint"),
    ):
        if name.startswith(prefix) and len(name) > len(prefix):
            target = name.removeprefix(prefix)
            return Named(f"{section}/{target}", kind, "", target)
    for prefix, (section, attach) in _TRACED.items():
        if name.startswith(prefix):
            module, target = _module(name.removeprefix(prefix), btf)
            return Named(f"{section}/{target}", "tracing", attach, target, module)
    if name.startswith("lsm__"):
        target = name.removeprefix("lsm__")
        return Named(f"lsm/{target}", "lsm", "lsm_mac", target)
    if name.startswith("bpf_iter__"):
        target = name.removeprefix("bpf_iter__")
        return Named(f"iter/{target}", "tracing", "trace_iter", target)
    return None


def _module(rest: str, btf: Btf) -> tuple[str, str]:
    """Module and function of ``vmlinux__do_exit``; the function alone has no module."""
    module, _, function = rest.partition("__")
    if not function or (module != "vmlinux" and btf.find(rest, btf_types.Func) is not None):
        return "", rest
    return ("" if module == "vmlinux" else module), function


def is_syscall(name: str) -> bool:
    """Whether a program's parameters are those of a system call."""
    return name.startswith(_SYSCALLS)


def context_of(
    name: str, first: CType | None, *, unpacked: bool, surroundings: Surroundings
) -> ProgramContext:
    """What the passes must know of a program.

    Args:
        name: Of the function.
        first: Type of its first parameter.
        unpacked: Its further parameters are the words of the context.
        surroundings: The kernel.
    """
    btf = surroundings.btf
    tag = _tag(first)
    said = named(name, btf)
    if said is None:
        kind = _CONTEXTS.get(tag, "kprobe")
        if tag.startswith("tracepoint__"):
            kind = "tracepoint"
        elif unpacked:
            kind = "tracing"
        said = Named(f"?c/{name}", kind, "", name)
    words = tuple(_words(said, tag, first, surroundings))
    return ProgramContext(
        KIND,
        said.target or name,
        said.section,
        said.type,
        said.attach_type,
        direct_reads=said.type in {"tracing", "lsm"},
        kernel_bound=True,
        words=words,
        converted=tag in _CONTEXTS and tag not in _PLAIN,
    )


def _tag(first: CType | None) -> str:
    pointed = first.to if isinstance(first, Pointer) else None
    return pointed.tag if isinstance(pointed, Record) else ""


def _words(
    said: Named, tag: str, first: CType | None, surroundings: Surroundings
) -> Iterator[ContextWord]:
    """The pointers in the context that the verifier knows."""
    if said.type == "lsm":
        yield from _parameters(f"bpf_lsm_{said.target}", surroundings)
    elif said.attach_type == "trace_iter" or tag.startswith("bpf_iter__"):
        yield from _members(first, surroundings)
    elif said.type == "tracing" and said.attach_type:
        yield from _parameters(said.target, surroundings)
    elif tag in _CONTEXTS and isinstance(first, Pointer) and isinstance(first.to, Record):
        if not first.to.complete:
            return
        for member in first.to.members:
            if member.name in _PACKETS:
                yield ContextWord(member.offset, Holds.PACKET)
            elif member.name in _SOCKETS or (not member.name and member.type.size == 8):
                yield ContextWord(member.offset, Holds.OWN)


def _parameters(function: str, surroundings: Surroundings) -> Iterator[ContextWord]:
    """Pointers to structs among what a function takes and gives."""
    btf = surroundings.btf
    try:
        _, proto = btf.function(function)
    except TargetError:
        return  # of a module: its types have other numbers
    types = [each.type_id for each in proto.params] + [proto.return_id]
    for index, type_id in enumerate(types):
        pointee = _struct_behind(btf, type_id)
        if pointee:
            yield ContextWord(8 * index, Holds.TYPED, pointee)


def _struct_behind(btf: Btf, type_id: int) -> int:
    """The struct that a pointer points to, or 0."""
    pointer = btf.type(btf.resolve(type_id))
    if not isinstance(pointer, btf_types.Ptr):
        return 0
    found = btf.resolve(pointer.type_id)
    return found if isinstance(btf.type(found), btf_types.Struct) else 0


def _members(first: CType | None, surroundings: Surroundings) -> Iterator[ContextWord]:
    """Pointers to structs in the context of an iterator."""
    btf = surroundings.btf
    type_id = btf.find(_tag(first), btf_types.Struct)
    struct = btf.type(type_id) if type_id else None
    if not isinstance(struct, btf_types.Struct):
        return
    for member in struct.members:
        # In these structs each pointer is a union with a 64-bit number (__bpf_md_ptr).
        held = btf.type(btf.resolve(member.type_id))
        inner = (
            held.members[0].type_id if isinstance(held, btf_types.Struct) and held.members else 0
        )
        pointee = _struct_behind(btf, inner or member.type_id)
        if pointee:
            yield ContextWord(member.bit_offset // 8, Holds.TYPED, pointee)
