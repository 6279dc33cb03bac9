"""Suspend, and the start of an exit program: what a call probe keeps between entry and exit.

When: before stack_budget (the state may be large) and filters.
Why: entry and exit are two programs; the locals that live across the yield go through the map
``calls``, by task, process, frame and pair. The frame tells recursive calls of one task apart.
How: a scalar takes 8 bytes of the state, a buffer its size rounded up. At the exit the state is
copied out and deleted first, so that a raise cannot leak it. Counted is the call, not each of its two
programs: an entry that suspends is not a run, nor is an exit without state (its entry was
filtered, raised, or came before the attachment). A full map loses the call: ``tried``, ``dropped``.
A kretprobe can miss a return. So a task's frames in a call are listed in the map ``frames`` (the newest
tasks' only): frames on one stack that are not above a new call's, or that are below one that returns,
are those of calls that have returned unseen. Their state is deleted: ``unreturned``. Where
calls have no frame, an entry that finds state has found such a call. The state's last word is the
thread, for who sweeps the map of tasks that are gone (``session.keptcalls``).
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
from syscast.spec.meta import CALLS_MAP, FRAMES_MAP
from syscast.spec.objectspec import MapSpec

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.ir.ops import Op
    from syscast.ir.program import Function, Program
    from syscast.ir.types import Reg, Slot, Value
    from syscast.passes.editor import Editor

STATE = "@call_state"
_KEY = "@call_key"
_KEY_OF_STALE = "@stale_key"
_FRAME = "@frame"
_PROCESS = 0xFFFFFFFF << 32
_FRAMES = 4
"""Calls inside the same call that are followed; deeper ones are kept all the same."""
_FRAMES_KEY = "@frames_key"
_FRAMES_KEY_SIZE = 16
_STACK_BITS = 14
"""THREAD_SIZE: one stack's addresses differ below this bit (an interrupt has a stack of its own)."""
_NOEXIST, _EXIST = Const(1, U64), Const(2, U64)  # BPF_NOEXIST, BPF_EXIST
_NUMBER_AT = 48


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
    maps = [MapSpec(CALLS_MAP, "hash", CALL_KEY_SIZE, size, TASKS)]
    if any(_may_miss(function) for function in program.functions):
        maps.append(MapSpec(FRAMES_MAP, "lru_hash", _FRAMES_KEY_SIZE, 8 * _FRAMES, TASKS))
    return msgspec.structs.replace(made, maps=(*made.maps, *maps))


def _may_miss(function: Function) -> bool:
    """Whether a call's exit can be missed: what is told apart by the stack pointer is a kretprobe."""
    context = function.context
    return bool(function.pair) and context is not None and context.frame not in {"", "ctx"}


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


def _key(editor: Editor, number: int, frame: Value, name: str = _KEY) -> Reg:
    """Build the key {task, frame, process << 32 | pair} on the stack, in the slot of this name.

    Of a task that calls execve, the thread number changes in the middle: not its address, nor the
    process, which tells it from a later task at the same address.
    """
    key = editor.address(editor.slot(name, None, CALL_KEY_SIZE))
    task = editor.helper("get_current_task", type_=KERNEL)
    editor.store(key, editor.convert(task, U64), 0)
    editor.store(key, frame, 8)
    process = editor.binary(BinaryOp.AND, pid_tgid(editor), Const(_PROCESS, U64))
    editor.store(key, editor.binary(BinaryOp.OR, process, Const(number, U64)), 16)
    return key


def _frames_row(editor: Editor, key: Reg) -> tuple[Reg, Reg]:
    """The key {task, process << 32 | pair} of a task's frames, and its row, which may be NULL."""
    short = editor.address(editor.slot(_FRAMES_KEY, None, _FRAMES_KEY_SIZE))
    editor.store(short, editor.load(key, U64, 0), 0)
    editor.store(short, editor.load(key, U64, 16), 8)
    return short, editor.helper("map_lookup_elem", editor.map(FRAMES_MAP), short, type_=MAP)


