"""The syscast sessions of this machine, as any process may see them that may look at BPF objects.

Each session tells of itself in a frozen map (see `syscast.session.announcing`); what its probes counted
stands in its ledger map, what waits in its rings' positions. Nothing is asked of the processes themselves,
and nothing is held open between two looks, so that looking keeps nothing alive.
"""

from __future__ import annotations

import contextlib
import errno
import time
from struct import unpack, unpack_from
from typing import TYPE_CHECKING

import msgspec

from syscast.errors import KernelError, SyscastError
from syscast.kernel import bpfinfo, bpfmaps, memory
from syscast.session.announcing import NAME, VERSION
from syscast.spec.numbers import MAP_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from syscast.kernel.descriptors import Fd

_MOST_BYTES = 1 << 20
_KEY = bytes(4)
_PERF_EVENTS = frozenset({2, 5, 7})
"""BPF_PROG_TYPE_KPROBE, _TRACEPOINT and _PERF_EVENT, whose misses their links count."""
_SENT = ("tried", "dropped", "aggregated")


class ToldProgram(msgspec.Struct, frozen=True, array_like=True):
    """One program, as its session tells of it; ``id`` is that of the kernel, ``row`` in the ledger."""

    row: int
    probe: str
    role: str
    sends: bool
    id: int


class ToldPart(msgspec.Struct, frozen=True):
    """One object: ids of its maps, 0 for none, and its programs."""

    ledger: int
    ring: int
    programs: tuple[ToldProgram, ...]
    shards: int = 0
    more: int = 0


class Told(msgspec.Struct, frozen=True):
    """What a session tells of itself.

    Attributes:
        pid: As its own PID namespace has it.
        namespace: Inode of that.
        command: In a word or two.
        started: Boot clock in ns.
        counters: What a row of the ledger holds.
    """

    version: int
    pid: int
    namespace: int
    command: str
    started: int
    counters: tuple[str, ...]
    parts: tuple[ToldPart, ...]


