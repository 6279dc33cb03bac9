"""Operations on text in the program's own buffers -> helper calls, loops and read-only data.

When: before emits and stack_budget, since the buffers are the budget's.
Why: BPF has no string functions on all kernels. bpf_probe_read_kernel_str copies up to a NUL and
tells the length; it reads the stack and maps as well, being kernel memory, so one call measures,
appends or cuts. Its target must be bounded for the verifier (see ``Masked``), its source need not.
How: a needle is searched for by the shift-and algorithm of Baeza-Yates and Gonnet: one table
lookup a character, no branch but the end of the text, so the verifier walks the loop once.
Constants and tables are pooled at the end of the read-only data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.ir import ops
from syscast.ir.check import text_mask
from syscast.ir.config import CONFIG_SIZE
from syscast.ir.ops import BinaryOp, Predicate
from syscast.ir.types import BOOL, I64, U8, U64, Const
from syscast.passes.editor import KERNEL, MAP, each_function
from syscast.passes.sites import Sites

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.ir.ops import Op
    from syscast.ir.program import Program
    from syscast.ir.types import Reg, Value
    from syscast.passes.editor import Editor

_CHARACTERS = 256
_WORD = 8

_MAX_INLINE = 64
"""Bytes compared without a loop; LLVM loads all of them before it compares any."""


_BEHIND = 128
"""Zeros behind the texts of C: what copies more than a text has reads these, and not nothing."""


class Pool:
    """Constants in the read-only data; equal ones share a place.

    Args:
        data: What is there already.
    """

    def __init__(self, data: bytes) -> None:
        self._data = bytearray(data)
        self._places: dict[bytes, int] = {}

    def place(self, constant: bytes) -> int:
        """Offset of a constant, aligned to 8 bytes."""
        found = self._places.get(constant)
        if found is None:
            self._data = self._data.ljust(max(CONFIG_SIZE, len(self._data) + 7 & -8), b"\0")
            found = self._places[constant] = len(self._data)
            self._data += constant
        return found

    @property
    def data(self) -> bytes:
        """All of the read-only data."""
        return bytes(self._data)


def run(program: Program, btf: Btf) -> Program:
    """Lower every operation on text."""
    pool = Pool(program.data)

    def edit(editor: Editor) -> None:
        def visit(op: Op) -> bool:
            match op:
                case ops.StrLen():
                    _length(editor, op)
                case ops.TextAddr():
                    place = pool.place(op.text + b"\0")
                    editor.add(ops.DataAddr(result=op.result, offset=place))
                case ops.TextAppend():
                    _append(editor, op)
                case ops.TextSlice():
                    _slice(editor, op)
                case ops.TextFind():
                    _find(editor, op, pool)
                case ops.SameText() if op.size > _MAX_INLINE:
                    _same(editor, op)
                case _:
                    return False
            return True

        editor.walk(visit)

    made = each_function(program, btf, Sites(program.sites), edit)
    data = pool.data
    if program.tables and len(data) > len(program.data):
        data += bytes(_BEHIND)
    return msgspec.structs.replace(made, data=data)


def _copy(editor: Editor, target: Value, size: Value, source: Value) -> Reg:
    """Copy text; gives its length with the NUL. Memory of our own is always there to be read."""
    address = editor.convert(source, KERNEL)
    return editor.helper("probe_read_kernel_str", target, size, address, type_=I64)


def _length(editor: Editor, op: ops.StrLen) -> None:
    # Onto itself: the same bytes are written, and nothing behind the NUL.
    length = _copy(editor, op.text, Const(op.size, U64), op.text)
    editor.binary(BinaryOp.SUB, length, 1, into=op.result)


def _masked(editor: Editor, value: Value, mask: int) -> Reg:
    made = editor.register(U64)
    editor.add(ops.Masked(result=made, a=editor.convert(value, U64), mask=mask))
    return made


def _at(editor: Editor, pointer: Value, delta: Value) -> Reg:
    made = editor.register(pointer.type)
    editor.add(ops.Offset(result=made, ptr=pointer, delta=delta))
    return made


def _append(editor: Editor, op: ops.TextAppend) -> None:
    target = _at(editor, op.dst, _masked(editor, op.at, text_mask(op.size, op.most)))
    length = _copy(editor, target, Const(op.most + 1, U64), op.src)
    end = editor.binary(BinaryOp.ADD, op.at, length)
    editor.binary(BinaryOp.SUB, end, 1, into=op.result)


def _slice(editor: Editor, op: ops.TextSlice) -> None:
    editor.add(ops.Fill(ptr=op.dst, size=op.size))
    source = _at(editor, op.src, _masked(editor, op.start, op.size - 1))
    count = _masked(editor, op.count, op.size - 1)
    _copy(editor, op.dst, editor.binary(BinaryOp.ADD, count, 1), source)


def _same(editor: Editor, op: ops.SameText) -> None:
    """Word by word up to the first difference; what is left behind the last whole word inline."""
    whole = op.size // _WORD * _WORD
    number = op.result.id
    position, answer = editor.slot(f"@word{number}", U64), editor.slot(f"@same{number}", BOOL, 1)
    editor.write_slot(position, Const(0, U64))
    editor.write_slot(answer, Const(0, BOOL))
    head, body, more, equal, done = (
        editor.label(hint) for hint in ("same", "word", "next", "equal", "compared")
    )
    editor.jump(head)
    editor.start(head)
    at = editor.read_slot(position)
    editor.branch(editor.compare(Predicate.ULT, at, whole), body, equal)
    editor.start(body)
    first, second = (editor.load(_at(editor, each, at), U64) for each in (op.a, op.b))
    editor.branch(editor.compare(Predicate.NE, first, second), done, more)
    editor.start(more)
    editor.write_slot(position, editor.binary(BinaryOp.ADD, at, _WORD))
    editor.jump(head)
    editor.start(equal)
    rest: Value = Const(1, BOOL)
    if whole < op.size:
        ends = [_at(editor, each, Const(whole, I64)) for each in (op.a, op.b)]
        tail = editor.register(BOOL)
        editor.add(ops.SameText(result=tail, a=ends[0], b=ends[1], size=op.size - whole))
        rest = tail
    editor.write_slot(answer, rest)
    editor.jump(done)
    editor.start(done)
    editor.add(ops.SlotLoad(result=op.result, slot=answer))


def _find(editor: Editor, op: ops.TextFind, pool: Pool) -> None:
    masks = [0] * _CHARACTERS
    for position, character in enumerate(op.needle):
        masks[character] |= 1 << position
    table = editor.register(MAP)
    place = pool.place(b"".join(each.to_bytes(8, "little") for each in masks))
    editor.add(ops.DataAddr(result=table, offset=place))
    number = op.result.id
    at_slot, state, found = (
        editor.slot(f"@{name}{number}", U64) for name in ("position", "state", "found")
    )
    for slot in (at_slot, state, found):
        editor.write_slot(slot, Const(0, U64))
    head, body, more, done = (editor.label(hint) for hint in ("find", "char", "step", "found"))
    editor.jump(head)
    editor.start(head)
    at = editor.read_slot(at_slot)
    editor.branch(editor.compare(Predicate.ULT, at, op.size - 1), body, done)
    editor.start(body)
    read = editor.load(_at(editor, op.text, at), U8)
    editor.branch(editor.compare(Predicate.EQ, read, 0), done, more)
    editor.start(more)
    index = editor.binary(BinaryOp.SHL, editor.convert(read, U64), 3)
    mask = editor.load(_at(editor, table, index), U64)
    shifted = editor.binary(BinaryOp.SHL, editor.read_slot(state), 1)
    entered = editor.binary(BinaryOp.OR, shifted, 1)
    reached = editor.binary(BinaryOp.AND, entered, mask)
    editor.write_slot(state, reached)
    editor.write_slot(found, editor.binary(BinaryOp.OR, editor.read_slot(found), reached))
    editor.write_slot(at_slot, editor.binary(BinaryOp.ADD, at, 1))
    editor.jump(head)
    editor.start(done)
    last = 1 << (len(op.needle) - 1)
    ended = editor.binary(BinaryOp.AND, editor.read_slot(found), last)
    editor.compare(Predicate.NE, ended, 0, into=op.result)
