"""Argument -> loads from the program's context; the guards of shared attach points.

When: after current, so that it stands first in each run: the verifier lets a program load from the
context at constant offsets only, and LLVM would join two such loads in two branches into one
at a computed offset. Words of the context are therefore loaded once, in the first block.
Why the guards come first: a raw syscall tracepoint fires for every syscall; a run for another number,
or for a 32-bit process's (whose numbers mean other calls), is not a call of the probe's target. It
ends at once and is not counted.
How: see `syscast.ir.program.ArgFrom` for the places. What lies behind a pointer in the context
(pt_regs, the stack) is read where the argument is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf.types import Struct
from syscast.errors import InternalError
from syscast.ir import ops
from syscast.ir.ops import Access, BinaryOp, FieldRef, Predicate
from syscast.ir.program import ArgFrom
from syscast.ir.types import I64, U16, U32, U64, Const, IntType, PtrType, Space
from syscast.passes.editor import CTX, KERNEL, each_function
from syscast.passes.members import member
from syscast.passes.sites import Sites

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.ir.ops import Argument, Op
    from syscast.ir.program import ArgumentSource, Guard, Program
    from syscast.ir.types import IrType, Reg, Value
    from syscast.passes.editor import Editor

_MASK = (1 << 64) - 1
_USER = PtrType(Space.USER)


def run(program: Program, btf: Btf) -> Program:
    """Lower every Argument and put the guards first."""
    return each_function(program, btf, Sites(program.sites), _edit)


def _edit(editor: Editor) -> None:
    entry = editor.entry
    prologue = editor.label("arguments")
    context = editor.function.context
    words = _Words(editor)

    def visit(op: Op) -> bool:
        if not isinstance(op, ops.Argument):
            return False
        if context is None:
            raise InternalError("a subprogram has no probe's arguments")
        source = context.returns if op.index < 0 else context.arguments[op.index]
        if source is None:
            raise InternalError(f"target '{context.target}': it has no return value here")
        _argument(editor, words, source, op)
        return True

    editor.walk(visit)
    if context is None or not (words.wanted or context.guards):
        return
    editor.span = editor.function.span
    guards = [(words.needed_by(guard.source), guard) for guard in context.guards]
    editor.start_first(prologue)
    words.load()
    if guards:
        _guards(editor, guards)
    editor.jump(entry)


class _Words:
    """Words of the context, each loaded once at the start."""

    def __init__(self, editor: Editor) -> None:
        self._editor = editor
        self.wanted: dict[tuple[int, FieldRef | None, IrType], Reg] = {}
        self._base = editor.register(CTX)

    def get(self, offset: int, type_: IrType, field: FieldRef | None = None) -> Reg:
        """The register that will hold a word."""
        key = (offset, field, type_)
        if key not in self.wanted:
            self.wanted[key] = self._editor.register(type_)
        return self.wanted[key]

    def argument(self, source: ArgumentSource, result: Reg) -> bool:
        """Load an argument straight into its register, the first time it is asked for."""
        key = (source.offset, source.field, result.type)
        if key in self.wanted:
            return False
        self.wanted[key] = result
        return True

    def needed_by(self, source: ArgumentSource) -> Reg | None:
        """The word that a guard tests or starts from."""
        if source.where is ArgFrom.CTX:
            return self.get(source.offset, _integer(source), source.field)
        if source.where is ArgFrom.REGS:
            return self.get(source.offset, _regs_type(self._editor))
        return None

    def load(self) -> None:
        """Load all."""
        editor = self._editor
        editor.add(ops.CtxAddr(result=self._base))
        for (offset, field, _), made in self.wanted.items():
            if field is None:
                editor.load(self._base, made.type, offset, into=made)
            else:
                editor.add(
                    ops.FieldLoad(
                        result=made, base=self._base, field=field, site=-1, access=Access.DIRECT
                    )
                )


def _integer(source: ArgumentSource) -> IntType:
    return IntType(source.size * 8, signed=source.signed)


def _regs_type(editor: Editor) -> PtrType:
    type_id = editor.btf.find("pt_regs", Struct)
    if type_id is None:
        raise InternalError("struct 'pt_regs': it is not in the kernel's BTF")
    return PtrType(Space.KERNEL, type_id)


# ---------------------------------------------------------------- arguments


def _argument(editor: Editor, words: _Words, source: ArgumentSource, op: Argument) -> None:
    result = op.result
    if source.where is ArgFrom.COOKIE:
        _cookie(editor, words, source, result)
    elif source.data_loc or source.array:
        editor.convert(_place(editor, words, source), result.type, into=result)
    elif source.where in {ArgFrom.PROBED, ArgFrom.STACK}:
        place = _place(editor, words, source)
        value = editor.register(_integer(source))
        editor.add(ops.ScalarLoad(result=value, ptr=place, site=-1))
        _give(editor, value, result)
    elif source.where is ArgFrom.MEMORY:
        value = editor.register(_integer(source))
        place = _in_user_space(editor, words, source)
        editor.add(ops.ScalarLoad(result=value, ptr=place, site=-1))
        _give(editor, value, result)
    elif source.where is ArgFrom.CONSTANT:
        _give(editor, Const(source.offset & _MASK, U64), result)
    elif source.where is ArgFrom.REGS:
        regs = words.get(source.offset, _regs_type(editor))
        value64 = _register(editor, regs, source.member)
        _give(editor, editor.convert(value64, _integer(source)), result)
    elif source.where is ArgFrom.CTX:
        if isinstance(result.type, PtrType) or result.type == _integer(source):
            if not words.argument(source, result):
                same = words.get(source.offset, result.type, source.field)
                editor.convert(same, result.type, into=result)
        else:
            word = words.get(source.offset, _integer(source), source.field)
            editor.convert(word, result.type, into=result)
    else:
        raise InternalError(f"argument '{source.name}': a program cannot get it ({source.why})")


def _cookie(editor: Editor, words: _Words, source: ArgumentSource, result: Reg) -> None:
    """The attachment's number, by the helper; where the kernel has none, a word of the context."""
    slot = editor.slot("@cookie", U64)
    place = words.get(source.offset, U64)
    given, older, done = (editor.label(hint) for hint in ("cookie", "address", "attachment"))
    editor.branch(editor.exists("get_attach_cookie"), given, older)
    editor.start(given)
    editor.write_slot(slot, editor.helper("get_attach_cookie", editor.context()))
    editor.jump(done)
    editor.start(older)
    editor.write_slot(slot, place)
    editor.jump(done)
    editor.start(done)
    editor.convert(editor.read_slot(slot), result.type, into=result)


