"""An event that finds the ring full, counted by a key instead of dropped.

Part of the pass emits, for programs that were asked to. The counts lie in a hash that the outer map names,
so that a reader can take them out without losing one (see ``loader.statemaps``). Where the hash is full,
the event is dropped, and counted as that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.ir import ops
from syscast.ir.types import U32, U64, Const
from syscast.passes import keys
from syscast.passes.editor import MAP
from syscast.passes.surroundings import boot_time, count
from syscast.spec.meta import state_data
from syscast.spec.objectspec import MapSpec
from syscast.spec.pressure import AGGREGATED_MAP, AGGREGATED_SIZE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.ir.ops import Emit
    from syscast.ir.program import Program
    from syscast.passes.editor import Editor
    from syscast.spec.meta import SchemaMeta

_MOST_KEYS = 10240
_COUNT, _FIRST, _LAST = 0, 8, 16
_NOEXIST = Const(1, U64)  # BPF_NOEXIST


class Aggregating:
    """What full rings are counted by in one program."""

    def __init__(self, program: Program, by: Sequence[str]) -> None:
        self._by = by
        self._size = keys.size_of(program, by)

    def maps(self) -> tuple[MapSpec, ...]:
        """The hash, and the map that names it."""
        inner = MapSpec(
            state_data(AGGREGATED_MAP), "hash", self._size, AGGREGATED_SIZE, _MOST_KEYS
        )
        slots = ((0, inner.name),)
        outer = MapSpec(AGGREGATED_MAP, "array_of_maps", 4, 4, 1, inner=inner, slots=slots)
        return inner, outer

    def count(self, editor: Editor, op: Emit, schema: SchemaMeta, done: str) -> None:
        """Count one event, or that it was dropped, and go to a label."""
        new, again, known, full, counted = (
            editor.label(hint)
            for hint in ("new_count", "raced", "known_count", "no_room", "counted")
        )
        table = editor.lookup(AGGREGATED_MAP, Const(0, U32))
        editor.when(editor.is_null(table), full, "aggregate")
        key = keys.build(editor, AGGREGATED_MAP, self._size, self._by, op, schema)
        now = boot_time(editor)
        row = editor.slot("@aggregate_row", MAP)
        editor.write_slot(row, editor.helper("map_lookup_elem", table, key, type_=MAP))
        editor.branch(editor.is_null(editor.read_slot(row)), new, known)

        editor.start(new)
        first = editor.address(editor.slot("@aggregate_first", None, AGGREGATED_SIZE))
        for at, value in ((_COUNT, Const(1, U64)), (_FIRST, now), (_LAST, now)):
            editor.store(first, value, at)
        made = (table, key, first, _NOEXIST)
        editor.branch(editor.failed("map_update_elem", *made), again, counted)
        editor.start(again)
        editor.write_slot(row, editor.helper("map_lookup_elem", table, key, type_=MAP))
        editor.branch(editor.is_null(editor.read_slot(row)), full, known)

        editor.start(known)
        there = editor.read_slot(row)
        editor.add(ops.AtomicAdd(ptr=there, value=Const(1, U64), offset=_COUNT))
        editor.store(there, now, _LAST)
        editor.jump(counted)

        editor.start(counted)
        count(editor, "aggregated")
        editor.jump(done)
        editor.start(full)
        count(editor, "dropped")
        editor.jump(done)
