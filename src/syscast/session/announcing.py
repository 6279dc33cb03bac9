"""What a session tells other processes of itself, for ``syscast stats``.

A frozen map of one element says which maps and programs are this session's and what its probes are
called. It is found by its name among the kernel's maps and lives as long as its descriptor, so that
nothing is left of a process that was killed. All else is counted in maps that the session has anyway.
"""

from __future__ import annotations

import os
import sys
import time
from struct import pack
from typing import TYPE_CHECKING

import msgspec

from syscast.errors import KernelError
from syscast.kernel import bpfmaps
from syscast.spec.meta import EVENTS_MAP, LEDGER, LEDGER_MAP, SHARDS_MAP
from syscast.spec.numbers import MAP_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from syscast.kernel.descriptors import Fd
    from syscast.session.part import Part
    from syscast.spec.meta import ProgramMeta

NAME = ".syscast"
VERSION = 1
_MOST_PROGRAMS = 256
_KEY = bytes(4)
_COMMANDS = frozenset({"syscast", "__main__.py"})


def announce(parts: Sequence[Part]) -> Fd | None:
    """Tell of a session until the result is closed; None where the kernel has no room for that."""
    told = [_of_part(part) for part in parts if not part.meta.foreign]
    value = msgspec.msgpack.encode(
        {
            "version": VERSION,
            "pid": os.getpid(),
            "namespace": _pid_namespace(),
            "command": _command(),
            "started": time.clock_gettime_ns(time.CLOCK_BOOTTIME),
            "counters": LEDGER,
            "parts": told,
        }
    )
    value = pack("<I", len(value)) + value
    size = len(value) + 7 & -8
    try:
        made = bpfmaps.map_create(
            bpfmaps.MapAttr(MAP_TYPES["array"], len(_KEY), size, 1, name=NAME)
        )
        try:
            bpfmaps.update(made, _KEY, value.ljust(size, b"\0"))
            bpfmaps.freeze(made)
        except BaseException:
            made.close()
            raise
    except KernelError:
        return None
    return made


def _of_part(part: Part) -> dict[str, object]:
    """The maps and programs of one object, by their ids in the kernel."""
    maps = part.loaded.maps
    programs = part.loaded.programs
    counted = [each for each in part.meta.programs if each.role != "follow"]
    return {
        "ledger": _id(maps[LEDGER_MAP].fd) if LEDGER_MAP in maps else 0,
        "ring": _id(maps[EVENTS_MAP].fd) if EVENTS_MAP in maps else 0,
        "shards": _id(maps[SHARDS_MAP].fd) if SHARDS_MAP in maps else 0,
        "programs": [
            (
                each.id,
                each.probe,
                each.role,
                each.name in part.sending,
                _id(programs[each.name].fd),
            )
            for each in _known(counted[:_MOST_PROGRAMS], programs)
        ],
        "more": max(0, len(counted) - _MOST_PROGRAMS),
    }


def _known(programs: Iterable[ProgramMeta], loaded: Iterable[str]) -> list[ProgramMeta]:
    names = set(loaded)
    return [each for each in programs if each.name in names]


def _id(fd: Fd) -> int:
    return bpfmaps.object_id(fd)


def _command() -> str:
    """What this process is, in a word or two; never its arguments."""
    argv = [*getattr(sys, "argv", ()), ""]
    base = argv[0].rpartition("/")[2]
    if base in _COMMANDS:
        return f"syscast {argv[1]}".strip()
    return base if base and base != "-c" else "python"


def _pid_namespace() -> int:
    """Inode number; 0 where /proc does not say."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116  (pathlib costs a start 5 ms)
    except OSError:
        return 0