def _give(editor: Editor, value: Value, result: Reg) -> None:
    """An integer read somewhere, as the argument's type."""
    if isinstance(result.type, PtrType):
        value = editor.convert(value, U64)
    editor.convert(value, result.type, into=result)


def _place(editor: Editor, words: _Words, source: ArgumentSource) -> Reg:
    """Where data lies that is in the context itself or on the stack."""
    if source.where is ArgFrom.STACK:
        at = member(editor.btf, _regs_type(editor).pointee, source.member).bit_offset // 8
        return _offset(editor, words.get(at, KERNEL), Const(source.offset, I64))
    base = editor.context()
    if not source.data_loc:
        delta: Value = Const(source.offset, I64)
    else:
        word = words.get(source.offset, U32, source.field)
        delta = editor.convert(editor.convert(word, U16), U64)
    place = _offset(editor, base, delta)
    made = editor.register(KERNEL)
    editor.add(ops.Convert(result=made, a=place))
    return made


def _in_user_space(editor: Editor, words: _Words, source: ArgumentSource) -> Reg:
    """The address that `syscast.ir.program.Deref` says."""
    deref = source.deref
    if deref is None:
        raise InternalError(f"argument '{source.name}': it does not say where it is")
    total: Value = Const(deref.distance & _MASK, U64)
    if deref.base >= 0:
        total = editor.binary(BinaryOp.ADD, words.get(deref.base, U64), total)
    if deref.index >= 0:
        scaled = editor.binary(BinaryOp.MUL, words.get(deref.index, U64), Const(deref.scale, U64))
        total = editor.binary(BinaryOp.ADD, total, scaled)
    made = editor.register(_USER)
    editor.convert(total, _USER, into=made)
    return made


def _offset(editor: Editor, ptr: Reg, delta: Value) -> Reg:
    made = editor.register(ptr.type)
    editor.add(ops.Offset(result=made, ptr=ptr, delta=delta))
    return made


def _register(editor: Editor, regs: Reg, name: str) -> Value:
    """One member of pt_regs, as u64. The kernel's own pointer: reading it cannot fail."""
    type_ = regs.type
    context = editor.function.context
    assert isinstance(type_, PtrType)
    assert context is not None
    field = member(editor.btf, type_.pointee, name)
    made = editor.register(IntType(editor.btf.size_of(field.type_id) * 8, signed=False))
    access = Access.DIRECT if context.direct_reads else Access.PROBE
    editor.add(ops.FieldLoad(result=made, base=regs, field=field, site=-1, access=access))
    return editor.convert(made, U64)


# ---------------------------------------------------------------- guards


def _guards(editor: Editor, guards: list[tuple[Reg | None, Guard]]) -> None:
    never = editor.label("not_meant")
    for word, guard in guards:
        value = _guarded(editor, word, guard.source)
        masked = editor.binary(BinaryOp.AND, value, editor.constant(guard.mask, U64))
        if guard.others:
            _one_of(editor, masked, guard, never)
            continue
        different = editor.compare(Predicate.NE, masked, editor.constant(guard.value, U64))
        editor.when(different, never, "meant")
    following = editor.label("guarded")
    editor.jump(following)
    editor.start(never)
    editor.add(ops.Return())
    editor.start(following)


def _one_of(editor: Editor, value: Reg, guard: Guard, never: str) -> None:
    """A chain of tests, of which LLVM makes a switch: few steps, or tests of bits."""
    meant = editor.label("meant")
    found, other = (never, meant) if guard.absent else (meant, never)
    for number in guard.others:
        same = editor.compare(Predicate.EQ, value, editor.constant(number, U64))
        editor.when(same, found, "another")
    editor.jump(other)
    editor.start(meant)


def _guarded(editor: Editor, word: Reg | None, source: ArgumentSource) -> Value:
    if source.where is ArgFrom.TASK:
        type_id = editor.btf.find("task_struct", Struct)
        if type_id is None:
            raise InternalError("struct 'task_struct': it is not in the kernel's BTF")
        task = editor.helper("get_current_task", type_=PtrType(Space.KERNEL, type_id))
        field = member(editor.btf, type_id, source.member)
        made = editor.register(_integer(source))
        editor.add(ops.FieldLoad(result=made, base=task, field=field, site=-1))
        return editor.convert(made, U64)
    if word is None:
        raise InternalError(f"guard '{source.name}': it cannot be read from {source.where.value}")
    if source.where is ArgFrom.REGS:
        return editor.convert(
            editor.convert(_register(editor, word, source.member), _integer(source)), U64
        )
    return editor.convert(word, U64)
