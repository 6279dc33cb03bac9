"""One access to a state's map: find its map, look a key up, put one in, take one out.

A state that can be drained has two maps with its data, of which the outer map (an array of maps
with one element) names the one that programs use now. A program looks that up once in each run; see
`syscast.frontend.python.inuse`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.frontend.python.inuse import in_use
from syscast.frontend.python.statebytes import put_constant
from syscast.ir.ops import (
    Branch,
    Compare,
    Convert,
    ExactCompare,
    Helper,
    MapAddr,
    Predicate,
    Raise,
    SlotAddr,
    SlotLoad,
    SlotStore,
)
from syscast.ir.types import BOOL, I32, I64, U32, U64, Const, PtrType, Space, Value

if TYPE_CHECKING:
    import ast

    from syscast.frontend.python.context import Lowering
    from syscast.state.state import State

_MAP = PtrType(Space.MAP)
_STACK = PtrType(Space.STACK)
_ANY, _NOEXIST = 0, 1  # flags of bpf_map_update_elem

HASHES = frozenset({"hash", "lru_hash", "percpu_hash", "lru_percpu_hash"})


class Access:
    """An access at one place of the source.

    Args:
        low: The function.
        node: The place.
        state: What is accessed.
        hint: Name for the state's map, where it has none yet.
    """

    def __init__(self, low: Lowering, node: ast.expr, state: State, hint: str) -> None:
        self.low = low
        self.node = node
        self.state = state
        self.map: str = low.unit.state(state, hint)
        self._span = low.span(node)
        self._handle: Value | None = None

    @property
    def is_hash(self) -> bool:
        """Whether keys can be missing."""
        return self.state.plan.type in HASHES

    # ------------------------------------------------------------ control flow

    def branch_null(self, pointer: Value, null: str, other: str) -> None:
        """End the block by whether a pointer is NULL."""
        low = self.low
        is_null = low.reg(BOOL)
        low.add(Compare(is_null, Predicate.EQ, pointer, Const(0, pointer.type), span=self._span))
        low.add(Branch(is_null, null, other, span=self._span))

    def raise_at(self, label: str, exception: str) -> None:
        """Begin the block ``label``, which ends the run with an exception counted at the place."""
        low = self.low
        site = low.site(self.node, exception)
        if exception == "FullError":
            low.unit.may_lose(self.map, site)
        low.builder.start(label)
        low.add(Raise(site, span=self._span))

    def need(self, pointer: Value, exception: str) -> None:
        """Go on only if a pointer is not NULL."""
        low = self.low
        missing, there = low.builder.label("missing"), low.builder.label("there")
        self.branch_null(pointer, missing, there)
        self.raise_at(missing, exception)
        low.builder.start(there)

    # ------------------------------------------------------------ the map

    @property
    def handle(self) -> Value:
        """The map that programs use now."""
        if self._handle is None:
            self._handle = self._find()
        return self._handle

    def _find(self) -> Value:
        low = self.low
        if self.state.plan.drained:
            return in_use(low, self.map, self.node)
        address = low.reg(PtrType(Space.CTX))
        low.add(MapAddr(address, self.map, span=self._span))
        return address

    def number(self, value: Value, room: str = "map index") -> Value:
        """The address of a u32; the one behind another address needs a room of its own."""
        low = self.low
        slot = low.rooms.get((room, 4))
        if slot is None:
            slot = low.rooms[room, 4] = low.builder.slot(room, U32, 4)
        low.add(SlotStore(slot, value, span=self._span))
        address = low.reg(_STACK)
        low.add(SlotAddr(address, slot))
        return address

    def lookup(self, key: Value) -> Value:
        """Pointer to the value under a key, or NULL."""
        found = self.low.reg(_MAP)
        self.low.add(Helper(found, "map_lookup_elem", (self.handle, key), span=self._span))
        return found

    def _failed(self, name: str, *args: Value) -> Value:
        """Whether a helper refused; its result is an int, see `passes.editor.Editor.failed`."""
        low = self.low
        result, short, failed = low.reg(U64), low.reg(I32), low.reg(BOOL)
        low.add(Helper(result, name, args, span=self._span))
        low.add(Convert(short, result, span=self._span))
        low.add(Compare(failed, Predicate.SLT, short, Const(0, I32), span=self._span))
        return failed

    def update(self, key: Value, value: Value) -> None:
        """Set a value, or FullError."""
        low = self.low
        failed = self._failed("map_update_elem", self.handle, key, value, Const(_ANY, U64))
        full, done = low.builder.label("full"), low.builder.label("stored")
        low.add(Branch(failed, full, done, span=self._span))
        self.raise_at(full, "FullError")
        low.builder.start(done)

    def delete(self, key: Value) -> Value:
        """Remove a key; whether it was missing."""
        return self._failed("map_delete_elem", self.handle, key)

    def present(self, key: Value, initial: bytes) -> Value:
        """Pointer to the value under a key, which is put in with ``initial`` where it is missing.

        If another CPU puts it in at the same moment, its value is the one that counts: the second
        lookup finds it. So nothing that is then added atomically is lost.
        """
        low, span = self.low, self._span
        found = self.lookup(key)
        if not self.is_hash:
            self.need(found, "IndexError")
            return found
        place = low.builder.slot("map place", _MAP, 8)
        low.add(SlotStore(place, found, span=span))
        insert, again, full, there = (
            low.builder.label(hint) for hint in ("insert", "again", "full", "there")
        )
        self.branch_null(found, insert, there)
        low.builder.start(insert)
        value = put_constant(low, self.node, initial)
        handle = self.handle
        low.add(
            Helper(None, "map_update_elem", (handle, key, value, Const(_NOEXIST, U64)), span=span)
        )
        low.jump(again)
        low.builder.start(again)
        second = self.lookup(key)
        low.add(SlotStore(place, second, span=span))
        self.branch_null(second, full, there)
        self.raise_at(full, "FullError")
        low.builder.start(there)
        result = low.reg(_MAP)
        low.add(SlotLoad(result, place, span=span))
        return result

    def index(self, value: Value) -> Value:
        """The address of an array's index, or IndexError."""
        low = self.low
        outside = low.builder.label("index.out")
        for predicate, bound in ((Predicate.SGE, 0), (Predicate.SLT, self.state.plan.entries)):
            inside = low.reg(BOOL)
            low.add(ExactCompare(inside, predicate, value, Const(bound, I64), span=self._span))
            step = low.builder.label("index.in")
            low.add(Branch(inside, step, outside, span=self._span))
            low.builder.start(step)
        fine = low.builder.label("index")
        low.jump(fine)
        self.raise_at(outside, "IndexError")
        low.builder.start(fine)
        narrow = low.reg(U32)
        low.add(Convert(narrow, value, span=self._span))
        return self.number(narrow)
