"""Links: the attachments that end with the process that holds their descriptor."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING

from syscast.errors import UsageError
from syscast.kernel import bpfcall, bpfprogs
from syscast.kernel.bpfcall import attribute, checked, opened, put32, put64
from syscast.kernel.syscalls import address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.kernel.descriptors import Fd

KPROBE_MULTI_RETURN = 1 << 0
UPROBE_MULTI_RETURN = 1 << 0


def raw_tracepoint_open(prog: Fd, name: str | None = None, cookie: int = 0) -> Fd:
    """BPF_RAW_TRACEPOINT_OPEN.

    Args:
        prog: A raw tracepoint program, or a tracing or LSM program, which names its own target.
        name: The tracepoint; None for a program that names its own target.
        cookie: u64 for ``bpf_get_attach_cookie``; newer kernels only.

    Raises:
        KernelError: Not attached.
    """
    text = (name.encode() + b"\0") if name is not None else b""
    buffer = attribute()
    put64(buffer, 0, address(text))
    put32(buffer, 8, prog.fileno())
    put64(buffer, 16, cookie)
    target = f" to raw tracepoint '{name}'" if name is not None else ""
    return opened(bpfcall.RAW_TRACEPOINT_OPEN, buffer, f"{prog.what}: attach{target}")


def _create(prog: Fd, target: int, attach_type: int, flags: int = 0) -> bytearray:
    buffer = attribute()
    put32(buffer, 0, prog.fileno(), target, attach_type, flags)
    return buffer


def link_perf_event(prog: Fd, event: Fd, cookie: int = 0) -> Fd:
    """A link from a program to a perf event (kprobe, uprobe, tracepoint); raises KernelError.

    The link holds the event: both may be closed in any order.
    """
    buffer = _create(prog, event.fileno(), bpfprogs.PERF_EVENT)
    put64(buffer, 16, cookie)
    return opened(bpfcall.LINK_CREATE, buffer, f"{prog.what}: attach to {event.what}")


def link_kprobe_multi(
    prog: Fd,
    *,
    symbols: Sequence[str] = (),
    addresses: Sequence[int] = (),
    cookies: Sequence[int] = (),
    on_return: bool = False,
    session: bool = False,
) -> Fd:
    """One link from a kprobe program to many functions.

    Args:
        prog: Loaded with expected attach type TRACE_KPROBE_MULTI, or TRACE_KPROBE_SESSION.
        symbols: Names, each unique in the kernel; or else ``addresses``.
        addresses: Entry addresses, as in ``/proc/kallsyms``.
        cookies: One u64 per target, or none.
        on_return: Run at the return instead of the entry.
        session: Run at both, by TRACE_KPROBE_SESSION.

    Raises:
        UsageError: Not exactly one of symbols and addresses, or cookies of another number.
        KernelError: Not attached.
    """
    count = len(symbols) or len(addresses)
    if bool(symbols) == bool(addresses) or (cookies and len(cookies) != count):
        raise UsageError(
            f"{prog.what}: attach by kprobe multi: {len(symbols)} symbols, {len(addresses)} "
            f"addresses, {len(cookies)} cookies (give symbols or addresses, and a cookie each)"
        )
    names = [symbol.encode() + b"\0" for symbol in symbols]
    name_table = pack(f"<{len(names)}Q", *[address(name) for name in names])
    address_table = pack(f"<{len(addresses)}Q", *addresses)
    cookie_table = pack(f"<{len(cookies)}Q", *cookies)
    kind = bpfprogs.TRACE_KPROBE_SESSION if session else bpfprogs.TRACE_KPROBE_MULTI
    buffer = _create(prog, 0, kind)
    put32(buffer, 16, KPROBE_MULTI_RETURN if on_return else 0, count)
    put64(buffer, 24, address(name_table), address(address_table), address(cookie_table))
    return opened(bpfcall.LINK_CREATE, buffer, f"{prog.what}: attach by kprobe multi")


def link_uprobe_multi(
    prog: Fd,
    path: str,
    offsets: Sequence[int],
    *,
    cookies: Sequence[int] = (),
    pid: int = 0,
    on_return: bool = False,
) -> Fd:
    """One link from a kprobe program to many places of one file; raises KernelError.

    Args:
        prog: Loaded with expected attach type TRACE_UPROBE_MULTI.
        path: The executable or library.
        offsets: Byte offsets in the file.
        cookies: One u64 per offset, or none.
        pid: Only this process; 0 for all.
        on_return: Run at the return instead of the entry.
    """
    name = path.encode() + b"\0"
    offset_table = pack(f"<{len(offsets)}Q", *offsets)
    cookie_table = pack(f"<{len(cookies)}Q", *cookies)
    buffer = _create(prog, 0, bpfprogs.TRACE_UPROBE_MULTI)
    put64(buffer, 16, address(name), address(offset_table), 0, address(cookie_table))
    put32(buffer, 48, len(offsets), UPROBE_MULTI_RETURN if on_return else 0, pid)
    return opened(bpfcall.LINK_CREATE, buffer, f"{prog.what}: attach by uprobe multi to '{path}'")


def link_tracing(
    prog: Fd, attach_type: int, *, target: Fd | None = None, btf_id: int = 0, cookie: int = 0
) -> Fd:
    """A link of an fentry, fexit, tp_btf or LSM program; raises KernelError.

    Older kernels know only ``raw_tracepoint_open`` for these, which serves where there is no
    cookie.

    Args:
        prog: The program, which names its own target unless ``target`` does.
        attach_type: That of the program.
        target: Program to attach to, with ``btf_id``.
        btf_id: Function in the BTF of ``target``.
        cookie: u64 for ``bpf_get_attach_cookie``.
    """
    buffer = _create(prog, target.fileno() if target else 0, attach_type)
    put32(buffer, 16, btf_id)
    put64(buffer, 24, cookie)
    return opened(bpfcall.LINK_CREATE, buffer, f"{prog.what}: attach")


def link_cgroup(prog: Fd, cgroup: Fd, attach_type: int) -> Fd:
    """A link from a program to a cgroup directory; raises KernelError."""
    buffer = _create(prog, cgroup.fileno(), attach_type)
    return opened(bpfcall.LINK_CREATE, buffer, f"{prog.what}: attach to {cgroup.what}")


def link_iter(prog: Fd, info: bytes = b"") -> Fd:
    """A link of an iterator program.

    Args:
        prog: Loaded with expected attach type TRACE_ITER.
        info: ``union bpf_iter_link_info``, such as a map's or a task's; may be empty.

    Raises:
        KernelError: Not attached.
    """
    buffer = _create(prog, 0, bpfprogs.TRACE_ITER)
    put64(buffer, 16, address(info))
    put32(buffer, 24, len(info))
    return opened(bpfcall.LINK_CREATE, buffer, f"{prog.what}: attach")


def iter_create(link: Fd) -> Fd:
    """BPF_ITER_CREATE: a file whose ``read`` runs the iterator; raises KernelError."""
    buffer = attribute()
    put32(buffer, 0, link.fileno())
    return opened(bpfcall.ITER_CREATE, buffer, f"{link.what}: open an iterator")


def link_update(link: Fd, prog: Fd) -> None:
    """BPF_LINK_UPDATE: put another program behind a link; raises KernelError."""
    buffer = attribute()
    put32(buffer, 0, link.fileno(), prog.fileno())
    checked(bpfcall.LINK_UPDATE, buffer, f"{link.what}: update")


def link_detach(link: Fd) -> None:
    """BPF_LINK_DETACH, where the kind of link can (cgroup, netns, xdp); raises KernelError."""
    buffer = attribute()
    put32(buffer, 0, link.fileno())
    checked(bpfcall.LINK_DETACH, buffer, f"{link.what}: detach")
