"""Programs on sockets, network cards and cgroups.

A program on a card stays until it is removed, as with bcc: it is set by rtnetlink(7), message RTM_SETLINK
with IFLA_XDP, and not by a link that would end with the process.
"""

from __future__ import annotations

import errno
import os
import socket
import struct

from syscast.bcc.arguments import Name, as_bytes
from syscast.bcc.failures import failure
from syscast.bcc.functions import Function
from syscast.errors import KernelError
from syscast.kernel import bpfprogs
from syscast.kernel.descriptors import Fd

_SO_ATTACH_BPF = 50
_ETH_P_ALL = 3
_RTM_SETLINK = 19
_NLM_F_REQUEST = 1
_NLM_F_ACK = 4
_NLMSG_ERROR = 2
_NLA_F_NESTED = 1 << 15
_IFLA_XDP = 43
_IFLA_XDP_FD = 1
_IFLA_XDP_FLAGS = 3
_HEADER = struct.Struct("=IHHII")
_IFINFO = struct.Struct("=BxHiII")
_REMOVE = -1


def attach_raw_socket(fn: object, dev: Name) -> None:
    """Run a program on all packets of a network card; ``fn.sock`` is the socket that reads them.

    Raises:
        Exception: As bcc's.
    """
    function = _function(fn)
    name = os.fsdecode(as_bytes(dev))
    made = None
    try:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        made.bind((name, _ETH_P_ALL))
    except OSError as error:
        if made is not None:
            made.close()
        raise failure(f"Failed to open raw device {name}: {error.strerror}") from None
    try:
        made.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_BPF, function.fd)
    except OSError as error:
        made.close()
        raise failure(f"Failed to attach BPF to device {name}: {error.strerror}") from None
    function.keep_socket(made)


def attach_func(fn: object, attachable_fd: int, attach_type: int, flags: int = 0) -> None:
    """Attach a program to a cgroup or map, by the number of its descriptor.

    Raises:
        Exception: As bcc's.
    """
    function = _function(fn)
    with _borrowed(attachable_fd) as target:
        try:
            bpfprogs.prog_attach(target, function.program, attach_type, flags)
        except KernelError as error:
            raise _refused("attach", attach_type, error) from None


def detach_func(fn: object, attachable_fd: int, attach_type: int) -> None:
    """Undo `attach_func`; raises Exception as bcc."""
    function = _function(fn)
    with _borrowed(attachable_fd) as target:
        try:
            bpfprogs.prog_detach(target, function.program, attach_type)
        except KernelError as error:
            raise _refused("detach", attach_type, error) from None


def attach_xdp(dev: Name, fn: object, flags: int = 0) -> None:
    """Run a program for all packets that a network card receives, until `remove_xdp`.

    Args:
        dev: The card's name.
        fn: A function of type XDP.
        flags: ``XDPFlags``.

    Raises:
        Exception: As bcc's.
    """
    function = _function(fn)
    name = os.fsdecode(as_bytes(dev))
    try:
        _set_xdp(name, function.fd, flags)
    except OSError as error:
        if error.errno == errno.EINVAL:
            hint = (
                ": is the MTU too large, or does the driver lack XDP (flags=XDP_FLAGS_SKB_MODE)?"
            )
        else:
            hint = f": {error.strerror}"
        raise failure(f"Failed to attach BPF to device {name!r}{hint}") from None


def remove_xdp(dev: Name, flags: int = 0) -> None:
    """Take the program off a network card; raises Exception as bcc."""
    name = os.fsdecode(as_bytes(dev))
    try:
        _set_xdp(name, _REMOVE, flags)
    except OSError as error:
        raise failure(f"Failed to detach BPF from device {name!r}: {error.strerror}") from None


def _function(fn: object) -> Function:
    if not isinstance(fn, Function):
        raise failure("arg 1 must be of type BPF.Function")
    return fn


def _borrowed(number: int) -> Fd:
    """An owner of a duplicate of the caller's descriptor."""
    try:
        return Fd(os.dup(number), f"descriptor {number}")
    except OSError as error:
        raise failure(f"descriptor {number}: {error.strerror}") from None


def _refused(act: str, attach_type: int, error: KernelError) -> Exception:
    reason = os.strerror(error.errno)
    return failure(f"Failed to {act} BPF function with attach_type {attach_type}: {reason}")


def _attribute(kind: int, data: bytes) -> bytes:
    size = 4 + len(data)
    return struct.pack("=HH", size, kind) + data + b"\0" * (-size % 4)


def _set_xdp(name: str, program: int, flags: int) -> None:
    """One request of rtnetlink and its answer; raises OSError."""
    inner = _attribute(_IFLA_XDP_FD, struct.pack("=i", program))
    if flags:
        inner += _attribute(_IFLA_XDP_FLAGS, struct.pack("=I", flags))
    body = _IFINFO.pack(socket.AF_UNSPEC, 0, socket.if_nametoindex(name), 0, 0)
    body += _attribute(_IFLA_XDP | _NLA_F_NESTED, inner)
    size = _HEADER.size + len(body)
    request = _HEADER.pack(size, _RTM_SETLINK, _NLM_F_REQUEST | _NLM_F_ACK, 1, 0) + body
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as channel:
        channel.send(request)
        answer = channel.recv(1 << 16)
    _, kind, _, _, _ = _HEADER.unpack_from(answer)
    (code,) = struct.unpack_from("=i", answer, _HEADER.size)
    if kind == _NLMSG_ERROR and code:
        raise OSError(-code, os.strerror(-code))
