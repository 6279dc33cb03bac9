"""Emit -> a record: reserve, payload, header, submit; the ledger counts it.

When: after the checks (payload values are plain), before the prologues.
Why: a kernel with a ring buffer gets the record in place; one without gets it from this program's
scratch row by perf_event_output. Which one is known when the object is loaded: the helper's
enumerator is CO-RE relocated to 0 or 1, and the verifier drops the other side.
How: what can fail is done before the attempt is counted: buffers in kernel or user memory are read
into the reserved record, and a failed read discards the record and raises, as if the read stood
before the reservation. So ``tried`` = sent + ``dropped``, and numbers have no gaps but drops.
Payload before header: its values are in registers, and the header's helpers would spill them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.errors import InternalError
from syscast.ir import ops
from syscast.ir.config import CONFIG_SIZE
from syscast.ir.ops import BinaryOp
from syscast.ir.types import I64, U16, U32, U64, Const, IntType, PtrType, Space
from syscast.passes import sending, seqwrite
from syscast.passes.aggregate import Aggregating
from syscast.passes.editor import RECORD, each_function
from syscast.passes.sites import Sites
from syscast.passes.surroundings import EMITTED, boot_time, comm, count, pid_tgid
from syscast.spec.meta import RECORD_HEADER_SIZE

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.ir.ops import Emit, FieldInit, Op
    from syscast.ir.program import Program
    from syscast.ir.types import Reg
    from syscast.passes.editor import Editor
    from syscast.spec.meta import FieldMeta, SchemaMeta

_BUFFERS = frozenset({"str", "bytes", "ipv4", "ipv6", "ip"})
_COMM_AT = 40


def run(program: Program, btf: Btf) -> Program:
    """Lower every Emit."""
    schemas = {schema.id: schema for schema in program.schemas}
    by = program.admission.aggregate_by
    instead = Aggregating(program, by) if by is not None and program.schemas else None

    def edit(editor: Editor) -> None:
        def visit(op: Op) -> bool:
            if isinstance(op, ops.Emit):
                _emit(editor, op, schemas[op.schema], instead)
                return True
            return False

        editor.walk(visit)
        seqwrite.prologue(editor)

    made = each_function(program, btf, Sites(program.sites), edit)
    if not program.schemas:
        return made
    size = max(len(made.data), CONFIG_SIZE)  # how records are sent stands in there
    maps = made.maps if instead is None else (*made.maps, *instead.maps())
    return msgspec.structs.replace(made, data=made.data.ljust(size, b"\0"), maps=maps)


def _emit(editor: Editor, op: Emit, schema: SchemaMeta, instead: Aggregating | None) -> None:
    if seqwrite.applies(editor):
        seqwrite.send(
            editor,
            schema,
            lambda record: _payload(editor, record, op, schema),
            lambda record, number: _header(editor, record, schema, number),
        )
        return
    size = RECORD_HEADER_SIZE + schema.size
    slot = editor.slot("@record", RECORD)
    full, lost, sent = (editor.label(hint) for hint in ("full", "lost", "sent"))
    sending.reserve(editor, slot, size)
    record = editor.read_slot(slot)
    editor.when(editor.is_null(record), full, "fill")
    _payload(editor, record, op, schema)
    number = count(editor, "tried") or Const(0, U64)
    _header(editor, record, schema, number)
    sending.send(editor, record, size, sent, lost)

    editor.start(full)
    count(editor, "tried")
    editor.jump(lost)
    editor.start(lost)
    if instead is not None:
        instead.count(editor, op, schema, sent)
    else:
        count(editor, "dropped")
        editor.jump(sent)

    editor.start(sent)
    editor.write_slot(editor.slot(EMITTED, U64), Const(1, U64))


def _header(editor: Editor, record: Reg, schema: SchemaMeta, number: Reg | Const) -> None:
    """meta.RECORD_HEADER: time, number, cgroup, pid, tid, schema, program, cpu, comm."""
    editor.store(record, number, 8)
    ids = pid_tgid(editor)
    pid = editor.binary(BinaryOp.LSHR, ids, 32)
    editor.store(record, editor.convert(pid, U32), 24)
    editor.store(record, editor.convert(ids, U32), 28)
    editor.store(record, Const(schema.id, U16), 32)
    editor.store(record, Const(max(editor.function.id, 0), U16), 34)
    editor.store(record, boot_time(editor), 0)
    editor.store(record, editor.helper("get_current_cgroup_id"), 16)
    cpu = editor.helper("get_smp_processor_id")
    editor.store(record, editor.convert(cpu, U32), 36)
    comm(editor, _at(editor, record, _COMM_AT))


# ---------------------------------------------------------------- payload


def _payload(editor: Editor, record: Reg, op: Emit, schema: SchemaMeta) -> None:
    names = [each.name for each in schema.fields]
    if [init.name for init in op.fields] != names:
        raise InternalError(f"event '{schema.name}': emit: fields are not in the schema's order")
    end = 0
    for init, field in sorted(
        zip(op.fields, schema.fields, strict=True), key=lambda pair: pair[1].offset
    ):
        _zero(editor, record, end, field.offset)
        _field(editor, record, init, field)
        end = field.offset + field.size
    _zero(editor, record, end, schema.size)


def _zero(editor: Editor, record: Reg, start: int, end: int) -> None:
    """Padding goes out as zeros, not as what the ring held before."""
    at = start
    while at < end:
        unit = next(u for u in (8, 4, 2, 1) if at % u == 0 and at + u <= end)
        type_ = IntType(unit * 8, signed=False)
        editor.store(record, Const(0, type_), RECORD_HEADER_SIZE + at)
        at += unit


def _field(editor: Editor, record: Reg, init: FieldInit, field: FieldMeta) -> None:
    offset = RECORD_HEADER_SIZE + field.offset
    value, type_ = init.value, init.value.type
    if isinstance(type_, PtrType) and field.kind in _BUFFERS:
        if type_.space in {Space.KERNEL, Space.USER}:
            _read(editor, record, init, field)
        else:
            editor.add(ops.CopyBytes(dst=record, src=value, size=field.size, dst_offset=offset))
        return
    wanted = IntType(field.size * 8, signed=False)
    if isinstance(type_, IntType) and type_.bits == field.size * 8:
        wanted = type_
    editor.store(record, editor.convert(value, wanted), offset)


def _read(editor: Editor, record: Reg, init: FieldInit, field: FieldMeta) -> None:
    """Read a buffer from kernel or user memory into the record, or give the record back."""
    offset = RECORD_HEADER_SIZE + field.offset
    type_ = init.value.type
    assert isinstance(type_, PtrType)
    name = "probe_read_user" if type_.space is Space.USER else "probe_read_kernel"
    if field.kind == "str":
        name += "_str"
        editor.add(ops.Fill(ptr=record, size=field.size, offset=offset))
    size = Const(field.size, U64)
    bad = editor.failed(name, _at(editor, record, offset), size, init.value)
    lost, give_back, read = (editor.label(hint) for hint in ("unread", "discard", "read"))
    editor.branch(bad, lost, read)
    site = editor.sites.at(editor.span, "MemoryError")
    editor.start(lost)
    if seqwrite.applies(editor):  # nothing was reserved
        editor.jump(editor.raising(site))
        editor.start(read)
        return
    editor.branch(editor.exists("ringbuf_reserve"), give_back, editor.raising(site))
    editor.start(give_back)
    editor.helper_void("ringbuf_discard", record, Const(0, U64))
    editor.jump(editor.raising(site))
    editor.start(read)


def _at(editor: Editor, record: Reg, offset: int) -> Reg:
    made = editor.register(RECORD)
    editor.add(ops.Offset(result=made, ptr=record, delta=Const(offset, I64)))
    return made
