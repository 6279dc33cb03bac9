"""Links of programs that the kernel finds by BTF (fentry, fexit, tp_btf) and of raw tracepoints.

Both are opened by BPF_RAW_TRACEPOINT_OPEN, which all kernels with BTF know; BPF_LINK_CREATE came
later and adds only cookies, which syscast does not use here.

``missed`` is the program's own recursion count. The kernel tests for recursion of tracing programs since
it counts it (Linux kernel commit 9ed9e9ba2337 ("bpf: Count the number of times recursion was
prevented") (in v5.12)), of programs on raw tracepoints since commit 05b24ff9b2cf ("bpf: Prevent
bpf program recursion for raw tracepoint probes") (in v6.1); before that the latter never leave a
hit out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.kernel import bpflinks
from syscast.link.owned import OwnedLink

if TYPE_CHECKING:
    from syscast.kernel.descriptors import Fd


class TracingLink(OwnedLink):
    """A program of type ``tracing``, which names its target itself."""

    @classmethod
    def attach(cls, program: Fd, text: str) -> TracingLink:
        """Attach.

        Args:
            program: Loaded with its target's BTF id.
            text: How and where, for people: ``fentry on inet_listen``.

        Raises:
            KernelError: EBUSY where 38 programs are on the function already, EINVAL, ENOTSUPP
                or EOPNOTSUPP where the kernel cannot trace it.
        """
        return cls((bpflinks.raw_tracepoint_open(program),), program, text)


class RawTracepointLink(OwnedLink):
    """A program of type ``raw_tracepoint`` on a tracepoint by name."""

    @classmethod
    def attach(cls, program: Fd, tracepoint: str) -> RawTracepointLink:
        """Attach; raises KernelError (ENOENT: there is no such tracepoint)."""
        fd = bpflinks.raw_tracepoint_open(program, tracepoint)
        return cls((fd,), program, f"raw_tp on {tracepoint}")
