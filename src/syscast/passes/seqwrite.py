"""The way of a row out of the kernel: into the file whose reader makes the iterator go.

Part of the pass emits, for programs of kind ``iter``.
Why not the ring: the kernel runs these programs inside a read(2) of a file of their own, keeps what
they write until it is read, and loses none of it.
How: the record is put together in this program's scratch row, behind the header that the ring
would give it, so that one decoder serves both, and copied by bpf_seq_write. Where the kernel's buffer
is full, the helper says EOVERFLOW; the kernel then forgets what this element has written and shows
the element again at the next read (``bpf_seq_read`` in kernel/bpf/bpf_iter.c). So that run did not
happen: the ledger takes back what it counted, and numbers have no gaps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf.types import Struct
from syscast.errors import InternalError
from syscast.ir import ops
from syscast.ir.ops import Access, BinaryOp
from syscast.ir.program import ITERATOR
from syscast.ir.types import I64, U32, U64, Const
from syscast.passes.editor import CTX, KERNEL, MAP, RECORD
from syscast.passes.members import member
from syscast.passes.surroundings import EMITTED, LEDGER_ROW
from syscast.spec.meta import LEDGER, RECORD_HEADER_SIZE, SCRATCH_MAP

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.ir.program import Function
    from syscast.ir.types import Reg
    from syscast.passes.editor import Editor
    from syscast.spec.meta import SchemaMeta

LEAD = 8
"""Bytes before each record, as in a ring: u32 length, u32 zero."""

_SEQ = "@seq"
_RAN, _TRIED = (8 * LEDGER.index(name) for name in ("ran", "tried"))


def is_iterator(function: Function) -> bool:
    """Whether a function's records are rows of a file."""
    return function.context is not None and function.context.kind == ITERATOR


def applies(editor: Editor) -> bool:
    """`is_iterator`, of the function that is edited."""
    return is_iterator(editor.function)


def prologue(editor: Editor) -> None:
    """Find the file at the start of a run that may write: ``ctx->meta->seq``."""
    if not editor.has_slot(_SEQ):
        return
    types = editor.btf
    type_id = types.find("bpf_iter_meta", Struct)
    if type_id is None:
        raise InternalError("struct 'bpf_iter_meta': it is not in the kernel's BTF")
    editor.start_first(editor.label("file"))
    # The verifier knows that neither pointer is NULL, so both are followed like the context.
    meta = editor.load(editor.context(), CTX)
    seq = editor.register(KERNEL)
    field = member(types, type_id, "seq")
    editor.add(ops.FieldLoad(result=seq, base=meta, field=field, site=-1, access=Access.DIRECT))
    editor.write_slot(editor.slot(_SEQ, KERNEL), seq)
    editor.jump(editor.entry)


def send(
    editor: Editor,
    schema: SchemaMeta,
    payload: Callable[[Reg], None],
    header: Callable[[Reg, Reg], None],
) -> None:
    """Write one record.

    Args:
        editor: Of the program.
        schema: The record's.
        payload: Fills the payload of the record at an address.
        header: Fills its header, with a sequence number.
    """
    size = RECORD_HEADER_SIZE + schema.size
    seq = editor.slot(_SEQ, KERNEL)
    none, again = editor.label("no_row"), editor.label("again")
    row = editor.lookup(SCRATCH_MAP, Const(editor.function.id, U32))
    editor.when(editor.is_null(row), none, "row")
    whole = editor.register(RECORD)
    editor.convert(row, RECORD, into=whole)
    editor.store(whole, Const(size, U32))
    editor.store(whole, Const(0, U32), 4)
    record = editor.register(RECORD)
    editor.add(ops.Offset(result=record, ptr=whole, delta=Const(LEAD, I64)))
    payload(record)
    ledger = editor.read_slot(editor.slot(LEDGER_ROW, MAP))
    number = editor.load(ledger, U64, _TRIED)
    header(record, number)
    arguments = (editor.read_slot(seq), whole, Const(LEAD + size, U64))
    editor.when(editor.failed("seq_write", *arguments), again, "written")
    emitted = editor.slot(EMITTED, U64)
    editor.count(editor.read_slot(editor.slot(LEDGER_ROW, MAP)), _TRIED)
    editor.write_slot(emitted, editor.binary(BinaryOp.ADD, editor.read_slot(emitted), 1))
    done = editor.label("sent")
    editor.jump(done)

    editor.start(again)
    ledger = editor.read_slot(editor.slot(LEDGER_ROW, MAP))
    _subtract(editor, ledger, _RAN, Const(1, U64))
    _subtract(editor, ledger, _TRIED, editor.read_slot(emitted))
    editor.jump(none)
    editor.start(none)
    editor.add(ops.Return())
    editor.start(done)


def _subtract(editor: Editor, row: Reg, offset: int, amount: Reg | Const) -> None:
    before = editor.load(row, U64, offset)
    editor.store(row, editor.binary(BinaryOp.SUB, before, amount), offset)