class ProbeLook(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel has counted for one probe so far; ``missed`` is None where it does not.

    Attributes:
        sent: Records that went into the ring.
        lost: Records that found it full.
        run_ns: Time spent in its programs while statistics were on; None where they are not.
        run_count: Runs in that time.
    """

    probe: str
    sends: bool
    ran: int
    sent: int
    lost: int
    missed: int | None
    run_ns: int | None
    run_count: int | None


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One session at one moment.

    Attributes:
        id: Of its map, which no other session ever has.
        time: Boot clock, in seconds.
        fill: Share of its fullest ring that waits to be read; None where that cannot be seen.
        more: Programs that it did not tell of.
    """

    id: int
    told: Told
    time: float
    probes: tuple[ProbeLook, ...]
    fill: float | None
    more: int


def look(pid: int | None = None) -> list[Look]:
    """Look at all sessions.

    Args:
        pid: Only those of this process.

    Raises:
        PermissionDeniedError: Ids of BPF objects are for CAP_SYS_ADMIN.
    """
    found = [(number, told) for number, told in _announced() if pid is None or told.pid == pid]
    missed = _missed_at_links() if found else {}
    looks = []
    for number, told in found:
        with contextlib.suppress(KernelError):  # it ended meanwhile
            looks.append(_look(number, told, missed))
    return looks


def _announced() -> Iterator[tuple[int, Told]]:
    for number in bpfinfo.ids("map"):
        try:
            with bpfinfo.by_id("map", number) as fd:
                info = bpfinfo.map_info(fd)
                right = info.map_type == MAP_TYPES["array"] and info.value_size <= _MOST_BYTES
                if info.name != NAME or not right:
                    continue
                value = bpfmaps.lookup(fd, _KEY, info.value_size) or b""
        except KernelError as error:
            if error.errno != errno.ENOENT:  # gone meanwhile
                raise
            continue
        told = _read(value)
        if told is not None:
            yield number, told


def _read(value: bytes) -> Told | None:
    """Anybody may make a map of this name: what is not what we write is nobody's session."""
    if len(value) < 4:
        return None
    (size,) = unpack_from("<I", value)
    try:
        told = msgspec.msgpack.decode(value[4 : 4 + size], type=Told)
    except msgspec.DecodeError:
        return None
    return told if told.version == VERSION else None


def _look(number: int, told: Told, missed: Mapping[int, int | None]) -> Look:
    rows: dict[str, list[ProbeLook]] = {}
    fills = []
    for part in told.parts:
        for each in _programs(part, told.counters, missed):
            rows.setdefault(each.probe, []).append(each)
        fill = _fill(part)
        if fill is not None:
            fills.append(fill)
    return Look(
        id=number,
        told=told,
        time=time.clock_gettime(time.CLOCK_BOOTTIME),
        probes=tuple(_together(each) for each in rows.values()),
        fill=max(fills, default=None),
        more=sum(part.more for part in told.parts),
    )


def _programs(
    part: ToldPart, counters: tuple[str, ...], missed: Mapping[int, int | None]
) -> Iterator[ProbeLook]:
    if not part.ledger:
        return
    with bpfinfo.by_id("map", part.ledger) as ledger:
        size = _row_size(ledger)
        for program in part.programs:
            counted = _row(ledger, size, program.row, counters)
            with bpfinfo.by_id("program", program.id) as fd:
                kernel = bpfinfo.prog_info(fd)
            unseen = kernel.recursion_misses
            if kernel.prog_type in _PERF_EVENTS:
                at_links = missed.get(program.id)
                unseen = None if at_links is None else at_links + (unseen or 0)
            tried, dropped, aggregated = (counted.get(name, 0) for name in _SENT)
            yield ProbeLook(
                probe=program.probe,
                sends=program.sends,
                ran=0 if program.role == "entry" else counted.get("ran", 0),
                sent=tried - dropped - aggregated,
                lost=dropped,
                missed=unseen,
                run_ns=kernel.run_time_ns,
                run_count=0 if program.role == "entry" else kernel.run_cnt,
            )


def _row_size(ledger: Fd) -> int:
    """Bytes of a row for one CPU.

    Raises:
        KernelError: It is no ledger.
    """
    info = bpfinfo.map_info(ledger)
    if info.map_type != MAP_TYPES["percpu_array"] or info.value_size % 8:
        raise KernelError(f"{ledger.what}: look up: it is no ledger", errno.ENOENT)
    return info.value_size


def _row(ledger: Fd, size: int, row: int, counters: tuple[str, ...]) -> dict[str, int]:
    from syscast.kernel.host import possible_cpus  # noqa: PLC0415  (reads /sys)

    value = bpfmaps.lookup(ledger, row.to_bytes(4, "little"), size * possible_cpus()) or b""
    words = unpack(f"<{len(value) // 8}Q", value)
    width = size // 8
    return {name: sum(words[at::width]) for at, name in enumerate(counters[:width])}


def _together(rows: list[ProbeLook]) -> ProbeLook:
    """The programs of one probe; unknown where nobody counts."""

    def add(name: str) -> int | None:
        known = [value for row in rows if isinstance(value := getattr(row, name), int)]
        return sum(known) if known else None

    return ProbeLook(
        probe=rows[0].probe,
        sends=any(row.sends for row in rows),
        ran=add("ran") or 0,
        sent=add("sent") or 0,
        lost=add("lost") or 0,
        missed=add("missed"),
        run_ns=add("run_ns"),
        run_count=add("run_count"),
    )


def _missed_at_links() -> dict[int, int | None]:
    """What links count, by the id of their program; None where one of them does not."""
    found: dict[int, int | None] = {}
    with contextlib.suppress(SyscastError):  # a kernel without ids of links
        for number in bpfinfo.ids("link"):
            with contextlib.suppress(KernelError), bpfinfo.by_id("link", number) as fd:
                info = bpfinfo.link_info(fd)
                before = found.get(info.prog_id, 0)
                found[info.prog_id] = (
                    None if before is None or info.missed is None else before + info.missed
                )
    return found


def _fill(part: ToldPart) -> float | None:
    """How full the fullest ring is."""
    shares = [share for ring in _rings(part) if (share := _share(ring)) is not None]
    return max(shares, default=None)


def _rings(part: ToldPart) -> Iterator[int]:
    if part.ring:
        yield part.ring
    if part.shards:
        from syscast.kernel.host import possible_cpus  # noqa: PLC0415  (reads /sys)

        with contextlib.suppress(KernelError), bpfinfo.by_id("map", part.shards) as fd:
            for cpu in range(possible_cpus()):
                inner = bpfmaps.lookup(fd, cpu.to_bytes(4, "little"), 4)
                if inner is not None:
                    yield int.from_bytes(inner, "little")


def _share(ring: int) -> float | None:
    """Share of a ring buffer that waits to be read; None for perf rings, which only their owner sees."""
    with contextlib.suppress(KernelError), bpfinfo.by_id("map", ring) as fd:
        info = bpfinfo.map_info(fd)
        if info.map_type != MAP_TYPES["ringbuf"]:
            return None
        page = memory.PAGE_SIZE
        with memory.Mapping(fd, 2 * page) as pages:
            consumer = pages.part(0, 8, "Q")[0]
            producer = pages.part(page, 8, "Q")[0]
        return max(0, producer - consumer) / info.max_entries
    return None
