"""Adds the standard maps that the program uses.

When: last; the maps are known by the MapAddr ops.
Why: front ends and probe kinds need not declare them; a program that emits nothing has no ring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.ir import ops
from syscast.passes import seqwrite
from syscast.spec.meta import (
    CGROUPS_MAP,
    CONTROL_MAP,
    CONTROL_SIZE,
    EVENTS_MAP,
    FOLLOWED_MAP,
    LEDGER,
    LEDGER_MAP,
    RAISED_MAP,
    RECORD_HEADER_SIZE,
    SCRATCH_MAP,
    SHARDS_MAP,
)
from syscast.spec.objectspec import MapSpec

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.ir.program import Program

_RING_BYTES = 4 << 20
_SHARD = MapSpec("shard", "ringbuf", max_entries=4096)
"""The model of a CPU's ring; the loader makes them, where they are wanted, of the size that is wanted."""
_MMAPABLE = 1 << 10  # BPF_F_MMAPABLE (in v5.5; the loader leaves it out where it is unknown)
TASKS = 16384
"""Entries of the maps that are keyed by task."""

CALL_KEY_SIZE = 24
"""Of the map ``calls``: u64 pid_tgid, u64 frame, u64 pair."""


def run(program: Program, btf: Btf) -> Program:  # noqa: ARG001 - a pass has one form
    """Declare what is used and not yet declared."""
    used = {
        op.map
        for function in program.functions
        for block in function.blocks
        for op in block.ops
        if isinstance(op, ops.MapAddr)
    }
    have = {each.name for each in program.maps}
    made = tuple(spec for spec in _standard(program) if spec.name in used - have)
    return msgspec.structs.replace(program, maps=program.maps + made)


def staging_size(program: Program) -> int:
    """Bytes of the largest record, at the start of each row of the map ``scratch``."""
    lead = seqwrite.LEAD if any(map(seqwrite.is_iterator, program.functions)) else 0
    return lead + RECORD_HEADER_SIZE + max((each.size for each in program.schemas), default=0)


def rows(program: Program) -> int:
    """Rows of the maps that have one for each program."""
    return max((function.id + 1 for function in program.functions), default=0) or 1


def _standard(program: Program) -> tuple[MapSpec, ...]:
    count = rows(program)
    sites = max(1, len(program.sites))
    return (
        MapSpec(EVENTS_MAP, "ringbuf", max_entries=_RING_BYTES),
        MapSpec(SHARDS_MAP, "array_of_maps", 4, 4, 1, inner=_SHARD),
        MapSpec(CONTROL_MAP, "array", 4, CONTROL_SIZE, 1, flags=_MMAPABLE),
        MapSpec(LEDGER_MAP, "percpu_array", 4, 8 * len(LEDGER), count),
        MapSpec(RAISED_MAP, "percpu_array", 4, 8, sites),
        MapSpec(SCRATCH_MAP, "percpu_array", 4, staging_size(program), count),
        MapSpec(FOLLOWED_MAP, "hash", 4, 1, TASKS),
        MapSpec(CGROUPS_MAP, "cgroup_array", 4, 4, 1),
    )
