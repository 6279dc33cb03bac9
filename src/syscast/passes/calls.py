"""Suspend, and the start of an exit program: what a call probe keeps between entry and exit.

When: before stack_budget (the state may be large) and filters.
Why: entry and exit are two programs; the locals that live across the yield go through the map
``calls``, by task, process, frame and pair. The frame tells recursive calls of one task apart.
How: a scalar takes 8 bytes of the state, a buffer its size rounded up. At the exit the state is
copied out and deleted first, so that a raise cannot leak it. Counted is the call, not each of its two
programs: an entry that suspends is not a run, nor is an exit without state (its entry was
filtered, raised, or came before the attachment). A full map loses the call: ``tried``, ``dropped``.
An entry that finds state under its key has found a call whose exit was missed, since a task is in
one call in one frame: ``unreturned``. The state's last word is the thread, for who sweeps the map
(``session.keptcalls``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.btf.types import Struct
from syscast.errors import InternalError
from syscast.ir import ops
from syscast.ir.ops import BinaryOp, Predicate
from syscast.ir.types import I64, U64, Const, PtrType
from syscast.passes.editor import KERNEL, MAP, each_function
from syscast.passes.maps import CALL_KEY_SIZE, TASKS
from syscast.passes.members import member
from syscast.passes.sites import Sites
from syscast.passes.surroundings import EMITTED, count, pid_tgid
from syscast.spec.meta import CALLS_MAP
from syscast.spec.objectspec import MapSpec

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.ir.ops import Op
    from syscast.ir.program import Function, Program
    from syscast.ir.types import Reg, Slot, Value
    from syscast.passes.editor import Editor

STATE = "@call_state"
_KEY = "@call_key"
_FRAME = "@frame"
_PROCESS = 0xFFFFFFFF << 32
_NOEXIST, _EXIST = Const(1, U64), Const(2, U64)  # BPF_NOEXIST, BPF_EXIST


def run(program: Program, btf: Btf) -> Program:
    """Lower Suspend and give exits their state."""
    pairs = sorted({function.pair for function in program.functions if function.pair})
    if not pairs:
        return program
    size = 8 + max(8, *(_size(function) for function in program.functions))

    def edit(editor: Editor) -> None:
        number = pairs.index(editor.function.pair) if editor.function.pair else -1
        if editor.function.role == "entry":
            _entry(editor, number, size)
        elif editor.function.role == "exit":
            _exit(editor, number)
        else:
            editor.walk(lambda _: False)

    made = each_function(program, btf, Sites(program.sites), edit)
    calls = MapSpec(CALLS_MAP, "hash", CALL_KEY_SIZE, size, TASKS)
    return msgspec.structs.replace(made, maps=(*made.maps, calls))


def _layout(function: Function) -> list[tuple[Slot, int]]:
    """Each kept slot and its offset."""
    places = []
    offset = 0
    for slot in function.keeps:
        places.append((slot, offset))
        offset += slot.size + 7 & -8 if slot.type is None else 8
    return places


def _size(function: Function) -> int:
    return sum(slot.size + 7 & -8 if slot.type is None else 8 for slot, _ in _layout(function))


# ---------------------------------------------------------------- both


def _key(editor: Editor, number: int, frame: Value) -> Reg:
    """Build the key {task, frame, process << 32 | pair} on the stack.

    Of a task that calls execve, the thread number changes in the middle: not its address, nor the
    process, which tells it from a later task at the same address.
    """
    key = editor.address(editor.slot(_KEY, None, CALL_KEY_SIZE))
    task = editor.helper("get_current_task", type_=KERNEL)
    editor.store(key, editor.convert(task, U64), 0)
    editor.store(key, frame, 8)
    process = editor.binary(BinaryOp.AND, pid_tgid(editor), Const(_PROCESS, U64))
    editor.store(key, editor.binary(BinaryOp.OR, process, Const(number, U64)), 16)
    return key


def _frame(editor: Editor) -> Value:
    context = editor.function.context
    if context is None:
        raise InternalError("a subprogram is no part of a call")
    if not context.frame:
        return Const(0, U64)
    base = editor.context()
    if context.frame == "ctx":
        frame = editor.convert(base, U64)
    else:
        regs = editor.btf.find("pt_regs", Struct)
        if regs is None:
            raise InternalError("struct 'pt_regs': it is not in the kernel's BTF")
        at = member(editor.btf, regs, context.frame).bit_offset // 8
        frame = editor.load(base, U64, at)
    if not context.frame_bias:
        return frame
    return editor.binary(BinaryOp.ADD, frame, context.frame_bias)


# ---------------------------------------------------------------- entry


def _entry(editor: Editor, number: int, size: int) -> None:
    places = dict(_layout(editor.function))
    state = editor.slot(STATE, None, size)

    # The context is read in the first block only (see the pass context).
    editor.start_new("call")
    editor.write_slot(editor.slot(_FRAME, U64), _frame(editor))
    editor.jump(editor.entry)

    def visit(op: Op) -> bool:
        match op:
            case ops.SlotAddr() if op.slot in places and op.slot.type is None:
                # Buffers live in the state from the start.
                base = editor.address(state)
                delta = Const(places[op.slot], I64)
                editor.add(ops.Offset(result=op.result, ptr=base, delta=delta))
            case ops.Suspend():
                _suspend(editor, number, places, size)
            case _:
                return False
        return True

    editor.walk(visit)
    editor.drop_slots(slot for slot in places if slot.type is None)


def _suspend(editor: Editor, number: int, places: dict[Slot, int], size: int) -> None:
    state = editor.address(editor.slot(STATE, None))
    for slot, offset in places.items():
        if slot.type is not None:
            value: Value = editor.read_slot(slot)
            if not isinstance(slot.type, PtrType):
                value = editor.convert(value, U64)
            editor.store(state, value, offset)
    editor.store(state, pid_tgid(editor), size - 8)
    key = _key(editor, number, editor.read_slot(editor.slot(_FRAME, U64)))
    arguments = (editor.map(CALLS_MAP), key, state)
    taken, full, kept = (editor.label(hint) for hint in ("taken", "calls_full", "kept"))
    editor.branch(editor.failed("map_update_elem", *arguments, _NOEXIST), taken, kept)
    editor.start(taken)
    arguments = (editor.map(CALLS_MAP), key, state)
    editor.when(editor.failed("map_update_elem", *arguments, _EXIST), full, "unreturned")
    count(editor, "unreturned")
    editor.jump(kept)
    editor.start(full)
    count(editor, "ran")
    count(editor, "tried")
    count(editor, "dropped")
    editor.add(ops.Return())
    editor.start(kept)
    # An entry that emitted was a run of its own.
    emitted, done = editor.label("emitted"), editor.label("suspended")
    flag = editor.read_slot(editor.slot(EMITTED, U64))
    editor.branch(editor.compare(Predicate.NE, flag, 0), emitted, done)
    editor.start(emitted)
    count(editor, "ran")
    editor.jump(done)
    editor.start(done)
    editor.add(ops.Return())


# ---------------------------------------------------------------- exit


def _exit(editor: Editor, number: int) -> None:
    editor.start_new("call")
    key = _key(editor, number, _frame(editor))
    state = editor.helper("map_lookup_elem", editor.map(CALLS_MAP), key, type_=MAP)
    missing = editor.label("no_call")
    editor.when(editor.is_null(state), missing, "called")
    for slot, offset in _layout(editor.function):
        _take(editor, slot, state, offset)
    editor.helper_void("map_delete_elem", editor.map(CALLS_MAP), key)
    count(editor, "ran")
    editor.jump(editor.entry)
    editor.start(missing)
    editor.add(ops.Return())
    editor.walk(lambda _: False)


def _take(editor: Editor, slot: Slot, state: Reg, offset: int) -> None:
    if slot.type is not None:
        if isinstance(slot.type, PtrType):
            value: Value = editor.load(state, slot.type, offset)
        else:
            value = editor.convert(editor.load(state, U64, offset), slot.type)
        editor.write_slot(slot, value)
        return
    editor.add(
        ops.CopyBytes(dst=editor.address(slot), src=state, size=slot.size, src_offset=offset)
    )
