"""A key in a map, of the program, of the running task and of an event's fields.

Part of the passes admission and emits: what rate limits and the counts of a full ring are kept by. All
keys of one object have the size of its longest, zero behind the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.errors import InternalError
from syscast.ir import ops
from syscast.ir.ops import CurrentItem
from syscast.ir.types import I64, U32, U64, Const, IntType, PtrType, Space
from syscast.spec.pressure import AGGREGATED_MAP, HEAD_SIZE, PIECES, Piece, layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.ir.ops import Emit
    from syscast.ir.program import Program
    from syscast.ir.types import Reg, Value
    from syscast.passes.editor import Editor
    from syscast.spec.meta import SchemaMeta

_ITEMS = {
    "pid": CurrentItem.PID,
    "tid": CurrentItem.TID,
    "uid": CurrentItem.UID,
    "cgroup": CurrentItem.CGROUP_ID,
    "cpu": CurrentItem.CPU,
}
_NOT_COUNTED = -1


def size_of(program: Program, by: Sequence[str]) -> int:
    """Bytes of the longest key that any of the program's events has."""
    ends = [layout(schema, by) for schema in program.schemas]
    return max((HEAD_SIZE, *(each[-1].end for each in ends if each)))


def of_task(program: Program, by: Sequence[str]) -> bool:
    """Whether no part of the keys is an event's."""
    fields = {field.name for schema in program.schemas for field in schema.fields}
    return all(name in PIECES and name not in fields for name in by)


def build(
    editor: Editor, name: str, size: int, by: Sequence[str], op: Emit, schema: SchemaMeta
) -> Reg:
    """Fill a buffer with a key, and give its address.

    Args:
        editor: Of the function.
        name: Of the map; the buffer is called after it.
        size: Of every key in the map.
        by: The key's parts.
        op: Where the event is sent.
        schema: The event's.
    """
    pieces = layout(schema, by)
    key = editor.address(editor.slot(f"@{name}_key", None, size))
    editor.add(ops.Fill(ptr=key, size=size))
    editor.store(key, Const(max(editor.function.id, 0), U32), 0)
    if name == AGGREGATED_MAP:
        editor.store(key, Const(schema.id, U32), 4)
    values = {init.name: init.value for init in op.fields}
    for piece in pieces:
        if piece.field is None:
            _task(editor, key, piece)
            continue
        if piece.name not in values:
            raise InternalError(f"event '{schema.name}': key: it has no field '{piece.name}'")
        _field(editor, key, piece, values[piece.name])
    return key


def _task(editor: Editor, key: Reg, piece: Piece) -> None:
    if piece.name == "comm":
        editor.add(ops.CurrentComm(dst=_at(editor, key, piece.offset)))
        return
    item = _ITEMS[piece.name]
    has = editor.register(U64 if item is CurrentItem.CGROUP_ID else I64)
    editor.add(ops.Current(result=has, item=item, site=_NOT_COUNTED))
    editor.store(key, editor.convert(has, U64), piece.offset)


def _field(editor: Editor, key: Reg, piece: Piece, value: Value) -> None:
    assert piece.field is not None
    size, type_ = piece.field.size, value.type
    if not isinstance(type_, PtrType) or piece.field.kind == "pointer":
        editor.store(key, editor.convert(value, IntType(8 * size, signed=False)), piece.offset)
        return
    target = _at(editor, key, piece.offset)
    if type_.space not in {Space.KERNEL, Space.USER}:
        editor.add(ops.CopyBytes(dst=target, src=value, size=size))
    elif piece.field.kind == "str":
        length = editor.register(I64)
        editor.add(ops.ReadStr(result=length, dst=target, size=size, src=value, site=_NOT_COUNTED))
    else:
        editor.add(ops.ReadBytes(dst=target, size=size, src=value, site=_NOT_COUNTED))


def _at(editor: Editor, key: Reg, offset: int) -> Reg:
    made = editor.register(key.type)
    editor.add(ops.Offset(result=made, ptr=key, delta=Const(offset, I64)))
    return made
