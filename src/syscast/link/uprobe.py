"""Links to places in executables and libraries: uprobes, uretprobes, USDT probes.

By a perf event each, which all kernels with uprobes have. The kernel counts the hits left out as it does for
kprobes on perf events.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from syscast.kernel import perf
from syscast.link.perf_event import PerfEventLink
from syscast.link.several import SeveralLinks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.kernel.descriptors import Fd


def attach_uprobe(  # noqa: PLR0913  (what perf_event_open(2) asks for)
    program: Fd,
    path: str,
    offset: int,
    *,
    pid: int = -1,
    on_return: bool = False,
    reference: int = 0,
    cookie: int = 0,
    text: str = "",
) -> PerfEventLink:
    """Run a program at a place in a file, whoever maps it.

    Args:
        program: Of type ``kprobe``.
        path: The executable or library, as this process opens it: ``/proc/PID/root/...`` for another
            mount namespace.
        offset: Byte in the file, not an address.
        pid: Only this process; -1 for all, also those that start later.
        on_return: When the function that begins there returns.
        reference: Byte in the file of the counter that the kernel is to raise while the probe is
            attached (a USDT semaphore); 0 for none.
        cookie: u64 for ``bpf_get_attach_cookie``, where the kernel has links for perf events.
        text: How and where, for people; made of path and offset by default.

    Raises:
        NotSupportedError: The kernel has no uprobe events.
        KernelError: Not attached.
    """
    event = perf.open_uprobe(path, offset, pid=pid, on_return=on_return, reference=reference)
    form = "uretprobe" if on_return else "uprobe"
    return PerfEventLink.attach(program, event, text or f"{form} on {path}:0x{offset:x}", cookie)


def attach_uprobes(
    program: Fd, path: str, places: Sequence[tuple[int, int]], *, pid: int = -1, text: str = ""
) -> SeveralLinks:
    """`attach_uprobe` at several places of one file.

    Args:
        program: Of type ``kprobe``.
        path: The file.
        places: Byte in the file, and that of the counter to raise, or 0, of each.
        pid: Only this process; -1 for all.
        text: How and where, for people.

    Raises:
        KernelError: Not attached; then nowhere.
    """
    with contextlib.ExitStack() as undo:
        links = []
        for offset, reference in places:
            link = attach_uprobe(program, path, offset, pid=pid, reference=reference, text=text)
            undo.callback(link.close)
            links.append(link)
        undo.pop_all()
    return SeveralLinks(links, program, text)