def _forget(editor: Editor, number: int, row: Reg, at: int, listed: Reg, frame: Value) -> None:
    """Delete the state of a listed frame if that call has returned unseen."""
    same = editor.binary(BinaryOp.LSHR, editor.binary(BinaryOp.XOR, listed, frame), _STACK_BITS)
    other, below, stale, done = (
        editor.label(hint) for hint in ("one_stack", "not_above", "stale", "live")
    )
    editor.branch(editor.compare(Predicate.EQ, same, 0), other, done)
    editor.start(other)
    pred = Predicate.ULE if editor.function.role == "entry" else Predicate.ULT
    editor.branch(editor.compare(pred, listed, frame), below, done)
    editor.start(below)
    key = _key(editor, number, listed, _KEY_OF_STALE)
    editor.store(row, Const(0, U64), at)
    arguments = (editor.map(CALLS_MAP), key)
    editor.branch(editor.failed("map_delete_elem", *arguments), done, stale)
    editor.start(stale)
    count(editor, "unreturned")
    editor.jump(done)
    editor.start(done)


def _note_frame(editor: Editor, number: int, key: Reg, frame: Value) -> None:
    """List a call's frame, in the first free place, and forget the calls that it shows to be over."""
    short, row = _frames_row(editor, key)
    new, listed, noted = (editor.label(hint) for hint in ("new_task", "listed", "noted"))
    editor.branch(editor.is_null(row), new, listed)
    editor.start(new)
    first = editor.address(editor.slot("@frames", None, 8 * _FRAMES))
    editor.add(ops.Fill(ptr=first, size=8 * _FRAMES))
    editor.store(first, frame, 0)
    editor.helper_void("map_update_elem", editor.map(FRAMES_MAP), short, first, Const(0, U64))
    editor.jump(noted)
    editor.start(listed)
    for index in range(_FRAMES):
        _forget(editor, number, row, 8 * index, editor.load(row, U64, 8 * index), frame)
    for index in range(_FRAMES):
        free, taken = editor.label("free"), editor.label("taken_place")
        here = editor.load(row, U64, 8 * index)
        editor.branch(editor.compare(Predicate.EQ, here, 0), free, taken)
        editor.start(free)
        editor.store(row, frame, 8 * index)
        editor.jump(noted)
        editor.start(taken)
    editor.jump(noted)
    editor.start(noted)


def _drop_frame(editor: Editor, number: int, key: Reg, frame: Value) -> None:
    """Take a frame that returns off the list, and forget the calls that it shows to be over."""
    _, row = _frames_row(editor, key)
    listed, done = editor.label("listed"), editor.label("unlisted")
    editor.branch(editor.is_null(row), done, listed)
    editor.start(listed)
    for index in range(_FRAMES):
        own, other, following = (editor.label(hint) for hint in ("own", "other", "following"))
        here = editor.load(row, U64, 8 * index)
        editor.branch(editor.compare(Predicate.EQ, here, frame), own, other)
        editor.start(own)
        editor.store(row, Const(0, U64), 8 * index)
        editor.jump(following)
        editor.start(other)
        _forget(editor, number, row, 8 * index, here, frame)
        editor.jump(following)
        editor.start(following)
    editor.jump(done)
    editor.start(done)


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
    if context.frame_bias:
        frame = editor.binary(BinaryOp.ADD, frame, context.frame_bias)
    return _numbered(editor, frame) if context.numbered else frame


def _numbered(editor: Editor, frame: Value) -> Value:
    """A frame with the number of the attachment in its upper bits, which kernel addresses share.

    A kernel without such numbers takes the later of two calls with one frame for the only one.
    """
    slot = editor.slot("@numbered_frame", U64)
    editor.write_slot(slot, frame)
    given, done = editor.label("numbered"), editor.label("framed")
    editor.branch(editor.exists("get_attach_cookie"), given, done)
    editor.start(given)
    number = editor.helper("get_attach_cookie", editor.context())
    upper = editor.binary(BinaryOp.SHL, number, _NUMBER_AT)
    editor.write_slot(slot, editor.binary(BinaryOp.XOR, frame, upper))
    editor.jump(done)
    editor.start(done)
    return editor.read_slot(slot)


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
    frame = editor.read_slot(editor.slot(_FRAME, U64))
    key = _key(editor, number, frame)
    if _may_miss(editor.function):
        _note_frame(editor, number, key, frame)
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
    frame = _frame(editor)
    key = _key(editor, number, frame)
    state = editor.helper("map_lookup_elem", editor.map(CALLS_MAP), key, type_=MAP)
    missing = editor.label("no_call")
    editor.when(editor.is_null(state), missing, "called")
    for slot, offset in _layout(editor.function):
        _take(editor, slot, state, offset)
    editor.helper_void("map_delete_elem", editor.map(CALLS_MAP), key)
    if _may_miss(editor.function):
        _drop_frame(editor, number, key, frame)
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
