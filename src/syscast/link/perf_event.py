"""Links through a perf event: kprobes, kretprobes, tracepoints, uprobes.

The kernel runs them under one guard per CPU (``bpf_prog_active``): while one runs, no other of
the kind does there. The hits left out are counted since Linux kernel commits dd8657894c11
("bpf: Count missed stats in trace_call_bpf") and 3acf8ace6823 ("bpf: Add missed value to kprobe
perf link info") (in v6.7).
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from syscast.errors import KernelError
from syscast.kernel import bpflinks, perf
from syscast.link.owned import OwnedLink

if TYPE_CHECKING:
    from syscast.kernel.descriptors import Fd


class PerfEventLink(OwnedLink):
    """A program on a perf event.

    By BPF_LINK_CREATE where the kernel has it for perf events (Linux kernel commit b89fbfbb854c
    ("bpf: Implement minimal BPF perf link") (in v5.15)), else by ioctl.
    """

    @classmethod
    def attach(
        cls, program: Fd, event: Fd, text: str, cookie: int = 0, *, enable: bool = True
    ) -> PerfEventLink:
        """Attach and enable.

        Args:
            program: Of the type that the event takes.
            event: Owned by the link from here on, also if this raises.
            text: How and where, for people: ``kprobe on inet_listen``.
            cookie: u64 for ``bpf_get_attach_cookie``, where the kernel has links for perf events.
            enable: False for a caller that enables several events at once.

        Raises:
            KernelError: Not attached.
        """
        try:
            fds = (*_linked(program, event, cookie), event)
            try:
                if enable:
                    perf.enable(event)
            except BaseException:
                fds[0].close()
                raise
        except BaseException:
            event.close()
            raise
        return cls(fds, program, text)

    def missed(self) -> int | None:
        """Hits lost to the kprobe or to another program on the CPU; None if not counted."""
        return self._counted() if len(self._fds) > 1 else None  # no link, no count


def _linked(program: Fd, event: Fd, cookie: int) -> tuple[Fd, ...]:
    try:
        return (bpflinks.link_perf_event(program, event, cookie),)
    except KernelError as error:
        # A kernel without links for perf events takes the attach type for a wrong one.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.E2BIG}:
            raise
    perf.set_bpf(event, program)
    return ()
