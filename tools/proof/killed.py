"""A reader that is killed in the middle of a flood: what it wrote until then has no hole that the kernel does not explain."""

from __future__ import annotations

import os
import signal
import struct
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import syscast as sc
from proof.probes import by_call
from proof.producers import Callers
from syscast.kernel import bpfmaps
from syscast.kernel.bpfinfo import by_id, ids, map_info
from syscast.kernel.host import possible_cpus
from syscast.spec.meta import LEDGER, LEDGER_MAP

if TYPE_CHECKING:
    from syscast.kernel.descriptors import Fd

_PAIR = struct.Struct("<QI")
GRACE_S = 1.0


@dataclass(frozen=True)
class Outcome:
    """What was left of a killed reader.

    Attributes:
        written: Records that it wrote before it died.
        gaps: Sequence numbers missing below the last one written, of all CPUs.
        dropped: What the kernel's counters say was dropped until after the kill.
        remaining: Ids of its programs that were there a second later.
    """

    written: int
    gaps: int
    dropped: int
    remaining: tuple[int, ...]

    @property
    def unexplained(self) -> int:
        """Gaps for which there is no drop."""
        return max(0, self.gaps - self.dropped)


def _read(pid: int, ring: int, path: Path, ready: int) -> None:
    with (
        sc.attach(by_call, pid=pid, follow=True, ring_size=ring) as session,
        path.open("wb", 0) as file,
    ):
        os.write(ready, b"!")
        for found in session.tuples():
            file.write(b"".join(_PAIR.pack(raw[1], raw[7]) for raw in found))


def run(ring: int, cpus: int, delay: float, directory: Path) -> Outcome:
    """Flood a reader in a process of its own, kill it after a time, and look at what it wrote."""
    path = directory / "written"
    producers = Callers(sorted(os.sched_getaffinity(0), reverse=True)[:cpus], 0)
    heard, ready = os.pipe()
    reader = os.fork()
    if not reader:
        try:
            _read(producers.pid, ring, path, ready)
        finally:
            os._exit(1)
    try:
        os.close(ready)
        os.read(heard, 1)
        programs = _held(reader, "prog_id:")
        found = next(number for number in _held(reader, "map_id:") if _name(number) == LEDGER_MAP)
        with by_id("map", found) as ledger:
            producers.start(1 << 40)
            time.sleep(delay)
            os.kill(reader, signal.SIGKILL)
            os.waitpid(reader, 0)
            until = time.monotonic() + GRACE_S
            while (left := programs & set(ids("program"))) and time.monotonic() < until:
                time.sleep(0.01)
            dropped = _dropped(ledger)
    finally:
        os.close(heard)
        _end(producers)
    written, gaps = _gaps(path.read_bytes())
    return Outcome(written, gaps, dropped, tuple(left))


def _end(producers: Callers) -> None:
    """End a flood that has no end, workers included."""
    children = (
        Path(f"/proc/{producers.pid}/task/{producers.pid}/children")
        .read_text(encoding="ascii")
        .split()
    )
    os.kill(producers.pid, signal.SIGKILL)
    for child in children:
        os.kill(int(child), signal.SIGKILL)
    producers.close()


def _held(pid: int, word: str) -> set[int]:
    """Ids of what a process has open."""
    found = set()
    for path in Path(f"/proc/{pid}/fdinfo").iterdir():
        for line in path.read_text(encoding="ascii").splitlines():
            if line.startswith(word):
                found.add(int(line.split()[1]))
    return found


def _name(number: int) -> str:
    with by_id("map", number) as fd:
        return map_info(fd).name


def _dropped(ledger: Fd) -> int:
    """Of all programs and CPUs."""
    size = 8 * len(LEDGER)
    total = 0
    for row in range(map_info(ledger).max_entries):
        value = bpfmaps.lookup(ledger, row.to_bytes(4, "little"), size * possible_cpus())
        for cpu in range(possible_cpus()) if value else ():
            total += struct.unpack_from(f"<{len(LEDGER)}Q", value, cpu * size)[
                LEDGER.index("dropped")
            ]
    return total


def _gaps(data: bytes) -> tuple[int, int]:
    numbers: dict[int, list[int]] = defaultdict(list)
    whole = len(data) - len(data) % _PAIR.size
    for number, cpu in _PAIR.iter_unpack(data[:whole]):
        numbers[cpu].append(number)
    gaps = sum(max(each) + 1 - len(set(each)) for each in numbers.values())
    return whole // _PAIR.size, gaps
