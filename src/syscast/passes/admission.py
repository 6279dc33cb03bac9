"""Before an Emit: sampling, and a rate limit, each of which ends the way of an event here.

When: after kernel_reads, which wants to see the reads as the front end made them, before checks.
Why: what is not sent should cost little. Where to stand is found by going back from the Emit over ops that
only read, and whose results nothing else uses: these are then made for admitted events only.
How: 1 of N is kept by a sequence that spreads evenly whatever pattern the events have: the golden ratio's
multiples, modulo 1, below 1/N (Weyl). The place in the sequence is the sum of the ledger's counters of
what came by. The limit is the generic cell rate algorithm (ITU-T I.371): one u64 for each key, the time up to
which the key has used up its rate. It is read and written without a lock (tracing programs may take none), so
that CPUs which look at one key within the same few ns may each let one event through.
What applies is in the config, frozen data: the verifier drops the rest. Only what the limit is kept by is
part of the program.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from syscast.ir import config, ops
from syscast.ir.ops import BinaryOp, Predicate
from syscast.ir.types import U32, U64, Const, Reg
from syscast.ir.walk import operands, result
from syscast.passes import keys, seqwrite
from syscast.passes.editor import MAP, each_function
from syscast.passes.sites import Sites
from syscast.passes.surroundings import (
    EMITTED,
    LEDGER_ROW,
    boot_time,
    count,
    delivery,
    uses_ledger,
)
from syscast.spec.meta import CONTROL, CONTROL_MAP, LEDGER, PRESSURE_SAMPLE
from syscast.spec.objectspec import MapSpec
from syscast.spec.pressure import LIMITS_MAP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.btf.lookup import Btf
    from syscast.ir.ops import Emit, Op
    from syscast.ir.program import Block, Function, Program
    from syscast.passes.editor import Editor
    from syscast.spec.meta import SchemaMeta

LIMITED_KEYS = 16384
"""Keys that a limit remembers; the one that was asked for the longest time ago makes room."""

_GOLDEN = 0x9E3779B1  # 2**32 over the golden ratio, made odd
_KEEP_AT = next(offset for name, offset, _ in CONTROL if name == "keep_one_in")
_PASSED_BY = ("tried", "sampled", "limited")
_READS = (
    *(ops.Binary, ops.Compare, ops.Convert, ops.ByteSwap, ops.Select, ops.Checked),
    *(ops.CheckedConvert, ops.ExactCompare, ops.SlotLoad, ops.SlotAddr, ops.FieldAddr),
    *(ops.FieldLoad, ops.ScalarLoad, ops.ReadStr, ops.ReadBytes, ops.Current, ops.CurrentComm),
    *(ops.Now, ops.Offset, ops.Fill, ops.CopyBytes),
)
"""Ops that change nothing but their result, or a buffer."""

_WRITES = (ops.ReadStr, ops.ReadBytes, ops.CurrentComm, ops.Fill, ops.CopyBytes)


def run(program: Program, btf: Btf) -> Program:
    """Put a gate before every Emit."""
    if not any(
        isinstance(op, ops.Emit) for each in program.functions for b in each.blocks for op in b.ops
    ):
        return program
    gates = _Gates(program)
    made = each_function(program, btf, Sites(program.sites), gates.edit)
    maps = program.maps
    if gates.by is not None:
        maps = (*maps, MapSpec(LIMITS_MAP, "lru_hash", gates.size, 8, LIMITED_KEYS))
    size = max(len(program.data), config.CONFIG_SIZE)
    return msgspec.structs.replace(made, maps=maps, data=program.data.ljust(size, b"\0"))


class _Gates:
    """What stands before the Emits of one program.

    Attributes:
        by: What the limit is kept by; None without one.
        size: Bytes of a key.
        early: The limit needs nothing of the event.
    """

    def __init__(self, program: Program) -> None:
        self._schemas = {schema.id: schema for schema in program.schemas}
        self.by = program.admission.limit_by
        self.size = keys.size_of(program, self.by) if self.by is not None else 0
        self.early = self.by is not None and keys.of_task(program, self.by)

    def edit(self, editor: Editor) -> None:
        if seqwrite.applies(editor):  # nothing is lost there, and every row was asked for
            editor.walk(lambda _: False)
            return
        places = _places(editor.function)
        number = -1
        after: dict[int, str] = {}

        def visit(op: Op) -> bool:
            nonlocal number
            number += 1
            for emit in places.get(number, ()):
                after[id(emit)] = editor.label("after")
                _sample(editor, after[id(emit)])
                if self.early:
                    self._limit(editor, emit, after[id(emit)])
            if not isinstance(op, ops.Emit):
                return False
            behind = after.pop(id(op))
            if self.by is not None and not self.early:
                self._limit(editor, op, behind)
            editor.add(op)
            editor.jump(behind)
            editor.start(behind)
            return True

        editor.walk(visit)

    def _limit(self, editor: Editor, op: Emit, behind: str) -> None:
        schema: SchemaMeta = self._schemas[op.schema]
        assert self.by is not None
        key = keys.build(editor, LIMITS_MAP, self.size, self.by, op, schema)
        now = boot_time(editor)
        step = editor.load(_config(editor, config.LIMIT_NS.offset), U64)
        burst = editor.load(_config(editor, config.LIMIT_BURST.offset), U32)
        room = editor.binary(BinaryOp.MUL, step, editor.convert(burst, U64))
        found = editor.helper("map_lookup_elem", editor.map(LIMITS_MAP), key, type_=MAP)
        new, known, over, admitted = (
            editor.label(hint) for hint in ("new_key", "known_key", "over", "admitted")
        )
        editor.branch(editor.is_null(found), new, known)

        editor.start(new)
        first = editor.slot("@limit_until", U64)
        editor.write_slot(first, editor.binary(BinaryOp.ADD, now, step))
        arguments = (key, editor.address(first), Const(0, U64))
        editor.helper_void("map_update_elem", editor.map(LIMITS_MAP), *arguments)
        editor.jump(admitted)

        editor.start(known)
        used = editor.load(found, U64)
        later = editor.compare(Predicate.UGT, used, now)
        until = editor.binary(BinaryOp.ADD, editor.select(later, used, now), step)
        ahead = editor.binary(BinaryOp.SUB, until, now)
        editor.when(editor.compare(Predicate.UGT, ahead, room), over, "within")
        editor.store(found, until)
        editor.jump(admitted)
        _held(editor, over, "limited", behind)
        editor.start(admitted)


def _sample(editor: Editor, behind: str) -> None:
    """Go on for one event of so many as the reader said."""
    if not uses_ledger(editor):
        return
    sampling, asked, out, kept = (
        editor.label(hint) for hint in ("sampling", "one_in", "out", "kept")
    )
    wanted = editor.binary(BinaryOp.AND, delivery(editor), PRESSURE_SAMPLE)
    editor.branch(editor.compare(Predicate.NE, wanted, 0), sampling, kept)

    editor.start(sampling)
    control = editor.lookup(CONTROL_MAP, Const(0, U32))
    editor.branch(editor.is_null(control), kept, asked)
    editor.start(asked)
    one_in = editor.convert(editor.load(control, U32, _KEEP_AT), U64)
    row = editor.read_slot(editor.slot(LEDGER_ROW, MAP))
    place, *others = (editor.load(row, U64, 8 * LEDGER.index(name)) for name in _PASSED_BY)
    for other in others:
        place = editor.binary(BinaryOp.ADD, place, other)
    spread = editor.binary(BinaryOp.MUL, place, _GOLDEN)
    share = editor.binary(BinaryOp.AND, spread, 0xFFFFFFFF)
    part = editor.binary(BinaryOp.LSHR, editor.binary(BinaryOp.MUL, share, one_in), 32)
    editor.branch(editor.compare(Predicate.EQ, part, 0), kept, out)
    _held(editor, out, "sampled", behind)
    editor.start(kept)


def _held(editor: Editor, label: str, counter: str, behind: str) -> None:
    """Count an event that is not sent; its run is no silent one."""
    editor.start(label)
    count(editor, counter)
    editor.write_slot(editor.slot(EMITTED, U64), Const(1, U64))
    editor.jump(behind)


def _config(editor: Editor, offset: int) -> Reg:
    made = editor.register(MAP)
    editor.add(ops.DataAddr(result=made, offset=offset))
    return made


# ---------------------------------------------------------------- where a gate stands


def _places(function: Function) -> dict[int, list[Emit]]:
    """The Emits, by the number of the op before which their gate stands."""
    uses = _Uses(function)
    found: dict[int, list[Emit]] = {}
    base = 0
    for block in function.blocks:
        for at, op in enumerate(block.ops):
            if isinstance(op, ops.Emit):
                found.setdefault(base + _start(block, at, uses), []).append(op)
        base += len(block.ops)
    return found


def _start(block: Block, at: int, uses: _Uses) -> int:
    """How far before an Emit everything is made for it alone."""
    start = at
    while start and isinstance(block.ops[start - 1], _READS):
        start -= 1
    while start < at and not uses.only_here(block.ops[start:at], block.ops[at]):
        start += 1
    return start


class _Uses:
    """How often registers are read, and slots named, in a function."""

    def __init__(self, function: Function) -> None:
        every = [op for block in function.blocks for op in block.ops]
        self._read = _reads(every)
        self._named = _names(every)
        self._kept = {slot.id for slot in function.keeps}

    def only_here(self, region: Sequence[Op], emit: Op) -> bool:
        """Whether what these ops make is of no use but for each other and for the Emit."""
        inside = _reads([*region, emit])
        made = {reg.id for op in region if (reg := result(op)) is not None}
        if any(self._read[each] != inside[each] for each in made):
            return False
        buffers = {op.slot.id for op in region if isinstance(op, ops.SlotAddr)}
        named = _names(region)
        if any(self._named[each] != named[each] or each in self._kept for each in buffers):
            return False
        written = [
            op.ptr if isinstance(op, ops.Fill) else op.dst
            for op in region
            if isinstance(op, _WRITES)
        ]
        return all(isinstance(each, Reg) and each.id in made for each in written)


def _reads(some: Sequence[Op]) -> Counter[int]:
    return Counter(value.id for op in some for value in operands(op) if isinstance(value, Reg))


def _names(some: Sequence[Op]) -> Counter[int]:
    slots = (ops.SlotAddr, ops.SlotLoad, ops.SlotStore)
    return Counter(op.slot.id for op in some if isinstance(op, slots))
