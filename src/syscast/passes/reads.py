"""Reads of kernel and user memory -> helper calls, or direct loads behind a NULL test.

When: after every pass that adds reads (context, current); before raises.
Why: a read can fail; the run then ends at the read's site, and with site -1 the value is zero.
How: a load that the verifier follows by BTF gives zero on a fault and does not tell, so a NULL base
is tested before it. Other reads go through one 8-byte slot. Bit fields are read as libbpf's
BPF_CORE_READ_BITFIELD_PROBED does: the aligned unit, then two relocated shifts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.ir import ops
from syscast.ir.ops import Access, BinaryOp, Predicate, RelocKind
from syscast.ir.types import BOOL, I64, U8, U64, Const, IntType, PtrType, Space
from syscast.passes.editor import each_function
from syscast.passes.sites import Sites

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.ir.ops import FieldLoad, FieldRef, Op, ReadBytes, ReadStr, ScalarLoad
    from syscast.ir.program import Program
    from syscast.ir.types import IrType, Reg, Value
    from syscast.passes.editor import Editor

_SLOT = "@read"


def run(program: Program, btf: Btf) -> Program:
    """Lower every read."""
    return each_function(program, btf, Sites(program.sites), _edit)


def _edit(editor: Editor) -> None:
    def visit(op: Op) -> bool:
        match op:
            case ops.FieldLoad(field=field) if field.bitfield_size:
                _bit_field(editor, op)
            case ops.FieldLoad(access=Access.DIRECT):
                _direct(editor, op)
            case ops.FieldLoad():
                _field(editor, op)
            case ops.ScalarLoad():
                _scalar(editor, op)
            case ops.ReadStr():
                _string(editor, op)
            case ops.ReadBytes():
                _bytes(editor, op)
            case _:
                return False
        return True

    editor.walk(visit)


def _helper(address: Value, suffix: str = "") -> str:
    type_ = address.type
    user = isinstance(type_, PtrType) and type_.space is Space.USER
    return f"probe_read_{'user' if user else 'kernel'}{suffix}"


def _call(editor: Editor, name: str, site: int, *args: Value) -> None:
    """Read by a helper; a failure raises, but for site -1 (the helper zeroed the target)."""
    if site < 0:
        editor.helper_void(name, *args)
    else:
        editor.raise_if(editor.failed(name, *args), site)


def _read_into(editor: Editor, result: Reg, address: Value, size: int, site: int) -> None:
    """Read an integer or pointer of ``size`` bytes at an address."""
    slot = editor.slot(_SLOT, U64)
    _call(editor, _helper(address), site, editor.address(slot), Const(size, U64), address)
    where = editor.address(slot)
    type_ = result.type
    stored: IrType = type_
    if isinstance(type_, IntType):
        stored = U8 if type_.bits == 1 else IntType(size * 8, signed=type_.signed)
    if stored == type_:
        editor.load(where, type_, into=result)
    else:
        editor.convert(editor.load(where, stored), type_, into=result)


def _field_address(editor: Editor, base: Value, field: FieldRef) -> Reg:
    type_ = base.type
    assert isinstance(type_, PtrType)
    made = editor.register(PtrType(type_.space, field.type_id))
    editor.add(ops.FieldAddr(result=made, base=base, field=field))
    return made


def _field(editor: Editor, op: FieldLoad) -> None:
    address = _field_address(editor, op.base, op.field)
    size = editor.btf.size_of(op.field.type_id)
    _read_into(editor, op.result, address, size, op.site)


def _direct(editor: Editor, op: FieldLoad) -> None:
    if isinstance(op.base.type, PtrType) and op.base.type.space is Space.CTX:
        editor.add(op)
        return
    if op.site >= 0:
        editor.raise_if(editor.is_null(op.base), op.site)
        editor.add(op)
        return
    slot = editor.slot(f"@value{op.result.id}", op.result.type, 8)
    editor.write_slot(slot, Const(0, op.result.type))
    read, done = editor.label("read"), editor.label("have")
    editor.branch(editor.is_null(op.base), done, read)
    editor.start(read)
    value = editor.register(op.result.type)
    editor.add(
        ops.FieldLoad(
            result=value, base=op.base, field=op.field, site=-1, access=Access.DIRECT, span=op.span
        )
    )
    editor.write_slot(slot, value)
    editor.jump(done)
    editor.start(done)
    editor.add(ops.SlotLoad(result=op.result, slot=slot))


def _scalar(editor: Editor, op: ScalarLoad) -> None:
    type_ = op.result.type
    size = 8 if isinstance(type_, PtrType) else max(1, type_.bits // 8)
    _read_into(editor, op.result, op.ptr, size, op.site)


def _bit_field(editor: Editor, op: FieldLoad) -> None:
    field = op.field
    numbers = []
    for kind in (
        RelocKind.FIELD_BYTE_OFFSET,
        RelocKind.FIELD_BYTE_SIZE,
        RelocKind.FIELD_LSHIFT_U64,
        RelocKind.FIELD_RSHIFT_U64,
    ):
        made = editor.register(U64)
        editor.add(ops.Reloc(result=made, kind=kind, field=field))
        numbers.append(made)
    offset, size, left, right = numbers
    slot = editor.slot(_SLOT, U64)
    editor.write_slot(slot, Const(0, U64))
    address = editor.register(op.base.type)
    editor.add(ops.Offset(result=address, ptr=op.base, delta=offset))
    _call(editor, _helper(op.base), op.site, editor.address(slot), size, address)
    raw = editor.binary(BinaryOp.SHL, editor.load(editor.address(slot), U64), left)
    type_ = op.result.type
    signed = isinstance(type_, IntType) and type_.signed
    value: Value
    if signed:
        wide = editor.convert(raw, I64)
        value = editor.binary(BinaryOp.ASHR, wide, editor.convert(right, I64))
    else:
        value = editor.binary(BinaryOp.LSHR, raw, right)
    if type_ == BOOL:
        editor.compare(Predicate.NE, value, 0, into=op.result)
    else:
        editor.convert(value, type_, into=op.result)


def _string(editor: Editor, op: ReadStr) -> None:
    editor.add(ops.Fill(ptr=op.dst, size=op.size))
    size = Const(op.size, U64)
    length = editor.helper(_helper(op.src, "_str"), op.dst, size, op.src, type_=I64)
    bad = editor.compare(Predicate.SLT, length, 0)
    if op.site >= 0:
        editor.raise_if(bad, op.site)
    # The helpers count the NUL, and give 0 only for a size of 0.
    shorter = editor.binary(BinaryOp.SUB, length, 1)
    if op.site >= 0:
        editor.convert(shorter, op.result.type, into=op.result)
    else:
        value = editor.select(bad, Const(0, I64), shorter)
        editor.convert(value, op.result.type, into=op.result)


def _bytes(editor: Editor, op: ReadBytes) -> None:
    _call(editor, _helper(op.src), op.site, op.dst, Const(op.size, U64), op.src)
