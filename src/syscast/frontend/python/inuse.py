"""The map of a state that programs use now, looked up once in each run, before anything else.

A state that can be drained has two maps with its data, and an outer map names the one in use; see
`syscast.loader.statemaps`. If each access looked there, a drain between two accesses of one run
would tear what belongs together: ``m[1] = m[1] + 1`` would carry a count that was drained already
into the other map, where it is counted again. So a program's first blocks find the maps of all the
states that it uses, and each access takes what they found. The program at a call's exit is a run of
its own, which finds them anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.frontend.python.context import InUse
from syscast.ir.ops import (
    Branch,
    Compare,
    Helper,
    Jump,
    MapAddr,
    Predicate,
    Raise,
    SlotAddr,
    SlotLoad,
    SlotStore,
)
from syscast.ir.types import BOOL, U32, Const, PtrType, Slot, Space, Value

if TYPE_CHECKING:
    import ast

    from syscast.frontend.python.context import Lowering
    from syscast.ir.program import Block

_MAP = PtrType(Space.MAP)


def in_use(low: Lowering, name: str, node: ast.expr) -> Value:
    """The map in use of a state.

    Args:
        low: The function.
        name: The state's map.
        node: Where the state is used.
    """
    held = low.in_use.get(name)
    if held is None:
        site = low.site(node, "FullError")
        low.unit.may_lose(name, site)
        held = InUse(low.builder.slot(f"{name} in use", _MAP, 8), site, low.span(node))
        low.in_use[name] = held
    result = low.reg(_MAP)
    low.add(SlotLoad(result, held.slot, span=low.span(node)))
    return result


def with_maps(low: Lowering) -> tuple[Block, ...]:
    """The blocks of a function that is complete, behind those that find the maps it uses."""
    builder = low.builder
    count = builder.count()
    if not low.in_use or not count:
        return builder.blocks()
    body = builder.blocks()[0].label
    builder.start(builder.label("maps"))
    zero = builder.slot("map in use", U32, 4)
    low.add(SlotStore(zero, Const(0, U32)))
    for name, held in low.in_use.items():
        _look_up(low, name, held, zero)
    low.add(Jump(body))
    blocks = builder.blocks()
    return blocks[count:] + blocks[:count]


def _look_up(low: Lowering, name: str, held: InUse, zero: Slot) -> None:
    """Find one map, and end the run where there is none."""
    builder, span = low.builder, held.span
    outer, key, found = low.reg(PtrType(Space.CTX)), low.reg(PtrType(Space.STACK)), low.reg(_MAP)
    low.add(MapAddr(outer, name, span=span))
    low.add(SlotAddr(key, zero, span=span))
    low.add(Helper(found, "map_lookup_elem", (outer, key), span=span))
    missing, there = builder.label("map.missing"), builder.label("map.found")
    is_null = low.reg(BOOL)
    low.add(Compare(is_null, Predicate.EQ, found, Const(0, _MAP), span=span))
    low.add(Branch(is_null, missing, there, span=span))
    builder.start(missing)
    low.add(Raise(held.site, span=span))
    builder.start(there)
    low.add(SlotStore(held.slot, found, span=span))
