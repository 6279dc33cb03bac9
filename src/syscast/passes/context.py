"""Argument -> loads from the program's context; the syscall number's test.

When: after current, so that it stands first in each run: the verifier lets a program load from the
context at constant offsets only, and LLVM would join two such loads in two branches into one
at a computed offset. Loads from the context are therefore all in the first block.
How: an argument lies in the context, or in the pt_regs that the context points to. A raw syscall
tracepoint fires for every syscall: a run for another number, or for a 32-bit process's (whose
numbers mean other calls; ``TS_COMPAT`` in thread_info.status on x86), ends at once and is not
counted: the probe's target was not called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf.layout import find_member
from syscast.btf.types import Struct
from syscast.errors import InternalError
from syscast.ir import ops
from syscast.ir.ops import Access, BinaryOp, Predicate
from syscast.ir.program import ArgFrom
from syscast.ir.types import U16, U32, U64, Const, IntType, PtrType, Space
from syscast.passes.current import member
from syscast.passes.editor import CTX, each_function
from syscast.passes.sites import Sites

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.ir.ops import Argument, Op
    from syscast.ir.program import ArgumentSource, Program, ProgramContext
    from syscast.ir.types import Reg, Value
    from syscast.passes.editor import Editor

_TS_COMPAT = 2  # arch/x86/include/asm/thread_info.h
_NUMBER_MEMBERS = ("orig_ax", "syscallno", "orig_a0", "int_code", "orig_gpr3")
"""Where each architecture's pt_regs keeps the syscall's number: x86, arm64, ..."""


def run(program: Program, btf: Btf) -> Program:
    """Lower every Argument and test the syscall number."""
    return each_function(program, btf, Sites(program.sites), _edit)


def _edit(editor: Editor) -> None:
    context = editor.function.context
    wanted: list[Argument] = []

    def visit(op: Op) -> bool:
        if not isinstance(op, ops.Argument):
            return False
        if context is None:
            raise InternalError("a subprogram has no probe's arguments")
        source = _source(context, op.index)
        if source.where is ArgFrom.CTX and not source.data_loc and not source.array:
            wanted.append(op)
        else:
            _indirect(editor, context, source, op)
        return True

    entry = editor.entry
    prologue = editor.label("arguments")
    editor.walk(visit)
    if context is not None and (wanted or context.syscall >= 0):
        editor.start_first(prologue)
        base = editor.context()
        for op in wanted:
            editor.span = op.span
            _load(editor, base, _source(context, op.index), op.result)
        editor.span = editor.function.span
        if context.syscall >= 0:
            _test_number(editor, context, base)
        editor.jump(entry)


def _source(context: ProgramContext, index: int) -> ArgumentSource:
    source = context.returns if index < 0 else context.arguments[index]
    if source is None:
        raise InternalError(f"target '{context.target}': it has no return value here")
    return source


def _load(editor: Editor, base: Reg, source: ArgumentSource, result: Reg) -> None:
    if isinstance(result.type, PtrType):
        editor.load(base, result.type, source.offset, into=result)
        return
    type_ = IntType(source.size * 8, signed=source.signed)
    if type_ == result.type:
        editor.load(base, type_, source.offset, into=result)
    else:
        editor.convert(editor.load(base, type_, source.offset), result.type, into=result)


def _indirect(
    editor: Editor, context: ProgramContext, source: ArgumentSource, op: Argument
) -> None:
    """An argument in pt_regs, or data inside the context."""
    base = editor.context()
    if source.data_loc:
        word = editor.load(base, U32, source.offset)
        delta = editor.convert(editor.convert(word, U16), U64)
        place = editor.register(CTX)
        editor.add(ops.Offset(result=place, ptr=base, delta=delta))
        editor.convert(place, op.result.type, into=op.result)
    elif source.array:
        place = editor.register(CTX)
        editor.add(ops.Offset(result=place, ptr=base, delta=Const(source.offset, U64)))
        editor.convert(place, op.result.type, into=op.result)
    else:
        regs = _registers(editor, base, source.offset)
        made = _register(editor, context, regs, source.member)
        type_ = IntType(source.size * 8, signed=source.signed)
        narrow = editor.convert(made, type_)
        if isinstance(op.result.type, PtrType):
            narrow = editor.convert(narrow, U64)
        editor.convert(narrow, op.result.type, into=op.result)


def _registers(editor: Editor, base: Reg, offset: int) -> Reg:
    """The pt_regs that the context points to."""
    type_id = editor.btf.find("pt_regs", Struct) or 0
    return editor.load(base, PtrType(Space.KERNEL, type_id), offset)


def _register(editor: Editor, context: ProgramContext, regs: Reg, name: str) -> Value:
    """One member of pt_regs, as u64. The kernel's own pointer: reading it cannot fail."""
    type_ = regs.type
    assert isinstance(type_, PtrType)
    field = member(editor.btf, type_.pointee, name)
    made = editor.register(IntType(editor.btf.size_of(field.type_id) * 8, signed=False))
    access = Access.DIRECT if context.direct_reads else Access.PROBE
    editor.add(ops.FieldLoad(result=made, base=regs, field=field, site=-1, access=access))
    return editor.convert(made, U64)


# ---------------------------------------------------------------- syscall numbers


def _test_number(editor: Editor, context: ProgramContext, base: Reg) -> None:
    other = editor.label("other_call")
    if context.section.endswith("sys_enter"):
        number: Value = editor.load(base, U64, 8)  # TP_PROTO(struct pt_regs *regs, long id)
    else:
        # sys_exit has (regs, ret): the number is where syscall_get_nr() finds it.
        regs = _registers(editor, base, 0)
        number = _register(editor, context, regs, _number_member(editor.btf, regs))
    different = editor.compare(Predicate.NE, number, Const(context.syscall, U64))
    editor.when(different, other, "this_call")
    _test_compat(editor, other)
    done = editor.label("native")
    editor.jump(done)
    editor.start(other)
    editor.add(ops.Return())
    editor.start(done)


def _number_member(btf: Btf, regs: Reg) -> str:
    type_ = regs.type
    assert isinstance(type_, PtrType)
    for name in _NUMBER_MEMBERS:
        if find_member(btf, type_.pointee, name) is not None:
            return name
    raise InternalError("struct 'pt_regs': no member with the syscall's number is known")


def _test_compat(editor: Editor, other: str) -> None:
    """Leave in a 32-bit syscall, where thread_info says so (x86)."""
    task_id = editor.btf.find("task_struct", Struct)
    info = find_member(editor.btf, task_id, "thread_info") if task_id else None
    if task_id is None or info is None or not find_member(editor.btf, info.type_id, "status"):
        return
    task = editor.helper("get_current_task", type_=PtrType(Space.KERNEL, task_id))
    status = editor.register(U32)
    field = member(editor.btf, task_id, "thread_info.status")
    editor.add(ops.FieldLoad(result=status, base=task, field=field, site=-1, access=Access.PROBE))
    compat = editor.binary(BinaryOp.AND, status, _TS_COMPAT)
    editor.when(editor.compare(Predicate.NE, compat, 0), other, "not_compat")
