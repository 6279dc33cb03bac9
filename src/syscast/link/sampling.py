"""Links of programs of type ``perf_event``: they run when a counter of the machine or of the kernel overflows.

A counter counts on one CPU, or for one thread. To watch everything takes an event on each CPU;
`SamplingLink` owns them all.
"""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING

from syscast.errors import KernelError
from syscast.kernel import host, perf
from syscast.link.perf_event import PerfEventLink
from syscast.link.several import SeveralLinks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syscast.kernel.descriptors import Fd


class SamplingLink(SeveralLinks):
    """One program on the same event of several CPUs or threads."""

    def missed(self) -> int | None:
        """Samples left out as another program ran on the CPU; not counted by any kernel: None."""
        return None


def attach_sampling(  # noqa: PLR0913  (what perf_event_open(2) asks for)
    program: Fd,
    event_type: int,
    config: int,
    *,
    period: int = 0,
    frequency: int = 0,
    pid: int = -1,
    cpu: int = -1,
    group: int = -1,
    text: str = "",
) -> SamplingLink:
    """Run a program at every so many events, or so many times a second.

    Args:
        program: Of type ``perf_event``.
        event_type: ``perf.TYPE_*``, or the number of a PMU.
        config: Which event.
        period: Events from one run to the next.
        frequency: Runs a second, instead.
        pid: Only this thread and what it starts from now on; -1 for everything. On the first thread of a process,
            threads that run already are left out: see `attach_threads`.
        cpu: Only this CPU; -1 for all that are online.
        group: Descriptor of the leader of the event's group, or -1.
        text: For people; made of type and number by default.

    Raises:
        KernelError: Not attached.
    """

    def opened(aim: perf.Aim) -> Fd:
        return perf.open_sampling(
            event_type, config, aim, period=period, frequency=frequency, inherit=aim.pid >= 0
        )

    said = text or f"perf event {event_type}:{config}"
    return _attach(program, opened, _aims((pid,), cpu, group), said)


def attach_threads(  # noqa: PLR0913  (as above)
    program: Fd,
    event_type: int,
    config: int,
    threads: Sequence[int],
    *,
    period: int = 0,
    frequency: int = 0,
    text: str = "",
) -> SamplingLink:
    """`attach_sampling` for several threads, wherever they run, and for what they start.

    Threads that have ended meanwhile are left out.

    Raises:
        KernelError: Not attached; or all threads have ended.
    """

    def opened(aim: perf.Aim) -> Fd:
        return perf.open_sampling(
            event_type, config, aim, period=period, frequency=frequency, inherit=True
        )

    aims = [perf.Aim(thread, -1) for thread in threads]
    return _attach(program, opened, aims, text or f"perf event {event_type}:{config}")


def attach_raw(
    program: Fd,
    attr: bytes,
    *,
    pid: int = -1,
    cpu: int = -1,
    group: int = -1,
    text: str = "",
) -> SamplingLink:
    """`attach_sampling` for an event that a whole ``struct perf_event_attr`` describes."""
    aims = _aims((pid,), cpu, group)
    return _attach(program, lambda aim: perf.open_raw(attr, aim), aims, text or "raw perf event")


def first_cpu() -> int:
    """A CPU that is online."""
    return host.online_cpus()[0]


def _aims(threads: Sequence[int], cpu: int, group: int) -> list[perf.Aim]:
    cpus = host.online_cpus() if cpu < 0 else (cpu,)
    return [perf.Aim(thread, each, group) for thread in threads for each in cpus]


def _attach(
    program: Fd, opened: Callable[[perf.Aim], Fd], aims: Sequence[perf.Aim], text: str
) -> SamplingLink:
    """Attach everywhere, then enable everywhere: clocks of different CPUs start as close together as can be."""
    with contextlib.ExitStack() as undo:
        events = []
        links = []
        gone: KernelError | None = None
        for aim in aims:
            try:
                event = opened(aim)
            except KernelError as error:
                if error.errno != errno.ESRCH:
                    raise
                gone = error
                continue
            link = PerfEventLink.attach(program, event, text, enable=False)
            undo.callback(link.close)
            events.append(event)
            links.append(link)
        if gone is not None and not links:
            raise gone
        for event in events:
            perf.enable(event)
        undo.pop_all()
    return SamplingLink(links, program, text)
