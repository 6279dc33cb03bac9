"""Companion programs that follow a process: they keep the map ``followed`` while processes come and go.

The map holds the thread group ids of the followed processes. A child enters it when its parent is in it,
on ``sched_process_fork``: the new task is complete there and has not run yet, so nothing of it is
missed. A process leaves it on ``sched_process_free`` of its leader, when nobody can see the task any more: what it
does while it ends (closing files, say) still counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf.layout import find_member
from syscast.btf.types import Struct
from syscast.errors import TargetError
from syscast.ir.builder import Builder
from syscast.ir.ops import (
    Argument,
    Branch,
    Compare,
    Convert,
    FieldLoad,
    FieldRef,
    Finish,
    Helper,
    Jump,
    MapAddr,
    Predicate,
    SlotAddr,
    SlotStore,
)
from syscast.ir.program import Function
from syscast.ir.types import BOOL, I32, U8, U32, U64, Const, PtrType, Space
from syscast.probes import registry
from syscast.spec.meta import FOLLOWED_MAP

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.ir.program import ProgramContext
    from syscast.ir.types import Reg, Slot

ROLE = "follow"
_ZERO_ON_FAULT = -1  # site of a read that is not counted
_FORK = "sched_process_fork"
_FREE = "sched_process_free"


def companions(types: Btf) -> tuple[Function, ...]:
    """The programs that follow, without program ids.

    Raises:
        TargetError: The kernel has no such tracepoint or no BTF of its tasks.
    """
    return _fork(types), _free(types)


def _context(types: Btf, tracepoint: str) -> ProgramContext:
    kind = registry.get("raw_tracepoint")
    return kind.contexts(kind.resolve(tracepoint, types), role="probe")[0]


def _fork(types: Btf) -> Function:
    """(parent, child): the child is followed if the parent is."""
    body = _Body(types, _context(types, _FORK))
    body.start("entry")
    found = body.register(PtrType(Space.MAP))
    key = body.task_key(0, "parent")
    body.add(Helper(result=found, name="map_lookup_elem", args=(body.map(), key)))
    body.branch(found, Const(0, PtrType(Space.MAP)), same="out", other="add")
    body.start("add")
    key = body.task_key(1, "child")
    value = body.slot("value", U8, 1)
    body.add(SlotStore(slot=value, value=Const(1, U8)))
    arguments = (body.map(), key, body.address(value), Const(0, U64))
    body.add(Helper(result=None, name="map_update_elem", args=arguments))
    body.add(Jump(target="out"))
    return body.function("follow_fork")


def _free(types: Btf) -> Function:
    """(task): the process is forgotten with its leader."""
    body = _Body(types, _context(types, _FREE))
    body.start("entry")
    body.branch(body.field(0, "pid"), body.field(0, "tgid"), same="leader", other="out")
    body.start("leader")
    key = body.task_key(0, "task")
    body.add(Helper(result=None, name="map_delete_elem", args=(body.map(), key)))
    body.add(Jump(target="out"))
    return body.function("follow_free")


class _Body(Builder):
    """A function under construction, with what both need."""

    def __init__(self, types: Btf, context: ProgramContext) -> None:
        super().__init__()
        self._types = types
        self._context = context
        task = types.find("task_struct", Struct)
        if task is None:
            raise TargetError("struct 'task_struct': look up: the BTF does not have it")
        self._task = task

    def field(self, argument: int, name: str) -> Reg:
        """A member of the task that is the ``argument``-th of the tracepoint."""
        source = self._context.arguments[argument]
        member = find_member(self._types, self._task, name)
        if member is None:
            raise TargetError(f"struct 'task_struct': look up: it has no member '{name}'")
        reference = FieldRef(
            self._task, member.access, member.type_id, member.bit_offset, name=name
        )
        task = self.register(PtrType(Space.KERNEL, self._task, source.trusted))
        self.add(Argument(result=task, index=argument))
        value = self.register(I32)
        self.add(FieldLoad(result=value, base=task, field=reference, site=_ZERO_ON_FAULT))
        return value

    def task_key(self, argument: int, name: str) -> Reg:
        """The address of a slot with a task's thread group id."""
        slot = self.slot(name, U32, 4)
        key = self.register(U32)
        self.add(Convert(result=key, a=self.field(argument, "tgid")))
        self.add(SlotStore(slot=slot, value=key))
        return self.address(slot)

    def address(self, slot: Slot) -> Reg:
        """The address of a slot."""
        found = self.register(PtrType(Space.STACK))
        self.add(SlotAddr(result=found, slot=slot))
        return found

    def map(self) -> Reg:
        """The map's handle."""
        found = self.register(PtrType(Space.CTX))
        self.add(MapAddr(result=found, map=FOLLOWED_MAP))
        return found

    def branch(self, a: Reg, b: Reg | Const, *, same: str, other: str) -> None:
        """Go one of two ways."""
        equal = self.register(BOOL)
        self.add(Compare(result=equal, pred=Predicate.EQ, a=a, b=b))
        self.add(Branch(cond=equal, then=same, other=other))

    def function(self, name: str) -> Function:
        """End with the block ``out`` and make the function."""
        self.start("out")
        self.add(Finish())
        return Function(
            name=name,
            blocks=self.blocks(),
            slots=self.slots(),
            context=self._context,
            role=ROLE,
            probe=name,
            filtered=False,
        )
