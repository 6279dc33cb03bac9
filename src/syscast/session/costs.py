"""Measures what a session costs: the kernel's run-time statistics of its programs, and the reader's CPU time.

The kernel measures all programs of the host for as long as somebody holds a descriptor of BPF_ENABLE_STATS
(Linux kernel commit d46edd671a14 ("bpf: Sharing bpf runtime stats with BPF_ENABLE_STATS") (in
v5.8)), which takes each run some ns; the sysctl is left alone. The session holds one until its
programs are detached.
"""

from __future__ import annotations

import time
from _thread import get_ident
from typing import TYPE_CHECKING

from syscast.events.coststats import Cost, program_cost
from syscast.kernel import bpfprogs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.session.part import Part


class Meter:
    """Measures from its making on; raises KernelError where the kernel refuses.

    Args:
        parts: The session's objects.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._stats = bpfprogs.enable_stats()
        self._began = time.monotonic()
        self._ended: float | None = None
        self._process = time.process_time()
        self._reader = 0.0
        self._thread = (get_ident(), time.thread_time())
        self._before = {key: (hits, ns) for key, hits, ns in self._counts()}

    def reading(self) -> None:
        """Note that this thread reads: its time from one call to the next is the reader's."""
        thread, before = self._thread
        now = time.thread_time()
        if thread == get_ident():
            self._reader += now - before
            self._thread = (thread, now)
        else:
            self._thread = (get_ident(), now)

    @property
    def programs_ns(self) -> int:
        """Time in all programs since the beginning."""
        return sum(ns - self._before[key][1] for key, _, ns in self._counts())

    @property
    def reader_s(self) -> float:
        """CPU seconds of the reader, up to its last call of `reading`."""
        return self._reader

    def cost(self) -> Cost:
        """All of it; raises KernelError."""
        if self._thread[0] == get_ident() and self._ended is None:
            self.reading()
        seconds = (self._ended or time.monotonic()) - self._began
        roles = {
            (at, each.name): (each.probe, each.role)
            for at, part in enumerate(self._parts)
            for each in part.meta.programs
        }
        programs = []
        for key, hits, ns in self._counts():
            hits_before, ns_before = self._before[key]
            probe, role = roles.get(key, (key[1], "probe"))
            programs.append(program_cost(probe, role, hits - hits_before, ns - ns_before, seconds))
        return Cost(seconds, tuple(programs), self._reader, time.process_time() - self._process)

    def _counts(self) -> list[tuple[tuple[int, str], int, int]]:
        """Part and name, hits and ns of each program."""
        found = []
        for at, part in enumerate(self._parts):
            for name, program in part.loaded.programs.items():
                info = program.info()
                found.append(((at, name), info.run_cnt or 0, info.run_time_ns or 0))
        return found

    def end(self) -> None:
        """Stop measuring; what was measured stays readable. A second call does nothing."""
        if self._ended is None:
            self._ended = time.monotonic()
            self._stats.close()
