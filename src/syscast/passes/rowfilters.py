"""Attach-time filters of iterator programs: they ask about the row's task, not the reader's.

Part of the pass filters. The kernel itself can walk through one process or thread alone where its
``bpf_iter_link_info`` has a task; elsewhere these tests leave out the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf.types import Struct
from syscast.ir import ops
from syscast.ir.ops import Access, Predicate
from syscast.ir.program import ITERATOR
from syscast.ir.types import U32, PtrType, Space
from syscast.passes.members import member

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.ir.program import Function
    from syscast.ir.types import Reg, Value
    from syscast.passes.editor import Editor

_TASK = "task"


def is_iterator(function: Function) -> bool:
    """Whether the filters of tasks mean nothing here, since the task is the reader."""
    return function.context is not None and function.context.kind == ITERATOR


def has_task(function: Function) -> bool:
    """Whether the rows are of tasks."""
    return _index(function) >= 0


def differs(name: str, wanted: Callable[[Editor], Reg]) -> Callable[[Editor], Value]:
    """A test whether a u32 member of the row's task is another than the wanted."""

    def test(editor: Editor) -> Value:
        type_id = editor.btf.find("task_struct", Struct) or 0
        task = editor.register(PtrType(Space.KERNEL, type_id))
        editor.add(ops.Argument(result=task, index=_index(editor.function)))
        has = editor.register(U32)
        field = member(editor.btf, type_id, name)
        editor.add(
            ops.FieldLoad(result=has, base=task, field=field, site=-1, access=Access.DIRECT)
        )
        return editor.compare(Predicate.NE, has, wanted(editor))

    return test


def _index(function: Function) -> int:
    names = [each.name for each in function.context.arguments] if function.context else []
    return names.index(_TASK) if _TASK in names else -1
