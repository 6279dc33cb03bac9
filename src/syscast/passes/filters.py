"""The attach-time filters: tests of the running task before anything of the user's.

When: after the passes that prepend less urgent work (calls, stack_budget), before ledger, which counts
what the filters stop.
Why: a filter costs least in the kernel, before strings are read and records reserved.
How: which filters apply is in the config, read-only data that the loader writes and freezes: the
verifier takes the flags for a constant, and the code of filters that are off is dropped. The
exit of a call is not filtered: the entry's state says that it passed (a task may change
its comm and uid in between, as execve does).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.ir import config, ops
from syscast.ir.ops import BinaryOp, CurrentItem, Predicate
from syscast.ir.types import I64, U32, U64, Const
from syscast.passes import rowfilters
from syscast.passes.editor import MAP, each_function
from syscast.passes.sites import Sites
from syscast.spec.meta import (
    CGROUPS_MAP,
    FILTER_CGROUP,
    FILTER_COMM,
    FILTER_FOLLOW,
    FILTER_NETNS,
    FILTER_PID,
    FILTER_TID,
    FILTER_UID,
    FOLLOWED_MAP,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.btf.lookup import Btf
    from syscast.ir.program import Function, Program
    from syscast.ir.types import Reg, Value
    from syscast.passes.editor import Editor

_NOT_COUNTED = -1
_COMM = "@comm"
_COMM_SIZE = 16


def run(program: Program, btf: Btf) -> Program:
    """Put the filters before every filtered program, and the config into the data section."""
    if not any(_filtered(function) for function in program.functions):
        return program
    made = each_function(program, btf, Sites(program.sites), _edit)
    size = max(len(program.data), config.CONFIG_SIZE)
    return msgspec.structs.replace(made, data=program.data.ljust(size, b"\0"))


def _filtered(function: Function) -> bool:
    if rowfilters.is_iterator(function):
        return rowfilters.has_task(function)
    return function.filtered and function.context is not None and function.role != "exit"


def _edit(editor: Editor) -> None:
    if _filtered(editor.function):
        _prologue(editor)
    editor.walk(lambda _: False)


def _prologue(editor: Editor) -> None:
    editor.start_new("filters")
    stop = editor.label("filtered")
    flags = editor.load(_data(editor, config.FLAGS.offset), U32)
    # Where no filter is on, this leaves none of the masks below either.
    editor.when(editor.compare(Predicate.EQ, flags, 0), editor.entry, "filtering")
    for flag, test in _ROW_TESTS if rowfilters.is_iterator(editor.function) else _TESTS:
        apply, following = editor.label("filter"), editor.label("passed")
        wanted = editor.binary(BinaryOp.AND, flags, flag)
        editor.branch(editor.compare(Predicate.NE, wanted, 0), apply, following)
        editor.start(apply)
        editor.branch(test(editor), stop, following)
        editor.start(following)
    editor.jump(editor.entry)
    editor.start(stop)
    editor.add(ops.Finish())


def _data(editor: Editor, offset: int) -> Reg:
    made = editor.register(MAP)
    editor.add(ops.DataAddr(result=made, offset=offset))
    return made


def _differs(item: CurrentItem, offset: int) -> Callable[[Editor], Value]:
    def test(editor: Editor) -> Value:
        has = editor.register(I64)
        editor.add(ops.Current(result=has, item=item, site=_NOT_COUNTED))
        wanted = editor.convert(editor.load(_data(editor, offset), U32), I64)
        return editor.compare(Predicate.NE, has, wanted)

    return test


def _other_comm(editor: Editor) -> Value:
    comm = editor.address(editor.slot(_COMM, None, _COMM_SIZE))
    editor.add(ops.CurrentComm(dst=comm))
    wanted = _data(editor, config.COMM.offset)
    halves = [
        editor.binary(
            BinaryOp.XOR, editor.load(comm, U64, offset), editor.load(wanted, U64, offset)
        )
        for offset in (0, 8)
    ]
    return editor.compare(Predicate.NE, editor.binary(BinaryOp.OR, *halves), 0)


def _outside_cgroup(editor: Editor) -> Value:
    inside = editor.helper(
        "current_task_under_cgroup", editor.map(CGROUPS_MAP), Const(0, U32), type_=I64
    )
    return editor.compare(Predicate.NE, inside, 1)


def _not_followed(editor: Editor) -> Value:
    pid = editor.register(I64)
    editor.add(ops.Current(result=pid, item=CurrentItem.PID, site=_NOT_COUNTED))
    return editor.is_null(editor.lookup(FOLLOWED_MAP, editor.convert(pid, U32)))


_TESTS: tuple[tuple[int, Callable[[Editor], Value]], ...] = (
    (FILTER_PID, _differs(CurrentItem.PID, config.PID.offset)),
    (FILTER_TID, _differs(CurrentItem.TID, config.TID.offset)),
    (FILTER_FOLLOW, _not_followed),
    (FILTER_UID, _differs(CurrentItem.UID, config.UID.offset)),
    (FILTER_COMM, _other_comm),
    (FILTER_CGROUP, _outside_cgroup),
    (FILTER_NETNS, _differs(CurrentItem.NETNS, config.NETNS.offset)),
)
"""Flag, and what is true of a task that is to be left out; cheap ones first."""

_ROW_TESTS: tuple[tuple[int, Callable[[Editor], Value]], ...] = (
    (FILTER_PID, rowfilters.differs("tgid", lambda e: e.load(_data(e, config.PID.offset), U32))),
    (FILTER_TID, rowfilters.differs("pid", lambda e: e.load(_data(e, config.TID.offset), U32))),
)
"""The same for programs that the kernel runs for each row of a table of tasks."""
